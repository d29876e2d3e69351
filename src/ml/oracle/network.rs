//! Whole networks against their definition: logits, loss, and the gradients by the image and every parameter.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::array::{Array, Values};
use super::compare::{Worst, compare, compare_gradient, values};
use super::operations::{convolve, cross_entropy, dilated, max_pool, relu, resized};
use super::tape::{Num, Tape};
use crate::ml::conventions::Geometry;
use crate::ml::layers::prefilter::variants;
use crate::ml::layers::{Gradients, Parameter, Role};
use crate::ml::loss;
use crate::ml::models::{Architecture, Network, Site, basic_blocks, bottlenecks};
use crate::ml::ops::conv::Conv2d;
use crate::ml::ops::pool::MaxPool;
use crate::ml::ops::resize;
use crate::ml::resample::Sampling;
use crate::ml::spec::{Arg, Choice, HeadConv, HeadSpec, ModelSpec};
use crate::ml::weights::{Scheme, initial};
use crate::rng::Rng;

/// Frozen batch norm.
fn norm<'t>(x: &Array<'t>, place: &str, v: &Values<'t>, epsilon: f64) -> Array<'t> {
    let [gamma, beta, mean, variance] =
        ["gamma", "beta", "mean", "variance"].map(|part| &v[&format!("{place}/norm/{part}")].data);
    let rates: Vec<Num<'t>> = variance.iter().map(|&v| Num::from(1.0) / (v + Num::from(epsilon)).sqrt()).collect();
    Array::image(x.sizes(), |at| (x.at(at) - mean[at[1]]) * rates[at[1]] * gamma[at[1]] + beta[at[1]])
}

fn sum<'t>(a: &Array<'t>, b: &Array<'t>) -> Array<'t> {
    Array::image(a.sizes(), |at| a.at(at) + b.at(at))
}

/// The logits of `images` from the network that `spec` describes, of the shape `shape` with the values `v`.
pub fn logits<'t>(spec: &ModelSpec, shape: &Architecture, v: &Values<'t>, images: &Array<'t>) -> Array<'t> {
    let (choice, geometry) = (&spec.prefilter, &spec.geometry);
    let norm = |x: &Array<'t>, place: &str| norm(x, place, v, geometry.epsilon);
    let conv = |x: &Array<'t>, place: &str, op: Conv2d| norm(&convolve(x, &v[&format!("{place}/weights")], op), place);
    let rates = match choice.args.get("rates") {
        Some(Arg::Ints(rates)) => rates.iter().map(|&rate| rate as usize).collect(),
        _ if choice.name == "Multigrid" => vec![1, 2, 4],
        _ => vec![1],
    };
    let stem = Conv2d { stride: 2, dilation: 1, padding: geometry.padding };
    let mut x = max_pool(&relu(&norm(&convolve(images, &v["stem/conv/weights"], stem), "stem")), geometry.pool);
    for block in shape.blocks(&spec.geometry) {
        let place = |part: &str| format!("{}/{part}", block.name);
        let mut path = None;
        for (left, shape) in (0..block.shape.path.len()).rev().zip(&block.shape.path) {
            let (input, place) = (path.as_ref().unwrap_or(&x), place(shape.part));
            let sums = match shape.op.dilation {
                1 => conv(input, &place, shape.op),
                d => norm(&dilated(choice, d * rates[block.number % rates.len()], input, &place, v), &place),
            };
            path = Some(if left == 0 { sums } else { relu(&sums) });
        }
        let shortcut = block.shape.shortcut.map(|shape| conv(&x, &place(shape.part), shape.op));
        x = relu(&sum(&path.unwrap(), shortcut.as_ref().unwrap_or(&x)));
    }
    if spec.head.inner(shape.channels()).is_some() {
        x = relu(&conv(&x, "head/inner", Conv2d::default()));
    }
    let branches = spec.head.convolutions().into_iter().map(|HeadConv { name, dilation, .. }| {
        let [weights, biases] = ["weights", "biases"].map(|part| &v[&format!("head/{name}/{part}")]);
        let sums = convolve(&x, weights, Conv2d { dilation, ..Conv2d::default() });
        Array::image(sums.sizes(), |at| sums.at(at) + biases.data[at[1]])
    });
    branches.reduce(|a, b| sum(&a, &b)).unwrap()
}

