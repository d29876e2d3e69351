//! Power: how many seeds, or how many images, settle a difference.
//!
//! The difference is a margin stated beforehand, never the observed effect: the power for what was observed is but
//! the p-value in other words (Hoenig, Heisey: "The abuse of power", 2001). What is taken from the results is how much seeds
//! and images spread.
//!
//! A number settles a margin where a true effect that lies beyond its bound by the margin is found in 80 of 100 cases: the
//! statistic is then noncentral t, and the share of it above the quantile of the interval is at least 0.8. An effect between two
//! bounds is to be shown from the middle of them; each of the two tests must then succeed in 90 of 100 cases, so that both do
//! in at least 80.

use super::crossed::{Term, satterthwaite, spread, weighting};
use super::estimate::{Basis, Estimate, Measured, Spread};
use super::fault::LEAST_IMAGES;
use super::noncentral;
use super::verdict::Statement;

/// In how many of 100 cases a difference is to be found.
pub const POWER: f64 = 0.8;

/// More seeds than these are not proposed.
const MOST_SEEDS: u32 = 10_000;
/// More images than these are not proposed.
const MOST_IMAGES: u32 = 1_000_000;

/// What would settle a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settles {
    /// How many seeds of each method, with the images as they are. None where no number is known to.
    pub seeds: Option<u32>,
    /// How many images, with the seeds as they are. None where no number is known to.
    pub images: Option<u32>,
}

impl Estimate {
    /// How many seeds, or how many images, would settle whether a statement holds, at level `alpha`: where the truth lies
    /// beyond the bound by `margin`, or in the middle between two bounds. What this estimate came to has no part in it.
    pub fn settles(&self, statement: Statement, margin: f64, alpha: f64) -> Settles {
        let aim = match statement {
            Statement::Greater(_) | Statement::Less(_) => Aim { margin, alpha, power: POWER },
            Statement::Within { low, high } => {
                Aim { margin: (high - low) / 2.0, alpha: 2.0 * alpha, power: (1.0 + POWER) / 2.0 }
            }
        };
        if aim.margin.is_nan() || aim.margin <= 0.0 {
            return Settles { seeds: None, images: None };
        }
        let Measured { seeds, rests, images: image } = &self.measured;
        match self.basis {
            // Of two trained models only the images are known to spread.
            Basis::Images { images, .. } => {
                let one = self.error_of_images(images).powi(2) * images as f64;
                let plan = |n: f64| Plan { seeds: Vec::new(), images: Term { variance: one / n, freedom: n - 1.0 } };
                let images = least(LEAST_IMAGES as u32, MOST_IMAGES, |n| plan(f64::from(n)).power(&aim, None));
                Settles { seeds: None, images }
            }
            Basis::Seeds { .. } => {
                let none = Term { variance: 0.0, freedom: 1.0 };
                let plan = |n: f64| Plan { seeds: seeds.iter().map(|&one| of_seeds(one, n)).collect(), images: none };
                Settles { seeds: least(2, MOST_SEEDS, |n| plan(f64::from(n)).power(&aim, None)), images: None }
            }
            Basis::SeedsAndImages { of, than, images, .. } => {
                let now = images as f64;
                let plan = |numbers: &[f64], n: f64| {
                    let of = |((one, rest), &number): ((&f64, &f64), &f64)| {
                        of_seeds((one - rest).max(0.0) + rest * now / n, number)
                    };
                    let seeds = seeds.iter().zip(rests).zip(numbers).map(of).collect();
                    Plan { seeds, images: Term { variance: image * now / n, freedom: n - 1.0 } }
                };
                let power = |plan: Plan| {
                    let weighting = weighting(&plan.seeds);
                    plan.power(&aim, weighting)
                };
                let numbers = [of as f64, than.unwrap_or(of) as f64];
                Settles {
                    seeds: least(2, MOST_SEEDS, |n| power(plan(&[f64::from(n); 2], now))),
                    images: least(LEAST_IMAGES as u32, MOST_IMAGES, |n| power(plan(&numbers, f64::from(n)))),
                }
            }
        }
    }

    /// The standard error that an interval over images comes to.
    fn error_of_images(&self, images: usize) -> f64 {
        let unit = Spread::T { error: 1.0, freedom: images as f64 - 1.0 };
        self.spread.half(0.05) / unit.half(0.05)
    }
}

/// What is to be reached.
struct Aim {
    margin: f64,
    alpha: f64,
    power: f64,
}

/// The variance that some numbers of seeds and images would have.
struct Plan {
    seeds: Vec<Term>,
    images: Term,
}

