//! What networks cost against their mean IoU.
//!
//! Invariant: a method and a cost belong together where their cells agree in every axis that both have. What fits nothing is
//! said, and what fits several is a fault.

use super::bars;
use super::columns::{figure, numbers};
use super::group::{Group, groups};
use super::method::{self, Method};
use super::sections::{Wanted, counted};
use super::source::{Fault, Source};
use crate::figure::{Point, Scatter};

/// A cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// The seconds of a step.
    Seconds,
    /// The most memory.
    Memory,
    /// What a step computes.
    Operations,
    /// The number of parameters.
    Parameters,
}

impl Against {
    /// What the axis says, the column, and by what its figures are multiplied.
    fn column(self) -> (&'static str, &'static str, f64) {
        match self {
            Against::Seconds => ("seconds per step", "seconds_per_step", 1.0),
            Against::Memory => ("memory (MiB)", "memory_mib", 1.0),
            Against::Operations => ("GFLOP per step", "gflop", 1.0),
            Against::Parameters => ("parameters (millions)", "parameters", 1e-6),
        }
    }
}

/// A point for each method of the sources with what it costs: its mean IoU with a 95 % interval, and the cost with its least and
/// greatest repeat. Beside it what was left out, as sentences.
///
/// # Errors
/// What a source has cannot be read, a method has several costs, or nothing has both.
pub fn against(wanted: &Wanted, sources: &[Source<'_>], cost: Against) -> Result<(Scatter, Vec<String>), Fault> {
    let methods = method::methods(sources, &wanted.over, wanted.named)?;
    let costs = groups(sources, |source| source.has(&["cost", "measurements"]), &wanted.over);
    let (mut points, mut notes) = (Vec::new(), Vec::new());
    for method in &methods {
        let fitting: Vec<&Group<'_, '_>> = costs.iter().filter(|group| agree(method, group)).collect();
        let Some(group) = fitting.first() else {
            notes.push(format!("`{}` has no measured cost, and is left out.", method.label));
            continue;
        };
        if fitting.len() > 1 {
            let message =
                format!("`{}` has {} measured costs. Name those of one stage `Cost`.", method.label, fitting.len());
            return Err(message.into());
        }
        let counted = counted(method)?;
        let classes = counted.first().map_or(0, |counted| counted.classes.len());
        let mean = bars::figures(method, &counted, classes)?.bar(classes);
        let measured = measured(group, cost)?;
        match mean.zip(measured) {
            Some((iou, (value, interval))) => {
                points.push(Point {
                    label: method.label.clone(),
                    at: (value, iou.value),
                    intervals: (interval, iou.interval),
                });
            }
            None => notes.push(format!("`{}` lacks its mean IoU or this cost, and is left out.", method.label)),
        }
    }
    if points.is_empty() {
        return Err("No validation has both a mean IoU and a cost. The cells of the stages have to agree.".into());
    }
    let (x, y) = (cost.column().0.to_owned(), "mean IoU (%)".to_owned());
    Ok((Scatter { title: "Mean IoU and cost".to_owned(), x, y, points }, notes))
}

fn agree(method: &Method<'_, '_>, group: &Group<'_, '_>) -> bool {
    method.run == group.run
        && group.cell.iter().all(|(axis, label)| method.trained[0].cell.get(*axis).is_none_or(|other| other == label))
}

/// A value and its ends.
type Ranged = (f64, Option<(f64, f64)>);

/// A cost, with its least and greatest repeat where repeats differ.
fn measured(group: &Group<'_, '_>, cost: Against) -> Result<Option<Ranged>, Fault> {
    let (_, column, scale) = cost.column();
    let source = group.repeats[0].last();
    let Some(value) = figure(&source.table("cost")?, column) else { return Ok(None) };
    let repeats = source.table("measurements")?;
    let mut ends = None;
    if repeats.position(column).is_some() {
        for value in numbers(&repeats, column)?.into_iter().flatten().map(|value| scale * value) {
            let (least, greatest) = ends.unwrap_or((value, value));
            ends = Some((value.min(least), value.max(greatest)));
        }
    }
    Ok(Some((scale * value, ends.filter(|(least, greatest)| least < greatest))))
}
