//! Several claims at once: a family, in which even one wrong claim is to be rare.
//!
//! Holm's method ("A simple sequentially rejective multiple test procedure", 1979): of m claims, the one with the smallest
//! p-value is tested at `alpha / m`, the next at `alpha / (m - 1)`, and so on until one is not rejected; that one and all
//! behind it stay undecided. The chance that any true hypothesis of the family is rejected is then at most `alpha`,
//! whatever the claims have to do with each other.

/// What the correction gives one claim of a family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corrected {
    /// The level that the claim is tested at: its interval has the level `1 - alpha`, its own p-value is compared with it.
    /// All claims behind the first that is not rejected get the level of that one.
    pub alpha: f64,
    /// The adjusted p-value, to be compared with the level of the whole family.
    pub p: f64,
}

/// Holm's correction of p-values, at a level for the whole family. The answers are in the order of `p`.
///
/// A claim is decided where its own p-value is below its `alpha`; the adjusted p-value is then below the family's level,
/// and nowhere else. A p-value that is no number counts as 1.
pub fn holm(p: &[f64], alpha: f64) -> Vec<Corrected> {
    let p: Vec<f64> = p.iter().map(|p| if p.is_nan() { 1.0 } else { *p }).collect();
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![Corrected { alpha, p: 1.0 }; p.len()];
    let (mut level, mut adjusted, mut rejected) = (alpha, 0.0_f64, true);
    for (rank, &claim) in order.iter().enumerate() {
        let behind = (p.len() - rank) as f64;
        if rejected {
            level = alpha / behind;
            rejected = p[claim] < level;
        }
        adjusted = adjusted.max((p[claim] * behind).min(1.0));
        corrected[claim] = Corrected { alpha: level, p: adjusted };
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `statsmodels.stats.multitest.multipletests(p, 0.05, "holm")` of statsmodels 0.15 gives these adjusted values.
    #[test]
    fn adjusted_values_are_those_of_statsmodels() {
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005, 0.2], 0.05);
        let adjusted: Vec<f64> = corrected.iter().map(|c| c.p).collect();
        for (ours, theirs) in adjusted.iter().zip([0.04, 0.09, 0.09, 0.025, 0.2]) {
            assert!((ours - theirs).abs() < 1e-15, "{adjusted:?}");
        }
        let levels: Vec<f64> = corrected.iter().map(|c| c.alpha).collect();
        assert_eq!(
            levels,
            [0.05 / 4.0, 0.05 / 3.0, 0.05 / 3.0, 0.01, 0.05 / 3.0],
            "0.03 is the first that is not rejected"
        );
    }

    #[test]
    fn a_family_of_one_or_none_is_not_corrected() {
        assert_eq!(holm(&[0.03], 0.05), [Corrected { alpha: 0.05, p: 0.03 }]);
        assert!(holm(&[], 0.05).is_empty());
        assert_eq!(holm(&[f64::NAN], 0.05)[0].p, 1.0);
    }

    proptest! {
        #[test]
        fn levels_and_adjusted_values_decide_alike(p in prop::collection::vec(0.0_f64..0.2, 1..12)) {
            let corrected = holm(&p, 0.05);
            let mut order: Vec<usize> = (0..p.len()).collect();
            order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
            for (&p, corrected) in p.iter().zip(&corrected) {
                prop_assert!((corrected.p - 0.05).abs() < 1e-12 || (p < corrected.alpha) == (corrected.p < 0.05));
                prop_assert!(corrected.p >= p && corrected.alpha <= 0.05);
            }
            prop_assert!(order.windows(2).all(|pair| corrected[pair[0]].p <= corrected[pair[1]].p));
        }
    }
}
