//! Convolutions and dilated types against their definitions in 64-bit arithmetic, on values made here.
//!
//! The references are written from the definitions, loop by loop, and share nothing with what they check. Gradients are
//! central differences of the references, which are linear in each tensor but sigma.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::stack::like;
use super::{Worst, values};
use crate::ml::layers::prefilter::{self, DilatedConv, Extra, Layer, LayerGradients, LayerSize, variants};
use crate::ml::ops::conv::{Conv2d, Epilogue};
use crate::ml::ops::nchw;
use crate::ml::rng::Rng;
use crate::ml::spec::{Arg, Choice};

const TOLERANCE: f64 = 2e-6;

/// For dilated types: the gradient by a sigma or a factor is one small number left of a sum over all pixels.
const SUMMED: f64 = 1e-4;

/// Below it, a derivative is zero in exact arithmetic.
const FLOOR: f64 = 1e-7;

/// An array with its shape.
#[derive(Debug, Clone)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Array {
    fn zeros(shape: &[usize]) -> Self {
        Array { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] }
    }

    /// Values of 32 bits from -1 to 1.
    pub fn random(name: &str, shape: &[usize]) -> Self {
        let mut rng = Rng::new(7, name, 0);
        let mut array = Array::zeros(shape);
        array.data.iter_mut().for_each(|value| *value = f64::from(rng.range(-1.0, 1.0)));
        array
    }

    pub fn tensor(&self) -> Tensor {
        let data: Vec<f32> = self.data.iter().map(|&value| value as f32).collect();
        Tensor::from_vec(data, self.shape.as_slice(), &Device::Cpu).unwrap()
    }

    fn sizes(&self) -> [usize; 4] {
        self.shape.as_slice().try_into().unwrap()
    }

    pub fn at(&self, [n, c, y, x]: [usize; 4]) -> f64 {
        let [_, channels, height, width] = self.sizes();
        self.data[((n * channels + c) * height + y) * width + x]
    }

    /// The element at `(y, x)`, zero outside.
    fn padded(&self, n: usize, c: usize, y: isize, x: isize) -> f64 {
        let [_, _, height, width] = self.sizes();
        let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
        if inside { self.at([n, c, y as usize, x as usize]) } else { 0.0 }
    }

    /// An image whose elements `value` gives.
    fn image(shape: [usize; 4], value: impl Fn([usize; 4]) -> f64) -> Self {
        let [n, c, height, width] = shape;
        let mut data = Vec::new();
        for image in 0..n {
            for channel in 0..c {
                data.extend((0..height * width).map(|p| value([image, channel, p / width, p % width])));
            }
        }
        Array { shape: shape.to_vec(), data }
    }
}

/// TensorFlow's `SAME`: outputs, and zeros before.
fn same(size: usize, kernel: usize, stride: usize, dilation: usize) -> (usize, isize) {
    let outputs = size.div_ceil(stride);
    let total = ((outputs - 1) * stride + (kernel - 1) * dilation + 1).saturating_sub(size);
    (outputs, (total / 2) as isize)
}

fn convolve(x: &Array, w: &Array, stride: usize, dilation: usize) -> Array {
    let ([n, channels, height, width], [outputs, _, kh, kw]) = (x.sizes(), w.sizes());
    let (rows, top) = same(height, kh, stride, dilation);
    let (columns, left) = same(width, kw, stride, dilation);
    Array::image([n, outputs, rows, columns], |[n, o, oy, ox]| {
        let mut sum = 0.0;
        for c in 0..channels {
            for (i, j) in (0..kh).flat_map(|i| (0..kw).map(move |j| (i, j))) {
                let (y, x_at) =
                    ((oy * stride + i * dilation) as isize - top, (ox * stride + j * dilation) as isize - left);
                sum += w.at([o, c, i, j]) * x.padded(n, c, y, x_at);
            }
        }
        sum
    })
}

