//! Gradients against central differences: what the tests of operations share.

use candle_core::{Device, Tensor};

use super::zeros;
use crate::rng::Rng;

pub(super) fn tensor(shape: &[usize], data: Vec<f32>) -> Tensor {
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

pub(super) fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

pub(super) fn like(x: &Tensor) -> Tensor {
    zeros(x.dims(), &Device::Cpu).unwrap()
}

/// Random multiples of 1/4 from -1 to 1. Sums of products of two of them are exact, so that differences are, too.
pub(super) fn quarters(name: &str, shape: &[usize]) -> Tensor {
    let mut rng = Rng::new(1, name, 0);
    let data = (0..shape.iter().product()).map(|_| (f32::from(rng.below(9) as u8) - 4.0) / 4.0).collect();
    tensor(shape, data)
}

/// `sum r y`, in 64 bits.
pub(super) fn weighted(y: &Tensor, r: &Tensor) -> f64 {
    assert_eq!(y.dims(), r.dims());
    values(y).iter().zip(values(r)).map(|(y, r)| f64::from(*y) * f64::from(r)).sum()
}

/// Holds `gradient` against `(f(x + h) - f(x - h)) / 2h` at up to 150 elements of `x`, spread over it. `tolerance` is
/// a part of the greatest derivative.
#[track_caller]
pub(super) fn differences(
    what: &str,
    x: &Tensor,
    gradient: &Tensor,
    h: f32,
    tolerance: f64,
    f: impl Fn(&Tensor) -> f64,
) {
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
pub(super) const STEP: f32 = 1.0 / 256.0;

/// Sizes that are and are not whole cells, some with fewer pixels than a cell.
pub(super) const CELLS: [(usize, [usize; 2]); 6] =
    [(2, [4, 6]), (2, [5, 7]), (3, [7, 8]), (4, [8, 4]), (4, [13, 10]), (4, [3, 5])];
