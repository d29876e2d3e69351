//! The course of trainings: the loss, and the mean IoU of training crops and of validations.
//!
//! Invariants:
//! - the running mean IoU starts anew with each iteration, where it rests on a few crops and jumps. The start of each iteration
//!   is left out, and this is said;
//! - what is bold is the mean over equal parts of the steps, so that all trainings of a method have values at the same steps;
//! - what is thinned keeps the least and the greatest value of each part.

use std::collections::BTreeSet;

use super::columns::numbers;
use super::group::{Group, Repeat, facets, groups};
use super::labels::labels;
use super::method::Method;
use super::source::{Fault, Source};
use crate::figure::{Chart, Curve, Curves};
use crate::page::model::{Block, Figure, Section};

/// What the vertical axis of losses says.
pub const LOSS: &str = "loss";

/// Into how many parts the steps are cut for the bold line.
const PARTS: usize = 60;

/// Into how many parts they are cut for what is drawn pale.
const THIN: usize = 240;

/// The part of an iteration at whose start the running mean IoU is left out.
const CUT: f64 = 0.2;

/// A figure at a step.
type Points = Vec<(f64, f64)>;

/// How one training went.
struct Course {
    loss: Points,
    running: Points,
}

/// The curves of all trainings, and the validations of the methods.
///
/// # Errors
/// A table cannot be read.
pub(super) fn section(
    sources: &[Source<'_>],
    methods: &[Method<'_, '_>],
    over: &BTreeSet<String>,
    named: bool,
    (shown, notes): (usize, &mut Vec<String>),
) -> Result<Option<Section>, Fault> {
    let mut groups = groups(sources, |source| source.has(&["steps"]), over);
    let names = names(&groups, methods, named);
    if groups.len() > shown {
        notes.push(format!("The curves show the first {shown} of {} trainings.", groups.len()));
        groups.truncate(shown);
    }
    let (mut losses, mut ious) = (Vec::new(), Vec::new());
    for (group, name) in groups.iter().zip(&names) {
        let courses = group.repeats.iter().map(course).collect::<Result<Vec<Course>, Fault>>()?;
        let of = |part: fn(&Course) -> &Points| -> Vec<&Points> { courses.iter().map(part).collect() };
        losses.push(curve(name, &of(|course| &course.loss), true));
        ious.push(curve(name, &of(|course| &course.running), false));
    }
    for method in methods {
        let dots = validated(method);
        match ious.iter_mut().find(|curve: &&mut Curve| curve.label == method.label) {
            Some(curve) => curve.dots = dots,
            None => ious.push(Curve { label: method.label.clone(), dots, ..Curve::default() }),
        }
    }
    // Without a training, single figures are no course.
    if losses.is_empty() && ious.iter().all(|curve| curve.dots.len() < 2) {
        return Ok(None);
    }
    let seeds = groups.iter().map(|group| group.repeats.len()).max().unwrap_or(1);
    let pictures = [
        ("Loss", LOSS, losses, loss_caption(seeds)),
        ("Mean IoU", "mean IoU (%)", ious, iou_caption(seeds, groups.is_empty())),
    ];
    let block = |(title, y, curves, caption): (&str, &str, Vec<Curve>, String)| {
        let drawn: Vec<Curve> = curves.into_iter().filter(is_drawn).collect();
        let chart = Curves { title: title.to_owned(), x: "step".to_owned(), y: y.to_owned(), curves: drawn };
        (!chart.curves.is_empty()).then_some(Block::Figure(Figure { caption, chart: Chart::Curves(chart) }))
    };
    Ok(Some(Section {
        id: "curves".to_owned(),
        title: "Training".to_owned(),
        lead: "How the trainings went, over all of their iterations.".to_owned(),
        blocks: pictures.into_iter().filter_map(block).collect(),
        folded: false,
    }))
}

fn is_drawn(curve: &Curve) -> bool {
    !(curve.raw.is_empty() && curve.smooth.is_empty() && curve.dots.is_empty())
}

fn loss_caption(seeds: usize) -> String {
    let text = format!("The loss of training steps. Bold: the mean over each {PARTS}th of the steps.");
    text + match seeds {
        1 => " Pale: the least and the greatest loss of short stretches.",
        _ => " Of several seeds it is their mean; the band goes from the least to the greatest seed.",
    }
}

fn iou_caption(seeds: usize, validations_alone: bool) -> String {
    if validations_alone {
        return "Dots: the mean IoU on validation images.".to_owned();
    }
    let cut = (100.0 * CUT).round();
    let text = format!(
        "Lines: the running mean IoU over training crops. It starts anew with each iteration, and the first {cut} % of each \
         iteration are left out, since they rest on few crops. Dots: the mean IoU on validation images."
    );
    text + if seeds > 1 {
        " Lines and dots are means over seeds; the band goes from the least to the greatest seed."
    } else {
        ""
    }
}

/// What each training is called: as the method that validated its last model, or else by what tells it from the others.
fn names(groups: &[Group<'_, '_>], methods: &[Method<'_, '_>], named: bool) -> Vec<String> {
    let own = labels(&facets(groups, named, |_| Vec::new()), |_| "training".to_owned());
    let mut names: Vec<String> = Vec::new();
    for (group, own) in groups.iter().zip(own) {
        let models: Vec<String> = group.repeats.iter().filter_map(model).collect();
        let is_of = |method: &&Method<'_, '_>| {
            let mut last = method.trained.iter().map(|trained| &trained.last().1.model);
            method.run == group.run && last.any(|model| models.contains(model))
        };
        let method = methods.iter().filter(is_of).map(|method| &method.label).find(|label| !names.contains(label));
        names.push(method.cloned().unwrap_or(own));
    }
    names
}

/// The last model of a training, by the first digits of its digest.
fn model(repeat: &Repeat<'_, '_>) -> Option<String> {
    repeat.last().digests.get("model").map(|digest| digest.short())
}

fn course(repeat: &Repeat<'_, '_>) -> Result<Course, Fault> {
    let mut course = Course { loss: Points::new(), running: Points::new() };
    for source in &repeat.iterations {
        let table = source.table("steps")?;
        let steps = numbers(&table, "step")?;
        let column = |name: &str, scale: f64| -> Result<Points, Fault> {
            let values = numbers(&table, name)?;
            Ok(steps.iter().zip(values).filter_map(|(step, value)| Some(((*step)?, scale * value?))).collect())
        };
        course.loss.extend(column("loss", 1.0)?);
        course.running.extend(settled(&column("mean_iou", 100.0)?));
    }
    Ok(course)
}

/// An iteration of a running mean without its start.
fn settled(iteration: &[(f64, f64)]) -> &[(f64, f64)] {
    let start = (CUT * iteration.len() as f64).ceil() as usize;
    iteration.get(start..).filter(|rest| !rest.is_empty()).unwrap_or(iteration)
}

/// One training, or the mean of several with a band. `pale`: whether a single one shows its points, too.
fn curve(label: &str, trainings: &[&Points], pale: bool) -> Curve {
    let all = || trainings.iter().flat_map(|points| points.iter());
    let (low, high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), (step, _)| (a.min(*step), b.max(*step)));
    let averaged: Vec<Vec<Option<(f64, f64)>>> =
        trainings.iter().map(|points| averaged(points, (low, high), PARTS)).collect();
    let (mut smooth, mut band) = (Points::new(), Vec::new());
    for part in 0..PARTS {
        let values: Option<Points> = averaged.iter().map(|parts| parts[part]).collect();
        let Some(values) = values.filter(|values| !values.is_empty()) else { continue };
        let mean = |of: fn(&(f64, f64)) -> f64| values.iter().map(of).sum::<f64>() / values.len() as f64;
        let (step, ends) = (mean(|point| point.0), values.iter().map(|point| point.1));
        smooth.push((step, mean(|point| point.1)));
        if values.len() > 1 {
            band.push((step, ends.clone().fold(f64::INFINITY, f64::min), ends.fold(f64::NEG_INFINITY, f64::max)));
        }
    }
    let raw = match trainings {
        [only] if pale => thinned(only, (low, high), THIN),
        _ => Points::new(),
    };
    Curve { label: label.to_owned(), raw, smooth, band, dots: Points::new() }
}

