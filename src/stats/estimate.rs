//! An estimate with its uncertainty: one form for all that is compared, whatever it was computed from.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::drawn::Drawn;
use super::images::Resampled;
use super::mixed::Mixed;

/// An interval. Its ends may be infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What an estimate was computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// Two trained models on these images, each image resampled for both.
    Images {
        /// How many images.
        images: usize,
        /// How many resamples.
        resamples: usize,
    },
    /// Trainings with several seeds, each a figure.
    Seeds {
        /// How many of the first method.
        of: usize,
        /// How many of the second; none where a single method is looked at.
        than: Option<usize>,
        /// Whether the seeds are the same, and were compared one by one.
        paired: bool,
    },
    /// Trainings with several seeds, and the images that they were validated on.
    SeedsAndImages {
        /// How many of the first method.
        of: usize,
        /// How many of the second; none where a single method is looked at.
        than: Option<usize>,
        /// Whether the seeds are the same, and were compared one by one.
        paired: bool,
        /// How many images.
        images: usize,
    },
}

/// A figure, or a difference of two, with its uncertainty.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The figure or the difference itself.
    pub effect: f64,
    /// What it was computed from.
    pub basis: Basis,
    /// How many resamples lost a class that the images have.
    pub lost: usize,
    /// How the estimate spreads.
    pub(super) spread: Spread,
    /// What it tells of other numbers of seeds and images.
    pub(super) measured: Measured,
}

/// How much seeds and images spread, as measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Measured {
    /// The variance between the figures of seeds: of one method, or of each of two.
    pub seeds: Vec<f64>,
    /// How much of each it is that would shrink with more images.
    pub rests: Vec<f64>,
    /// The variance that the images add.
    pub images: f64,
}

/// How an estimate spreads.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Spread {
    /// Not at all: nothing differs anywhere.
    None,
    /// As a t distribution around the effect.
    T {
        /// The standard error.
        error: f64,
        /// The degrees of freedom.
        freedom: f64,
    },
    /// As a sum of variances that are known from very different numbers of observations.
    Mixed(Mixed),
    /// As the resamples of seeds and images do.
    Drawn(Drawn),
    /// As the resamples of images do.
    Resampled(Resampled),
}

impl Estimate {
    /// The two-sided interval of that level, as 0.95.
    pub fn interval(&self, level: f64) -> Interval {
        let [low, high] = match &self.spread {
            Spread::Resampled(resampled) => resampled.interval(level),
            Spread::Drawn(drawn) => drawn.interval(1.0 - level),
            spread => {
                let half = spread.half(1.0 - level);
                [self.effect - half, self.effect + half]
            }
        };
        Interval { low, high }
    }

    /// The two-sided p-value of the hypothesis that the true effect is `bound`. An [`interval`](Self::interval) of a level
    /// above `1 - p` holds the bound.
    pub fn p(&self, bound: f64) -> f64 {
        match &self.spread {
            Spread::None => f64::from(self.effect == bound),
            Spread::Resampled(resampled) => resampled.p(bound),
            Spread::Drawn(drawn) => drawn.p(bound),
            Spread::Mixed(mixed) => mixed.p((self.effect - bound).abs()),
            &Spread::T { error, freedom } => {
                let t = (self.effect - bound).abs() / error;
                if t.is_nan() {
                    return 1.0;
                }
                StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |d| (2.0 * d.sf(t)).min(1.0))
            }
        }
    }

    /// Whether the interval is wider than Satterthwaite's, which would be too narrow for so few seeds.
    pub fn is_widened(&self) -> bool {
        matches!(self.spread, Spread::Mixed(_))
    }
}

impl Spread {
    /// Half the width of the two-sided interval of level `1 - p`.
    pub fn half(&self, p: f64) -> f64 {
        let width = |[low, high]: [f64; 2]| high - low;
        match self {
            Spread::None => 0.0,
            Spread::Resampled(resampled) => width(resampled.interval(1.0 - p)) / 2.0,
            Spread::Drawn(drawn) => width(drawn.interval(p)) / 2.0,
            Spread::Mixed(mixed) => mixed.half(p),
            &Spread::T { error, freedom } => {
                StudentsT::new(0.0, 1.0, freedom).map_or(f64::INFINITY, |t| -error * t.inverse_cdf(p / 2.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_p_values_agree() {
        let basis = Basis::Seeds { of: 5, than: None, paired: false };
        let estimate = Estimate {
            effect: 2.0,
            basis,
            lost: 0,
            spread: Spread::T { error: 0.5, freedom: 4.0 },
            measured: Measured::default(),
        };
        let Interval { low, high } = estimate.interval(0.95);
        // The quantile 0.975 of Student's t with 4 degrees of freedom, from its table.
        assert!((high - 2.0 - 0.5 * 2.776_445_105).abs() < 1e-8 && (2.0 - low - (high - 2.0)).abs() < 1e-12);
        assert!((estimate.p(low) - 0.05).abs() < 1e-9 && (estimate.p(high) - 0.05).abs() < 1e-9);
        assert_eq!(estimate.p(2.0), 1.0);
    }
}
