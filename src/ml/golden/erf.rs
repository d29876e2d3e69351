//! Effective receptive fields of single and stacked dilated layers: those of the reference, and those that the
//! definitions give in 64-bit arithmetic for stacks made here.

use candle_core::{Device, Tensor};

use super::exact::{self, Array, Values};
use super::stack::{self, Passed, Stacked, Variable};
use super::{Golden, Tally, Worst, nchw};
use crate::ml::erf::{self, Map};
use crate::ml::layers::Parameter;
use crate::ml::layers::prefilter::{self, DilatedConv, LayerSize, variants};
use crate::ml::models::{Architecture, Network};
use crate::ml::ops;
use crate::ml::ops::conv::Conv2d;
use crate::ml::spec::{Arg, Choice, ModelSpec};
use crate::ml::weights::{Scheme, initial};

const TOLERANCE: f64 = 1e-5;

/// The gradient of the sum over channels of `y[0, :, at]`, by an output.
fn centre(output: &Tensor, [y, x]: [usize; 2]) -> Tensor {
    let [n, c, h, w] = ops::nchw("output", output).unwrap();
    let mut seed = vec![0.0_f32; n * c * h * w];
    (0..c).for_each(|channel| seed[(channel * h + y) * w + x] = 1.0);
    Tensor::from_vec(seed, (n, c, h, w), &Device::Cpu).unwrap()
}

/// Which positions have any influence.
fn alive(map: &Map) -> Vec<bool> {
    map.values.iter().map(|value| *value != 0.0).collect()
}

/// Holds a gradient against the one that is expected, element by element and as a map.
fn compare(worst: &mut Worst, what: &str, found: &Tensor, expected: &Tensor) -> Map {
    worst.compare(what, found, expected);
    let [_, _, h, w] = ops::nchw("gradient", found).unwrap();
    let [found, expected] = [found, expected].map(|gradient| Map::of(gradient, (h, w)).unwrap());
    let most = expected.values.iter().fold(0.0_f64, |most, value| most.max(*value));
    let gap = found.values.iter().zip(&expected.values).fold(0.0_f64, |gap, (f, e)| gap.max((f - e).abs()));
    worst.note(what, gap / most);
    assert_eq!(alive(&found), alive(&expected), "{what}");
    found
}

#[test]
fn receptive_fields_are_tensorflows() {
    let Some(golden) = Golden::open("erf") else { return };
    let (index, file) = (golden.index(), golden.file("erf"));
    let cases = index["cases"].as_array().unwrap();
    let mut tally = Tally::of("erf", cases.len());
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let at = [0, 1].map(|axis| case["centre_yx"][axis].as_u64().unwrap() as usize);
        let (shape, pixels) = file.floats(&format!("{id}/x"));
        let seed = |output: &Tensor| centre(output, at);
        let relu = case["relu_between"].as_bool().unwrap();
        let passed = stack::run(&file, case["type"].as_str().unwrap(), case, relu, nchw(&shape, &pixels), seed);
        let mut worst = Worst::within(TOLERANCE);
        let map = compare(&mut worst, id, &passed.gradient, &file.activations(&format!("{id}/grad_x")));
        let count = alive(&map).iter().filter(|&&alive| alive).count();
        assert_eq!(count as u64, case["nonzero_positions"].as_u64().unwrap(), "{id}");
        assert_eq!(map.centre, (at[0], at[1]), "{id}");
        worst.note(id, objective(&passed, at, case["objective"].as_f64().unwrap()));
        tally.case(&worst);
    }
    tally.finish();
}

/// The error of the output whose gradient is taken, over the greatest magnitude of the outputs.
fn objective(passed: &Passed, at: [usize; 2], expected: f64) -> f64 {
    let (output, seed) = (super::values(&passed.output), super::values(&centre(&passed.output, at)));
    let greatest = output.iter().fold(0.0_f64, |most, value| most.max(f64::from(value.abs())));
    let found: f64 = output.iter().zip(&seed).map(|(y, g)| f64::from(y * g)).sum();
    (found - expected).abs() / greatest
}