/// The part of the steps that a step belongs to.
fn part(step: f64, (low, high): (f64, f64), parts: usize) -> usize {
    let place = if high > low { (step - low) / (high - low) } else { 0.0 };
    ((place * parts as f64) as usize).min(parts - 1)
}

/// The mean step and the mean value of each part of the steps; none where a part has no points.
fn averaged(points: &[(f64, f64)], range: (f64, f64), parts: usize) -> Vec<Option<(f64, f64)>> {
    let mut sums = vec![(0.0, 0.0, 0_u32); parts];
    for &(step, value) in points {
        let sum = &mut sums[part(step, range, parts)];
        *sum = (sum.0 + step, sum.1 + value, sum.2 + 1);
    }
    let mean = |(steps, values, count): (f64, f64, u32)| {
        (count > 0).then(|| (steps / f64::from(count), values / f64::from(count)))
    };
    sums.into_iter().map(mean).collect()
}

/// The points that can be seen: the least and the greatest of each part of the steps, in the order of their steps.
fn thinned(points: &[(f64, f64)], range: (f64, f64), parts: usize) -> Points {
    let mut thin = Points::new();
    for chunk in points.chunk_by(|a, b| part(a.0, range, parts) == part(b.0, range, parts)) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let mut kept: Points =
            chunk.iter().min_by(by_value).into_iter().chain(chunk.iter().max_by(by_value)).copied().collect();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.dedup();
        thin.extend(kept);
    }
    thin
}

