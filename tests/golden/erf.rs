//! Effective receptive fields of single and stacked dilated layers: those of the reference, and those that the
//! definitions give in 64-bit arithmetic for stacks made here.

use std::collections::BTreeSet;

use candle_core::{Device, Tensor};

use super::stack::{self, Passed, Stacked, Variable};
use super::{Golden, Tally, nchw};
use crate::ml::erf::{self, Map};
use crate::ml::layers::prefilter::{self, DilatedConv, LayerSize, variants};
use crate::ml::layers::{Parameter, Role};
use crate::ml::models::{Network, bottlenecks};
use crate::ml::ops;
use crate::ml::ops::conv::Conv2d;
use crate::ml::oracle::{self, Array, Num, Tape, Values, Worst, parameter, values};
use crate::ml::spec::{Arg, Choice, ModelSpec};
use crate::ml::weights::{Scheme, initial};
use crate::rng::Rng;

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

/// The greatest difference of two maps, over the greatest value of the second.
fn apart(found: &Map, expected: &Map) -> f64 {
    let most = expected.values.iter().fold(0.0_f64, |most, value| most.max(*value));
    found.values.iter().zip(&expected.values).fold(0.0_f64, |gap, (f, e)| gap.max((f - e).abs())) / most
}

/// Holds a gradient against the one that is expected, element by element and as a map.
fn compare(worst: &mut Worst, what: &str, found: &Tensor, expected: &Tensor) -> Map {
    worst.compare(what, found, expected);
    let [_, _, h, w] = ops::nchw("gradient", found).unwrap();
    let [found, expected] = [found, expected].map(|gradient| Map::of(gradient, (h, w)).unwrap());
    worst.note(what, apart(&found, &expected));
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
    // At their start some types equal Regular: every type must be met with other filters.
    let types = |cases: &mut dyn Iterator<Item = &serde_json::Value>| -> BTreeSet<String> {
        cases.map(|case| case["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(types(&mut cases.iter().filter(|case| case["values"] == "random")), types(&mut cases.iter()));
}

/// The error of the output whose gradient is taken, over the greatest magnitude of the outputs.
fn objective(passed: &Passed, at: [usize; 2], expected: f64) -> f64 {
    let (output, seed) = (values(&passed.output), values(&centre(&passed.output, at)));
    let greatest = output.iter().fold(0.0_f64, |most, value| most.max(f64::from(value.abs())));
    let found: f64 = output.iter().zip(&seed).map(|(y, g)| f64::from(y * g)).sum();
    (found - expected).abs() / greatest
}

/// Layers of 2 channels with these dilations and a ReLU between two where `relu` says so, whose filters are not as they
/// start: their values by name, and ours.
struct Made<'t> {
    values: Values<'t>,
    layers: Vec<Stacked>,
    shared: Vec<Variable>,
}

impl<'t> Made<'t> {
    fn new(tape: &'t Tape, kind: &dyn DilatedConv, dilations: &[usize], relu: bool) -> Self {
        let mut values = Values::new();
        let mut variable = |name: String, array: Array<'t>| {
            let value = array.tensor();
            values.insert(name.clone(), array);
            Variable { name, value }
        };
        let mut layers = Vec::new();
        for (at, &dilation) in dilations.iter().enumerate() {
            let weights = format!("{at}/weights");
            let weights = variable(weights.clone(), Array::random(tape, &weights, &[2, 2, 3, 3]));
            let own = kind.layer_parameters(LayerSize { channels: 2, dilation });
            let own =
                own.iter().map(|extra| variable(format!("{at}/prefilter/{}", extra.name), parameter(tape, extra)));
            let (own, relu) = (own.collect(), relu && at + 1 < dilations.len());
            layers.push(Stacked { op: Conv2d { dilation, ..Conv2d::default() }, weights, bias: None, own, relu });
        }
        let shared = kind.network_parameters();
        let shared = shared.iter().map(|extra| variable(format!("prefilter/{}", extra.name), parameter(tape, extra)));
        let shared = shared.collect();
        Made { values, layers, shared }
    }

    /// The output for `x`, by the definitions.
    fn defined(&self, choice: &Choice, x: &Array<'t>) -> Array<'t> {
        self.layers.iter().enumerate().fold(x.clone(), |x, (at, layer)| {
            let y = oracle::dilated(choice, layer.op.dilation, &x, &at.to_string(), &self.values);
            if layer.relu { oracle::relu(&y) } else { y }
        })
    }
}

/// The gradient by `x` of the sum over channels of `y` at `at`, by the chain rule.
fn chained<'t>(tape: &'t Tape, y: &Array<'t>, x: &Array<'t>, at: [usize; 2]) -> Tensor {
    let channels: Vec<Num<'t>> = (0..y.shape[1]).map(|channel| y.at([0, channel, at[0], at[1]])).collect();
    let gradient = tape.gradient(Num::sum(channels.iter().copied()));
    let data: Vec<f32> = x.data.iter().map(|&number| gradient.by(number) as f32).collect();
    Tensor::from_vec(data, x.shape.as_slice(), &Device::Cpu).unwrap()
}

#[test]
fn receptive_fields_of_stacks_are_those_of_their_definitions() {
    let mut worst = Worst::within(TOLERANCE);
    for choice in variants() {
        let kind = prefilter::build(&choice).unwrap();
        for (dilations, relu) in [(&[4][..], false), (&[2, 4, 4], false), (&[2, 4, 4], true)] {
            let what = format!("{choice:?} with dilations {dilations:?}, ReLUs {relu}");
            let (at, tape) = ([12, 9], Tape::new());
            let made = Made::new(&tape, kind.as_ref(), dilations, relu);
            let x = Array::random(&tape, "x", &[1, 2, 25, 18]);
            let expected = chained(&tape, &made.defined(&choice, &x), &x, at);
            let seed = |output: &Tensor| centre(output, at);
            let passed = stack::pass(kind.as_ref(), &made.layers, &made.shared, x.tensor(), seed);
            compare(&mut worst, &what, &passed.gradient, &expected);
        }
    }
    eprintln!("receptive fields of stacks against 64-bit arithmetic: {worst}");
}

/// A network of 2 channels in each dilated convolution, whose filters are not as they start.
fn network(choice: &Choice) -> Network {
    let spec = ModelSpec::new(Choice::new("Tiny"), 3, choice.clone());
    let values = |parameter: &Parameter| {
        let mut values = initial(Scheme::Stable, 3, parameter);
        if parameter.role == Role::Prefilter {
            let mut rng = Rng::new(3, &parameter.name, 0);
            values.iter_mut().for_each(|value| *value += rng.range(-0.2, 0.2));
        }
        Ok(values)
    };
    Network::with_architecture(&spec, &bottlenecks(4, [8; 4], [1, 1, 2, 2]), &Device::Cpu, values).unwrap()
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
            let (what, tape) = (format!("{choice:?} in {block}"), Tape::new());
            let x = Array::random(&tape, "x", &[1, 2, side, side]);
            let values = oracle::variables(&tape, &network);
            let y = oracle::dilated(&choice, dilation, &x, &format!("{block}/middle"), &values);
            let expected = Map::of(&chained(&tape, &y, &x, [side / 2; 2]), (side, side)).unwrap();
            let found = erf::conv(&network, block).unwrap();
            worst.note(&what, apart(&found, &expected));
            assert_eq!((found.centre, alive(&found)), (expected.centre, alive(&expected)), "{what}");
            let ((dead, within), share) = (gaps(&choice), erf::figures(&found).dead);
            assert!(dilation != 4 || (share - dead as f64 / within as f64).abs() < 1e-12, "{what}: {share}");
        }
    }
    eprintln!("receptive fields of single convolutions against 64-bit arithmetic: {worst}");
}
