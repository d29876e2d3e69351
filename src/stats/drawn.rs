//! The distribution of differences that resamples of seeds and images come to.

/// Differences of resamples.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drawn {
    /// In ascending order.
    sorted: Vec<f64>,
}

impl Drawn {
    /// The distribution of differences, in any order.
    pub fn new(mut differences: Vec<f64>) -> Self {
        differences.sort_by(f64::total_cmp);
        Drawn { sorted: differences }
    }

    /// The percentile interval of level `1 - p`. An end that asks for more resamples than there are is infinite.
    pub fn interval(&self, p: f64) -> [f64; 2] {
        let n = self.sorted.len();
        match ((n as f64 + 1.0) * p / 2.0).floor() as usize {
            0 => [f64::NEG_INFINITY, f64::INFINITY],
            beyond => [self.sorted[beyond - 1], self.sorted[n - beyond]],
        }
    }

    /// The two-sided p-value of a bound: twice the share of resamples on its far side.
    pub fn p(&self, bound: f64) -> f64 {
        let below = self.sorted.partition_point(|&it| it <= bound);
        let above = self.sorted.len() - self.sorted.partition_point(|&it| it < bound);
        (2.0 * (below.min(above) as f64 + 1.0) / (self.sorted.len() as f64 + 1.0)).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_p_values_agree() {
        let drawn = Drawn::new((0..1999).rev().map(f64::from).collect());
        let [low, high] = drawn.interval(0.05);
        assert_eq!((low, high), (49.0, 1949.0));
        assert!(
            drawn.p(low - 0.5) <= 0.05 && drawn.p(low) > 0.05 && drawn.p(high) > 0.05 && drawn.p(high + 0.5) <= 0.05
        );
        assert_eq!((drawn.p(-1.0), drawn.interval(1e-4)[0]), (1e-3, f64::NEG_INFINITY));
    }
}
