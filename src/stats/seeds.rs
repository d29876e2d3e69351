//! Trainings with several seeds: what can be said of a method, beyond one trained model.

use super::estimate::{Basis, Estimate, Spread};

/// The mean of one figure a seed, with the t interval. None for fewer than two seeds, which say nothing of their spread.
pub fn mean(figures: &[f64]) -> Option<Estimate> {
    let n = figures.len() as f64;
    if figures.len() < 2 {
        return None;
    }
    let effect = figures.iter().sum::<f64>() / n;
    let squares: f64 = figures.iter().map(|figure| (figure - effect) * (figure - effect)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    let spread = if error > 0.0 { Spread::T { error, freedom: n - 1.0 } } else { Spread::None };
    Some(Estimate { effect, basis: Basis::Seeds { of: figures.len(), than: None, paired: false }, lost: 0, spread })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_the_t_interval() {
        let estimate = mean(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        // By hand: the deviation is sqrt(5 / 3), the quantile of t with 3 degrees of freedom 3.182446305.
        let half = 3.182_446_305 * (5.0_f64 / 3.0).sqrt() / 2.0;
        assert_eq!(estimate.effect, 2.5);
        assert!((estimate.interval(0.95).high - 2.5 - half).abs() < 1e-8);
        assert!(mean(&[1.0]).is_none());
        assert_eq!(mean(&[0.5, 0.5]).unwrap().interval(0.95).low, 0.5);
    }
}
