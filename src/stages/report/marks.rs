//! Which figures of a table differ from those of its baseline by more than chance.
//!
//! Invariants:
//! - all comparisons of a table are one family, which Holm's method corrects;
//! - several seeds are compared as methods, and one seed each as two trained models; the note says which;
//! - rows that were validated on different images or classes are never compared.

use std::collections::{BTreeSet, HashSet};
use std::mem::discriminant;

use super::judged::Judged;
use super::rows::{BOUNDARY, CLASS, CONSTANT, COUNT, ITERATION, MEAN_IOU, PIXEL_ACCURACY, Row};
use crate::stage::name::{covers, in_words};
use crate::stage::{DataFault, MatrixCell, StageError};
use crate::stats::{self, Basis, Counts, Estimate, Fault, Figure};

/// The mark of a figure whose difference is significant.
pub const DAGGER: &str = "†";

/// The chance that a table has any mark although nothing differs.
const LEVEL: f64 = 0.05;

/// The seed of what is drawn to compare two trained models.
const SEED: u64 = 1;

/// Which figures are marked.
#[derive(Debug, Default, PartialEq)]
pub struct Marks {
    /// The marked figures: the number of the group of rows, and the figure.
    pub marked: BTreeSet<(usize, String)>,
    /// What is said of the marks below the table.
    pub notes: Vec<String>,
}

/// A comparison of a figure of a group with that of its baseline.
struct Comparison {
    group: usize,
    figure: String,
    estimate: Estimate,
}

/// The marks of groups of rows that differ in the axes `over` alone, where the rows with the labels `baseline` are what the
/// others are compared with.
///
/// # Errors
/// Rows that are to be compared were not validated on the same images and classes.
pub fn marks(
    groups: &[Vec<&Row>],
    figures: &[&str],
    over: &[String],
    baseline: &MatrixCell,
) -> Result<Marks, StageError> {
    if baseline.is_empty() {
        return Ok(Marks::default());
    }
    let name = baseline.values().cloned().collect::<Vec<_>>().join(", ");
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (number, group) in groups.iter().enumerate() {
        let Some(than) = groups.iter().find(|than| is_baseline_of(than, group, over, baseline)) else { continue };
        let pair = Pair::new(group, than, over);
        for figure in figures {
            match pair.compare(figure)? {
                None => {}
                Some(Ok(estimate)) if has_no_spread(&estimate) => failed.push((None, NO_SPREAD.to_owned())),
                Some(Ok(estimate)) => done.push(Comparison { group: number, figure: (*figure).to_owned(), estimate }),
                Some(Err(fault)) => failed.push((Some(discriminant(&fault)), fault.to_string())),
            }
        }
    }
    let ps: Vec<f64> = done.iter().map(|comparison| comparison.estimate.p(0.0)).collect();
    let corrected = stats::holm(&ps, LEVEL);
    let significant = done.iter().zip(&corrected).filter(|(_, corrected)| corrected.p < LEVEL);
    let marked: BTreeSet<_> = significant.map(|(one, _)| (one.group, one.figure.clone())).collect();
    let mut notes = Vec::new();
    if !done.is_empty() {
        notes.push(note(&name, marked.is_empty(), &done));
    }
    if !failed.is_empty() {
        // Each sort of reason is said once: it has other numbers for other figures.
        let mut known = HashSet::new();
        failed.retain(|(sort, _)| known.insert(*sort));
        let reasons: Vec<String> = failed.into_iter().map(|(_, reason)| reason).collect();
        notes.push(format!("Some figures are not compared with {name}: {}.", reasons.join("; ")));
    } else if done.is_empty() {
        notes.push(format!("Nothing is compared with {name}."));
    }
    Ok(Marks { marked, notes })
}

/// What is said of differences of [`has_no_spread`].
const NO_SPREAD: &str = "some differ by the same amount with every seed, so that chance cannot be judged";