/// The values of layers with these dilations, 2 channels each, whose filters are not as they start.
fn made(kind: &dyn DilatedConv, dilations: &[usize]) -> Vec<Values> {
    let layer = |(at, &dilation): (usize, &usize)| {
        let (own, shared) = (kind.layer_parameters(LayerSize { channels: 2, dilation }), kind.network_parameters());
        let mut values: Values = own.iter().map(|extra| exact::parameter("own", extra)).collect();
        values.extend(shared.iter().map(|extra| exact::parameter("shared", extra)));
        values.insert("weights".to_owned(), Array::random(&format!("{at}/weights"), &[2, 2, 3, 3]));
        plain(values)
    };
    dilations.iter().enumerate().map(layer).collect()
}

/// The values of a layer of 2 outputs, with no batch norm behind it.
fn plain(mut values: Values) -> Values {
    values.insert("scale".to_owned(), Array { shape: vec![2], data: vec![1.0; 2] });
    values.insert("shift".to_owned(), Array { shape: vec![2], data: vec![0.0; 2] });
    values
}

/// The layers as ours.
fn stacked(kind: &dyn DilatedConv, dilations: &[usize], made: &[Values], relu: bool) -> (Vec<Stacked>, Vec<Variable>) {
    let variable = |values: &Values, name: String| Variable { value: values[&name].tensor(), name };
    let layer = |(at, &dilation): (usize, &usize)| {
        let own = kind.layer_parameters(LayerSize { channels: 2, dilation });
        Stacked {
            op: Conv2d { stride: 1, dilation },
            weights: variable(&made[at], "weights".to_owned()),
            bias: None,
            own: own.iter().map(|extra| variable(&made[at], format!("own/{}", extra.name))).collect(),
            relu: relu && at + 1 < dilations.len(),
        }
    };
    let shared = kind.network_parameters();
    let shared = shared.iter().map(|extra| variable(&made[0], format!("shared/{}", extra.name)));
    (dilations.iter().enumerate().map(layer).collect(), shared.collect())
}

/// The sum over channels of the output at `at`, by the definitions.
fn defined(choice: &Choice, dilations: &[usize], made: &[Values], relu: bool, x: &Array, at: [usize; 2]) -> f64 {
    let mut y = x.clone();
    for (layer, (&dilation, values)) in dilations.iter().zip(made).enumerate() {
        if relu && layer > 0 {
            y.data.iter_mut().for_each(|value| *value = value.max(0.0));
        }
        let mut values = values.clone();
        values.insert("x".to_owned(), y);
        y = exact::define(choice, dilation, &values);
    }
    (0..y.shape[1]).map(|channel| y.at([0, channel, at[0], at[1]])).sum()
}

/// The gradient by `x` of `value`, which is linear between kinks: differences over a step that meets none.
fn differences(x: &Array, value: impl Fn(&Array) -> f64) -> Tensor {
    let step = 1e-6;
    let moved = |at: usize, by: f64| {
        let mut x = x.clone();
        x.data[at] += by;
        value(&x)
    };
    let data: Vec<f64> = (0..x.data.len()).map(|at| (moved(at, step) - moved(at, -step)) / (2.0 * step)).collect();
    Array { shape: x.shape.clone(), data }.tensor()
}

#[test]
fn receptive_fields_of_stacks_are_those_of_their_definitions() {
    let mut worst = Worst::within(TOLERANCE);
    for choice in variants() {
        let kind = prefilter::build(&choice).unwrap();
        for (dilations, relu) in [(&[4][..], false), (&[2, 4], false), (&[2, 4], true)] {
            let what = format!("{choice:?} with dilations {dilations:?}, ReLUs {relu}");
            let (at, x) = ([8, 7], Array::random("x", &[1, 2, 17, 14]));
            let made = made(kind.as_ref(), dilations);
            let (layers, shared) = stacked(kind.as_ref(), dilations, &made, relu);
            let passed = stack::pass(kind.as_ref(), &layers, &shared, x.tensor(), |output| centre(output, at));
            let expected = differences(&x, |x| defined(&choice, dilations, &made, relu, x, at));
            compare(&mut worst, &what, &passed.gradient, &expected);
        }
    }
    eprintln!("receptive fields of stacks against 64-bit arithmetic: {worst}");
}

