//! Which columns a table for a paper shows: by the names that a pipeline states, or those that tell its rows apart.

use std::collections::BTreeSet;

use super::params::Paper;
use super::rows::{BOUNDARY, CLASS, CONSTANT, COUNT, ITERATION, MEAN_IOU, PIXEL_ACCURACY, Row, Rows, SHOWN};
use crate::stage::name::same;
use crate::stage::{DataFault, MatrixCell, ParamFault, StageError};
use crate::stages::validate::INFERENCE;
use crate::syntax::{names, suggestion};

/// The name that stands for the IoU of every class.
pub const CLASSES: &str = "IoU";

/// The column with the number of averaged rows.
pub const REPETITIONS: &str = "n";

/// What a column shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// The labels of an axis.
    Axis(String),
    /// What the models and data are called: a place in [`SUBJECT`](crate::stages::subject::SUBJECT).
    Subject(usize),
    /// How many rows were averaged.
    Repetitions,
    /// A figure.
    Figure(String),
}

/// The figures whose columns stand in every report of validations, or would if all were of this version.
const ALWAYS: [&str; 5] = [MEAN_IOU, PIXEL_ACCURACY, CONSTANT, COUNT, BOUNDARY];

impl Choice {
    /// What names the row of repetitions that agree in all else; none where the column is one of figures.
    pub fn label(&self, group: &[&Row]) -> Option<String> {
        let first = group.first()?;
        match self {
            Choice::Axis(axis) => first.cell.get(axis).cloned(),
            Choice::Subject(at) => {
                let text = &first.subject[*at];
                (group.iter().all(|row| row.subject[*at] == *text) && !text.is_empty()).then(|| text.clone())
            }
            Choice::Repetitions | Choice::Figure(_) => None,
        }
    }

    /// Whether it names rows.
    pub fn names_rows(&self) -> bool {
        matches!(self, Choice::Axis(_) | Choice::Subject(_))
    }
}

/// The columns from left to right, each with its name.
///
/// # Errors
/// No row has what a name stands for.
pub fn choose(p: &Paper, rows: &Rows, groups: &[Vec<&Row>]) -> Result<Vec<(String, Choice)>, StageError> {
    let axes: BTreeSet<&String> = rows.rows.iter().flat_map(|row| row.cell.keys()).collect();
    let find = |name: &str| -> Option<Choice> {
        let axis = name.strip_prefix("axis ").unwrap_or(name);
        let place = SHOWN.iter().find(|(shown, _)| *shown == name).map(|(_, at)| *at);
        // A column that tells an axis shows shorter texts than its labels.
        let labelled = rows.labels.iter().any(|(_, other)| other == axis);
        if axes.iter().any(|known| *known == axis) && (labelled || place.is_none()) {
            return Some(Choice::Axis(axis.to_owned()));
        }
        match place {
            Some(at) => Some(Choice::Subject(at)),
            None if name == REPETITIONS => Some(Choice::Repetitions),
            None if name == INFERENCE => Some(Choice::Axis(name.to_owned())),
            None if rows.figures.iter().any(|figure| figure == name) || ALWAYS.contains(&name) => {
                Some(Choice::Figure(name.to_owned()))
            }
            None => None,
        }
    };
    let classes = || rows.figures.iter().filter(|name| name.starts_with(CLASS)).cloned();
    let stated = if p.columns.is_empty() { default(&find, &axes, groups) } else { p.columns.clone() };
    let mut chosen = Vec::new();
    for (at, name) in stated.into_iter().enumerate() {
        if name == CLASSES {
            chosen.extend(classes().map(|class| (class.clone(), Choice::Figure(class))));
            continue;
        }
        let choice = find(&name).ok_or_else(|| {
            let shown = SHOWN.iter().map(|(shown, _)| *shown);
            let known: Vec<&str> = (axes.iter().map(|axis| axis.as_str()))
                .chain(shown)
                .chain([REPETITIONS, CLASSES])
                .chain(rows.figures.iter().map(String::as_str))
                .collect();
            let message = format!("No row of the report has a `{name}`{}", suggestion(&name, known.iter().copied()));
            DataFault::new(format_args!("paper.columns[{at}]"), message, format!("There are {}.", names(known)))
        })?;
        chosen.push((name, choice));
    }
    // What stands in the list and in the group of classes is shown once.
    let mut known = BTreeSet::new();
    chosen.retain(|(name, _)| known.insert(name.clone()));
    Ok(chosen)
}

