//! What leaving out one image at a time says of a difference: its error, how well that is known, and its skewness.

use super::pair::{Pair, difference};

/// What the jackknife over images gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::stats) struct Jackknife {
    /// The standard error. It errs on the large side, the standard deviation of resamples on the small side (Efron and Stein,
    /// "The jackknife estimate of variance", 1981).
    pub error: f64,
    /// The degrees of freedom of the error: as few as if it came from so many normal numbers. A few images that most of the
    /// difference comes from leave few.
    pub freedom: f64,
    /// The acceleration of BCa (Efron and Tibshirani, "An introduction to the bootstrap", 1993, equation 14.15).
    pub acceleration: f64,
}

/// The jackknife over images. None where the figure is lost with one of them.
pub(super) fn jackknife(pair: &Pair) -> Option<Jackknife> {
    let without = |image| difference(pair.without(image).iter().copied()).map(|it| it.effect);
    (0..pair.images()).map(without).collect::<Option<Vec<f64>>>().map(|effects| of(&effects))
}

/// The jackknife of the differences that are left without each of the images.
pub(super) fn of(effects: &[f64]) -> Jackknife {
    let images = effects.len() as f64;
    let mean = effects.iter().sum::<f64>() / images;
    let away: Vec<f64> = effects.iter().map(|effect| mean - effect).collect();
    // Every image leaves the same difference behind, but for rounding.
    if away.iter().all(|away| away.abs() < 1e-15) {
        return Jackknife { error: 0.0, freedom: images - 1.0, acceleration: 0.0 };
    }
    let sum = |term: fn(f64) -> f64| away.iter().map(|&away| term(away)).sum::<f64>();
    let (squares, cubes, fourths) = (sum(|x| x * x), sum(|x| x * x * x), sum(|x| x * x * x * x));
    // The variance of a sum of squares, against that of as many squared normal numbers.
    let freedom = 2.0 * squares * squares / (fourths - squares * squares / images);
    Jackknife {
        error: ((images - 1.0) / images * squares).sqrt(),
        freedom: if freedom > 0.0 { freedom.clamp(1.0, images - 1.0) } else { images - 1.0 },
        acceleration: cubes / (6.0 * squares * squares.sqrt()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jackknife_of_a_mean_is_its_standard_error() {
        // Means of 0, 0, 0, 1, 2, 3, 4, 20 without one of them: the standard error of their mean is the sample's deviation over
        // sqrt(8).
        let given = [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 20.0];
        let without: Vec<f64> = given.iter().map(|it| (30.0 - it) / 7.0).collect();
        let jackknife = of(&without);
        assert!((jackknife.error - (317.5_f64 / 7.0 / 8.0).sqrt()).abs() < 1e-12);
        assert!(jackknife.acceleration > 0.0 && (1.0..4.0).contains(&jackknife.freedom), "{jackknife:?}");
        assert_eq!(of(&[0.1; 7]), Jackknife { error: 0.0, freedom: 6.0, acceleration: 0.0 });
    }
}
