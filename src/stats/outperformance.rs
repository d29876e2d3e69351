//! How often a run of one method beats a run of the other: P(A > B).
//!
//! A mean may differ by more than chance and yet matter little, where most of what a user will see is the spread of
//! seeds. Bouthillier and others ("Accounting for variance in machine learning benchmarks", MLSys 2021) propose to look at the
//! probability that a run of A is better than a run of B, and to call A better where that is above 0.5 for sure, and may
//! well be 0.75. A tie counts half.
//!
//! Their interval is the percentile bootstrap over runs. Where A wins every pair it would be a single point, however few the
//! pairs are. So the interval is the wider one of it and that of Clopper and Pearson (1934) for as many pairs: it says
//! "better" only where the sign test does.

use statrs::distribution::{Beta, ContinuousCDF};

use super::estimate::Interval;
use super::fault::Fault;
use crate::rng::Rng;

/// What the upper end must reach for a difference to matter.
pub const GAMMA: f64 = 0.75;

/// How many times runs are drawn.
const RESAMPLES: u64 = 2_000;

/// How often a run of one method beats a run of the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outperformance {
    /// The share of pairs of runs that the first method wins.
    pub share: f64,
    /// The interval of 95 %.
    pub interval: Interval,
}

impl Outperformance {
    /// Whether the first method is better, by more than chance and by enough to matter: the lower end is above 0.5 and
    /// the upper above 0.75.
    pub fn is_meaningful(self) -> bool {
        self.interval.low > 0.5 && self.interval.high > GAMMA
    }
}

/// How often a run of `a` beats a run of `b`: seed by seed where seeds are shared (`paired`), else each against each. A run is
/// one figure, of which more is better.
///
/// # Errors
///
/// For fewer than two seeds on a side, and for shared seeds that are not as many on both sides.
pub fn outperformance(a: &[f64], b: &[f64], paired: bool, seed: u64) -> Result<Outperformance, Fault> {
    if a.len().min(b.len()) < 2 {
        return Err(Fault::OneSeed);
    }
    if paired && a.len() != b.len() {
        return Err(Fault::Unpaired(a.len(), b.len()));
    }
    if !a.iter().chain(b).all(|figure| figure.is_finite()) {
        return Err(Fault::NotFinite);
    }
    let win = |a: f64, b: f64| f64::from(u8::from(a > b) + u8::from(a >= b)) / 2.0;
    let share = |of: &[usize], than: &[usize]| {
        if paired {
            of.iter().map(|&run| win(a[run], b[run])).sum::<f64>() / of.len() as f64
        } else {
            let wins = |&run: &usize| than.iter().map(|&other| win(a[run], b[other])).sum::<f64>();
            of.iter().map(wins).sum::<f64>() / (of.len() * than.len()) as f64
        }
    };
    let every = |n: usize| (0..n).collect::<Vec<usize>>();
    let observed = share(&every(a.len()), &every(b.len()));
    let rng = Rng::new(seed, "bootstrap over runs", 0);
    let mut shares: Vec<f64> = (0..RESAMPLES)
        .map(|resample| {
            let mut rng = rng.at(resample);
            let mut draw = |n: usize| (0..n).map(|_| rng.below(n as u32) as usize).collect::<Vec<usize>>();
            let of = draw(a.len());
            if paired { share(&of, &of) } else { share(&of, &draw(b.len())) }
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    let beyond = (RESAMPLES as usize + 1) / 40;
    let (low, high) = clopper_pearson(observed, a.len().min(b.len()) as f64);
    let interval = Interval { low: low.min(shares[beyond - 1]), high: high.max(shares[shares.len() - beyond]) };
    Ok(Outperformance { share: observed, interval })
}

/// The exact interval of 95 % of a share of so many pairs.
fn clopper_pearson(share: f64, pairs: f64) -> (f64, f64) {
    let (won, lost) = (share * pairs, (1.0 - share) * pairs);
    let quantile = |a: f64, b: f64, at: f64| Beta::new(a, b).map_or(f64::NAN, |beta| beta.inverse_cdf(at));
    let low = if won > 0.0 { quantile(won, lost + 1.0, 0.025) } else { 0.0 };
    let high = if lost > 0.0 { quantile(won + 1.0, lost, 0.975) } else { 1.0 };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.binomtest(k, n).proportion_ci(0.95, "exact")` of scipy 1.17.
    #[test]
    fn exact_intervals_are_those_of_scipy() {
        for (won, pairs, low, high) in SCIPY {
            let (ours_low, ours_high) = clopper_pearson(won / pairs, pairs);
            assert!((ours_low - low).abs() < 1e-10 && (ours_high - high).abs() < 1e-10, "{ours_low} {ours_high}");
        }
    }

    #[test]
    fn few_pairs_that_are_all_won_are_not_enough() {
        let all_won = |n: usize| {
            let (a, b): (Vec<f64>, Vec<f64>) = (0..n).map(|run| (run as f64 + 0.5, run as f64)).unzip();
            outperformance(&a, &b, true, 1).unwrap()
        };
        for n in 2..6 {
            assert!(!all_won(n).is_meaningful(), "the sign test of {n} pairs");
        }
        assert!(all_won(6).is_meaningful());
        assert_eq!((all_won(6).share, all_won(6).interval.high), (1.0, 1.0));
    }

    #[test]
    fn more_often_than_not_is_not_yet_meaningful() {
        // Of 200 pairs 124 are won: surely more than half, but not three quarters.
        let a: Vec<f64> = (0..200).map(|run| if run % 50 < 31 { 1.0 } else { -1.0 }).collect();
        let it = outperformance(&a, &[0.0; 200], true, 1).unwrap();
        assert_eq!(it.share, 0.62);
        assert!(it.interval.low > 0.5 && it.interval.high < GAMMA && !it.is_meaningful());
    }

    #[test]
    fn ties_count_half_and_seeds_of_their_own_are_compared_each_with_each() {
        let same = outperformance(&[1.0; 4], &[1.0; 4], true, 1).unwrap();
        assert_eq!(same.share, 0.5);
        let apart = outperformance(&[1.0, 3.0], &[0.0, 2.0, 3.0], false, 1).unwrap();
        assert_eq!(apart.share, 3.5 / 6.0);
        let mirrored = outperformance(&[0.0, 2.0, 3.0], &[1.0, 3.0], false, 1).unwrap();
        assert!((apart.share + mirrored.share - 1.0).abs() < 1e-15);
        assert_eq!(outperformance(&[1.0], &[1.0, 2.0], false, 1), Err(Fault::OneSeed));
        assert_eq!(outperformance(&[1.0, 2.0], &[1.0, 2.0, 3.0], true, 1), Err(Fault::Unpaired(2, 3)));
        assert_eq!(outperformance(&[1.0, f64::NAN], &[1.0, 2.0], true, 1), Err(Fault::NotFinite));
    }

    const SCIPY: [(f64, f64, f64, f64); 4] = [
        (3.0, 3.0, 0.292_401_773_821, 1.0),
        (0.0, 5.0, 0.0, 0.521_823_750_105),
        (7.0, 10.0, 0.347_547_149_940, 0.933_260_488_822),
        (21.0, 29.0, 0.527_615_517_570, 0.872_659_885_898),
    ];
}