/// The mean IoU of each validation of a method, in percent: the mean over the trainings that were validated at the step.
fn validated(method: &Method<'_, '_>) -> Points {
    let mut steps: Vec<(f64, Vec<f64>)> = Vec::new();
    for (_, summary) in method.trained.iter().flat_map(|trained| &trained.validations) {
        let Some((step, iou)) = summary.step.zip(summary.mean_iou) else { continue };
        match steps.iter_mut().find(|(known, _)| *known == step) {
            Some((_, values)) => values.push(iou),
            None => steps.push((step, vec![iou])),
        }
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let whole = steps.into_iter().filter(|(_, values)| values.len() == method.trained.len());
    whole.map(|(step, values)| (step, 100.0 * values.iter().sum::<f64>() / values.len() as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A running mean that starts each iteration with a spike.
    fn running(first: u32) -> Points {
        (first..first + 50).map(|step| (f64::from(step), if step < first + 5 { 99.0 } else { 40.0 })).collect()
    }

    #[test]
    fn iterations_are_joined_without_the_spikes_of_their_starts() {
        let joined: Points = [0, 50].into_iter().flat_map(|first| settled(&running(first)).to_vec()).collect();
        assert!(joined.iter().all(|(_, value)| *value == 40.0), "{joined:?}");
        assert_eq!((joined.len(), joined[0].0, joined[40].0), (80, 10.0, 60.0));
        assert_eq!(settled(&[(3.0, 1.0)]), [(3.0, 1.0)], "a single step stays");
    }

    #[test]
    fn several_seeds_are_a_mean_with_a_band_and_one_shows_its_points() {
        let flat = |value: f64| -> Points { (0..600).map(|step| (f64::from(step), value)).collect() };
        let (low, high) = (flat(1.0), flat(3.0));
        let both = curve("a", &[&low, &high], true);
        assert_eq!((both.smooth.len(), both.band.len(), both.raw.len()), (PARTS, PARTS, 0));
        assert!(both.smooth.iter().all(|(_, value)| *value == 2.0));
        assert!(both.band.iter().all(|(_, least, greatest)| (*least, *greatest) == (1.0, 3.0)));
        let one = curve("a", &[&low], true);
        assert!(one.band.is_empty() && one.raw.len() <= 2 * THIN && one.raw[0] == (0.0, 1.0));
        assert!(curve("a", &[&low], false).raw.is_empty());
        assert_eq!(curve("a", &[&Points::new()], true), Curve { label: "a".to_owned(), ..Curve::default() });
    }

    #[test]
    fn thinning_keeps_the_spikes() {
        let points: Points =
            (0..10_000).map(|step| (f64::from(step), if step == 5005 { 9.0 } else { f64::from(step % 7) })).collect();
        let thin = thinned(&points, (0.0, 9999.0), THIN);
        assert!(thin.len() <= 2 * THIN && thin.contains(&(5005.0, 9.0)) && thin.is_sorted_by(|a, b| a.0 <= b.0));
    }
}
