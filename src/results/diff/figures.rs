//! The figures of validations, each with its test: trained models, methods over seeds, and single classes.

use std::collections::{BTreeMap, BTreeSet};

use super::chance::{self, Tested};
use super::comparison::{Against, ClassRow, ConfusionRow, FigureRow};
use super::seeds::{self, SeedAxes};
use super::side::Side;
use super::validation::{self, Counted, Validation};
use crate::stage::StageName;
use crate::stats::{Counts, Figure};

/// The counts that a figure is of, or why there are none.
type CountsOf = fn(&Counted) -> Result<&Counts, &String>;

/// The figures of a validation that are tested: how a record calls them, what they are, and of which counts.
const FIGURES: [(&str, Figure, CountsOf); 3] = [
    ("mean_iou", Figure::MeanIou, |counted| Ok(&counted.counts)),
    ("pixel_accuracy", Figure::PixelAccuracy, |counted| Ok(&counted.counts)),
    ("boundary_iou", Figure::MeanIou, |counted| counted.boundary.as_ref()),
];

/// How many counts of classes are resampled at most: three validations of 1,449 images and 21 classes.
const CHEAP: usize = 3 * 1_449 * 21;

/// Why the classes of more are not tested.
const MANY: &str = "There are too many classes and images to resample; name one stage, as `A/validate`.";

/// Why a figure of fewer than two images is not tested.
const ONE_IMAGE: &str = "There is one image, which says nothing of chance.";

/// A training of a method.
struct Training {
    seed: String,
    value: f64,
    /// Its counts, or why they cannot be compared.
    counts: Result<Counts, String>,
}

/// Whether a record's figure is one of those that are tested.
pub(super) fn is_tested(name: &str) -> bool {
    FIGURES.iter().any(|(figure, ..)| *figure == name)
}

