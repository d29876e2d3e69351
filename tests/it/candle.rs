//! Our layers against those of `candle_nn`, where these are right: convolutions with symmetric padding and their gradients at
//! stride 1, batch norm in inference, softmax and cross entropy, and whole networks made of them. There is no group norm
//! among ours.
//!
//! All are compared to a difference of `TOLERANCE` of the greatest magnitude: both sum thousands of terms in 32-bit floats,
//! in other orders.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{BatchNorm, Conv2dConfig, Linear, Module, ModuleT};
use repro::ml::conventions::Geometry;
use repro::ml::layers::affine::NormStart;
use repro::ml::layers::conv::ConvSize;
use repro::ml::layers::{ConvNorm, Inventory, Parameter, Parameters, Role};
use repro::ml::loss;
use repro::ml::models::{Architecture, Network, architecture};
use repro::ml::ops::conv::{Conv2d, Epilogue};
use repro::ml::ops::fuse;
use repro::ml::resample::Sampling;
use repro::ml::spec::{Choice, HeadConv, ModelSpec};
use repro::ml::weights::{Scheme, initial};
use repro::rng::Rng;

const TOLERANCE: f32 = 1e-5;

fn random(name: &str, shape: &[usize]) -> Tensor {
    let mut rng = Rng::new(11, name, 0);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.range(-1.0, 1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn near(what: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (values(found), values(expected));
    let greatest = expected.iter().fold(0.0_f32, |greatest, value| greatest.max(value.abs()));
    let apart = found.iter().zip(&expected).fold(0.0_f32, |apart, (a, b)| apart.max((a - b).abs()));
    assert!(greatest > 0.0 && apart <= TOLERANCE * greatest, "{what}: {apart} of {greatest}");
}

fn config(kernel: usize, op: Conv2d) -> Conv2dConfig {
    let Conv2d { stride, dilation, .. } = op;
    Conv2dConfig { padding: kernel / 2 * dilation, stride, dilation, groups: 1, cudnn_fwd_algo: None }
}

#[test]
fn convolutions_are_candles() {
    for (kernel, stride, dilation) in
        [(1, 1, 1), (3, 1, 1), (3, 1, 2), (3, 1, 4), (3, 1, 12), (1, 2, 1), (3, 2, 1), (7, 2, 1)]
    {
        let what = format!("{kernel}x{kernel}, stride {stride}, dilation {dilation}");
        let op = Conv2d { stride, dilation, ..Conv2d::default() };
        // Both sizes are odd, so that `SAME` pads alike on both sides.
        let (x, w) = (random("x", &[2, 5, 17, 21]), random("w", &[6, 5, kernel, kernel]));
        let (x, w) = (Var::from_tensor(&x).unwrap(), Var::from_tensor(&w).unwrap());
        let theirs = candle_nn::Conv2d::new(w.as_tensor().clone(), None, config(kernel, op)).forward(&x).unwrap();
        let ours = op.forward(&x, &w, Epilogue::default()).unwrap();
        near(&what, &ours, &theirs);
        if stride == 1 {
            let g = random("g", theirs.dims());
            let gradients = (&theirs * &g).unwrap().sum_all().unwrap().backward().unwrap();
            let by_input = op.backward_input([2, 5, 17, 21], &g, &w, None, Epilogue::default()).unwrap();
            near(&format!("{what}, by the input"), &by_input, gradients.get(&x).unwrap());
            let by_filter = Tensor::zeros(w.dims(), DType::F32, &Device::Cpu).unwrap();
            op.backward_weights(&x, &g, None, &by_filter).unwrap();
            near(&format!("{what}, by the filter"), &by_filter, gradients.get(&w).unwrap());
        }
    }
}

#[test]
fn a_pointwise_convolution_is_candles_linear_layer() {
    let (x, w) = (random("x", &[1, 7, 5, 9]), random("w", &[4, 7]));
    let pixels = x.flatten_from(2).unwrap().transpose(1, 2).unwrap().contiguous().unwrap();
    let theirs = Linear::new(w.clone(), None).forward(&pixels).unwrap().transpose(1, 2).unwrap();
    let op = Conv2d::default();
    let ours = op.forward(&x, &w.reshape((4, 7, 1, 1)).unwrap(), Epilogue::default()).unwrap();
    near("a pointwise convolution", &ours, &theirs.reshape(ours.dims()).unwrap());
}

/// A batch norm of candle's with the parameters below `place`.
fn batch_norm(values: &HashMap<String, Tensor>, place: &str) -> BatchNorm {
    let [gamma, beta, mean, variance] =
        ["gamma", "beta", "mean", "variance"].map(|part| values[&format!("{place}/norm/{part}")].clone());
    BatchNorm::new(gamma.elem_count(), mean, variance, gamma, beta, Geometry::TENSORFLOW.epsilon).unwrap()
}

/// The values of all parameters by name.
fn by_name(parameters: &Parameters) -> HashMap<String, Tensor> {
    let value = |(id, parameter): (_, &Parameter)| (parameter.name.clone(), parameters.view(id).unwrap());
    parameters.inventory().iter().map(value).collect()
}

/// Values of batch norms that change what they are given; the others are those of the stable initialisation.
fn start(parameter: &Parameter) -> repro::ml::error::Result<Vec<f32>> {
    let mut values = initial(Scheme::Stable, 1, parameter);
    if parameter.role == Role::Norm {
        let mut rng = Rng::new(3, &parameter.name, 0);
        for value in &mut values {
            *value = if *value == 0.0 { rng.range(-0.3, 0.3) } else { *value * rng.range(0.5, 1.5) };
        }
    }
    Ok(values)
}

#[test]
fn a_convolution_with_batch_norm_is_candles_in_inference() {
    for trainable in [false, true] {
        let mut inventory = Inventory::default();
        let op = Conv2d { dilation: 2, ..Conv2d::default() };
        let size = ConvSize { input: 5, output: 6, kernel: 3, op };
        let layer = ConvNorm::add(
            &mut inventory,
            "a",
            size,
            NormStart { gamma: 1.0, variance: 1.0, trainable, epsilon: 1e-3, role: Role::Norm },
        );
        let parameters = Parameters::build(inventory.into(), &Device::Cpu, start).unwrap();
        let (all, x) = (by_name(&parameters), random("x", &[2, 5, 9, 11]));
        let theirs = candle_nn::Conv2d::new(all["a/weights"].clone(), None, config(3, op)).forward(&x).unwrap();
        let theirs = batch_norm(&all, "a").forward_t(&theirs, false).unwrap();
        let ours = layer.fold(&parameters).unwrap();
        near("a convolution with batch norm", &Module::forward(&ours, &x).unwrap(), &theirs);
        near("and a ReLU", &ours.forward(&x, None, true).unwrap(), &theirs.relu().unwrap());
    }
}

#[test]
fn softmax_and_cross_entropy_are_candles() {
    let logits = Var::from_tensor(&(random("logits", &[2, 5, 4, 6]) * 4.0).unwrap()).unwrap();
    near(
        "the softmax's logarithm",
        &fuse::log_softmax(&logits).unwrap(),
        &candle_nn::ops::log_softmax(&logits, 1).unwrap(),
    );
    // Candle's has no label to ignore.
    let labels: Vec<u8> = (0..2 * 4 * 6).map(|at| (at * 7 % 5) as u8).collect();
    let rows = logits.permute((0, 2, 3, 1)).unwrap().reshape((2 * 4 * 6, 5)).unwrap();
    let targets = Tensor::from_iter(labels.iter().map(|&label| u32::from(label)), &Device::Cpu).unwrap();
    let theirs = candle_nn::loss::cross_entropy(&rows, &targets).unwrap();
    let ours = loss::cross_entropy(&logits, &labels, [4, 6], Sampling::Legacy).unwrap();
    let expected = f64::from(theirs.to_scalar::<f32>().unwrap());
    assert!((ours.cross_entropy / expected - 1.0).abs() < 1e-6, "{} {expected}", ours.cross_entropy);
    near("the gradient by the logits", &ours.gradient, theirs.backward().unwrap().get(&logits).unwrap());
}

/// The logits of a network without a pre-filter, by candle's layers alone.
fn logits(spec: &ModelSpec, shape: &Architecture, all: &HashMap<String, Tensor>, images: &Tensor) -> Tensor {
    let conv = |x: &Tensor, weights: &str, bias: Option<&str>, op: Conv2d| {
        let weights = all[weights].clone();
        let config = config(weights.dims()[2], op);
        candle_nn::Conv2d::new(weights, bias.map(|bias| all[bias].clone()), config).forward(x).unwrap()
    };
    let conv_norm = |x: &Tensor, place: &str, op: Conv2d| {
        batch_norm(all, place).forward_t(&conv(x, &format!("{place}/weights"), None, op), false).unwrap()
    };
    let stem = conv(images, "stem/conv/weights", None, Conv2d { stride: 2, ..Conv2d::default() });
    let stem = batch_norm(all, "stem").forward_t(&stem, false).unwrap().relu().unwrap();
    let padded = stem.pad_with_zeros(2, 1, 1).unwrap().pad_with_zeros(3, 1, 1).unwrap();
    let mut x = padded.max_pool2d_with_stride(3, 2).unwrap();
    for block in shape.blocks(&spec.geometry) {
        let place = |part: &str| format!("{}/{part}", block.name);
        let shortcut = block.shape.shortcut.map_or(x.clone(), |shape| conv_norm(&x, &place(shape.part), shape.op));
        for (left, shape) in (0..block.shape.path.len()).rev().zip(&block.shape.path) {
            x = conv_norm(&x, &place(shape.part), shape.op);
            x = if left == 0 { (&x + &shortcut).unwrap().relu().unwrap() } else { x.relu().unwrap() };
        }
    }
    let branch = |HeadConv { name, dilation, .. }: &HeadConv| {
        let [weights, biases] = ["weights", "biases"].map(|part| format!("head/{name}/{part}"));
        conv(&x, &weights, Some(&biases), Conv2d { dilation: *dilation, ..Conv2d::default() })
    };
    spec.head.convolutions().iter().map(branch).reduce(|a, b| (a + b).unwrap()).unwrap()
}

#[test]
fn networks_are_what_candles_layers_make() {
    for encoder in ["Tiny", "ResNet18"] {
        let spec = ModelSpec::new(Choice::new(encoder), 4, Choice::new("Regular"));
        let network = Network::build(&spec, &Device::Cpu, start).unwrap();
        // All sizes within the network are odd, so that `SAME` pads alike on both sides.
        let images = (random("images", &[1, 3, 33, 49]) * 100.0).unwrap();
        let shape = architecture(&spec.encoder).unwrap();
        let theirs = logits(&spec, &shape, &by_name(network.parameters()), &images);
        near(encoder, &Module::forward(&network, &images).unwrap(), &theirs);
    }
}
