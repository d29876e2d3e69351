//! How far what was computed is from what is expected.

use candle_core::{Device, Tensor};

use super::array::Array;
use super::tape::Gradient;
use crate::ml::ops::zeros;

/// Below it, a derivative is zero in exact arithmetic.
const FLOOR: f64 = 1e-9;

pub fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The greatest difference over the greatest magnitude of what is expected.
pub fn difference(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|f| f.is_finite()));
    let greatest = expected.iter().fold(0.0_f64, |m, e| m.max(f64::from(e.abs())));
    let gap = found.iter().zip(expected).fold(0.0_f64, |m, (f, e)| m.max(f64::from((f - e).abs())));
    if greatest == 0.0 { gap } else { gap / greatest }
}

/// The worst of many comparisons within one tolerance.
pub struct Worst {
    tolerance: f64,
    pub error: f64,
}

impl Worst {
    pub fn within(tolerance: f64) -> Self {
        Worst { tolerance, error: 0.0 }
    }

    #[track_caller]
    pub fn compare(&mut self, what: &str, found: &Tensor, expected: &Tensor) {
        assert_eq!(found.dims(), expected.dims(), "{what}");
        self.note(what, difference(&values(found), &values(expected)));
    }

    #[track_caller]
    pub fn note(&mut self, what: &str, error: f64) {
        assert!(error <= self.tolerance, "{what}: {error:e} is over {:e}", self.tolerance);
        self.error = self.error.max(error);
    }
}

impl std::fmt::Display for Worst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1e} of {:.0e}", self.error, self.tolerance)
    }
}

/// Holds values against those of the definition.
#[track_caller]
pub fn compare(worst: &mut Worst, what: &str, found: &Tensor, expected: &Array<'_>) {
    assert_eq!(found.dims(), expected.shape, "{what}");
    let expected: Vec<f64> = expected.data.iter().map(|number| number.value).collect();
    worst.note(what, gap(&values(found), &expected));
}

/// Holds a gradient by `array` against the chain rule's.
#[track_caller]
pub fn compare_gradient(worst: &mut Worst, what: &str, found: &Tensor, gradient: &Gradient, array: &Array<'_>) {
    assert_eq!(found.dims(), array.shape, "{what}");
    let expected: Vec<f64> = array.data.iter().map(|&number| gradient.by(number)).collect();
    worst.note(&format!("{what}, gradient"), gap(&values(found), &expected));
}

/// The greatest difference over the greatest magnitude, or over one where all is zero in exact arithmetic.
fn gap(found: &[f32], expected: &[f64]) -> f64 {
    let greatest = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let gap = found.iter().zip(expected).fold(0.0_f64, |most, (f, e)| most.max((f64::from(*f) - e).abs()));
    assert!(found.iter().all(|value| value.is_finite()));
    if greatest < FLOOR { gap } else { gap / greatest }
}

/// Zeros of the shape of `tensor`.
pub fn like(tensor: &Tensor) -> Tensor {
    zeros(tensor.dims(), &Device::Cpu).unwrap()
}