/// Each channel with its own filter of `w` `[C, 1, K, K]`, or all with the one of `[1, 1, K, K]`.
fn depthwise(x: &Array, w: &Array) -> Array {
    let ([_, _, height, width], [filters, _, k, _]) = (x.sizes(), w.sizes());
    let ((_, top), (_, left)) = (same(height, k, 1, 1), same(width, k, 1, 1));
    Array::image(x.sizes(), |[n, c, y, x_at]| {
        let taps = (0..k).flat_map(|i| (0..k).map(move |j| (i, j)));
        let read = |i: usize, j: usize| x.padded(n, c, (y + i) as isize - top, (x_at + j) as isize - left);
        taps.map(|(i, j)| w.at([c % filters, 0, i, j]) * read(i, j)).sum()
    })
}

/// The phases of an image that zeros fill up to whole cells, each convolved densely: phase `i d + j` holds the pixels
/// from `(i, j)` on, `d` apart.
fn phases(x: &Array, w: &Array, d: usize) -> Vec<Array> {
    let [n, c, height, width] = x.sizes();
    let cells = [height.div_ceil(d), width.div_ceil(d)];
    let phase = |p: usize| {
        let part = Array::image([n, c, cells[0], cells[1]], |[n, c, y, at]| {
            x.padded(n, c, (y * d + p / d) as isize, (at * d + p % d) as isize)
        });
        convolve(&part, w, 1, 1)
    };
    (0..d * d).map(phase).collect()
}

/// The image that phases make up, cut to `size`.
fn join(phases: &[Array], d: usize, [height, width]: [usize; 2]) -> Array {
    let [n, c, _, _] = phases[0].sizes();
    Array::image([n, c, height, width], |[n, c, y, x]| phases[y % d * d + x % d].at([n, c, y / d, x / d]))
}

/// The values of a layer by name.
pub type Values = BTreeMap<String, Array>;

/// The Gaussian kernel as the reference's code or the paper defines it.
fn gaussian(choice: &Choice, v: &Values, k: usize) -> Array {
    let sigma = v.get("shared/sigma").or(v.get("own/sigma")).map_or(1.0, |sigma| sigma.data[0]);
    let first = -((k as f64 - 1.0) / 2.0).trunc();
    let mut kernel = Array::zeros(&[1, 1, k, k]);
    for tap in 0..k * k {
        let (x, y) = (first + (tap % k) as f64, first + (tap / k) as f64);
        kernel.data[tap] = if choice.args["form"] == Arg::name("Paper") {
            (-(x * x + y * y) / (2.0 * sigma * sigma)).exp()
        } else {
            ((-(x * x + y * y)).exp() + v["own/offset"].data[tap]) / (2.0 * sigma * sigma).exp()
        };
    }
    let sum: f64 = kernel.data.iter().sum();
    kernel.data.iter_mut().for_each(|value| *value /= sum);
    kernel
}

/// The shared filter of SeparableShared: the parameter, plus one at the centre.
fn separable(v: &Values) -> Array {
    let mut filter = v["own/shared"].clone();
    let centre = filter.data.len() / 2;
    filter.data[centre] += 1.0;
    filter
}

