//! Equivalence: that an effect lies within a margin.
//!
//! The method is that of two one-sided tests (TOST: Schuirmann, "A comparison of the two one-sided tests procedure and the
//! power approach for assessing the equivalence of average bioavailability", 1987): one test of "the effect is at most
//! `low`" and one of "it is at least `high`". Both must be rejected, so that the p-value is the larger of theirs. At level
//! `alpha` this is the case exactly where the two-sided interval of level `1 - 2 alpha` lies between the ends.

use super::estimate::Estimate;

impl Estimate {
    /// The one-sided p-value of the hypothesis that the true effect is at most `bound`: small where it is larger.
    pub fn p_above(&self, bound: f64) -> f64 {
        self.one_sided(bound, self.effect - bound)
    }

    /// The one-sided p-value of the hypothesis that the true effect is at least `bound`: small where it is smaller.
    pub fn p_below(&self, bound: f64) -> f64 {
        self.one_sided(bound, bound - self.effect)
    }

    /// The p-value of two one-sided tests that the true effect lies strictly between `low` and `high`.
    pub fn equivalent(&self, low: f64, high: f64) -> f64 {
        self.p_above(low).max(self.p_below(high))
    }

    /// Half the two-sided p-value where the effect lies beyond the bound by some `distance`, and the rest where it does
    /// not. An effect on its bound never lies beyond it.
    fn one_sided(&self, bound: f64, distance: f64) -> f64 {
        let half = self.p(bound) / 2.0;
        if distance > 0.0 { half } else { 1.0 - if distance < 0.0 { half } else { 0.0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::super::estimate::{Basis, Measured, Spread};
    use super::*;

    fn estimate(effect: f64, spread: Spread) -> Estimate {
        Estimate {
            effect,
            basis: Basis::Seeds { of: 5, than: None, paired: false },
            lost: 0,
            spread,
            measured: Measured::default(),
        }
    }

    #[test]
    fn equivalence_is_that_the_interval_of_twice_the_level_lies_inside() {
        let estimate = estimate(0.25, Spread::T { error: 0.1, freedom: 7.0 });
        let p = estimate.equivalent(-0.5, 0.5);
        assert_eq!(p, estimate.p_below(0.5), "the nearer end decides");
        assert!((p - estimate.p(0.5) / 2.0).abs() < 1e-15);
        let interval = estimate.interval(1.0 - 2.0 * p);
        assert!((interval.high - 0.5).abs() < 1e-9 && interval.low > -0.5, "{interval:?}");
        assert!(estimate.equivalent(0.3, 0.5) > 0.5, "an effect outside");
    }

    #[test]
    fn no_spread_is_within_any_margin_and_beyond_no_bound_that_it_lies_on() {
        let same = estimate(0.0, Spread::None);
        assert_eq!(same.equivalent(-1e-9, 1e-9), 0.0);
        assert_eq!(same.equivalent(0.0, 1.0), 1.0);
        assert_eq!((same.p_above(0.0), same.p_below(0.0)), (1.0, 1.0));
        assert_eq!((same.p_above(-1.0), same.p_above(1.0)), (0.0, 1.0));
    }
}
