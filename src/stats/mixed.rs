//! Quantiles of a sum of variances that are known from very different numbers of observations.
//!
//! The quantile is a weighted mean of the terms' own quantiles of Student's t. Where the weights are the terms this is the
//! approximation of Cochran and Cox ("Experimental designs", 1957, 4.14). It is wider than Satterthwaite's where few
//! observations bear on a large term.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// An estimate whose variance is a sum of terms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mixed {
    /// The standard error.
    pub error: f64,
    /// The weight of each term and its degrees of freedom. There is a weight above 0.
    pub terms: Vec<(f64, f64)>,
}

/// The smallest p-value that is told apart from smaller ones.
const LEAST: f64 = 1e-12;

impl Mixed {
    /// Half the width of the two-sided interval of level `1 - p`.
    pub fn half(&self, p: f64) -> f64 {
        let quantile = |freedom| StudentsT::new(0.0, 1.0, freedom).map_or(f64::INFINITY, |t| -t.inverse_cdf(p / 2.0));
        let sum: f64 = self.terms.iter().map(|(weight, _)| weight).sum();
        let weighted: f64 = self.terms.iter().map(|&(weight, freedom)| weight * quantile(freedom)).sum();
        self.error * weighted / sum
    }

    /// The two-sided p-value of a bound at a distance from the effect: that of the interval whose end lies there.
    pub fn p(&self, distance: f64) -> f64 {
        if distance == 0.0 || distance.is_nan() {
            return 1.0;
        }
        let (mut low, mut high) = (LEAST, 1.0);
        // Each step halves the distance of the logarithms: 64 leave nothing of it.
        for _ in 0..64 {
            let middle = f64::sqrt(low * high);
            *if self.half(middle) > distance { &mut low } else { &mut high } = middle;
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_quantile_lies_between_those_of_the_terms() {
        // The quantiles 0.975 of 2 and 100 degrees of freedom, from a table.
        let (few, many) = (4.302_652_730, 1.983_971_519);
        let mixed = Mixed { error: 2.0, terms: vec![(3.0, 2.0), (1.0, 100.0)] };
        assert!((mixed.half(0.05) - 2.0 * (0.75 * few + 0.25 * many)).abs() < 1e-8);
        assert_eq!(mixed.p(0.0), 1.0);
        assert_eq!(mixed.p(f64::INFINITY), LEAST);
    }

    proptest! {
        #[test]
        fn p_values_belong_to_the_intervals(
            first in 0.01_f64..1.0, second in 0.01_f64..1.0, freedom in 1_u32..4, images in 5_u32..1449, p in 1e-9_f64..0.9,
        ) {
            let terms = vec![(first, f64::from(freedom)), (second, f64::from(images))];
            let mixed = Mixed { error: 0.3, terms };
            let back = mixed.p(mixed.half(p));
            prop_assert!((back / p - 1.0).abs() < 1e-6, "{back} is not {p}");
        }
    }
}