/// The parameters of `network` as variables.
pub fn variables<'t>(tape: &'t Tape, network: &Network) -> Values<'t> {
    let parameters = network.parameters();
    let value = |(id, parameter): (_, &Parameter)| {
        let data = values(&parameters.view(id).unwrap());
        (parameter.name.clone(), Array::variables(tape, &parameter.shape, &data))
    };
    parameters.inventory().iter().map(value).collect()
}

/// The first values of a parameter, those of pre-filters and norms beside where they start. One channel of each block
/// has a factor of zero, which passes nothing on, and a gradient nevertheless where the ReLU lets it pass.
fn beside_the_start(parameter: &Parameter) -> Vec<f32> {
    let mut values = initial(Scheme::Stable, 1, parameter);
    let mut rng = Rng::new(3, &parameter.name, 0);
    for value in &mut values {
        match parameter.role {
            Role::Prefilter => *value += rng.range(-0.2, 0.2),
            Role::Norm | Role::HeadNorm if *value == 0.0 => *value = rng.range(-0.3, 0.3),
            Role::Norm | Role::HeadNorm => *value *= rng.range(0.5, 1.5),
            _ => {}
        }
    }
    match parameter.name.rsplit_once("middle/norm/") {
        Some((_, "gamma")) => values[0] = 0.0,
        Some((_, "beta")) => values[0] = 0.5,
        _ => {}
    }
    values
}

/// How near a ReLU or a maximum may be to deciding otherwise: some roundings of 32 bits.
const MARGIN: f64 = 1e-6;

/// Every type, at odd and rectangular sizes, with and without trained norms.
#[test]
fn networks_of_every_type_are_their_definition() {
    let multigrid = Choice::new("Multigrid").with("rates", Arg::Ints(vec![2, 1]));
    let mut worsts = Worsts { tensors: Worst::within(1e-5), numbers: Worst::within(1e-4) };
    for prefilter in variants().into_iter().chain([multigrid]) {
        let bottlenecks = bottlenecks(4, [8, 16, 16, 32], [1, 2, 2, 3]);
        let trained = Architecture { trainable_norm: true, ..bottlenecks.clone() };
        let basic = Architecture { trainable_norm: true, ..basic_blocks(4, [4, 6, 8, 8], [1, 2, 2, 1]) };
        for (shape, images, size) in [(bottlenecks, 2, [33, 65]), (trained, 1, [47, 61]), (basic, 1, [33, 41])] {
            let spec = ModelSpec::new(Choice::new("Tiny"), 5, prefilter.clone());
            let start = |parameter: &Parameter| Ok(beside_the_start(parameter));
            let network = Network::with_architecture(&spec, &shape, &Device::Cpu, start).unwrap();
            // Where a decision is within rounding, another input is drawn.
            assert!((0..9).any(|seed| agrees(&mut worsts, &network, &shape, seed, [images, size[0], size[1]])));
        }
    }
    worsts.tell();
}

/// Every head, with and without trained norms.
#[test]
fn networks_with_every_head_are_their_definition() {
    let mut worsts = Worsts { tensors: Worst::within(1e-5), numbers: Worst::within(1e-4) };
    let heads = [HeadSpec::Aspp { rates: vec![2, 5] }, HeadSpec::LargeFov { rate: 3 }, HeadSpec::Fcn];
    for (head, trainable_norm) in heads.iter().flat_map(|head| [false, true].map(|trained| (head, trained))) {
        let shape = Architecture { trainable_norm, ..bottlenecks(4, [8, 16, 16, 32], [1, 1, 2, 1]) };
        let plain = ModelSpec::new(Choice::new("Tiny"), 5, Choice::new("Average"));
        let spec = ModelSpec { head: head.clone(), ..plain };
        let start = |parameter: &Parameter| Ok(beside_the_start(parameter));
        let network = Network::with_architecture(&spec, &shape, &Device::Cpu, start).unwrap();
        assert!((0..9).any(|seed| agrees(&mut worsts, &network, &shape, seed, [2, 33, 49])), "{head:?}");
    }
    worsts.tell();
}

