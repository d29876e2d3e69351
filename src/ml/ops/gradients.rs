//! Every gradient against central differences.

use candle_core::{Device, Tensor};

use super::conv::{Conv2d, Epilogue};
use super::{depthwise, elementwise, loss, nchw, pool, resize, zeros};
use crate::ml::rng::Rng;

fn random(name: &str, shape: &[usize]) -> Tensor {
    let mut rng = Rng::new(11, name, 0);
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal()).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Compares `gradient` with central differences of `sum(g * f(x))`, added in 64 bits, at up to 40 elements of `x`.
#[track_caller]
fn check(what: &str, x: &Tensor, g: &Tensor, gradient: &Tensor, tolerance: f64, f: impl Fn(&Tensor) -> Tensor) {
    assert_eq!(x.dims(), gradient.dims(), "{what}");
    let (data, g, gradient) = (values(x), values(g), values(gradient));
    let objective = |at: usize, step: f32| -> f64 {
        let mut moved = data.clone();
        moved[at] += step;
        let y = f(&Tensor::from_vec(moved, x.dims(), &Device::Cpu).unwrap());
        values(&y).iter().zip(&g).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum()
    };
    let h = 0.0078125;
    for at in (0..data.len()).step_by(data.len().div_ceil(40)) {
        let expected = (objective(at, h) - objective(at, -h)) / f64::from(2.0 * h);
        let gap = (f64::from(gradient[at]) - expected).abs();
        assert!(gap < tolerance * (1.0 + expected.abs()), "{what} at {at}: {} for {expected}", gradient[at]);
    }
}

#[test]
fn convolutions_of_every_geometry() {
    // Images, channels, height, width, outputs, kernel, stride, dilation.
    let cases = [
        [2, 3, 9, 7, 4, 7, 2, 1],
        [1, 3, 8, 6, 5, 3, 2, 1],
        [2, 5, 7, 8, 3, 1, 1, 1],
        [1, 4, 9, 6, 3, 1, 2, 1],
        [1, 4, 11, 13, 6, 3, 1, 4],
        [1, 2, 5, 6, 3, 2, 1, 1],
        [1, 30, 17, 19, 3, 3, 1, 6],
        [1, 3, 20, 21, 30, 3, 1, 2],
    ];
    for case in cases {
        let [n, c, h, w, o, k, stride, dilation] = case;
        let what = format!("{case:?}");
        let op = Conv2d { stride, dilation };
        let (x, weights) = (random("x", &[n, c, h, w]), random("w", &[o, c, k, k]));
        let scale = random("scale", &[o]);
        let forward = |x: &Tensor, weights: &Tensor| {
            op.forward(x, weights, Epilogue { scale: Some(&scale), ..Epilogue::default() }).unwrap()
        };
        let g = random("g", forward(&x, &weights).dims());
        let (add, mask) = (random("add", x.dims()), random("mask", x.dims()));
        let plain = op.backward_input([n, c, h, w], &g, &weights, Some(&scale), Epilogue::default()).unwrap();
        check(&what, &x, &g, &plain, 2e-3, |x| forward(x, &weights));
        let epilogue = Epilogue { add: Some(&add), mask: Some(&mask), ..Epilogue::default() };
        let folded = op.backward_input([n, c, h, w], &g, &weights, Some(&scale), epilogue).unwrap();
        let apart = elementwise::masked(&(plain + add).unwrap(), &mask).unwrap();
        assert_eq!(values(&folded), values(&apart), "{what}");
        let dw = zeros(weights.dims(), &Device::Cpu).unwrap();
        op.backward_weights(&x, &g, Some(&scale), &dw).unwrap();
        check(&what, &weights, &g, &dw, 2e-3, |weights| forward(&x, weights));
    }
}

