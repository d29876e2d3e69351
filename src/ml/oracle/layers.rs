//! Convolutions, max pools, resizes and dilated types against their definitions.

use candle_core::{DType, Device, Tensor};

use super::array::{Array, Values};
use super::compare::{Worst, compare, compare_gradient, like};
use super::operations::{convolve, convolve_to, dilated, max_pool, resized};
use super::tape::{Num, Tape};
use crate::ml::geometry::Padding;
use crate::ml::layers::prefilter::{self, DilatedConv, DilatedLayer, Extra, LayerGradients, LayerSize, variants};
use crate::ml::ops::conv::{Conv2d, Epilogue};
use crate::ml::ops::pool::MaxPool;
use crate::ml::ops::{loss, nchw, resize, upsampled};
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

/// A convolution with a filter of `[O, C, K, K]` and its gradients against their definition: of all outputs, or of those up to
/// whole cells.
fn check_conv(worst: &mut Worst, op: Conv2d, filter: [usize; 4], [n, height, width]: [usize; 3], whole: bool) {
    let kernel = filter[2];
    let what = format!("{filter:?}, {op:?} on {n} of {height} x {width}, whole cells {whole}");
    let tape = Tape::new();
    let x = Array::random(&tape, "x", &[n, filter[1], height, width]);
    let w = Array::random(&tape, "w", &filter);
    let cells = [height, width].map(|size| op.outputs(size, kernel).next_multiple_of(op.dilation));
    let expected = if whole { convolve_to(&x, &w, op, cells) } else { convolve(&x, &w, op) };
    let r = Array::random(&tape, "r", &expected.shape);
    let (image, weights, g) = (x.tensor(), w.tensor(), r.tensor());
    let forward = if whole { Conv2d::forward_whole } else { Conv2d::forward };
    compare(worst, &what, &forward(&op, &image, &weights, Epilogue::default()).unwrap(), &expected);
    let gradient = tape.gradient(weighted(&expected, &r));
    let dx = op.backward_input(nchw("x", &image).unwrap(), &g, &weights, None, Epilogue::default()).unwrap();
    compare_gradient(worst, &what, &dx, &gradient, &x);
    let dw = like(&weights);
    op.backward_weights(&image, &g, None, &dw).unwrap();
    compare_gradient(worst, &what, &dw, &gradient, &w);
}

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
        // Stride and dilation together, taps of which all but one lie beyond the image, an even filter.
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
        if [height, width].iter().all(|&size| op.outputs(size, kernel) > 0) {
            check_conv(&mut worst, op, [4, 3, kernel, kernel], [2, height, width], false);
        }
    }
    eprintln!("convolutions against 64-bit arithmetic: {worst}");
}

/// The ways of many channels: products, tiles, and taps where channels are many on one side alone.
#[test]
fn convolutions_of_many_channels_are_their_definition() {
    // Tiles round more.
    let mut worst = Worst::within(5e-6);
    for [height, width] in [[1, 1], [1, 2], [2, 3], [3, 1], [3, 3], [7, 9]] {
        for (filter, stride, dilation) in [
            ([33, 32, 3, 3], 1, 1),
            ([32, 33, 3, 3], 1, 2),
            ([32, 32, 3, 3], 1, 24),
            ([32, 32, 3, 3], 2, 1),
            ([3, 64, 3, 3], 1, 1),
            ([3, 64, 3, 3], 1, 12),
            ([64, 3, 3, 3], 1, 1),
            ([35, 40, 1, 1], 2, 3),
        ] {
            for padding in PADDINGS.into_iter().take(stride) {
                check_conv(&mut worst, Conv2d { stride, dilation, padding }, filter, [1, height, width], false);
            }
        }
    }
    eprintln!("convolutions of many channels against 64-bit arithmetic: {worst}");
}

#[test]
fn convolutions_of_whole_cells_are_their_definition() {
    let mut worst = Worst::within(5e-6);
    for (filter, size, stride, dilation) in [
        ([4, 3, 3, 3], [5, 7], 1, 2),
        ([4, 3, 3, 3], [3, 5], 1, 4),
        ([4, 3, 3, 3], [2, 1], 1, 12),
        ([4, 3, 3, 3], [7, 6], 2, 3),
        // One tap, whose outputs beyond the border read nothing.
        ([6, 4, 1, 1], [5, 5], 2, 3),
        ([6, 4, 1, 1], [5, 6], 2, 6),
        ([6, 4, 1, 1], [1, 3], 3, 2),
        ([6, 4, 1, 1], [4, 7], 1, 4),
        // Tiles.
        ([32, 32, 3, 3], [11, 11], 1, 4),
        ([33, 35, 3, 3], [10, 9], 1, 4),
        // Taps.
        ([3, 64, 3, 3], [5, 7], 1, 4),
        ([3, 64, 3, 3], [1, 2], 1, 2),
    ] {
        let op = Conv2d { stride, dilation, ..Conv2d::default() };
        check_conv(&mut worst, op, filter, [1, size[0], size[1]], true);
    }
    eprintln!("convolutions of whole cells against 64-bit arithmetic: {worst}");
}

/// Without images, channels, outputs or pixels there is nothing to compute: an error says what is empty.
#[test]
fn nothing_is_refused_in_words() {
    let zeros = |shape: [usize; 4]| Tensor::zeros(&shape, DType::F32, &Device::Cpu).unwrap();
    let (op, none) = (Conv2d::default(), Epilogue::default());
    let [x, w] = [zeros([1, 3, 4, 5]), zeros([2, 3, 3, 3])];
    for at in 0..4 {
        let empty = |mut shape: [usize; 4]| {
            shape[at] = 0;
            zeros(shape)
        };
        let (no_x, no_w) = (empty([1, 3, 4, 5]), empty([2, 3, 3, 3]));
        let labels = [0; 20];
        let mut refused = vec![
            op.forward(&no_x, &w, none).map(drop),
            op.forward_whole(&no_x, &w, none).map(drop),
            op.forward(&x, &no_w, none).map(drop),
            op.backward_input([1, 3, 4, 5], &empty([1, 2, 4, 5]), &w, None, none).map(drop),
            op.backward_weights(&no_x, &zeros([1, 2, 4, 5]), None, &like(&w)).map(drop),
            MaxPool::SymmetricCeil.forward(&no_x).map(drop),
            loss::argmax(&no_x).map(drop),
            loss::cross_entropy(&no_x, &labels).map(drop),
        ];
        for sampling in [Sampling::Legacy, Sampling::HalfPixel, Sampling::AlignCorners] {
            refused.push(resize::bilinear(&no_x, 4, 4, sampling).map(drop));
            refused.push(resize::bilinear(&x, 0, 4, sampling).map(drop));
            refused.push(upsampled::argmax(&no_x, 4, 4, sampling).map(drop));
        }
        for refused in refused {
            let why = refused.unwrap_err().to_string();
            assert!(why.contains("has the shape") && why.contains('0'), "{why}");
        }
    }
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
        let small = [(2, [1, 1]), (4, [1, 2]), (4, [2, 3]), (3, [3, 1])];
        let sizes = [(2, [6, 8]), (2, [7, 5]), (3, [7, 8]), (4, [8, 12]), (4, [9, 11]), (4, [3, 5])];
        for (d, size) in sizes.into_iter().chain(small) {
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
