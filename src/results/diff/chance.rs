//! Whether differences of figures are more than chance: the tests of [`stats`], corrected for how many they are.

use super::comparison::Against;
use crate::stats::{self, Basis, Corrected, Counts, Estimate, Fault, Figure};

/// The share of wrong findings that is allowed, for all differences of a list together.
pub(super) const ALPHA: f64 = 0.05;

/// The seed of the resampling.
const SEED: u64 = 1;

/// What is said where there is nothing to test.
pub(super) const SAME: &str = "The predictions are the same.";

/// A difference before it is corrected.
pub(super) struct Tested {
    /// The difference itself.
    pub difference: Option<f64>,
    /// Its estimate, or none where the predictions are the same, or why it was not tested: a sentence.
    pub estimate: Result<Option<Estimate>, String>,
}

impl Tested {
    /// A difference that was not tested.
    pub fn not(values: (Option<f64>, Option<f64>), why: impl Into<String>) -> Self {
        Tested {
            difference: values.0.zip(values.1).map(|(reference, other)| other - reference),
            estimate: Err(why.into()),
        }
    }

    /// What two trained models differ by on the same images.
    pub fn models(values: (Option<f64>, Option<f64>), reference: &Counts, other: &Counts, figure: Figure) -> Self {
        if reference == other {
            return Tested { estimate: Ok(None), ..Tested::not(values, "") };
        }
        let estimate = stats::models(other, reference, figure, SEED).map(Some).map_err(sentence);
        Tested { estimate, ..Tested::not(values, "") }
    }

    /// What two methods differ by, over their seeds and the same images.
    pub fn methods(
        values: (Option<f64>, Option<f64>),
        reference: &[&Counts],
        other: &[&Counts],
        paired: bool,
        figure: Figure,
    ) -> Self {
        if reference == other {
            return Tested { estimate: Ok(None), ..Tested::not(values, "") };
        }
        let estimate = stats::methods(other, reference, paired, figure).map(Some).map_err(sentence);
        Tested { estimate, ..Tested::not(values, "") }
    }
}

/// The differences of one list, corrected for how many were tested. Where the predictions are the same, there is nothing to
/// test: the difference is 0, with the interval [0, 0].
pub(super) fn corrected(tested: Vec<Tested>) -> Vec<Against> {
    let tests = tested.iter().filter_map(|tested| tested.estimate.as_ref().ok()?.as_ref());
    let p: Vec<f64> = tests.map(|estimate| stats::rounded(estimate.p(0.0))).collect();
    let mut corrected = stats::holm(&p, ALPHA).into_iter();
    let finite = |value: f64| Some(stats::rounded(value)).filter(|value| value.is_finite());
    tested
        .into_iter()
        .map(|Tested { difference, estimate }| match estimate {
            Err(note) => Against { difference, note, ..Against::default() },
            Ok(None) => Against {
                difference,
                low: Some(0.0),
                high: Some(0.0),
                level: Some(1.0 - ALPHA),
                p: Some(1.0),
                p_corrected: Some(1.0),
                note: SAME.to_owned(),
                ..Against::default()
            },
            Ok(Some(estimate)) => {
                let found = corrected.next().unwrap_or(Corrected { alpha: ALPHA, p: 1.0 });
                let interval = estimate.interval(1.0 - found.alpha);
                Against {
                    difference,
                    low: finite(interval.low),
                    high: finite(interval.high),
                    level: finite(1.0 - found.alpha),
                    p: finite(estimate.p(0.0)),
                    p_corrected: finite(found.p),
                    family: p.len(),
                    beyond_chance: found.p < ALPHA && (interval.low > 0.0 || interval.high < 0.0),
                    note: in_words(&estimate),
                }
            }
        })
        .collect()
}

/// A fault as a sentence that stands alone.
fn sentence(fault: Fault) -> String {
    let text = fault.to_string();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).chain(['.']).collect())
}

/// What an estimate was computed from.
fn in_words(estimate: &Estimate) -> String {
    let seeds = |of: &usize, than: &Option<usize>, paired: &bool| match than {
        Some(than) if *paired => format!("{than} shared seeds"),
        Some(than) => format!("{than} and {of} seeds"),
        None => format!("{of} seeds"),
    };
    let lost = match estimate.lost {
        0 => String::new(),
        lost => format!(", {lost} of which lost a class"),
    };
    match &estimate.basis {
        Basis::Images { images, resamples } => format!("{images} images, {resamples} resamples{lost}"),
        Basis::Seeds { of, than, paired } => seeds(of, than, paired),
        Basis::SeedsAndImages { of, than, paired, images } => {
            format!("{} and {images} images", seeds(of, than, paired))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of one class, of images with these right and wrong pixels.
    fn counts(images: &[[u64; 2]]) -> Counts {
        let mut counts = Counts::new(1);
        for [right, missed] in images {
            counts.push(&[[*right, 0, *missed]]);
        }
        counts
    }

    #[test]
    fn differences_have_the_sign_of_the_other_run_and_are_corrected_together() {
        let poor = counts(&[[5, 95], [7, 93], [6, 94], [5, 95], [8, 92], [6, 94], [7, 93], [5, 95]]);
        let good = counts(&[[90, 10], [91, 9], [89, 11], [95, 5], [90, 10], [92, 8], [88, 12], [90, 10]]);
        let near = counts(&[[5, 95], [7, 93], [6, 94], [6, 94], [7, 93], [6, 94], [7, 93], [5, 95]]);
        let value = |counts: &Counts| counts.figure(Figure::MeanIou);
        let tested = |other: &Counts| Tested::models((value(&poor), value(other)), &poor, other, Figure::MeanIou);
        let all = corrected(vec![tested(&good), tested(&near), tested(&poor), Tested::not((Some(1.0), None), "Why.")]);
        let [better, alike, same, untested] = &all[..] else { panic!("{all:?}") };
        assert!(better.difference.unwrap() > 0.8 && better.beyond_chance, "{better:?}");
        assert!(better.low.unwrap() > 0.5 && better.p_corrected.unwrap() < 0.05, "{better:?}");
        assert!(!alike.beyond_chance && alike.low.unwrap() <= 0.0 && alike.high.unwrap() >= 0.0, "{alike:?}");
        assert_eq!((better.family, alike.family, same.family, untested.family), (2, 2, 0, 0));
        assert_eq!((same.difference, same.low, same.high, same.p), (Some(0.0), Some(0.0), Some(0.0), Some(1.0)));
        assert_eq!((untested.difference, untested.p, untested.note.as_str()), (None, None, "Why."));
        // The smaller p is corrected for both.
        assert!((better.p_corrected.unwrap() - 2.0 * better.p.unwrap()).abs() < 1e-9, "{better:?}");
    }

    #[test]
    fn few_images_give_a_reason_and_no_number() {
        let all = corrected(vec![Tested::models(
            (Some(0.1), Some(0.9)),
            &counts(&[[10, 90], [10, 90]]),
            &counts(&[[90, 10], [90, 10]]),
            Figure::MeanIou,
        )]);
        assert_eq!((all[0].p, all[0].low, all[0].beyond_chance), (None, None, false));
        assert!(all[0].note.ends_with('.') && all[0].note.contains("image"), "{}", all[0].note);
    }
}