impl Plan {
    /// By how much the power exceeds what is aimed at.
    fn power(&self, aim: &Aim, weighting: Option<i32>) -> f64 {
        let terms = || self.seeds.iter().chain([&self.images]);
        let variance: f64 = terms().map(|term| term.variance).sum();
        if variance <= 0.0 {
            return 1.0 - aim.power;
        }
        // An interval that ends nowhere tells of no number.
        if !variance.is_finite() {
            return -aim.power;
        }
        let (error, freedom) = (variance.sqrt(), satterthwaite(variance, terms()));
        let half = spread(&self.seeds, self.images, &[self.images], weighting).half(aim.alpha);
        power(aim.margin / error, half / error, freedom) - aim.power
    }
}

/// In what share of cases a t statistic lies above a quantile, where the true effect is so many standard errors away.
fn power(effect: f64, quantile: f64, freedom: f64) -> f64 {
    // Ten times the quantile is as good as any more: even with one degree of freedom 1e-20 of the cases lie below it.
    1.0 - noncentral::below(quantile, freedom, effect.min(10.0 * (quantile + 1.0)))
}

fn of_seeds(variance: f64, n: f64) -> Term {
    Term { variance: variance / n, freedom: n - 1.0 }
}

/// The least number, up to some number, where what grows is no longer below 0.
fn least(from: u32, to: u32, excess: impl Fn(u32) -> f64) -> Option<u32> {
    let (mut low, mut high) = (from, to);
    if excess(to) < 0.0 {
        return None;
    }
    while low < high {
        let middle = low.midpoint(high);
        if excess(middle) < 0.0 { low = middle + 1 } else { high = middle }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::super::means;
    use super::*;

    /// Figures whose standard deviation is 1.
    fn sample(n: usize) -> Vec<f64> {
        let scale = ((n as f64 - 1.0) / n as f64).sqrt();
        (0..n).map(|i| if i % 2 == 0 { scale } else { -scale }).collect()
    }

    /// `TTestPower` and `TTestIndPower` of statsmodels 0.15, `solve_power(margin, None, 0.025, 0.8, alternative="larger")`,
    /// rounded up.
    #[test]
    fn numbers_of_seeds_are_those_of_statsmodels() {
        for (margin, paired, apart) in [(0.3, 90, 176), (0.5, 34, 64), (1.0, 10, 17), (2.0, 5, 6), (3.0, 4, 4)] {
            let settles = |estimate: Estimate| estimate.settles(Statement::Greater(0.0), margin, 0.05);
            let shared = means(&sample(10), &[0.0; 10], true).unwrap();
            assert_eq!(settles(shared), Settles { seeds: Some(paired), images: None }, "{margin}");
            let own = means(&sample(10), &sample(10), false).unwrap();
            assert_eq!(settles(own), Settles { seeds: Some(apart), images: None }, "{margin}");
        }
    }

    #[test]
    fn what_was_observed_has_no_part_in_it() {
        let (a, higher) = (sample(10), sample(10).iter().map(|it| it + 5.0).collect::<Vec<f64>>());
        let settles = |a: &[f64]| means(a, &sample(10), false).unwrap().settles(Statement::Greater(0.0), 0.7, 0.05);
        assert_eq!(settles(&a), settles(&higher));
    }

    /// `TTestPower().solve_power(1.0, None, 0.05, 0.9, alternative="larger")` gives 10.08: each of the two tests.
    #[test]
    fn an_equality_is_shown_from_the_middle() {
        let estimate = means(&sample(10), &[0.0; 10], true).unwrap();
        let settles = |low, high| estimate.settles(Statement::Within { low, high }, 0.1, 0.05);
        assert_eq!(settles(-1.0, 1.0).seeds, Some(11));
        assert_eq!(settles(74.0, 76.0).seeds, Some(11));
    }

    #[test]
    fn no_number_is_proposed_where_none_would_do() {
        let estimate = means(&sample(10), &sample(10), false).unwrap();
        let seeds = |margin| estimate.settles(Statement::Greater(0.0), margin, 0.05).seeds;
        assert_eq!(seeds(1e-3), None, "more than are ever proposed");
        assert_eq!((seeds(0.0), seeds(-1.0), seeds(f64::NAN)), (None, None, None));
        assert_eq!(seeds(1e6), Some(2));
        let same = means(&[0.5; 3], &[0.5; 3], true).unwrap();
        assert_eq!(same.settles(Statement::Greater(0.0), 0.1, 0.05).seeds, Some(2), "nothing spreads");
    }
}