/// The differences of trained models, corrected together.
pub(super) fn of_models(validations: &[Validation<'_>]) -> Vec<FigureRow> {
    let (mut rows, mut tested) = (Vec::new(), Vec::new());
    for validation in validations {
        for (name, figure, counts) in FIGURES {
            let values = validation.metric(name);
            if values.iter().all(Option::is_none) {
                continue;
            }
            for (value, other) in values.iter().zip(&validation.counted).skip(1) {
                tested.push(test((values[0], *value), (&validation.counted[0], other), figure, counts));
            }
            let trainings = values.iter().map(|value| usize::from(value.is_some())).collect();
            let (path, figure) = (validation.row.path.clone(), name.to_owned());
            rows.push(FigureRow { path, figure, values, trainings, against: Vec::new() });
        }
    }
    let mut against = chance::corrected(tested).into_iter();
    for row in &mut rows {
        row.against = against.by_ref().take(row.values.len() - 1).collect();
    }
    rows
}

fn test(
    values: (Option<f64>, Option<f64>),
    counted: (&Result<Counted, String>, &Result<Counted, String>),
    figure: Figure,
    counts: CountsOf,
) -> Tested {
    fn of(counted: &Result<Counted, String>, counts: CountsOf) -> Result<&Counts, &String> {
        counted.as_ref().and_then(counts)
    }
    match (of(counted.0, counts), of(counted.1, counts)) {
        (Err(why), _) => Tested::not(values, format!("Of the reference: {why}")),
        (_, Err(why)) => Tested::not(values, why.clone()),
        (Ok(reference), Ok(_)) if reference.images() < 2 => Tested::not(values, ONE_IMAGE),
        (Ok(reference), Ok(other)) => Tested::models(values, reference, other, figure),
    }
}

/// The differences of methods: validations that differ only by their seed, where each run has at least two. Trainings are
/// compared by pairs where `same_seeds`.
pub(super) fn of_methods(
    sides: &[Side<'_>],
    axes: &[SeedAxes],
    same_seeds: bool,
    validations: &[Validation<'_>],
) -> Vec<FigureRow> {
    let mut groups: BTreeMap<String, Vec<&Validation<'_>>> = BTreeMap::new();
    for validation in validations {
        groups.entry(seeds::without(&validation.row.path, axes)).or_default().push(validation);
    }
    let (mut rows, mut tested) = (Vec::new(), Vec::new());
    for (path, group) in groups {
        let pictures = validation::same_images(sides, &group);
        for (name, figure, counts) in FIGURES {
            let of_side = |side: usize| trainings(&group, side, &axes[side], name, counts);
            let all: Vec<Vec<Training>> = (0..sides.len()).map(of_side).collect();
            if all.iter().any(|trainings| trainings.len() < 2) {
                continue;
            }
            let values: Vec<Option<f64>> = all
                .iter()
                .map(|all| Some(all.iter().map(|training| training.value).sum::<f64>() / all.len() as f64))
                .collect();
            for (value, other) in values.iter().zip(&all).skip(1) {
                tested.push(match &pictures {
                    Err(why) => Tested::not((values[0], *value), why.clone()),
                    Ok(()) => methods((values[0], *value), (&all[0], other), figure, same_seeds),
                });
            }
            rows.push(FigureRow {
                path: path.clone(),
                figure: name.to_owned(),
                values,
                trainings: all.iter().map(Vec::len).collect(),
                against: Vec::new(),
            });
        }
    }
    let mut against = chance::corrected(tested).into_iter();
    for row in &mut rows {
        row.against = against.by_ref().take(row.values.len() - 1).collect();
    }
    rows
}

/// The trainings of a run in a group, with the images in the order of the group's first.
fn trainings(group: &[&Validation<'_>], side: usize, axes: &SeedAxes, name: &str, counts: CountsOf) -> Vec<Training> {
    let first = group.iter().flat_map(|validation| &validation.counted).find_map(|counted| counted.as_ref().ok());
    let one = |validation: &&Validation<'_>| {
        let seed = seeds::seed_of(validation.names[side].as_deref()?, axes)?;
        let value = validation.metric(name)[side]?;
        let counted = validation.counted[side].as_ref().map_err(Clone::clone);
        let like = counted.and_then(|counted| validation::aligned(first.unwrap_or(counted), counted));
        let counts = like.and_then(|counted| counts(&counted).cloned().map_err(Clone::clone));
        Some(Training { seed, value, counts })
    };
    group.iter().filter_map(one).collect()
}

/// Two methods: by pairs where the seeds are the same.
fn methods(
    values: (Option<f64>, Option<f64>),
    (reference, other): (&[Training], &[Training]),
    figure: Figure,
    same_seeds: bool,
) -> Tested {
    let counts = |all: &[&'_ Training]| -> Result<Vec<Counts>, String> {
        all.iter().map(|training| training.counts.clone()).collect()
    };
    let sorted = |all: &'_ [Training]| -> BTreeMap<String, usize> {
        all.iter().enumerate().map(|(at, training)| (training.seed.clone(), at)).collect()
    };
    let (by_seed, by_other) = (sorted(reference), sorted(other));
    let distinct = by_seed.len() == reference.len() && by_other.len() == other.len();
    let paired = same_seeds && distinct && by_seed.keys().eq(by_other.keys());
    let reference: Vec<&Training> = by_seed.values().map(|&at| &reference[at]).collect();
    let other: Vec<&Training> = by_other.values().map(|&at| &other[at]).collect();
    match (counts(&reference), counts(&other)) {
        (Err(why), _) => Tested::not(values, format!("Of the reference: {why}")),
        (_, Err(why)) => Tested::not(values, why),
        (Ok(reference), Ok(other)) => {
            let (reference, other): (Vec<&Counts>, Vec<&Counts>) = (reference.iter().collect(), other.iter().collect());
            Tested::methods(values, &reference, &other, paired, figure)
        }
    }
}

/// The classes of each validation, those with the largest difference first. The differences of a validation's classes are
/// corrected together.
pub(super) fn of_classes(validations: &[Validation<'_>]) -> Vec<ClassRow> {
    let mut found = Vec::new();
    let sizes = validations.iter().filter_map(|validation| validation.counted.iter().flatten().next());
    let cheap = sizes.map(|counted| counted.counts.images() * counted.counts.classes()).sum::<usize>() <= CHEAP;
    for validation in validations {
        let Some(Ok(first)) = validation.counted.iter().find(|counted| counted.is_ok()) else { continue };
        let (mut rows, mut tested) = (Vec::new(), Vec::new());
        for (class, name) in first.classes.iter().enumerate() {
            let iou = |counted: &Result<Counted, String>| counted.as_ref().ok()?.counts.figure(Figure::Iou(class));
            let values: Vec<Option<f64>> = validation.counted.iter().map(iou).collect();
            for (value, other) in values.iter().zip(&validation.counted).skip(1) {
                tested.push(match cheap {
                    true => test_class((values[0], *value), &validation.counted[0], other, class),
                    false => Tested::not((values[0], *value), MANY),
                });
            }
            let path = validation.row.path.clone();
            rows.push(ClassRow { path, class, name: name.clone(), values, against: Vec::new() });
        }
        let mut against = chance::corrected(tested).into_iter();
        for row in &mut rows {
            row.against = against.by_ref().take(row.values.len() - 1).collect();
        }
        let effect = |row: &ClassRow| largest(&row.against);
        rows.sort_by(|a, b| effect(b).total_cmp(&effect(a)).then(a.class.cmp(&b.class)));
        found.extend(rows);
    }
    found
}

fn largest(against: &[Against]) -> f64 {
    against.iter().filter_map(|against| against.difference).map(f64::abs).fold(-1.0, f64::max)
}

/// A class alone: a resample then draws nothing of the others.
fn test_class(
    values: (Option<f64>, Option<f64>),
    reference: &Result<Counted, String>,
    other: &Result<Counted, String>,
    class: usize,
) -> Tested {
    if values.0.is_none() && values.1.is_none() {
        return Tested::not(values, "No pixel is of this class.");
    }
    match (reference, other) {
        (Err(why), _) => Tested::not(values, format!("Of the reference: {why}")),
        (_, Err(why)) => Tested::not(values, why.clone()),
        (Ok(reference), Ok(_)) if reference.counts.images() < 2 => Tested::not(values, ONE_IMAGE),
        (Ok(reference), Ok(other)) => {
            let alone = |counts: &Counts| {
                let mut one = Counts::new(1);
                for image in 0..counts.images() {
                    one.push(&counts.image(image)[class..=class]);
                }
                one
            };
            Tested::models(values, &alone(&reference.counts), &alone(&other.counts), Figure::Iou(0))
        }
    }
}

/// What was confused with what, the largest changes first.
pub(super) fn of_confusion(validations: &[Validation<'_>]) -> Vec<ConfusionRow> {
    let mut found = Vec::new();
    for validation in validations {
        let Some(counted) = validation.counted.iter().map(|counted| counted.as_ref().ok()).collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        let [first, ..] = counted.as_slice() else { continue };
        let mut rows = Vec::new();
        let pairs: BTreeSet<(usize, usize)> = counted.iter().flat_map(|c| c.confusion.keys().copied()).collect();
        for (truth, predicted) in pairs.into_iter().filter(|(truth, predicted)| truth != predicted) {
            let pixels: Vec<u64> =
                counted.iter().map(|c| c.confusion.get(&(truth, predicted)).copied().unwrap_or(0)).collect();
            let all = |c: &&Counted| -> u64 {
                c.confusion.iter().filter(|((of, _), _)| *of == truth).map(|(_, pixels)| pixels).sum()
            };
            let shares = counted.iter().zip(&pixels).map(|(c, pixels)| *pixels as f64 / all(c).max(1) as f64);
            let differences: Vec<i64> = pixels[1..].iter().map(|other| *other as i64 - pixels[0] as i64).collect();
            if differences.iter().any(|difference| *difference != 0) {
                rows.push(ConfusionRow {
                    path: validation.row.path.clone(),
                    truth: first.classes[truth].clone(),
                    predicted: first.classes[predicted].clone(),
                    shares: shares.collect(),
                    pixels,
                    differences,
                });
            }
        }
        let change = |row: &ConfusionRow| row.differences.iter().map(|d| d.unsigned_abs()).max();
        rows.sort_by_key(|row| (std::cmp::Reverse(change(row)), row.truth.clone(), row.predicted.clone()));
        found.extend(rows);
    }
    found
}

/// The stage of a path, without its iteration.
pub(super) fn stage_of(path: &str) -> String {
    StageName::read(path).map_or_else(|_| path.to_owned(), |name| StageName { iteration: None, ..name }.to_string())
}
