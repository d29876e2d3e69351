//! Verdicts: whether an estimate bears out what was claimed.
//!
//! A verdict rests on an interval, and says `holds` or `fails` only where the whole interval lies on one side. By
//! construction the same can be read off the claim's p-value, so that both can be shown beside each other.

use super::estimate::{Estimate, Interval};

/// What can be said of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds, by more than chance.
    Holds,
    /// Its opposite holds, by more than chance.
    Fails,
    /// Neither can be said.
    Undecided,
}

/// What is claimed of an effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statement {
    /// It is greater than a bound.
    Greater(f64),
    /// It is less than a bound.
    Less(f64),
    /// It lies between two bounds.
    Within {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
}

impl Statement {
    /// The p-value of the claim: small where it can be decided, one way or the other.
    ///
    /// For a bound it is two-sided. For an effect between two bounds it is that of two one-sided tests
    /// ([`Estimate::equivalent`]), and for an effect outside it is the two-sided p-value of the nearer bound.
    pub fn p(self, estimate: &Estimate) -> f64 {
        match self {
            Statement::Greater(bound) | Statement::Less(bound) => estimate.p(bound),
            Statement::Within { low, .. } if estimate.effect < low => estimate.p(low),
            Statement::Within { high, .. } if estimate.effect > high => estimate.p(high),
            Statement::Within { low, high } => estimate.equivalent(low, high),
        }
    }

    /// The interval that the verdict at level `alpha` rests on, and its level: `1 - 2 alpha` where an effect between two
    /// bounds is to be shown to lie there, else `1 - alpha`.
    pub fn interval(self, estimate: &Estimate, alpha: f64) -> (f64, Interval) {
        let inside = |low, high| (low..=high).contains(&estimate.effect);
        let level = match self {
            Statement::Within { low, high } if inside(low, high) => 1.0 - 2.0 * alpha,
            _ => 1.0 - alpha,
        };
        (level, estimate.interval(level))
    }

    /// The verdict at level `alpha`: of one claim, as 0.05, or what [`holm`](super::holm) gives each of a family.
    ///
    /// A bound that is the end of an interval belongs to it: a difference of exactly 0 without any spread is not greater than
    /// 0, not less than 0, and within any margin around 0. A p-value that is no number decides nothing.
    pub fn verdict(self, estimate: &Estimate, alpha: f64) -> Verdict {
        let decided = self.p(estimate) < alpha;
        if !decided {
            return Verdict::Undecided;
        }
        let holds = match self {
            Statement::Greater(bound) => estimate.effect > bound,
            Statement::Less(bound) => estimate.effect < bound,
            Statement::Within { low, high } => low < estimate.effect && estimate.effect < high,
        };
        if holds { Verdict::Holds } else { Verdict::Fails }
    }
}

#[cfg(test)]
mod tests {
    use super::super::estimate::{Basis, Measured, Spread};
    use super::*;
    use proptest::prelude::*;

    fn estimate(effect: f64, spread: Spread) -> Estimate {
        Estimate {
            effect,
            basis: Basis::Seeds { of: 5, than: Some(5), paired: true },
            lost: 0,
            spread,
            measured: Measured::default(),
        }
    }

    /// A model against itself: the difference is 0 and so are both ends.
    #[test]
    fn a_model_is_not_better_than_itself_and_equal_within_any_margin() {
        let same = estimate(0.0, Spread::None);
        assert_eq!(same.interval(0.95), Interval { low: 0.0, high: 0.0 });
        for alpha in [0.05, 0.9] {
            assert_eq!(Statement::Greater(0.0).verdict(&same, alpha), Verdict::Undecided);
            assert_eq!(Statement::Less(0.0).verdict(&same, alpha), Verdict::Undecided);
            assert_eq!(Statement::Within { low: -1e-12, high: 1e-12 }.verdict(&same, alpha), Verdict::Holds);
            assert_eq!(Statement::Greater(1e-12).verdict(&same, alpha), Verdict::Fails);
            assert_eq!(Statement::Less(1e-12).verdict(&same, alpha), Verdict::Holds);
            assert_eq!(Statement::Within { low: 0.1, high: 0.2 }.verdict(&same, alpha), Verdict::Fails);
        }
    }

    #[test]
    fn no_number_decides_nothing() {
        let broken = estimate(f64::NAN, Spread::T { error: 1.0, freedom: 3.0 });
        for statement in [Statement::Greater(0.0), Statement::Less(0.0), Statement::Within { low: -1.0, high: 1.0 }] {
            assert_eq!(statement.verdict(&broken, 0.05), Verdict::Undecided);
        }
    }

    proptest! {
        /// What the p-value decides is what can be seen of the interval.
        #[test]
        fn verdicts_are_those_of_the_intervals(
            effect in -3.0_f64..3.0, error in 0.05_f64..1.0, freedom in 2.0_f64..40.0, alpha in 0.01_f64..0.2, bound in -1.0_f64..1.0,
        ) {
            let estimate = estimate(effect, Spread::T { error, freedom });
            let Interval { low, high } = estimate.interval(1.0 - alpha);
            prop_assume!((low - bound).abs() > 1e-6 && (high - bound).abs() > 1e-6);
            let verdict = |holds, fails| match (holds, fails) {
                (true, false) => Verdict::Holds,
                (false, true) => Verdict::Fails,
                _ => Verdict::Undecided,
            };
            let (above, below) = (low > bound, high < bound);
            prop_assert_eq!(Statement::Greater(bound).verdict(&estimate, alpha), verdict(above, below));
            prop_assert_eq!(Statement::Less(bound).verdict(&estimate, alpha), verdict(below, above));
            let within = Statement::Within { low: bound - 1.0, high: bound + 1.0 };
            let inner = estimate.interval(1.0 - 2.0 * alpha);
            let ends = [inner.low - bound + 1.0, inner.high - bound - 1.0, low - bound - 1.0, high - bound + 1.0];
            prop_assume!(ends.iter().all(|end| end.abs() > 1e-6));
            let (inside, outside) = (ends[0] > 0.0 && ends[1] < 0.0, ends[2] > 0.0 || ends[3] < 0.0);
            prop_assert_eq!(within.verdict(&estimate, alpha), verdict(inside, outside));
        }
    }
}