/// Whether figures differ by the same amount every time: too few or too coarse to show how they spread.
fn has_no_spread(estimate: &Estimate) -> bool {
    let interval = estimate.interval(1.0 - LEVEL);
    interval.low == interval.high && interval.low != 0.0
}

/// Whether `than` is what the rows of `group` are compared with: it has the labels of the baseline, and agrees with them in
/// all other axes.
fn is_baseline_of(than: &[&Row], group: &[&Row], over: &[String], baseline: &MatrixCell) -> bool {
    let (Some(than), Some(row)) = (than.first(), group.first()) else { return false };
    let others = |row: &Row| -> MatrixCell {
        let others = row.cell.iter().filter(|(axis, _)| !over.contains(axis) && !baseline.contains_key(*axis));
        others.map(|(axis, label)| (axis.clone(), label.clone())).collect()
    };
    let same_stage = than.roles.intersection(&row.roles).next().is_some();
    let same_iteration = than.subject[ITERATION] == row.subject[ITERATION];
    same_stage
        && same_iteration
        && covers(baseline, &than.cell)
        && !covers(baseline, &row.cell)
        && others(than) == others(row)
}

/// Two groups of rows that are compared.
struct Pair<'a> {
    of: Vec<&'a Row>,
    than: Vec<&'a Row>,
    /// Whether the rows have the same labels in the axes that are averaged over, so that they are compared one by one.
    paired: bool,
}

impl<'a> Pair<'a> {
    fn new(of: &[&'a Row], than: &[&'a Row], over: &[String]) -> Self {
        let seeds =
            |row: &&Row| -> Vec<Option<String>> { over.iter().map(|axis| row.cell.get(axis).cloned()).collect() };
        let sorted = |rows: &[&'a Row]| {
            let mut rows = rows.to_vec();
            rows.sort_by_cached_key(seeds);
            rows
        };
        let (of, than) = (sorted(of), sorted(than));
        let paired = of.iter().map(seeds).eq(than.iter().map(seeds));
        Pair { of, than, paired }
    }

