//! The IoU of each class as bars with intervals.
//!
//! Invariants:
//! - an interval is over seeds where a method has several trainings, and else over images. What it is over is said;
//! - a figure without an interval has none for a reason, which is said.

use std::collections::BTreeSet;

use super::method::Method;
use super::source::Fault;
use super::validation::{self, Counted};
use crate::figure::{Bar, Bars, Chart};
use crate::page::model::{Block, Figure, Section};
use crate::stats::{self, Estimate};

/// The level of the intervals.
const LEVEL: f64 = 0.95;

/// What the last group of bars is called.
const MEAN: &str = "mean";

/// The figures of a method: of each class, and then their mean, from 0 to 1.
pub(super) struct Figures {
    values: Vec<Option<f64>>,
    estimates: Vec<Option<Estimate>>,
    /// What the intervals are over.
    over: String,
}

/// The bars of some methods, of which `counted` is what their trainings counted.
///
/// # Errors
/// A table cannot be read.
pub(super) fn section(
    methods: &[Method<'_, '_>],
    counted: &[Vec<Counted>],
    notes: &mut Vec<String>,
) -> Result<Option<Section>, Fault> {
    let Some(classes) = counted.first().and_then(|all| all.first()).map(|first| &first.classes) else {
        return Ok(None);
    };
    let (mut series, mut all) = (Vec::new(), Vec::new());
    for (method, counted) in methods.iter().zip(counted) {
        if counted.iter().any(|counted| counted.classes != *classes) {
            let first = &methods[0].label;
            notes.push(format!("`{}` has other classes than `{first}`, and is not among the bars.", method.label));
            continue;
        }
        series.push(method.label.clone());
        all.push(figures(method, counted, classes.len())?);
    }
    let names = classes.iter().map(String::as_str).chain([MEAN]).enumerate();
    let groups: Vec<(String, Vec<Option<Bar>>)> = names
        .map(|(at, name)| (name.to_owned(), all.iter().map(|figures| figures.bar(at)).collect::<Vec<_>>()))
        .filter(|(_, bars)| bars.iter().any(Option::is_some))
        .collect();
    if groups.is_empty() {
        return Ok(None);
    }
    let interval = interval(&series, &all);
    let lacking = all.iter().any(|figures| (0..=classes.len()).any(|at| figures.lacks(at)));
    let mut caption = match interval.is_empty() {
        true => "IoU of each class, and their mean.".to_owned(),
        false => format!(
            "IoU of each class, and their mean, with the {interval}. Intervals are not corrected for their number."
        ),
    };
    if lacking {
        caption += " A bar without an interval is of a class that too few images or seeds have.";
    }
    let chart = Bars { title: "IoU of classes".to_owned(), y: "IoU (%)".to_owned(), series, groups, interval };
    Ok(Some(Section {
        id: "classes".to_owned(),
        title: "Classes".to_owned(),
        lead: "The IoU of each class on the validation images, at the last iteration.".to_owned(),
        blocks: vec![Block::Figure(Figure { caption, chart: Chart::Bars(chart) })],
        folded: false,
    }))
}

/// What the intervals are, in words; empty where no bar has one.
fn interval(series: &[String], all: &[Figures]) -> String {
    let told: Vec<(&String, &String)> = series
        .iter()
        .zip(all)
        .filter(|(_, figures)| figures.estimates.iter().any(Option::is_some))
        .map(|(label, figures)| (label, &figures.over))
        .collect();
    let kinds: BTreeSet<&String> = told.iter().map(|(_, over)| *over).collect();
    match (told.first(), kinds.len()) {
        (None, _) => String::new(),
        (Some((_, over)), 1) => format!("95 % interval {over}"),
        _ => {
            let each: Vec<String> = told.iter().map(|(label, over)| format!("{label} {over}")).collect();
            format!("95 % interval: {}", each.join("; "))
        }
    }
}

pub(super) fn figures(method: &Method<'_, '_>, counted: &[Counted], classes: usize) -> Result<Figures, Fault> {
    let mut each = Vec::new();
    for trained in &method.trained {
        let (source, summary) = trained.last();
        let ious = validation::ious(source)?.into_iter().map(|(_, iou)| iou);
        each.push(ious.chain([summary.mean_iou]).collect::<Vec<Option<f64>>>());
    }
    let column = |at: usize| -> Option<Vec<f64>> { each.iter().map(|ious| ious.get(at).copied().flatten()).collect() };
    let values: Vec<Option<f64>> = (0..=classes).map(|at| column(at).map(|ious| mean(&ious))).collect();
    if let [only] = counted {
        let figure = |at: usize| if at < classes { stats::Figure::Iou(at) } else { stats::Figure::MeanIou };
        let estimates = (0..=classes).map(|at| stats::model(&only.counts, figure(at)).ok()).collect();
        let over = format!("over {} images, of this one training", only.images.len());
        return Ok(Figures { values, estimates, over });
    }
    let estimates = (0..=classes).map(|at| stats::mean(&column(at)?).ok()).collect();
    Ok(Figures { values, estimates, over: format!("over {} seeds", each.len()) })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Figures {
    /// The bar of a class; after the last class, that of their mean.
    pub(super) fn bar(&self, at: usize) -> Option<Bar> {
        let value = 100.0 * (*self.values.get(at)?)?;
        // A share lies between 0 and 1, whatever a t distribution says.
        let end = |end: f64| (100.0 * end).clamp(0.0, 100.0);
        let interval = self.estimates.get(at).and_then(Option::as_ref).map(|estimate| estimate.interval(LEVEL));
        Some(Bar { value, interval: interval.map(|interval| (end(interval.low), end(interval.high))) })
    }

    fn lacks(&self, at: usize) -> bool {
        self.values.get(at).is_some_and(Option::is_some) && self.estimates.get(at).is_some_and(Option::is_none)
    }
}