#[test]
fn the_epilogue_does_what_it_says_in_its_order() {
    let op = Conv2d { stride: 1, dilation: 2 };
    let (x, weights) = (random("x", &[2, 3, 8, 9]), random("w", &[4, 3, 3, 3]));
    let (scale, shift) = (random("scale", &[4]), random("shift", &[4]));
    let (add, mask) = (random("add", &[2, 4, 8, 9]), random("mask", &[2, 4, 8, 9]));
    let epilogue =
        Epilogue { scale: Some(&scale), shift: Some(&shift), add: Some(&add), relu: true, mask: Some(&mask) };
    let folded = op.forward(&x, &weights, epilogue).unwrap();
    let channel = |v: &Tensor| v.reshape((1, 4, 1, 1)).unwrap();
    let y = op.forward(&x, &weights, Epilogue::default()).unwrap();
    let y = y.broadcast_mul(&channel(&scale)).unwrap().broadcast_add(&channel(&shift)).unwrap();
    let y = (y + add).unwrap().relu().unwrap();
    assert_eq!(values(&folded), values(&elementwise::masked(&y, &mask).unwrap()));
}

#[test]
fn depthwise_convolutions() {
    for k in [1, 2, 3] {
        let (x, weights) = (random("x", &[2, 5, 7, 12]), random("w", &[5, 1, k, k]));
        let g = random("g", x.dims());
        let dx = depthwise::backward_input(&g, &weights, None).unwrap();
        check("depthwise input", &x, &g, &dx, 1e-3, |x| depthwise::forward(x, &weights).unwrap());
        let masked = depthwise::backward_input(&g, &weights, Some(&x)).unwrap();
        assert_eq!(values(&masked), values(&elementwise::masked(&dx, &x).unwrap()));
        let dw = zeros(weights.dims(), &Device::Cpu).unwrap();
        depthwise::backward_weights(&x, &g, &dw).unwrap();
        check("depthwise weights", &weights, &g, &dw, 1e-3, |weights| depthwise::forward(&x, weights).unwrap());
    }
}

#[test]
fn pools_resizes_and_biases() {
    for size in [(6, 9), (7, 8), (1, 2)] {
        // Distinct values further apart than the step, so that no maximum changes.
        let order = Rng::new(3, "order", 0).permutation((2 * 3 * size.0 * size.1) as u32);
        let data: Vec<f32> = order.iter().map(|&v| v as f32 * 0.1 - 1.0).collect();
        let x = Tensor::from_vec(data, (2, 3, size.0, size.1), &Device::Cpu).unwrap();
        let g = random("g", pool::forward(&x).unwrap().dims());
        let dx = pool::backward(&x, &g, false).unwrap();
        check("max pool", &x, &g, &dx, 1e-3, |x| pool::forward(x).unwrap());
        let masked = pool::backward(&x, &g, true).unwrap();
        assert_eq!(values(&masked), values(&elementwise::masked(&dx, &x).unwrap()));
    }
    for (from, to) in [((5, 4), (33, 25)), ((9, 7), (4, 5)), ((1, 1), (3, 2))] {
        let x = random("x", &[1, 2, from.0, from.1]);
        let g = random("g", &[1, 2, to.0, to.1]);
        let dx = resize::bilinear_backward(&g, from.0, from.1).unwrap();
        check("resize", &x, &g, &dx, 1e-3, |x| resize::bilinear(x, to.0, to.1).unwrap());
    }
    let g = random("g", &[2, 3, 4, 5]);
    let sums = zeros(&[3], &Device::Cpu).unwrap();
    elementwise::sum_by_channel(&g, &sums).unwrap();
    let expected: Vec<f32> = values(&g.sum((0, 2, 3)).unwrap());
    assert!(values(&sums).iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-5));
}

#[test]
fn cross_entropy_with_ignored_labels() {
    let logits = random("logits", &[2, 4, 3, 5]);
    let [n, _, h, w] = nchw("logits", &logits).unwrap();
    let labels: Vec<u8> = (0..n * h * w).map(|p| [0, 1, 255, 2, 3, 4][p % 6]).collect();
    let counted = labels.iter().filter(|&&label| label < 4).count();
    let share = Tensor::full(1.0 / counted as f32, (n, h, w), &Device::Cpu).unwrap();
    let gradient = loss::cross_entropy_backward(&logits, &labels, counted).unwrap();
    check("cross entropy", &logits, &share, &gradient, 1e-4, |x| loss::cross_entropy(x, &labels).unwrap());
    let losses = values(&loss::cross_entropy(&logits, &labels).unwrap());
    assert!(losses.iter().zip(&labels).all(|(loss, &label)| (*loss == 0.0) == (label >= 4)));
    assert_eq!(loss::argmax(&zeros(&[1, 3, 1, 1], &Device::Cpu).unwrap()).unwrap(), [0]);
}