/// The output of a layer of the type `choice` with dilation `d`, by its definition.
pub fn define(choice: &Choice, d: usize, v: &Values) -> Array {
    let (x, w) = (&v["x"], &v["weights"]);
    let [_, _, height, width] = x.sizes();
    let k = (d - 1).max(1);
    let sums = match choice.name.as_str() {
        "Regular" | "Multigrid" => convolve(x, w, 1, d),
        "Decompose" => join(&phases(x, w, d), d, [height, width]),
        "GroupInteraction" => {
            let (parts, m) = (phases(x, w, d), &v["own/mixing"].data);
            let mixed = |i: usize| {
                let first = if choice.args["form"] == Arg::name("Paper") { &parts[0] } else { &parts[i] };
                Array::image(first.sizes(), |at| {
                    let rest: f64 = (1..d * d).map(|j| m[j * d * d + i] * parts[j].at(at)).sum();
                    m[i] * first.at(at) + rest
                })
            };
            join(&(0..d * d).map(mixed).collect::<Vec<_>>(), d, [height, width])
        }
        "SeparableShared" => convolve(&depthwise(x, &separable(v)), w, 1, d),
        "Average" => convolve(&depthwise(x, &v["own/weights"]), w, 1, d),
        "Gaussian" => convolve(&depthwise(x, &gaussian(choice, v, k)), w, 1, d),
        "Aggregation" => {
            let c = &v["shared/factors"].data;
            let mut second = depthwise(x, &v["own/average"]);
            let mut third = depthwise(x, &gaussian(choice, v, k));
            if choice.args["learning"] == Arg::name("OneLearned") {
                std::mem::swap(&mut second, &mut third);
            }
            let fourth = depthwise(x, &separable(v));
            let sum = Array::image(x.sizes(), |at| {
                c[0] * x.at(at) + c[1] * second.at(at) + c[2] * third.at(at) + c[3] * fourth.at(at)
            });
            convolve(&sum, w, 1, d)
        }
        other => panic!("`{other}` has no definition here: write it"),
    };
    Array::image(sums.sizes(), |at| sums.at(at) * v["scale"].data[at[1]] + v["shift"].data[at[1]])
}

/// Up to 24 elements of an array, spread over it.
fn spread(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(len.div_ceil(24))
}

/// Holds a gradient against the differences of `loss` of `v` with one element of `name` moved.
fn compare(worst: &mut Worst, what: &str, name: &str, found: &Tensor, v: &Values, loss: impl Fn(&Values) -> f64) {
    let found = values(found);
    let step = 1e-4;
    let mut pairs = Vec::new();
    for at in spread(found.len()) {
        let moved = |by: f64| {
            let mut v = v.clone();
            v.get_mut(name).unwrap().data[at] += by;
            loss(&v)
        };
        pairs.push((f64::from(found[at]), (moved(step) - moved(-step)) / (2.0 * step)));
    }
    let greatest = pairs.iter().fold(0.0_f64, |most, (_, expected)| most.max(expected.abs()));
    let gap = pairs.iter().fold(0.0_f64, |most, (found, expected)| most.max((found - expected).abs()));
    worst.note(&format!("{what}, by {name}"), if greatest < FLOOR { gap } else { gap / greatest });
}

fn weighted(y: &Array, r: &Array) -> f64 {
    y.data.iter().zip(&r.data).map(|(y, r)| y * r).sum()
}

/// Holds values against the reference's.
fn compare_values(worst: &mut Worst, what: &str, found: &Tensor, expected: &Array) {
    assert_eq!(found.dims(), expected.shape, "{what}");
    let greatest = expected.data.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let gaps = values(found).into_iter().zip(&expected.data).map(|(f, e)| (f64::from(f) - e).abs());
    worst.note(what, gaps.fold(0.0_f64, f64::max) / greatest);
}

#[test]
fn convolutions_are_their_definition() {
    let mut worst = Worst::within(TOLERANCE);
    for (kernel, stride, dilation) in [(1, 1, 1), (1, 2, 1), (3, 1, 1), (3, 2, 1), (3, 1, 2), (3, 1, 6), (7, 2, 1)] {
        for [height, width] in [[8, 8], [7, 10], [13, 5], [1, 2]] {
            let what = format!("{kernel} x {kernel} / {stride} by {dilation} on {height} x {width}");
            let (x, w) = (Array::random("x", &[2, 3, height, width]), Array::random("w", &[4, 3, kernel, kernel]));
            let expected = convolve(&x, &w, stride, dilation);
            let (op, r) = (Conv2d { stride, dilation }, Array::random("r", &expected.shape));
            let (image, filter, g) = (x.tensor(), w.tensor(), r.tensor());
            compare_values(&mut worst, &what, &op.forward(&image, &filter, Epilogue::default()).unwrap(), &expected);
            let shape = nchw("x", &image).unwrap();
            let dx = op.backward_input(shape, &g, &filter, None, Epilogue::default()).unwrap();
            let dw = like(&filter);
            op.backward_weights(&image, &g, None, &dw).unwrap();
            let v = Values::from([("x".to_owned(), x), ("w".to_owned(), w)]);
            let loss = |v: &Values| weighted(&convolve(&v["x"], &v["w"], stride, dilation), &r);
            compare(&mut worst, &what, "x", &dx, &v, loss);
            compare(&mut worst, &what, "w", &dw, &v, loss);
        }
    }
    eprintln!("convolutions against 64-bit arithmetic: {worst}");
}

