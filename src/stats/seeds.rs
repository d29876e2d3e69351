//! Trainings with several seeds, each a figure: what can be said of a method, beyond one trained model.

use super::crossed::{Term, spread};
use super::estimate::{Basis, Estimate, Measured};
use super::fault::Fault;
use super::sample;

/// The mean of one figure a seed, with the t interval.
///
/// # Errors
///
/// For fewer than two seeds, which say nothing of their spread.
pub fn mean(figures: &[f64]) -> Result<Estimate, Fault> {
    let (effect, seeds) = moments(figures)?;
    let basis = Basis::Seeds { of: figures.len(), than: None, paired: false };
    Ok(estimate(effect, basis, &[seeds]))
}

/// The difference of two means of one figure a seed: `a` less `b`.
///
/// Where the seeds are shared (`paired`), seed by seed: the t interval of the differences. Else Welch's interval, which
/// does not take the two spreads to be alike ("The generalization of Student's problem when several different population
/// variances are involved", 1947).
///
/// # Errors
///
/// For fewer than two seeds on a side, and for shared seeds that are not as many on both sides.
pub fn means(a: &[f64], b: &[f64], paired: bool) -> Result<Estimate, Fault> {
    let basis = Basis::Seeds { of: a.len(), than: Some(b.len()), paired };
    if paired {
        if a.len() != b.len() {
            return Err(Fault::Unpaired(a.len(), b.len()));
        }
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        return Ok(Estimate { basis, ..mean(&differences)? });
    }
    let ((of, of_seeds), (than, than_seeds)) = (moments(a)?, moments(b)?);
    Ok(estimate(of - than, basis, &[of_seeds, than_seeds]))
}

/// The mean, and its variance.
fn moments(figures: &[f64]) -> Result<(f64, Term), Fault> {
    if !figures.iter().all(|figure| figure.is_finite()) {
        return Err(Fault::NotFinite);
    }
    if figures.len() < 2 {
        return Err(Fault::OneSeed);
    }
    let n = figures.len() as f64;
    Ok((sample::mean(figures), Term { variance: sample::variance(figures) / n, freedom: n - 1.0 }))
}

/// The estimate with the t interval: of one mean, or Welch's of two, whose degrees of freedom are Satterthwaite's.
fn estimate(effect: f64, basis: Basis, terms: &[Term]) -> Estimate {
    let none = Term { variance: 0.0, freedom: 1.0 };
    let seeds: Vec<f64> = terms.iter().map(|term| term.variance * (term.freedom + 1.0)).collect();
    let measured = Measured { rests: vec![0.0; seeds.len()], seeds, images: 0.0 };
    Estimate { effect, basis, lost: 0, spread: spread(terms, none, &[], None), measured }
}

#[cfg(test)]
mod tests {
    use super::super::estimate::Interval;
    use super::*;

    const WELCH: [f64; 4] = [0.675, 0.113_262_825_206_596, -0.207_197_382_008_400, 1.557_197_382_008_399];
    const PAIRED: [f64; 3] = [0.068_344_833_778_746, -0.066_561_604_597_439, 1.016_561_604_597_439];

    #[test]
    fn a_mean_has_the_t_interval() {
        let estimate = mean(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        // By hand: the deviation is sqrt(5 / 3), the quantile of t with 3 degrees of freedom 3.182446305.
        let half = 3.182_446_305 * (5.0_f64 / 3.0).sqrt() / 2.0;
        assert_eq!(estimate.effect, 2.5);
        assert!((estimate.interval(0.95).high - 2.5 - half).abs() < 1e-8);
        assert_eq!(mean(&[1.0]), Err(Fault::OneSeed));
        assert_eq!(mean(&[]), Err(Fault::OneSeed));
        assert_eq!(mean(&[1.0, f64::NAN]), Err(Fault::NotFinite));
        let same = mean(&[0.1; 3]).unwrap();
        assert_eq!((same.effect, same.interval(0.95).low), (0.1, 0.1), "no rounding gives equal figures a spread");
    }

    /// `scipy.stats.ttest_ind(a, b, equal_var=False)` and `ttest_rel(a, b[:4])` of scipy 1.17 give these.
    #[test]
    fn differences_are_those_of_scipy() {
        let (a, b) = ([42.1, 42.9, 41.7, 42.4], [41.9, 42.0, 41.1, 42.2, 40.8]);
        let welch = means(&a, &b, false).unwrap();
        let Interval { low, high } = welch.interval(0.95);
        close(welch.effect, WELCH[0]);
        close(welch.p(0.0), WELCH[1]);
        close(low, WELCH[2]);
        close(high, WELCH[3]);
        let paired = means(&a, &b[..4], true).unwrap();
        let Interval { low, high } = paired.interval(0.95);
        close(paired.p(0.0), PAIRED[0]);
        close(low, PAIRED[1]);
        close(high, PAIRED[2]);
        assert_eq!(means(&a, &b, true), Err(Fault::Unpaired(4, 5)));
        assert_eq!(means(&a, &b[..1], false), Err(Fault::OneSeed));
    }

    #[test]
    fn a_method_against_itself_differs_by_nothing() {
        let a = [0.42, 0.44, 0.41];
        let same = means(&a, &a, true).unwrap();
        assert_eq!(same.interval(0.95), Interval { low: 0.0, high: 0.0 });
        let apart = means(&a, &a, false).unwrap();
        assert_eq!((apart.effect, apart.p(0.0)), (0.0, 1.0));
    }

    fn close(ours: f64, theirs: f64) {
        assert!((ours - theirs).abs() < 1e-11, "{ours} is not {theirs}");
    }
}
