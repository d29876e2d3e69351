//! Convolutions, max pools, resizes and dilated types against their definitions.

use candle_core::Tensor;

use super::array::{Array, Values};
use super::compare::{Worst, compare, compare_gradient, like};
use super::operations::{convolve, dilated, max_pool, resized};
use super::tape::{Num, Tape};
use crate::ml::geometry::Padding;
use crate::ml::layers::prefilter::{self, DilatedConv, DilatedLayer, Extra, LayerGradients, LayerSize, variants};
use crate::ml::ops::conv::{Conv2d, Epilogue};
use crate::ml::ops::pool::MaxPool;
use crate::ml::ops::{nchw, resize};
use crate::ml::resample::Sampling;
use crate::ml::spec::Choice;

/// A few roundings of 32 bits.
const TOLERANCE: f64 = 2e-6;

/// The sum of `y` weighted by `r`: what has the gradient `r` by `y`.
fn weighted<'t>(y: &Array<'t>, r: &Array<'t>) -> Num<'t> {
    Num::dot(y.data.iter().copied().zip(r.data.iter().copied()))
}

const PADDINGS: [Padding; 2] = [Padding::Same, Padding::Symmetric];

/// Sizes that are odd and even, and the smallest.
const SIZES: [[usize; 2]; 8] = [[8, 8], [7, 10], [13, 5], [1, 2], [1, 1], [2, 3], [3, 1], [6, 9]];

#[test]
fn convolutions_are_their_definition() {
    let mut worst = Worst::within(TOLERANCE);
    let filters = [
        (1, 1, 1),
        (1, 2, 1),
        (3, 1, 1),
        (3, 2, 1),
        (3, 1, 2),
        (3, 1, 6),
        (7, 2, 1),
        // All of a kind: stride and dilation together, taps that all but one lie beyond the image, an even filter.
        (1, 2, 3),
        (1, 1, 4),
        (3, 2, 2),
        (3, 1, 24),
        (7, 1, 1),
        (2, 1, 1),
    ];
    for (((kernel, stride, dilation), padding), [height, width]) in filters
        .into_iter()
        .flat_map(|filter| PADDINGS.map(|padding| (filter, padding)))
        .flat_map(|case| SIZES.map(|size| (case, size)))
    {
        let op = Conv2d { stride, dilation, padding };
        if [height, width].iter().any(|&size| op.outputs(size, kernel) == 0) {
            continue;
        }
        let what = format!("{kernel} x {kernel}, {op:?} on {height} x {width}");
        let tape = Tape::new();
        let x = Array::random(&tape, "x", &[2, 3, height, width]);
        let w = Array::random(&tape, "w", &[4, 3, kernel, kernel]);
        let expected = convolve(&x, &w, op);
        let r = Array::random(&tape, "r", &expected.shape);
        let (image, filter, g) = (x.tensor(), w.tensor(), r.tensor());
        compare(&mut worst, &what, &op.forward(&image, &filter, Epilogue::default()).unwrap(), &expected);
        let gradient = tape.gradient(weighted(&expected, &r));
        let shape = nchw("x", &image).unwrap();
        let dx = op.backward_input(shape, &g, &filter, None, Epilogue::default()).unwrap();
        compare_gradient(&mut worst, &what, &dx, &gradient, &x);
        let dw = like(&filter);
        op.backward_weights(&image, &g, None, &dw).unwrap();
        compare_gradient(&mut worst, &what, &dw, &gradient, &w);
    }
    eprintln!("convolutions against 64-bit arithmetic: {worst}");
}

#[test]
fn max_pools_are_their_definition() {
    let mut worst = Worst::within(TOLERANCE);
    let pools = [MaxPool::Same, MaxPool::Symmetric, MaxPool::SymmetricCeil];
    for (pool, [height, width]) in pools.into_iter().flat_map(|pool| SIZES.map(|size| (pool, size))) {
        let what = format!("{pool:?} on {height} x {width}");
        let tape = Tape::new();
        // Negative values win against the padding.
        let x = Array::random(&tape, "x", &[2, 3, height, width]);
        let expected = max_pool(&x, pool);
        let r = Array::random(&tape, "r", &expected.shape);
        let (image, g) = (x.tensor(), r.tensor());
        compare(&mut worst, &what, &pool.forward(&image).unwrap(), &expected);
        let dx = pool.backward(&image, &g, false).unwrap();
        compare_gradient(&mut worst, &what, &dx, &tape.gradient(weighted(&expected, &r)), &x);
    }
    eprintln!("max pools against 64-bit arithmetic: {worst}");
}

