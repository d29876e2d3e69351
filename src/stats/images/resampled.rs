//! The distribution of resampled differences, and what may be said from it.
//!
//! Two intervals are taken from it, the percentile interval and BCa, and whoever asks gets the wider end of the two. Three more
//! things make it careful:
//! - a tail is that of the normal distribution, widened to Student's: images that are few spread less among themselves than the
//!   images that they stand for (Hesterberg, "What teachers should know about the bootstrap", 2015: the expanded percentile
//!   interval);
//! - a tail of `k` resamples out of `B` counts as `(k + 1) / (B + 1)`, so that no p-value is smaller than the number of
//!   resamples supports. Where a level asks for more, the end is infinite;
//! - no difference at all, 0, stays in the interval where the sign-flip test does not reject it.
//!
//! An interval of level `1 - alpha` holds the bounds whose p-value is at least `alpha`, at every level: both are read from the
//! same function.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Sorted differences of resamples, with what else a p-value needs.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::stats) struct Resampled {
    effect: f64,
    /// Where the hypothesis "no difference" was tested by swapping images: its p-value.
    swapped: f64,
    /// The differences of the resamples that have one, in ascending order.
    sorted: Vec<f64>,
    /// How many resamples have none. They count on either side of every bound.
    void: usize,
    /// How many images were drawn from.
    images: usize,
    /// The bias and the acceleration of BCa. Where one is not defined, nothing is said: every interval is infinite.
    corrected: Option<Corrected>,
}

/// What BCa corrects by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Corrected {
    /// The normal quantile of the share of resamples below the effect; those that are equal to it count half.
    pub bias: f64,
    /// How fast the spread grows with the difference.
    pub acceleration: f64,
}

impl Resampled {
    /// The distribution of an effect, from differences of resamples of so many images. A resample that has none is none.
    pub fn new(
        effect: f64,
        resamples: Vec<Option<f64>>,
        images: usize,
        acceleration: Option<f64>,
        swapped: f64,
    ) -> Self {
        let all = resamples.len();
        let mut sorted: Vec<f64> = resamples.into_iter().flatten().collect();
        sorted.sort_by(f64::total_cmp);
        let (below, not_above) = (count(&sorted, |it| it < effect), count(&sorted, |it| it <= effect));
        // Symmetric in the two models, to the last bit.
        let lean = (below + not_above) as f64 - sorted.len() as f64;
        let bias = -normal_quantile((1.0 - lean.abs() / sorted.len() as f64) / 2.0).copysign(-lean);
        let corrected =
            acceleration.map(|acceleration| Corrected { bias, acceleration }).filter(|it| it.bias.is_finite());
        Resampled { effect, swapped, void: all - sorted.len(), sorted, images, corrected }
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
            self.two_sided(Side::Low, self.void + count(&self.sorted, |it| it <= bound))
        } else if bound > self.effect {
            self.two_sided(Side::High, self.void + self.sorted.len() - count(&self.sorted, |it| it < bound))
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
        let corrected = self.corrected.map_or(f64::INFINITY, |it| it.tail(side, z));
        let widened = z.max(corrected) * ((self.images as f64 - 1.0) / self.images as f64).sqrt();
        (2.0 * student_share(widened, self.images as f64 - 1.0)).min(1.0)
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

/// How many of sorted numbers a condition holds for that holds for the first of them, up to some number.
fn count(sorted: &[f64], holds: impl Fn(f64) -> bool) -> usize {
    sorted.partition_point(|&it| holds(it))
}

fn normal_quantile(share: f64) -> f64 {
    Normal::standard().inverse_cdf(share)
}

/// The share of Student's t distribution below `t`.
fn student_share(t: f64, freedom: f64) -> f64 {
    if t == f64::INFINITY { 1.0 } else { StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |student| student.cdf(t)) }
}
