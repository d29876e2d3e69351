//! Logits that PyTorch left: what `.ci/torch_maps.py record` printed with PyTorch 1.13, for machines without it.
//!
//! Weights and pixels are no file: both programs draw them by the same generator from the names of the parameters.

use candle_core::{Device, Tensor};

use super::network::Network;
use crate::ml::conventions::Geometry;
use crate::ml::inference::{Fuse, Inference, scores};
use crate::ml::layers::Parameter;
use crate::ml::resample::Sampling;
use crate::ml::spec::{Choice, ModelSpec};

/// Numbers in `[0, 1)` that follow from a name: a linear congruential generator from its FNV-1a hash.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let hash = |state: u32, byte: u8| (state ^ u32::from(byte)).wrapping_mul(16_777_619);
    let mut state = name.bytes().fold(2_166_136_261, hash);
    (0..count).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1_u32 << 24)
    })
}

fn values(parameter: &Parameter) -> Vec<f32> {
    let name = parameter.name.as_str();
    let part = name.rsplit('/').next().unwrap();
    let of = |u: f64| match part {
        "weights" => {
            let gain = if name.starts_with("head") { 1.0 } else { 0.1 };
            let inputs: usize = parameter.shape[1..].iter().product();
            (2.0 * u - 1.0) * (gain * (3.0 / inputs as f64).sqrt())
        }
        "variance" => (0.2 + 1.8 * u) * if name.starts_with("stem") { 42.0 } else { 0.01 },
        "gamma" => 0.5 + u,
        "mean" => (2.0 * u - 1.0) * 0.02,
        _ => (2.0 * u - 1.0) * 0.3,
    };
    uniform(name, parameter.len()).map(|u| of(u) as f32).collect()
}

/// The conventions, whether three scales are fused, the size of the image, and twelve logits at that size.
type Recorded = (Geometry, bool, [usize; 2], [f32; 12]);

#[rustfmt::skip]
fn recorded() -> [Recorded; 5] {
    [
        (Geometry::CAFFE, false, [33, 40], [0.457226, 0.46044, -0.51817, 0.597492, -0.114969, 0.220829, 0.162182, -0.536476, 0.662586, -0.0745284, -0.0433322, 0.351916]),
        (Geometry::CAFFE, true, [36, 49], [0.939077, 0.359435, -0.330454, 0.627289, 0.150574, 0.782274, 0.314887, -0.352893, 0.706714, 0.279454, 0.608763, 0.32969]),
        (Geometry { upsampling: Sampling::AlignCorners, ..Geometry::CAFFE }, false, [36, 49], [0.939077, 0.386395, -0.331275, 0.596361, 0.0370393, 0.61588, 0.366312, -0.370968, 0.66899, 0.263346, 0.66896, 0.304511]),
        (Geometry::TORCHVISION, false, [33, 40], [0.604713, 0.477189, -0.512594, 0.564843, -0.0412683, 0.259892, 0.213143, -0.422439, 0.637213, -0.0711557, 0.00701172, 0.291889]),
        (Geometry::TORCHVISION, false, [36, 49], [0.984598, 0.269759, -0.399722, 0.56248, 0.0303667, 0.80461, 0.14417, -0.33194, 0.641882, 0.414239, 0.606424, 0.304821]),
    ]
}

#[test]
fn logits_that_pytorch_left_are_computed_here() {
    for (geometry, scales, [height, width], expected) in recorded() {
        let spec = ModelSpec { geometry, ..ModelSpec::new(Choice::new("Tiny"), 5, Choice::new("Regular")) };
        let network = Network::build(&spec, &Device::Cpu, |parameter| Ok(values(parameter))).unwrap();
        let pixels: Vec<f32> = uniform("pixels", 3 * height * width).map(|u| (240.0 * u - 110.0) as f32).collect();
        let images = Tensor::from_vec(pixels, (1, 3, height, width), &Device::Cpu).unwrap();
        let fused = Inference { scales: vec![1.0, 0.5, 0.75], flip: false, fuse: Fuse::Max };
        let inference = if scales { fused } else { Inference::default() };
        let logits = scores(&network, &images, &inference).unwrap().whole().unwrap();
        let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
        for (k, expected) in expected.into_iter().enumerate() {
            let found = logits[(k % 5 * height + 7 * k % height) * width + 11 * k % width];
            assert!((found - expected).abs() < 5e-6, "{geometry:?} on {height} x {width}, {k}: {found} {expected}");
        }
    }
}