#[test]
fn resizes_are_their_definition() {
    // Positions have the rounding of 32 bits too.
    let mut worst = Worst::within(1e-5);
    let samplings = [Sampling::Legacy, Sampling::HalfPixel, Sampling::AlignCorners];
    let sizes = [
        ([5, 7], [33, 50]),
        ([6, 6], [41, 41]),
        ([9, 12], [4, 5]),
        ([1, 3], [8, 2]),
        ([2, 1], [3, 3]),
        ([3, 2], [1, 1]),
    ];
    for (sampling, (from, to)) in samplings.into_iter().flat_map(|sampling| sizes.map(|size| (sampling, size))) {
        let what = format!("{sampling:?} of {from:?} to {to:?}");
        let tape = Tape::new();
        let x = Array::random(&tape, "x", &[2, 3, from[0], from[1]]);
        let expected = resized(&x, to, sampling);
        let r = Array::random(&tape, "r", &expected.shape);
        compare(&mut worst, &what, &resize::bilinear(&x.tensor(), to[0], to[1], sampling).unwrap(), &expected);
        let dx = resize::bilinear_backward(&r.tensor(), from[0], from[1], sampling).unwrap();
        compare_gradient(&mut worst, &what, &dx, &tape.gradient(weighted(&expected, &r)), &x);
    }
    eprintln!("resizes against 64-bit arithmetic: {worst}");
}

/// A type's parameter at random: sigmas from 0.5 to 1.5, offsets that leave the sum of a Gaussian positive.
pub fn parameter<'t>(tape: &'t Tape, extra: &Extra) -> Array<'t> {
    let mut array = Array::random(tape, extra.name, &extra.shape);
    let value = |value: f64| match extra.name {
        "sigma" => 1.0 + 0.5 * value,
        "offset" => 0.1 * value,
        _ => value,
    };
    array.data.iter_mut().for_each(|number| *number = tape.variable(f64::from(value(number.value) as f32)));
    array
}

#[test]
fn every_dilated_type_is_its_definition() {
    let mut worst = Worst::within(TOLERANCE);
    for choice in variants() {
        let kind = prefilter::build(&choice).unwrap();
        for (d, size) in [(2, [6, 8]), (2, [7, 5]), (3, [7, 8]), (4, [8, 12]), (4, [9, 11]), (4, [3, 5])] {
            check(&mut worst, &choice, kind.as_ref(), d, size);
        }
    }
    eprintln!("dilated types against 64-bit arithmetic: {worst}");
}

fn check(worst: &mut Worst, choice: &Choice, kind: &dyn DilatedConv, d: usize, [height, width]: [usize; 2]) {
    let what = format!("{choice:?} with dilation {d} on {height} x {width}");
    let tape = Tape::new();
    let mut v = Values::new();
    let named = |place: &str, extras: Vec<Extra>| -> Vec<(String, Extra)> {
        extras.into_iter().map(|extra| (format!("{place}/{}", extra.name), extra)).collect()
    };
    let own = named("layer/prefilter", kind.layer_parameters(LayerSize { channels: 3, dilation: d }));
    let shared = named("prefilter", kind.network_parameters());
    v.extend(own.iter().chain(&shared).map(|(name, extra)| (name.clone(), parameter(&tape, extra))));
    v.insert("layer/weights".to_owned(), Array::random(&tape, "weights", &[4, 3, 3, 3]));
    let x = Array::random(&tape, "x", &[2, 3, height, width]);
    let [scale, shift] = ["scale", "shift"].map(|name| Array::random(&tape, name, &[4]));
    let sums = dilated(choice, d, &x, "layer", &v);
    let expected = Array::image(sums.sizes(), |at| sums.at(at) * scale.data[at[1]] + shift.data[at[1]]);
    let r = Array::random(&tape, "r", &expected.shape);
    let gradient = tape.gradient(weighted(&expected, &r));

    let tensors = |extras: &[(String, Extra)]| extras.iter().map(|(name, _)| v[name].tensor()).collect::<Vec<_>>();
    let (own_tensors, shared_tensors) = (tensors(&own), tensors(&shared));
    let (image, weights) = (x.tensor(), v["layer/weights"].tensor());
    let layer = DilatedLayer {
        op: Conv2d { dilation: d, ..Conv2d::default() },
        weights: &weights,
        scale: Some(&scale.tensor()),
        shift: Some(&shift.tensor()),
        relu: false,
        own: &own_tensors,
        shared: &shared_tensors,
    };
    let (y, saved) = kind.forward(&layer, &image).unwrap();
    compare(worst, &what, &y, &expected);
    let slots = |extras: &[(String, Extra)]| -> Vec<Option<Tensor>> {
        extras.iter().map(|(name, extra)| extra.trainable.then(|| like(&v[name].tensor()))).collect()
    };
    let gradients =
        LayerGradients { exact: false, weights: Some(like(&weights)), own: slots(&own), shared: slots(&shared) };
    let dx = kind.backward(&layer, &image, &saved, &r.tensor(), &gradients, None).unwrap();
    compare_gradient(worst, &format!("{what}, x"), &dx, &gradient, &x);
    let weights = [("layer/weights", &gradients.weights)];
    let names = own.iter().chain(&shared).map(|(name, _)| name.as_str());
    for (name, slot) in weights.into_iter().chain(names.zip(gradients.own.iter().chain(&gradients.shared))) {
        if let Some(slot) = slot {
            compare_gradient(worst, &format!("{what}, {name}"), slot, &gradient, &v[name]);
        }
    }
}