/// The names of what tells the rows apart, then those of the classes and the mean.
fn default(find: &dyn Fn(&str) -> Option<Choice>, axes: &BTreeSet<&String>, groups: &[Vec<&Row>]) -> Vec<String> {
    let subjects = SHOWN.iter().filter(|(_, at)| matches!(at, 1..=3) || *at == ITERATION).map(|(name, _)| *name);
    let mut told: Vec<String> = Vec::new();
    for name in axes.iter().map(|axis| axis.as_str()).chain(subjects) {
        let Some(choice) = find(name) else { continue };
        let labels: BTreeSet<Option<String>> = groups.iter().map(|group| choice.label(group)).collect();
        if labels.len() > 1 && !told.iter().any(|other| other == name) {
            told.push(name.to_owned());
        }
    }
    if told.is_empty() {
        told.push("prefilter".to_owned());
    }
    told.extend([CLASSES, MEAN_IOU].map(str::to_owned));
    told
}

/// What is wrong with the columns and the baseline that a pipeline states, as far as the plan shows it. `cells` are those of
/// all gathered stages.
pub fn faults(p: &Paper, over: &[String], cells: &[&MatrixCell]) -> Vec<ParamFault> {
    let axes: BTreeSet<&str> = cells.iter().flat_map(|cell| cell.keys()).map(String::as_str).collect();
    let mut faults = Vec::new();
    let known: Vec<&str> = (axes.iter().copied().filter(|axis| !over.iter().any(|other| other == axis)))
        .chain(SHOWN.iter().map(|(shown, _)| *shown).filter(|shown| !axes.contains(shown)))
        .chain(ALWAYS)
        .chain([REPETITIONS, CLASSES, INFERENCE])
        .collect();
    // Which classes there are, and which figures of a receptive field, only the rows say.
    let later = |name: &str| [CLASS, "ERF "].iter().any(|begin| name.starts_with(begin));
    let is_known = |name: &str| known.contains(&name.strip_prefix("axis ").unwrap_or(name)) || later(name);
    let hint = || format!("There are {}, and `IoU CLASS` of each class.", names(known.iter().copied()));
    for (at, name) in p.columns.iter().enumerate() {
        let field = format!("paper.columns[{at}]");
        let axis = name.strip_prefix("axis ").unwrap_or(name);
        if p.columns[..at].contains(name) {
            faults.push(ParamFault::new(field, format!("The column `{name}` is stated twice."), "State it once."));
        } else if axes.contains(axis) && over.iter().any(|other| other == axis) {
            let message = format!("The rows are averaged over `{axis}`, so that it tells none of them apart.");
            faults.push(ParamFault::new(field, message, "Leave the column out, or take the axis out of `over`."));
        } else if !is_known(name) {
            let message = format!("There is no column `{name}`{}", suggestion(name, known.iter().copied()));
            faults.push(ParamFault::new(field, message, hint()));
        }
    }
    for name in p.names.keys().filter(|name| !is_known(name)) {
        let message = format!("There is no column `{name}`{}", suggestion(name, known.iter().copied()));
        faults.push(ParamFault::new(format!("paper.names[{name:?}]"), message, hint()));
    }
    for (axis, label) in &p.baseline {
        let field = format!("paper.baseline[{axis:?}]");
        if !axes.contains(axis.as_str()) {
            let message = format!(
                "Nothing that is gathered is in cells of an axis `{axis}`{}",
                suggestion(axis, axes.iter().copied())
            );
            let hint = match axes.is_empty() {
                true => "A baseline is named by labels of the pipeline's matrix.".to_owned(),
                false => format!("The axes are {}.", names(axes.iter().copied())),
            };
            faults.push(ParamFault::new(field, message, hint));
        } else if over.contains(axis) {
            let message = format!("The rows are averaged over `{axis}`, so that none of them is its `{label}`.");
            faults.push(ParamFault::new(field, message, "Name the baseline by another axis."));
        } else if !cells.iter().any(|cell| cell.get(axis).is_some_and(|other| same(label, other))) {
            let labels: BTreeSet<&str> = cells.iter().filter_map(|cell| cell.get(axis)).map(String::as_str).collect();
            let message =
                format!("The axis `{axis}` has no label `{label}`{}", suggestion(label, labels.iter().copied()));
            faults.push(ParamFault::new(field, message, format!("Its labels are {}.", names(labels))));
        }
    }
    faults
}
