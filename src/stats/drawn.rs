//! The distribution of differences that resamples of seeds and images come to.
//!
//! Seeds that are few spread less among themselves than the seeds that they stand for. So a tail is not the plain share of the
//! resamples: its normal quantile is widened to that of Student's t (Hesterberg, "What teachers should know about the
//! bootstrap", 2015: the expanded percentile interval).

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Differences of resamples.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drawn {
    /// In ascending order.
    sorted: Vec<f64>,
    /// How many seeds were drawn from, of the method that has fewer.
    seeds: usize,
}

impl Drawn {
    /// The distribution of differences, in any order, that so many seeds were drawn for.
    pub fn new(mut differences: Vec<f64>, seeds: usize) -> Self {
        differences.sort_by(f64::total_cmp);
        Drawn { sorted: differences, seeds }
    }

    /// The interval of level `1 - p`. An end that asks for more resamples than there are is infinite.
    pub fn interval(&self, p: f64) -> [f64; 2] {
        let n = self.sorted.len();
        let quantile = StudentsT::new(0.0, 1.0, self.freedom()).map_or(f64::NEG_INFINITY, |t| t.inverse_cdf(p / 2.0));
        let tail = Normal::standard().cdf(quantile * self.widening());
        match ((n as f64 + 1.0) * tail).floor() as usize {
            0 => [f64::NEG_INFINITY, f64::INFINITY],
            beyond => [self.sorted[beyond - 1], self.sorted[n - beyond]],
        }
    }

    /// The two-sided p-value of a bound: that of the interval which just leaves it out.
    pub fn p(&self, bound: f64) -> f64 {
        let below = self.sorted.partition_point(|&it| it <= bound);
        let above = self.sorted.len() - self.sorted.partition_point(|&it| it < bound);
        let tail = (below.min(above) as f64 + 1.0) / (self.sorted.len() as f64 + 1.0);
        let quantile = Normal::standard().inverse_cdf(tail.min(0.5)) / self.widening();
        StudentsT::new(0.0, 1.0, self.freedom()).map_or(1.0, |t| (2.0 * t.cdf(quantile)).min(1.0))
    }

    fn freedom(&self) -> f64 {
        self.seeds as f64 - 1.0
    }

    fn widening(&self) -> f64 {
        (self.seeds as f64 / self.freedom()).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_p_values_agree() {
        let drawn = Drawn::new((0..1999).rev().map(f64::from).collect(), 20);
        let [low, high] = drawn.interval(0.05);
        // The quantile 0.025 of Student's t with 19 degrees of freedom is -2.0930; -2.1474 is the normal quantile of 0.01588.
        assert_eq!((low, high), (30.0, 1968.0));
        assert!(
            drawn.p(low - 0.5) <= 0.05 && drawn.p(low) > 0.05 && drawn.p(high) > 0.05 && drawn.p(high + 0.5) <= 0.05
        );
        assert!(drawn.p(-1.0) > 0.0 && drawn.p(999.0) == 1.0);
        assert_eq!(drawn.interval(1e-6)[0], f64::NEG_INFINITY);
    }
}
