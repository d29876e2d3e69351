//! Convolutions against central differences, and their tiles against the definition.

use candle_core::{Device, Tensor};

use super::super::differences::{CELLS, STEP, differences, like, quarters, tensor, values, weighted};
use super::super::{elementwise, nchw, zeros};
use super::{Conv2d, Epilogue};
use crate::ml::geometry::Padding;
use crate::rng::Rng;

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
        ([4, 3, 7, 7], [2, 1], 2, 1),
        ([4, 3, 3, 3], [1, 2], 2, 1),
        ([4, 3, 3, 3], [3, 6], 2, 4),
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
    let paddings = [Padding::Same, Padding::Symmetric];
    for ((filter, [height, width], stride, dilation), padding) in
        cases.into_iter().flat_map(|case| paddings.map(|padding| (case, padding)))
    {
        // At stride 1 both give odd filters the same zeros: once is enough for what is large.
        if padding == Padding::Symmetric && stride == 1 && filter[1] > 8 {
            continue;
        }
        let op = Conv2d { stride, dilation, padding };
        let what = format!("{filter:?} on {height} x {width}, {op:?}");
        let x = quarters("x", &[2, filter[1], height, width]);
        let w = quarters("w", &filter);
        let size = [2, filter[0], op.outputs(height, filter[2]), op.outputs(width, filter[3])];
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
    let op = Conv2d { dilation: 2, ..Conv2d::default() };
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
fn convolutions_of_whole_cells_are_those_of_padded_images_with_the_gradients_of_differences() {
    for (dilation, [height, width]) in CELLS {
        let what = format!("{height} x {width}, dilation {dilation}");
        let op = Conv2d { dilation, ..Conv2d::default() };
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

/// Random values of a normal distribution.
fn normal(name: &str, shape: [usize; 4]) -> Tensor {
    let mut rng = Rng::new(1, name, 0);
    tensor(&shape, (0..shape.iter().product()).map(|_| rng.normal()).collect())
}

/// The greatest difference over the greatest value.
fn error(found: &Tensor, expected: &[f64]) -> f64 {
    let greatest = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let found = values(found);
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).fold(0.0_f64, |m, (f, e)| m.max((f64::from(*f) - e).abs())) / greatest
}

/// Calls `with` with the places in the output, the input and the filter of every product of the definition.
fn products([n, c, h, w]: [usize; 4], o: usize, d: usize, mut with: impl FnMut(usize, usize, usize)) {
    for (image, out, channel) in (0..n * o * c).map(|i| (i / c / o, i / c % o, i % c)) {
        for (y, x, tap) in (0..h * w * 9).map(|i| (i / 9 / w, i / 9 % w, i % 9)) {
            let (sy, sx) = ((y + tap / 3 * d).wrapping_sub(d), (x + tap % 3 * d).wrapping_sub(d));
            if sy < h && sx < w {
                let from = ((image * c + channel) * h + sy) * w + sx;
                with(((image * o + out) * h + y) * w + x, from, (out * c + channel) * 9 + tap);
            }
        }
    }
}

/// A gradient at one pixel reaches the nine around it, and nothing else where that must show.
#[test]
fn exact_sums_of_nothing_are_zero() {
    let (shape, op) = ([1, 32, 12, 12], Conv2d::default());
    let weights = normal("w", [32, 32, 3, 3]);
    let mut one = vec![0.0_f32; 32 * 144];
    one[5 * 12 + 6] = 1.0;
    let g = Tensor::from_vec(one, &shape, &Device::Cpu).unwrap();
    let alive = |exact| {
        let epilogue = Epilogue { exact, ..Epilogue::default() };
        let dx = op.backward_input(shape, &g, &weights, None, epilogue).unwrap();
        values(&dx).iter().filter(|value| **value != 0.0).count()
    };
    assert_eq!(alive(true), 32 * 9);
    assert!(alive(false) > 32 * 9, "tiles leave no rounding: then nothing need be exact");
}

#[test]
fn tiles_give_what_the_definition_gives_in_64_bits() {
    for (shape, outputs, dilation) in [([2, 35, 13, 19], 40, 1), ([1, 64, 21, 17], 33, 2), ([2, 33, 25, 27], 70, 4)] {
        let what = format!("{shape:?} to {outputs}, dilation {dilation}");
        let [n, c, h, w] = shape;
        let op = Conv2d { dilation, ..Conv2d::default() };
        let (x, g) = (normal("x", shape), normal("g", [n, outputs, h, w]));
        let weights = normal("w", [outputs, c, 3, 3]);
        let scale = values(&normal("scale", [1, outputs, 1, 1]));
        let scaled = Tensor::from_slice(&scale, outputs, &Device::Cpu).unwrap();
        let [xs, gs, ws] = [&x, &g, &weights].map(|t| values(t).into_iter().map(f64::from).collect::<Vec<_>>());
        let (mut y, mut dx, mut dw) = (vec![0.0; gs.len()], vec![0.0; xs.len()], vec![0.0; ws.len()]);
        products(shape, outputs, dilation, |at, from, tap| {
            let scale = f64::from(scale[tap / 9 / c]);
            y[at] += xs[from] * ws[tap];
            dx[from] += gs[at] * ws[tap] * scale;
            dw[tap] += gs[at] * xs[from] * scale;
        });
        let found = op.forward(&x, &weights, Epilogue::default()).unwrap();
        let by_input = op.backward_input(shape, &g, &weights, Some(&scaled), Epilogue::default()).unwrap();
        let by_weights = zeros(weights.dims(), &Device::Cpu).unwrap();
        op.backward_weights(&x, &g, Some(&scaled), &by_weights).unwrap();
        let errors = [error(&found, &y), error(&by_input, &dx), error(&by_weights, &dw)];
        eprintln!("{what}: {errors:?}");
        assert!(errors.iter().all(|e| *e < 5e-6), "{what}: {errors:?}");

        let (add, mask) = (normal("add", shape), normal("mask", shape));
        let epilogue = Epilogue { add: Some(&add), mask: Some(&mask), ..Epilogue::default() };
        let fused = op.backward_input(shape, &g, &weights, Some(&scaled), epilogue).unwrap();
        let expected = elementwise::masked(&(by_input + add).unwrap(), &mask).unwrap();
        assert_eq!(values(&fused), values(&expected), "{what}");
    }
}