/// A type's parameter at random: sigmas from 0.5 to 1.5, offsets that leave the sum of a Gaussian positive.
pub fn made(name: &str, shape: &[usize]) -> Array {
    let mut array = Array::random(name, shape);
    match name {
        "sigma" => array.data.iter_mut().for_each(|value| *value = f64::from((1.0 + 0.5 * *value) as f32)),
        "offset" => array.data.iter_mut().for_each(|value| *value = f64::from((0.1 * *value) as f32)),
        _ => {}
    }
    array
}

/// A parameter of a layer or of the network, by its place and name.
pub fn parameter(place: &str, extra: &Extra) -> (String, Array) {
    (format!("{place}/{}", extra.name), made(extra.name, &extra.shape))
}

#[test]
fn every_dilated_type_is_its_definition() {
    let mut worst = Worst::within(SUMMED);
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
    let (own, shared) = (kind.layer_parameters(LayerSize { channels: 3, dilation: d }), kind.network_parameters());
    let mut v: Values = own.iter().map(|extra| parameter("own", extra)).collect();
    v.extend(shared.iter().map(|extra| parameter("shared", extra)));
    for (name, shape) in
        [("x", vec![2, 3, height, width]), ("weights", vec![4, 3, 3, 3]), ("scale", vec![4]), ("shift", vec![4])]
    {
        v.insert(name.to_owned(), Array::random(name, &shape));
    }
    let tensors = |place: &str, extras: &[Extra]| -> Vec<Tensor> {
        extras.iter().map(|extra| v[&format!("{place}/{}", extra.name)].tensor()).collect()
    };
    let (own_tensors, shared_tensors) = (tensors("own", &own), tensors("shared", &shared));
    let [x, weights, scale, shift] = ["x", "weights", "scale", "shift"].map(|name| v[name].tensor());
    let layer = Layer {
        op: Conv2d { stride: 1, dilation: d },
        weights: &weights,
        scale: Some(&scale),
        shift: Some(&shift),
        relu: false,
        own: &own_tensors,
        shared: &shared_tensors,
    };
    let (y, saved) = kind.forward(&layer, &x).unwrap();
    let expected = define(choice, d, &v);
    compare_values(worst, &what, &y, &expected);

    let r = Array::random("r", &expected.shape);
    let slots = |extras: &[Extra], tensors: &[Tensor]| -> Vec<Option<Tensor>> {
        extras.iter().zip(tensors).map(|(extra, tensor)| extra.trainable.then(|| like(tensor))).collect()
    };
    let gradients = LayerGradients {
        weights: Some(like(&weights)),
        own: slots(&own, &own_tensors),
        shared: slots(&shared, &shared_tensors),
    };
    let dx = kind.backward(&layer, &x, &saved, &r.tensor(), &gradients, None).unwrap();
    let loss = |v: &Values| weighted(&define(choice, d, v), &r);
    compare(worst, &what, "x", &dx, &v, loss);
    compare(worst, &what, "weights", gradients.weights.as_ref().unwrap(), &v, loss);
    for (place, extras, slots) in [("own", &own, &gradients.own), ("shared", &shared, &gradients.shared)] {
        for (extra, slot) in extras.iter().zip(slots) {
            if let Some(slot) = slot {
                compare(worst, &what, &format!("{place}/{}", extra.name), slot, &v, loss);
            }
        }
    }
}
