//! Whole trainings on a GPU against the processor's, in 32-bit floats and in bfloat16, and against themselves.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use super::super::{activation, launched};
use super::{Cases, Place, Tolerance, random, values};
use crate::ml::conventions::Geometry;
use crate::ml::device::first_gpu;
use crate::ml::gpu::emulated;
use crate::ml::gpu::plan::{ConvShape, Direction};
use crate::ml::layers::Parameter;
use crate::ml::layers::prefilter::{PREFILTERS, variants};
use crate::ml::models::{Architecture, Network, architecture, basic_blocks};
use crate::ml::numerics::Precision;
use crate::ml::optim::{Schedule, Sgd};
use crate::ml::spec::{Choice, ModelSpec};
use crate::ml::train::{Batch, Settings, Trainer};
use crate::ml::weights::{Scheme, initial, initialise};

const SETTINGS: Settings = Settings::new(
    Sgd { lr: 1e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
    Schedule::Constant,
    2,
);

/// Two steps in sums of another order. Where a sum stands near zero, its ReLU may let through what the processor's does not,
/// and all that follows differs by that much: so far it is told and no failure, and the operations alone decide.
const STEPS: Tolerance = Tolerance { near: 2e-5, far: 1e-2 };

/// Two steps of training of a small network of each dilated type in all variants, learned batch norms included: what the
/// steps saw, and the weights after them.
#[test]
fn training_agrees() {
    let cases = Cases::default();
    let labels: Vec<u8> = (0..33 * 40).map(|i| (i / 50 % 5) as u8).collect();
    let images = (random("images", &[1, 3, 33, 40]) * 100.0).unwrap();
    let tiny = architecture(&Choice::new("Tiny")).unwrap();
    let norms = Architecture { trainable_norm: true, ..tiny.clone() };
    // The last convolution of these blocks is dilated as well.
    let basic = basic_blocks(4, [4, 8, 8, 8], [1, 1, 1, 2]);
    let networks = variants().into_iter().map(|prefilter| (tiny.clone(), prefilter));
    for (shape, prefilter) in networks.chain([(norms, Choice::new("Regular")), (basic, Choice::new("Average"))]) {
        let spec = ModelSpec::new(Choice::new("Tiny"), 4, prefilter);
        let start = |parameter: &Parameter| Ok(initial(Scheme::Stable, 7, parameter));
        cases.agree_in(
            DType::F32,
            &format!("training {spec:?} {shape:?}"),
            STEPS,
            std::slice::from_ref(&images),
            |x| {
                let network = Network::with_architecture(&spec, &shape, x[0].device(), start).unwrap();
                let mut trainer = Trainer::new(network).unwrap();
                let reports = [0, 1].map(|_| {
                    trainer.update(&SETTINGS, &[1.0, 0.75], &[Batch { images: &x[0], labels: &labels }]).unwrap()
                });
                let losses = reports.iter().map(|report| report.loss as f32);
                vec![
                    Tensor::from_iter(losses, &Device::Cpu).unwrap(),
                    trainer.gradients().flat().clone(),
                    trainer.network.parameters().trainable().clone(),
                ]
            },
        );
    }
}

/// Training in bfloat16 goes the way of training in 32-bit floats, but not quite: of a small network of each dilated type,
/// at two scales, two steps. Losses are within a hundredth, and the gradient's direction is the same within a few degrees.
/// What is computed again has the same bits here too.
#[test]
fn training_in_bfloat16_goes_the_same_way() {
    let labels: Vec<u8> = (0..33 * 40).map(|i| (i / 50 % 5) as u8).collect();
    let pixels = (random("images", &[1, 3, 33, 40]) * 100.0).unwrap();
    let trained = |device: &Device, prefilter: &str, precision: Precision, recompute: usize| {
        let spec = ModelSpec::new(Choice::new("Tiny"), 4, Choice::new(prefilter));
        let mut trainer = Trainer::new(initialise(&spec, device, Scheme::Stable, 7).unwrap()).unwrap();
        let settings = Settings { precision, recompute, ..SETTINGS };
        let images = activation::enter(&pixels, device).unwrap();
        let batch = [Batch { images: &images, labels: &labels }];
        let steps = [0, 1].map(|_| trainer.update(&settings, &[1.0, 0.75], &batch).unwrap().cross_entropy);
        (steps, values(trainer.gradients().flat()))
    };
    let compare = |device: &Device| {
        for entry in PREFILTERS {
            let [wide, narrow] = [Precision::Fp32, Precision::Bf16].map(|p| trained(device, entry.name, p, 0));
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let norms = (dot(&wide.1, &wide.1) * dot(&narrow.1, &narrow.1)).sqrt();
            let (cosine, losses) = (dot(&wide.1, &narrow.1) / norms, wide.0.into_iter().zip(narrow.0));
            let apart: Vec<f64> = losses.map(|(a, b)| (a - b).abs() / a).collect();
            eprintln!("{}: losses apart by {apart:?}, cosine of the gradients {cosine}", entry.name);
            assert!(apart.iter().all(|apart| (1e-7..1e-2).contains(apart)), "{}: {apart:?}", entry.name);
            assert!((0.99..0.9999999).contains(&cosine), "{}: {cosine}", entry.name);
            assert!(trained(device, entry.name, Precision::Bf16, 2) == narrow, "{}", entry.name);
        }
    };
    if let Some(place) = Place::all() {
        place.run(compare);
    }
    let refused = activation::cast(&pixels, DType::BF16).unwrap_err();
    assert!(refused.to_string().contains("BF16") && refused.hint().contains("Fp32"), "{refused}");
}

/// A training step asks a GPU's library for each convolution that the network lists, in each of its passes, and for no other:
/// of each dilated type, with paddings that are and that are not equal on both sides. It does not ask for the gradient by the
/// images.
#[test]
fn a_training_step_asks_for_the_convolutions_that_the_network_lists() {
    if !emulated::possible() {
        return;
    }
    let labels: Vec<u8> = (0..2 * 33 * 40).map(|i| (i / 50 % 5) as u8).collect();
    let pixels = (random("images", &[2, 3, 33, 40]) * 100.0).unwrap();
    let tiny = architecture(&Choice::new("Tiny")).unwrap();
    let basic = basic_blocks(4, [4, 8, 8, 8], [1, 1, 1, 2]);
    let regular = || Choice::new("Regular");
    let types = variants().into_iter().map(|prefilter| (&tiny, prefilter, Geometry::TENSORFLOW));
    let others = [(&tiny, regular(), Geometry::CAFFE), (&basic, regular(), Geometry::TORCHVISION)];
    let start = |parameter: &Parameter| Ok(initial(Scheme::Stable, 7, parameter));
    for (shape, prefilter, geometry) in types.chain(others) {
        let spec = ModelSpec { geometry, ..ModelSpec::new(Choice::new("Tiny"), 4, prefilter) };
        let (listed, asked) = emulated::on_gpu(|| {
            let network = Network::with_architecture(&spec, shape, &Device::Cpu, start).unwrap();
            let listed = network.convolutions(2, [33, 40]).unwrap();
            let mut trainer = Trainer::new(network).unwrap();
            let images = activation::enter(&pixels, &Device::Cpu).unwrap();
            let (_, asked) = launched::convolutions(|| trainer.step(&SETTINGS, &images, &labels).unwrap());
            (listed, asked)
        });
        for (direction, first) in [(Direction::Forward, 0), (Direction::Input, 1), (Direction::Weights, 0)] {
            let found = asked.iter().filter(|asked| asked.direction == direction).map(|asked| asked.shape);
            let expected = listed[first..].iter().copied();
            assert_eq!(counted(found), counted(expected), "{spec:?} {direction:?}");
        }
    }
}

/// How often each shape occurs.
fn counted(shapes: impl Iterator<Item = ConvShape>) -> HashMap<ConvShape, usize> {
    let mut counts = HashMap::new();
    for shape in shapes {
        *counts.entry(shape).or_default() += 1;
    }
    counts
}

/// Two trainings on the GPU, the deterministic way: the same bytes.
#[test]
fn training_twice_gives_the_same_bytes() {
    let Some(device) = first_gpu() else { return };
    let labels: Vec<u8> = (0..2 * 161 * 161).map(|i| (i / 50 % 5) as u8).collect();
    let images = activation::enter(&(random("images", &[2, 3, 161, 161]) * 100.0).unwrap(), &device).unwrap();
    let types = ["Regular", "Average", "Aggregation", "GroupInteraction"];
    for (prefilter, precision) in types.iter().flat_map(|&t| [(t, Precision::Fp32), (t, Precision::Bf16)]) {
        let spec = ModelSpec::new(Choice::new("ResNet50"), 5, Choice::new(prefilter));
        let trained = || {
            let mut trainer = Trainer::new(initialise(&spec, &device, Scheme::Stable, 7).unwrap()).unwrap();
            let settings = Settings { precision, ..SETTINGS };
            (0..4).for_each(|_| drop(trainer.step(&settings, &images, &labels).unwrap()));
            values(trainer.network.parameters().trainable())
        };
        assert!(trained() == trained(), "{prefilter} {precision:?}");
    }
}

/// A step of the whole network at its real widths: the loss, the gradient of each parameter and the weights after it. It needs
/// a GPU, or NVIDIA's libraries as `.ci/emulation` makes them: with these it takes two minutes.
#[test]
fn a_step_at_real_widths_agrees() {
    let Some(device) = first_gpu() else { return };
    let cases = Cases::default();
    let side = 97;
    let labels: Vec<u8> = (0..2 * side * side).map(|i| (i / 50 % 21) as u8).collect();
    let pixels = (random("images", &[2, 3, side, side]) * 100.0).unwrap();
    for prefilter in ["Regular", "Average", "Aggregation"] {
        let spec = ModelSpec::new(Choice::new("ResNet50"), 21, Choice::new(prefilter));
        let step = |device: &Device| {
            let mut trainer = Trainer::new(initialise(&spec, device, Scheme::Stable, 7).unwrap()).unwrap();
            let images = activation::enter(&pixels, device).unwrap();
            let report = trainer.step(&SETTINGS, &images, &labels).unwrap();
            let inventory = trainer.network.parameters().inventory();
            let gradient = |(id, parameter): (_, &Parameter)| {
                let slot = trainer.gradients().slot(id).unwrap()?;
                Some((format!("the gradient of {}", parameter.name), values(&slot)))
            };
            let mut found = vec![("the loss".to_owned(), vec![report.loss as f32])];
            found.extend(inventory.iter().filter_map(gradient));
            found.push(("the weights".to_owned(), values(trainer.network.parameters().trainable())));
            found
        };
        for ((what, found), (_, expected)) in step(&device).into_iter().zip(step(&Device::Cpu)) {
            let what = format!("ResNet50 with {prefilter}, {what}");
            cases.compare_norms(&what, Tolerance { near: 1e-4, far: 1e-2 }, &found, &expected);
        }
    }
}
