//! Every gradient against central differences.

use candle_core::{Device, Tensor};

use super::conv::{Conv2d, Epilogue};
use super::dispatch::zeros;
use super::phases::{Finish, Phases};
use super::shapes::nchw;
use super::{depthwise, elementwise, loss::argmax, pool, resize};
use crate::ml::loss;
use crate::ml::rng::Rng;

fn tensor(shape: &[usize], data: Vec<f32>) -> Tensor {
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn like(x: &Tensor) -> Tensor {
    zeros(x.dims(), &Device::Cpu).unwrap()
}

/// Random multiples of 1/4 from -1 to 1. Sums of products of two of them are exact, so that differences are, too.
fn quarters(name: &str, shape: &[usize]) -> Tensor {
    let mut rng = Rng::new(1, name, 0);
    let data = (0..shape.iter().product()).map(|_| (f32::from(rng.below(9) as u8) - 4.0) / 4.0).collect();
    tensor(shape, data)
}

/// `sum r y`, in 64 bits.
fn weighted(y: &Tensor, r: &Tensor) -> f64 {
    assert_eq!(y.dims(), r.dims());
    values(y).iter().zip(values(r)).map(|(y, r)| f64::from(*y) * f64::from(r)).sum()
}

/// Holds `gradient` against `(f(x + h) - f(x - h)) / 2h` at up to 150 elements of `x`, spread over it. `tolerance` is
/// a part of the greatest derivative.
#[track_caller]
fn differences(what: &str, x: &Tensor, gradient: &Tensor, h: f32, tolerance: f64, f: impl Fn(&Tensor) -> f64) {
    assert_eq!(x.dims(), gradient.dims(), "{what}");
    let (original, gradient) = (values(x), values(gradient));
    let greatest = gradient.iter().fold(0.0_f64, |m, g| m.max(f64::from(g.abs())));
    assert!(greatest > 0.0, "{what}: there is no gradient to check");
    for at in (0..original.len()).step_by(original.len().div_ceil(150)) {
        let moved = |by: f32| {
            let mut data = original.clone();
            data[at] += by;
            f(&tensor(x.dims(), data))
        };
        let expected = (moved(h) - moved(-h)) / (2.0 * f64::from(h));
        let gap = (f64::from(gradient[at]) - expected).abs();
        assert!(gap <= tolerance * greatest, "{what}, element {at}: {} for {expected}", gradient[at]);
    }
}

/// A step that keeps sums of quarters exact, and that no ReLU notices whose input is an odd multiple of 1/32.
const STEP: f32 = 1.0 / 256.0;

/// A convolution with everything around it: the sums are multiples of 1/16, the scale 1, -1 or 2 and the shift an
/// odd multiple of 1/32, so that every difference is exact and none crosses the ReLU's kink.
#[test]
fn convolutions_have_the_gradients_of_differences() {
    // Filter [O, C, KH, KW], image [H, W], stride, dilation.
    let cases = [
        ([5, 3, 3, 3], [7, 7], 1, 1),
        ([5, 3, 3, 3], [8, 5], 1, 2),
        ([4, 2, 3, 3], [9, 12], 1, 4),
        ([4, 2, 3, 3], [7, 9], 2, 1),
        ([4, 2, 3, 3], [8, 6], 2, 1),
        ([6, 4, 1, 1], [5, 6], 1, 1),
        ([6, 4, 1, 1], [5, 6], 2, 1),
        ([6, 4, 1, 1], [9, 7], 2, 1),
        ([4, 3, 7, 7], [13, 10], 2, 1),
        ([4, 3, 7, 7], [8, 9], 1, 1),
        ([3, 2, 2, 3], [6, 7], 1, 3),
        ([3, 2, 3, 3], [5, 5], 1, 12),
        // More rows than a register tile, more terms than a block, more columns than a tile.
        ([29, 40, 3, 3], [17, 15], 1, 2),
        ([29, 300, 1, 1], [16, 17], 1, 1),
        // Few outputs of many channels.
        ([5, 64, 3, 3], [8, 9], 1, 3),
        ([3, 70, 3, 3], [7, 5], 1, 6),
        // Of these, taps that reach no line of a task, and of any.
        ([2, 64, 3, 3], [70, 3], 1, 24),
        ([2, 64, 2, 2], [3, 200], 1, 5),
    ];
    for (filter, [height, width], stride, dilation) in cases {
        let what = format!("{filter:?} on {height} x {width}, stride {stride}, dilation {dilation}");
        let op = Conv2d { stride, dilation };
        let x = quarters("x", &[2, filter[1], height, width]);
        let w = quarters("w", &filter);
        let size = [2, filter[0], height.div_ceil(stride), width.div_ceil(stride)];
        let scale = tensor(&[filter[0]], (0..filter[0]).map(|c| [1.0, -1.0, 2.0][c % 3]).collect());
        let shift = tensor(&[filter[0]], (0..filter[0]).map(|c| (2.0 * c as f32 - 5.0) / 32.0).collect());
        let (add, r) = (quarters("add", &size), quarters("r", &size));
        let forward = |x: &Tensor, w: &Tensor, add: &Tensor| {
            let (scale, shift) = (Some(&scale), Some(&shift));
            op.forward(x, w, Epilogue { scale, shift, add: Some(add), relu: true, ..Epilogue::default() }).unwrap()
        };
        let y = forward(&x, &w, &add);
        assert!(values(&y).contains(&0.0), "{what}: the ReLU does nothing");
        let g = elementwise::masked(&r, &y).unwrap();
        let shape = nchw("x", &x).unwrap();
        let dx = op.backward_input(shape, &g, &w, Some(&scale), Epilogue::default()).unwrap();
        let dw = like(&w);
        op.backward_weights(&x, &g, Some(&scale), &dw).unwrap();
        differences(&format!("x of {what}"), &x, &dx, STEP, 0.0, |x| weighted(&forward(x, &w, &add), &r));
        differences(&format!("w of {what}"), &w, &dw, STEP, 0.0, |w| weighted(&forward(&x, w, &add), &r));
        differences(&format!("add of {what}"), &add, &g, STEP, 0.0, |add| weighted(&forward(&x, &w, add), &r));

        // What surrounds the gradient itself: a sum, and the mask of the layer below.
        let (sum, mask) = (quarters("sum", x.dims()), quarters("mask", x.dims()));
        let epilogue = Epilogue { add: Some(&sum), mask: Some(&mask), ..Epilogue::default() };
        let fused = op.backward_input(shape, &g, &w, Some(&scale), epilogue).unwrap();
        let expected = elementwise::masked(&(&dx + &sum).unwrap(), &mask).unwrap();
        assert_eq!(values(&fused), values(&expected), "{what}");
    }
}

#[test]
fn the_epilogue_does_what_it_says_in_its_order() {
    let op = Conv2d { stride: 1, dilation: 2 };
    let (x, weights) = (quarters("x", &[2, 3, 8, 9]), quarters("w", &[4, 3, 3, 3]));
    let (scale, shift) = (quarters("scale", &[4]), quarters("shift", &[4]));
    let (add, mask) = (quarters("add", &[2, 4, 8, 9]), quarters("mask", &[2, 4, 8, 9]));
    let epilogue = Epilogue {
        scale: Some(&scale),
        shift: Some(&shift),
        add: Some(&add),
        relu: true,
        mask: Some(&mask),
        exact: false,
    };
    let folded = op.forward(&x, &weights, epilogue).unwrap();
    let channel = |v: &Tensor| v.reshape((1, 4, 1, 1)).unwrap();
    let y = op.forward(&x, &weights, Epilogue::default()).unwrap();
    let y = y.broadcast_mul(&channel(&scale)).unwrap().broadcast_add(&channel(&shift)).unwrap();
    let y = (y + add).unwrap().relu().unwrap();
    assert_eq!(values(&folded), values(&elementwise::masked(&y, &mask).unwrap()));
}

#[test]
fn depthwise_convolutions_have_the_gradients_of_differences() {
    let sizes = [(1, [4, 5]), (2, [6, 5]), (3, [7, 9]), (3, [2, 2]), (7, [5, 12]), (7, [9, 35])];
    for (filters, kernel, [height, width]) in sizes.into_iter().flat_map(|(k, size)| [(3, k, size), (1, k, size)]) {
        let what = format!("{filters} of {kernel} x {kernel} on {height} x {width}");
        let (x, w) = (quarters("x", &[2, 3, height, width]), quarters("w", &[filters, 1, kernel, kernel]));
        let (r, mask) = (quarters("r", x.dims()), quarters("mask", x.dims()));
        let dw = like(&w);
        depthwise::backward_weights(&x, &r, &dw).unwrap();
        differences(&format!("w of {what}"), &w, &dw, STEP, 0.0, |w| weighted(&depthwise::forward(&x, w).unwrap(), &r));
        let dx = depthwise::backward_input(&r, &w, None).unwrap();
        differences(&format!("x of {what}"), &x, &dx, STEP, 0.0, |x| weighted(&depthwise::forward(x, &w).unwrap(), &r));
        let masked = depthwise::backward_input(&r, &w, Some(&mask)).unwrap();
        assert_eq!(values(&masked), values(&elementwise::masked(&dx, &mask).unwrap()), "{what}");
    }
}

/// A filter for all channels does what equal filters of each do.
#[test]
fn a_shared_filter_is_that_of_every_channel() {
    let (x, w, g) = (quarters("x", &[2, 3, 8, 19]), quarters("w", &[1, 1, 3, 3]), quarters("g", &[2, 3, 8, 19]));
    let each = w.repeat((3, 1, 1, 1)).unwrap();
    assert_eq!(values(&depthwise::forward(&x, &w).unwrap()), values(&depthwise::forward(&x, &each).unwrap()));
    let (one, all) = (like(&w), like(&each));
    depthwise::backward_weights(&x, &g, &one).unwrap();
    depthwise::backward_weights(&x, &g, &all).unwrap();
    assert_eq!(values(&one), values(&all.sum_keepdim(0).unwrap()));
    assert!(
        depthwise::forward(&x, &quarters("w", &[2, 1, 3, 3])).unwrap_err().to_string().contains("for all channels")
    );
}

/// Sizes that are and are not whole cells, some with fewer pixels than a cell.
const CELLS: [(usize, [usize; 2]); 6] =
    [(2, [4, 6]), (2, [5, 7]), (3, [7, 8]), (4, [8, 4]), (4, [13, 10]), (4, [3, 5])];

#[test]
fn convolutions_of_whole_cells_are_those_of_padded_images_with_the_gradients_of_differences() {
    for (dilation, [height, width]) in CELLS {
        let what = format!("{height} x {width}, dilation {dilation}");
        let op = Conv2d { stride: 1, dilation };
        let (x, w) = (quarters("x", &[2, 3, height, width]), quarters("w", &[4, 3, 3, 3]));
        let [h, wide] = [height, width].map(|size| size.next_multiple_of(dilation));
        let padded = x.pad_with_zeros(2, 0, h - height).unwrap().pad_with_zeros(3, 0, wide - width).unwrap();
        let y = op.forward_whole(&x, &w, Epilogue::default()).unwrap();
        assert_eq!(values(&y), values(&op.forward(&padded, &w, Epilogue::default()).unwrap()), "{what}");
        let r = quarters("r", &[2, 4, h, wide]);
        let forward = |x: &Tensor, w: &Tensor| weighted(&op.forward_whole(x, w, Epilogue::default()).unwrap(), &r);
        let dx = op.backward_input(nchw("x", &x).unwrap(), &r, &w, None, Epilogue::default()).unwrap();
        let dw = like(&w);
        op.backward_weights(&x, &r, None, &dw).unwrap();
        differences(&format!("x of {what}"), &x, &dx, STEP, 0.0, |x| forward(x, &w));
        differences(&format!("w of {what}"), &w, &dw, STEP, 0.0, |w| forward(&x, w));
    }
}

#[test]
fn mixing_of_phases_has_the_gradients_of_differences() {
    for (dilation, [height, width]) in CELLS {
        let what = format!("{height} x {width}, dilation {dilation}");
        let phases = Phases { dilation };
        let whole = [height, width].map(|size| size.next_multiple_of(dilation));
        let (x, m) = (quarters("x", &[2, 3, whole[0], whole[1]]), quarters("m", &[dilation.pow(2), dilation.pow(2)]));
        let (scale, shift) =
            (tensor(&[3], vec![1.0, -1.0, 2.0]), tensor(&[3], vec![-5.0 / 32.0, 3.0 / 32.0, 1.0 / 32.0]));
        let finish = Finish { scale: Some(&scale), shift: Some(&shift), relu: true };
        let forward = |x: &Tensor, m: &Tensor| phases.mix(x, m, [height, width], finish).unwrap();
        let (y, r) = (forward(&x, &m), quarters("r", &[2, 3, height, width]));
        assert!(values(&y).contains(&0.0), "{what}: the ReLU does nothing");
        let g = elementwise::masked(&r, &y).unwrap();
        let dx = phases.backward_input(&g, &m, Some(&scale), whole).unwrap();
        let dm = like(&m);
        phases.backward_matrix(&x, &g, Some(&scale), &dm).unwrap();
        differences(&format!("x of {what}"), &x, &dx, STEP, 0.0, |x| weighted(&forward(x, &m), &r));
        differences(&format!("m of {what}"), &m, &dm, STEP, 0.0, |m| weighted(&forward(&x, m), &r));
        let eye = Tensor::eye(dilation.pow(2), candle_core::DType::F32, &Device::Cpu).unwrap();
        let kept = phases.mix(&x, &eye, whole, Finish::default()).unwrap();
        assert_eq!(values(&kept), values(&x), "{what}");
    }
}

#[test]
fn the_max_pool_has_the_gradient_of_differences_and_gives_it_to_the_first_maximum() {
    for [height, width] in [[7, 7], [8, 8], [6, 9], [1, 2]] {
        let what = format!("{height} x {width}");
        let count = 2 * 3 * height * width;
        // All values differ by more than the step; half of them are negative.
        let data = (0..count).map(|i| (i * 7919 % count) as f32 - count as f32 / 2.0 + 0.5).collect();
        let x = tensor(&[2, 3, height, width], data);
        let r = quarters("r", &[2, 3, height.div_ceil(2), width.div_ceil(2)]);
        let dx = pool::backward(&x, &r, false).unwrap();
        differences(&what, &x, &dx, STEP, 0.0, |x| weighted(&pool::forward(x).unwrap(), &r));
        let masked = pool::backward(&x, &r, true).unwrap();
        assert_eq!(values(&masked), values(&elementwise::masked(&dx, &x).unwrap()), "{what}");
    }
    // An even size: no padding before, so that windows begin at 0 and 2.
    let ties = tensor(&[1, 1, 4, 4], vec![1.0; 16]);
    let g = tensor(&[1, 1, 2, 2], vec![1.0, 2.0, 3.0, 4.0]);
    let mut expected = vec![0.0; 16];
    (expected[0], expected[2], expected[8], expected[10]) = (1.0, 2.0, 3.0, 4.0);
    assert_eq!(values(&pool::backward(&ties, &g, true).unwrap()), expected);
}

#[test]
fn the_bilinear_resize_has_the_gradient_of_differences() {
    // Where the ratio is no power of two, so are the taps' weights, and differences are not exact.
    for ([h, w], [height, width], tolerance) in [
        ([4, 5], [8, 10], 0.0),
        ([8, 4], [4, 8], 0.0),
        ([5, 7], [13, 9], 1e-4),
        ([9, 6], [4, 5], 1e-4),
        ([1, 3], [4, 1], 0.0),
    ] {
        let (x, r) = (quarters("x", &[2, 2, h, w]), quarters("r", &[2, 2, height, width]));
        let dx = resize::bilinear_backward(&r, h, w).unwrap();
        let what = format!("{h} x {w} to {height} x {width}");
        let f = |x: &Tensor| weighted(&resize::bilinear(x, height, width).unwrap(), &r);
        differences(&what, &x, &dx, 1.0, tolerance, f);
    }
}

#[test]
fn the_cross_entropy_has_the_gradient_of_differences() {
    let logits = quarters("logits", &[2, 5, 3, 4]);
    // At twice the size, so that nearest neighbour takes every other label; 5 and more are ignored.
    let labels: Vec<u8> = (0..2 * 6 * 8).map(|i| [0, 255, 3, 5, 4, 1, 2][i / 2 % 7]).collect();
    let of = |logits: &Tensor| loss::cross_entropy(logits, &labels, [6, 8]).unwrap();
    let loss = of(&logits);
    assert_eq!(loss.counted, loss.targets.iter().filter(|&&label| label < 5).count());
    assert!(loss.counted > 0 && loss.counted < 24, "{}", loss.counted);
    differences("logits", &logits, &loss.gradient, 1.0 / 64.0, 1e-3, |logits| of(logits).cross_entropy);

    let ignored = loss::cross_entropy(&logits, &[255; 2 * 6 * 8], [6, 8]).unwrap();
    assert_eq!((ignored.cross_entropy, ignored.counted), (0.0, 0));
    assert!(values(&ignored.gradient).iter().all(|&g| g == 0.0));
    assert_eq!(argmax(&zeros(&[1, 3, 1, 1], &Device::Cpu).unwrap()).unwrap(), [0]);
}

#[test]
fn a_bias_has_the_gradient_of_differences() {
    let (x, r, b) = (quarters("x", &[2, 3, 4, 5]), quarters("r", &[2, 3, 4, 5]), quarters("b", &[3]));
    let db = like(&b);
    elementwise::sum_by_channel(&r, &db).unwrap();
    let y = |b: &Tensor| x.broadcast_add(&b.reshape((1, 3, 1, 1)).unwrap()).unwrap();
    differences("bias", &b, &db, STEP, 0.0, |b| weighted(&y(b), &r));
}