/// Every convention, at odd and even sizes: the two other sets, and those parts that they do not have.
#[test]
fn networks_of_every_geometry_are_their_definition() {
    let mut worsts = Worsts { tensors: Worst::within(1e-5), numbers: Worst::within(1e-4) };
    let aligned = Geometry { upsampling: Sampling::AlignCorners, pool: MaxPool::Symmetric, ..Geometry::TENSORFLOW };
    let bottlenecks = bottlenecks(4, [8, 16, 16, 32], [1, 2, 2, 1]);
    let basic = basic_blocks(4, [4, 6, 8, 8], [1, 2, 2, 1]);
    for (geometry, prefilter) in [
        (Geometry::CAFFE, "Average"),
        (Geometry::TORCHVISION, "Regular"),
        (Geometry::TORCHVISION, "GroupInteraction"),
        (aligned, "Gaussian"),
    ] {
        let choice = variants().into_iter().find(|choice| choice.name == prefilter).unwrap();
        for (shape, size) in [(&bottlenecks, [32, 41]), (&basic, [35, 48])] {
            let spec = ModelSpec { geometry, ..ModelSpec::new(Choice::new("Tiny"), 5, choice.clone()) };
            let start = |parameter: &Parameter| Ok(beside_the_start(parameter));
            let network = Network::with_architecture(&spec, shape, &Device::Cpu, start).unwrap();
            let sides = size.map(|side| shape.output_size(side, &geometry));
            let images = Tensor::zeros((1, 3, size[0], size[1]), candle_core::DType::F32, &Device::Cpu).unwrap();
            assert_eq!(network.forward(&images).unwrap().dims()[2..], sides, "{geometry:?}");
            assert!(
                (0..9).any(|seed| agrees(&mut worsts, &network, shape, seed, [1, size[0], size[1]])),
                "{geometry:?}"
            );
        }
    }
    worsts.tell();
}

impl Worsts {
    fn tell(self) {
        let Worsts { tensors, numbers } = self;
        eprintln!("networks against 64-bit arithmetic: {tensors}, sigmas and factors {numbers}");
    }
}

/// What is compared within what.
struct Worsts {
    tensors: Worst,
    /// Gradients by a few numbers, which are what is left of sums over all pixels of all layers.
    numbers: Worst,
}

/// Holds a network against its definition, unless a decision is too near.
fn agrees(
    Worsts { tensors: worst, numbers }: &mut Worsts,
    network: &Network,
    shape: &Architecture,
    seed: u64,
    [n, height, width]: [usize; 3],
) -> bool {
    let what = format!("{:?} on {n} of {height} x {width}", network.spec().prefilter);
    let mut rng = Rng::new(seed, "pixels", 0);
    let pixels: Vec<f32> = (0..n * 3 * height * width).map(|_| rng.range(-110.0, 140.0)).collect();
    // Five classes, one more that is none, and what is ignored.
    let labels: Vec<u8> = (0..n * height * width).map(|_| [0, 1, 2, 3, 4, 5, 255][rng.below(7) as usize]).collect();
    let tape = Tape::new();
    let (v, x) = (variables(&tape, network), Array::variables(&tape, &[n, 3, height, width], &pixels));
    let expected = logits(network.spec(), shape, &v, &x);
    if tape.margin() < MARGIN {
        return false;
    }
    let images = x.tensor();
    let passed = network.forward_train(&images, 0).unwrap();
    compare(worst, &what, &passed.logits, &expected);
    let sampling = network.spec().geometry.upsampling;
    let whole = resize::bilinear(&passed.logits, height, width, sampling).unwrap();
    compare(worst, &format!("{what}, resized"), &whole, &resized(&expected, [height, width], sampling));

    let loss = loss::cross_entropy(&passed.logits, &labels, [height, width], sampling).unwrap();
    let expected = cross_entropy(&expected, &labels, [height, width], sampling);
    worst.note(&format!("{what}, loss"), (loss.cross_entropy / expected.value - 1.0).abs());

    let gradient = tape.gradient(expected);
    let gradients = Gradients::zeros(Arc::clone(network.parameters().inventory()), &Device::Cpu).unwrap();
    network.backward(passed, &loss.gradient, &gradients).unwrap();
    for (id, parameter) in network.parameters().inventory().iter() {
        if let Some(found) = gradients.slot(id).unwrap() {
            let few = parameter.role == Role::Prefilter && parameter.len() <= 4;
            let worst = if few { &mut *numbers } else { &mut *worst };
            compare_gradient(worst, &format!("{what}, {}", parameter.name), &found, &gradient, &v[&parameter.name]);
        }
    }
    let passed = network.forward_train(&images, 0).unwrap();
    let found: Tensor = network.gradient_at(passed, Site::Logits, &loss.gradient, Site::Image).unwrap();
    compare_gradient(worst, &format!("{what}, image"), &found, &gradient, &x);
    true
}