    /// The difference of a figure; none where it is not one to compare.
    fn compare(&self, figure: &str) -> Result<Option<Result<Estimate, Fault>>, StageError> {
        if matches!(figure, COUNT | CONSTANT) {
            return Ok(None);
        }
        let judged = |rows: &[&'a Row]| rows.iter().map(|row| row.judged.as_deref()).collect::<Option<Vec<&Judged>>>();
        if let Some((of, than)) = judged(&self.of).zip(judged(&self.than)) {
            self.same_sets(&of, &than)?;
            let counts = |judged: &[&'a Judged]| -> Option<Vec<(Figure, &Counts)>> {
                judged.iter().map(|one| counts_of(figure, one)).collect()
            };
            if let Some((of, than)) = counts(&of).zip(counts(&than)) {
                return Ok(self.by_images(&of, &than));
            }
        }
        // What is not counted by images, as the receptive field, is compared over seeds alone.
        let values = |rows: &[&Row]| rows.iter().map(|row| row.value(figure)).collect::<Option<Vec<f64>>>();
        let several = self.of.len() > 1 || self.than.len() > 1;
        let both = values(&self.of).zip(values(&self.than)).filter(|_| several);
        Ok(both.map(|(of, than)| stats::means(&of, &than, self.paired)))
    }

    /// The difference of a figure of counts; none where a row has no such figure.
    fn by_images(&self, of: &[(Figure, &'a Counts)], than: &[(Figure, &'a Counts)]) -> Option<Result<Estimate, Fault>> {
        let figure = of.first()?.0;
        if of.iter().chain(than).any(|(_, counts)| counts.figure(figure).is_none()) {
            return None;
        }
        let counts = |all: &[(Figure, &'a Counts)]| all.iter().map(|(_, counts)| *counts).collect::<Vec<&Counts>>();
        Some(match (of, than) {
            ([(_, of)], [(_, than)]) => stats::models(of, than, figure, SEED),
            _ => stats::methods(&counts(of), &counts(than), self.paired, figure),
        })
    }

    /// # Errors
    /// The rows were not all validated on the same images and classes.
    fn same_sets(&self, of: &[&Judged], than: &[&Judged]) -> Result<(), StageError> {
        let mut all = of.iter().chain(than);
        let Some(first) = all.next() else { return Ok(()) };
        let other = all.find(|other| other.images != first.images || other.classes != first.classes);
        let Some(other) = other else { return Ok(()) };
        let what = if other.classes == first.classes { "images" } else { "classes" };
        let name = |rows: &[&Row]| rows.first().map(|row| in_words(&row.cell)).unwrap_or_default();
        let message =
            format!("The rows `{}` and `{}` were not validated on the same {what}.", name(&self.of), name(&self.than));
        let hint = "Figures are comparable on the same data set only: validate both on one, or leave `baseline` out.";
        Err(DataFault::new("paper.baseline", message, hint).into())
    }
}

/// The figure that a column shows, and the counts that it is of; none where it is not of counts.
fn counts_of<'a>(column: &str, judged: &'a Judged) -> Option<(Figure, &'a Counts)> {
    let figure = match column {
        BOUNDARY => return Some((Figure::MeanIou, judged.boundary.as_ref()?)),
        MEAN_IOU => Figure::MeanIou,
        PIXEL_ACCURACY => Figure::PixelAccuracy,
        _ => {
            let class = column.strip_prefix(CLASS)?;
            Figure::Iou(judged.classes.iter().position(|known| known == class)?)
        }
    };
    Some((figure, &judged.pixels))
}

/// What the mark means, and what it is based on.
fn note(baseline: &str, none: bool, done: &[Comparison]) -> String {
    let mut bases: Vec<String> = Vec::new();
    for comparison in done {
        let words = basis(&comparison.estimate.basis);
        if !bases.contains(&words) {
            bases.push(words);
        }
    }
    let meaning = match none {
        true => format!("No difference to {baseline} is significant"),
        false => format!("{DAGGER} The difference to {baseline} is significant"),
    };
    let family = match done.len() {
        1 => "one comparison, so that nothing had to be corrected".to_owned(),
        count => format!("Holm's correction for {count} comparisons"),
    };
    format!("{meaning} at the level of 5 % ({family}). Compared were {}.", bases.join("; "))
}

/// What a comparison is based on, in words.
fn basis(basis: &Basis) -> String {
    let seeds = |of: usize, than: Option<usize>, paired: bool| match (than, paired) {
        (_, true) => format!("methods by {of} trainings each with the same seeds"),
        (Some(than), false) if than != of => format!("methods by {of} and {than} trainings"),
        _ => format!("methods by {of} trainings each"),
    };
    match *basis {
        Basis::Images { images, resamples } => {
            format!("two trained models, not the methods, on {images} images ({resamples} resamples of the images)")
        }
        Basis::Seeds { of, than, paired } => seeds(of, than, paired),
        Basis::SeedsAndImages { of, than, paired, images } => {
            format!("{} on {images} images (seeds and images at random)", seeds(of, than, paired))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::groups::groups;
    use super::super::rows::Rows;
    use super::super::rows::tests::entry;
    use super::*;

    /// What a model counted on so many images of two classes. `wrong` gives the wrong pixels of an image.
    fn judged(images: usize, wrong: impl Fn(usize) -> u64) -> Judged {
        let mut pixels = Counts::new(2);
        for image in 0..images {
            let wrong = wrong(image);
            assert!(pixels.push(&[[200 - wrong, 0, wrong], [100, wrong, 0]]));
        }
        let images = (0..images).map(|image| image.to_string()).collect();
        Judged { images, classes: ["sky", "cat"].map(str::to_owned).to_vec(), pixels, boundary: None }
    }

    /// A report of a baseline `A` and of other rows, each with what it counted.
    fn rows(all: &[(&str, &str, Judged)]) -> Rows {
        let entries = all.iter().map(|(filter, seed, judged)| {
            let value = |figure| 100.0 * judged.pixels.figure(figure).unwrap();
            let radius = if *filter == "A" { 3.0 } else { 2.0 };
            let figures =
                [("mIoU", value(Figure::MeanIou)), ("IoU cat", value(Figure::Iou(1))), ("ERF radius", radius)];
            let mut entry = entry(&format!("{filter}{seed}"), 1, &[("prefilter", filter), ("seed", seed)], 0, &figures);
            entry.judged = Some(Arc::new(judged.clone()));
            entry
        });
        Rows::new(entries.collect())
    }

    const SHOWN: [&str; 3] = ["mIoU", "IoU cat", "ERF radius"];

    fn marked(rows: &Rows) -> Result<Marks, StageError> {
        let over = ["seed".to_owned()];
        let groups = groups(&rows.rows.iter().collect::<Vec<_>>(), &over);
        marks(&groups, &SHOWN, &over, &MatrixCell::from([("prefilter".to_owned(), "A".to_owned())]))
    }

    #[test]
    fn two_trained_models_are_compared_by_images_and_the_note_says_so() {
        let noise = |image: usize| (image * 7 % 5) as u64;
        let found = marked(&rows(&[
            ("A", "1", judged(40, |image| 30 + noise(image))),
            ("B", "1", judged(40, |image| 20 + noise(image + 1))),
            ("C", "1", judged(40, |image| 30 + noise(image))),
        ]))
        .unwrap();
        let both = [(1, "IoU cat".to_owned()), (1, "mIoU".to_owned())];
        assert_eq!(found.marked.into_iter().collect::<Vec<_>>(), both, "the same counts differ by nothing");
        let told = found.notes.join(" ");
        assert!(
            told.starts_with(
                "† The difference to A is significant at the level of 5 % (Holm's correction for 4 comparisons)."
            ),
            "{told}"
        );
        assert!(told.contains("two trained models, not the methods, on 40 images"), "{told}");
    }

    #[test]
    fn a_model_against_itself_has_no_mark() {
        let found = marked(&rows(&[("A", "1", judged(40, |_| 30)), ("B", "1", judged(40, |_| 30))])).unwrap();
        assert!(found.marked.is_empty());
        assert!(found.notes[0].starts_with("No difference to A is significant"), "{:?}", found.notes);
    }

    #[test]
    fn several_seeds_are_compared_as_methods() {
        let of = |filter, first: u64| {
            [("1", 0), ("2", 1), ("3", 2), ("4", 1)]
                .map(|(seed, more)| (filter, seed, judged(40, move |image| first + more + (image % 3) as u64)))
        };
        let all: Vec<_> = of("A", 30).into_iter().chain(of("B", 10)).collect();
        let found = marked(&rows(&all)).unwrap();
        assert!(
            found.marked.contains(&(1, "mIoU".to_owned())) && !found.marked.contains(&(1, "ERF radius".to_owned()))
        );
        assert!(found.notes[0].contains("methods by 4 trainings each with the same seeds"), "{:?}", found.notes);
        assert!(found.notes[1].contains("differ by the same amount with every seed"), "{:?}", found.notes);
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let few = marked(&rows(&[("A", "1", judged(2, |_| 30)), ("B", "1", judged(2, |_| 10))])).unwrap();
        assert!(few.marked.is_empty());
        assert!(few.notes[0].starts_with("Some figures are not compared with A: "), "{:?}", few.notes);
        let refused = marked(&rows(&[("A", "1", judged(8, |_| 30)), ("B", "1", judged(9, |_| 10))])).unwrap_err();
        assert!(refused.to_string().contains("were not validated on the same images."), "{refused}");
    }
}
