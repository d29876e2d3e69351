//! The distribution of resampled differences, and what may be said from it.
//!
//! Two intervals are taken from it, the percentile interval and BCa (Efron, "Better bootstrap confidence intervals", 1987), and
//! whoever asks gets the wider end of the two. Neither is offered by itself: with 50 images, of which few have the rare classes,
//! intervals of 95 % hold the truth in 88 to 92 % of all cases, and BCa alone in 80 %. Three things make the answer careful:
//! - resamples spread too little, since they lose what few images have, and the jackknife tells of too much spread. So the
//!   distribution is widened to the mean of both variances, and its normal tails to those of Student's t distribution with the
//!   degrees of freedom of the jackknife;
//! - a tail of `k` resamples out of `B` counts as `(k + 1) / (B + 1)`, so that no p-value is smaller than the number of
//!   resamples supports. Where a level asks for more, the end is infinite;
//! - no difference at all, 0, stays in the interval where the sign-flip test does not reject it.
//!
//! An interval of level `1 - alpha` holds the bounds whose p-value is at least `alpha`, at every level: both are read from the
//! same function.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::jackknife::Jackknife;

/// Sorted differences of resamples, with what else a p-value needs.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::stats) struct Resampled {
    effect: f64,
    /// Where the hypothesis "no difference" was tested by swapping images: its p-value.
    swapped: f64,
    /// The differences of the resamples that have one, in ascending order.
    pub(super) sorted: Vec<f64>,
    /// How many resamples have none. They count on either side of every bound.
    void: usize,
    /// What the tails are corrected by. Where it is not defined, nothing is said: every interval is infinite.
    pub(super) corrected: Option<Corrected>,
}

/// What tails of resamples are corrected by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Corrected {
    /// The bias of BCa: the normal quantile of the share of resamples below the effect. Those that are equal to it count half.
    pub bias: f64,
    /// The acceleration of BCa.
    pub acceleration: f64,
    /// How much wider the difference spreads than the resamples do.
    pub wider: f64,
    /// The degrees of freedom of Student's distribution.
    pub freedom: f64,
}

impl Resampled {
    /// The distribution of an effect, from the differences of resamples. A resample that has none is none.
    ///
    /// Where all resamples lie on one side of the effect, or the jackknife is not defined, nothing is said.
    pub fn new(effect: f64, resamples: Vec<Option<f64>>, jackknife: Option<Jackknife>, swapped: f64) -> Self {
        let all = resamples.len();
        let mut sorted: Vec<f64> = resamples.into_iter().flatten().collect();
        let count = sorted.len() as f64;
        // In the order of the resamples, so that two models that change places give the same bits.
        let mean = sorted.iter().sum::<f64>() / count;
        let variance = sorted.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / count;
        sorted.sort_by(f64::total_cmp);
        let (below, not_above) = (first(&sorted, |it| it < effect), first(&sorted, |it| it <= effect));
        // Of the smaller side, for the same reason.
        let lean = (below + not_above) as f64 - count;
        let bias = -normal_quantile((1.0 - lean.abs() / count) / 2.0).copysign(-lean);
        let corrected = jackknife.filter(|_| bias.is_finite()).map(|Jackknife { error, freedom, acceleration }| {
            let square = error * error;
            let wider = if square > variance { (0.5 + square / variance / 2.0).sqrt() } else { 1.0 };
            Corrected { bias, acceleration, wider, freedom }
        });
        Resampled { effect, swapped, void: all - sorted.len(), sorted, corrected }
    }

    /// The two-sided interval of that level.
    pub fn interval(&self, level: f64) -> [f64; 2] {
        let alpha = 1.0 - level;
        let all = self.sorted.len() + self.void;
        let [mut low, mut high] = [Side::Low, Side::High].map(|side| {
            // The fewest resamples on the far side of a bound that is not rejected.
            let (mut rejected, mut kept) = (0, all);
            while rejected < kept {
                let middle = (rejected + kept) / 2;
                if self.two_sided(side, middle) >= alpha { kept = middle } else { rejected = middle + 1 }
            }
            match (kept.checked_sub(self.void + 1), side) {
                (Some(at), Side::Low) => self.sorted[at],
                (Some(at), Side::High) => self.sorted[self.sorted.len() - 1 - at],
                (None, Side::Low) => f64::NEG_INFINITY,
                (None, Side::High) => f64::INFINITY,
            }
        });
        if self.swapped >= alpha {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        [low.min(self.effect), high.max(self.effect)]
    }

    /// The two-sided p-value of the hypothesis that the true difference is `bound`.
    pub fn p(&self, bound: f64) -> f64 {
        let resampled = if bound < self.effect {
            self.two_sided(Side::Low, self.void + first(&self.sorted, |it| it <= bound))
        } else if bound > self.effect {
            self.two_sided(Side::High, self.void + self.sorted.len() - first(&self.sorted, |it| it < bound))
        } else {
            1.0
        };
        // What lies between the effect and no difference is nearer to the effect than no difference is.
        let between = self.effect.min(0.0)..=self.effect.max(0.0);
        let towards_none = bound != self.effect && between.contains(&bound);
        if towards_none { resampled.max(self.swapped) } else { resampled }
    }

    /// The two-sided p-value of a bound that so many resamples lie on the far side of.
    fn two_sided(&self, side: Side, beyond: usize) -> f64 {
        let all = self.sorted.len() + self.void;
        let z = normal_quantile((beyond as f64 + 1.0) / (all as f64 + 1.0));
        let share = self.corrected.map_or(1.0, |it| student_share(z.max(it.tail(side, z)) / it.wider, it.freedom));
        (2.0 * share).min(1.0)
    }
}

/// Which end of an interval is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Low,
    High,
}

impl Corrected {
    /// The normal quantile that BCa turns into that of the resamples, `z`: Efron's formula, solved for the level.
    pub fn tail(self, side: Side, z: f64) -> f64 {
        let (bias, acceleration) = match side {
            Side::Low => (self.bias, self.acceleration),
            Side::High => (-self.bias, -self.acceleration),
        };
        let shifted = z - bias;
        let scale = 1.0 + acceleration * shifted;
        // The formula has a pole. Beyond it everything is rejected, or nothing.
        if scale > 0.0 { shifted / scale - bias } else { f64::INFINITY.copysign(shifted) }
    }
}

/// How many of sorted numbers come before the first for which a condition fails.
fn first(sorted: &[f64], holds: impl Fn(f64) -> bool) -> usize {
    sorted.partition_point(|&it| holds(it))
}

fn normal_quantile(share: f64) -> f64 {
    Normal::standard().inverse_cdf(share)
}

/// The share of Student's t distribution below `t`. What is no number counts as all.
fn student_share(t: f64, freedom: f64) -> f64 {
    if !t.is_finite() {
        return 1.0;
    }
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |student| student.cdf(t))
}