/// A network of 2 channels in each dilated convolution, whose filters are not as they start.
fn network(choice: &Choice) -> Network {
    let spec = ModelSpec { encoder: Choice::new("Tiny"), classes: 3, prefilter: choice.clone() };
    let values = |parameter: &Parameter| match parameter.name.rsplit_once("prefilter/") {
        Some((_, name)) => Ok(exact::made(name, &parameter.shape).data.iter().map(|&value| value as f32).collect()),
        None => Ok(initial(Scheme::Stable, 3, parameter)),
    };
    Network::with_architecture(&spec, &Architecture::new(4, [8; 4], [1, 1, 2, 2]), &Device::Cpu, values).unwrap()
}

/// The values of the dilated convolution of a block.
fn read(network: &Network, block: &str) -> Values {
    let mut values = Values::new();
    for (id, parameter) in network.parameters().inventory().iter() {
        let inside = parameter.name.strip_prefix(&format!("{block}/middle/"));
        let own = inside.and_then(|name| name.strip_prefix("prefilter/")).map(|name| format!("own/{name}"));
        let shared = parameter.name.strip_prefix("prefilter/").map(|name| format!("shared/{name}"));
        let weights = (inside == Some("weights")).then(|| "weights".to_owned());
        if let Some(name) = own.or(shared).or(weights) {
            let data = super::values(&network.parameters().view(id).unwrap());
            let data = data.into_iter().map(f64::from).collect();
            values.insert(name, Array { shape: parameter.shape.clone(), data });
        }
    }
    plain(values)
}

/// The positions with no influence, of those in the box of all with some, in the map of one convolution with dilation 4
/// whose filters are not as they start. Average and Gaussian filters have 3 taps and leave every fourth position out.
/// In the form of the code, the GroupInteraction of a centre in another phase does not see phase 0.
fn gaps(choice: &Choice) -> (usize, usize) {
    match (choice.name.as_str(), choice.args.get("form")) {
        ("Regular" | "Decompose" | "Multigrid", _) => (72, 81),
        ("GroupInteraction", Some(form)) if *form == Arg::name("Code") => (9, 144),
        ("GroupInteraction", _) => (0, 144),
        ("Average" | "Gaussian", _) => (40, 121),
        ("SeparableShared" | "Aggregation", _) => (0, 225),
        (other, _) => panic!("nobody has said how many positions `{other}` leaves dead"),
    }
}

#[test]
fn receptive_fields_of_single_convolutions_are_those_of_their_definitions() {
    let mut worst = Worst::within(TOLERANCE);
    for choice in variants() {
        let network = network(&choice);
        for (block, dilation, side) in [("group4/block1", 2, 13), ("group5/block1", 4, 21)] {
            let what = format!("{choice:?} in {block}");
            let (map, values) = (erf::conv(&network, block).unwrap(), read(&network, block));
            assert_eq!((map.height, map.width, map.centre), (side, side, (side / 2, side / 2)), "{what}");
            let mut expected = vec![0.0; side * side];
            for at in 0..2 * side * side {
                let mut x = Array { shape: vec![1, 2, side, side], data: vec![0.0; 2 * side * side] };
                x.data[at] = 1.0;
                let value = defined(&choice, &[dilation], std::slice::from_ref(&values), false, &x, [side / 2; 2]);
                expected[at % (side * side)] += value.abs();
            }
            let most = expected.iter().fold(0.0_f64, |most, value| most.max(*value));
            let gap = map.values.iter().zip(&expected).fold(0.0_f64, |gap, (f, e)| gap.max((f - e).abs()));
            worst.note(&what, gap / most);
            let (dead, within) = gaps(&choice);
            let found = erf::figures(&map).dead;
            assert!(dilation != 4 || (found - dead as f64 / within as f64).abs() < 1e-12, "{what}: {found}");
        }
    }
    eprintln!("receptive fields of single convolutions against 64-bit arithmetic: {worst}");
}
