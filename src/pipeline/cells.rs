//! Stages in the cells of the matrix.
//!
//! A stage is told apart by the axes that set a part of it, and by those of the stages that it refers to, so that what
//! cells share is there once. A reference that stands in a list gathers all cells of its stage; any other leads to the
//! cell of its own stage's labels.
//!
//! Invariants:
//! - a stage is checked once for each combination of the axes that set a part of it, never for those that it inherits;
//! - what stages and cells make together is counted, and stops at its limit;
//! - references of what comes out name one cell, or, in a list, the cells meant by the labels that they share.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::check::{self, Checked, Reference};
use super::diagnose::{Diagnostic, Faults, Span, cut, names, suggestion};
use super::include::Declared;
use super::limits::{self, LABEL, TEXT_UNIT, weight};
use super::matrix::{Matrix, Projection, near};
use super::reference::{SHOWN, Target};
use crate::stage::name::key;
use crate::stage::{Cell, Kind, Name, Registry, Value};

/// A stage as the axes that set a part of it make it.
pub(super) struct Variants<'a> {
    axes: BTreeSet<usize>,
    checked: BTreeMap<Projection, Checked<'a>>,
}

impl<'a> Variants<'a> {
    /// Any of them: kind and place are the same for all.
    pub fn any(&self) -> Option<&Checked<'a>> {
        self.checked.values().next()
    }

    pub fn kind(&self) -> Option<&'a dyn Kind> {
        self.any().and_then(|checked| checked.kind)
    }

    pub fn checked(&self) -> impl Iterator<Item = &Checked<'a>> {
        self.checked.values()
    }

    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.checked.values().flat_map(|checked| &checked.references)
    }
}

/// Checks every stage with the values that axes set.
pub(super) fn check<'a>(
    declared: &BTreeMap<String, Declared>,
    matrix: &Matrix,
    registry: &'a Registry,
    faults: &mut Faults,
) -> BTreeMap<String, Variants<'a>> {
    let mut stages = BTreeMap::new();
    let mut values = 0;
    for (name, stage) in declared {
        let axes = matrix.axes_of(name);
        let mut checked = BTreeMap::new();
        let stated = stage.tree.weight();
        for projection in matrix.project(&axes) {
            values += stated;
            if values > limits::VALUES {
                faults.push(too_many(&stage.name.span, limits::VALUES, "values in its stages, over all cells"));
                return stages;
            }
            match matrix.apply(stage, &axes, &projection) {
                Ok(stage) => {
                    let stage = check::stage(&stage, registry, faults);
                    values += stage.params.as_ref().map_or(0, weight);
                    checked.insert(projection, stage);
                }
                Err(fault) => faults.push(*fault),
            }
        }
        stages.insert(name.clone(), Variants { axes, checked });
    }
    stages
}

/// A fault: the stage at `span` makes too much of something.
pub(super) fn too_many(span: &Span, most: usize, what: &str) -> Diagnostic {
    Diagnostic::new(span, format!("With this stage, the pipeline has more than {most} {what}."))
        .hint("Share it among several pipelines, or cross fewer values.")
}

/// A stage in one cell.
pub(super) struct Instance<'a> {
    pub name: Name,
    pub checked: &'a Checked<'a>,
    /// The parameters, if they have no fault, with references to cells.
    pub params: Option<Value>,
    /// The references with their places.
    pub references: Vec<(String, Span)>,
}

/// All stages in all of their cells.
#[derive(Default)]
pub(super) struct Instances<'a> {
    /// Each stage behind those that it needs.
    pub all: Vec<Instance<'a>>,
    layouts: BTreeMap<&'a str, Layout>,
}

impl Instances<'_> {
    /// The numbers of the instances that a stage, or its part in some cells, stands for.
    pub fn of(&self, name: &Name) -> Vec<usize> {
        let Some(layout) = self.layouts.get(name.stage.as_str()) else { return Vec::new() };
        layout.cells.find(&name.cell).into_iter().filter_map(|cell| layout.instances[cell]).collect()
    }
}

/// The stages of `order` in all of their cells.
pub(super) fn spread<'a>(
    stages: &'a BTreeMap<String, Variants<'a>>,
    order: &'a [String],
    matrix: &Matrix,
    faults: &mut Faults,
) -> Instances<'a> {
    let mut spread = Instances::default();
    let mut projected: BTreeMap<BTreeSet<usize>, Rc<Vec<Projection>>> = BTreeMap::new();
    let mut told = BTreeSet::new();
    let (mut values, mut inputs) = (0, 0);
    for name in order {
        let Some(stage) = stages.get(name) else { continue };
        let Some(span) = stage.any().map(|checked| &checked.span) else { continue };
        let axes = inherited(stage, &spread.layouts, matrix);
        let projections =
            projected.entry(axes.clone()).or_insert_with_key(|axes| Rc::new(matrix.project(axes))).clone();
        if spread.all.len() + projections.len() > limits::NODES {
            faults.push(too_many(span, limits::NODES, "stages in their cells"));
            return spread;
        }
        let cells: Vec<Cell> = projections.iter().map(|projection| matrix.cell(&axes, projection)).collect();
        let mut numbers = Vec::with_capacity(cells.len());
        for (projection, cell) in projections.iter().zip(&cells) {
            let own = axes.iter().zip(projection).filter(|(axis, _)| stage.axes.contains(axis));
            let Some(checked) = stage.checked.get(&own.map(|(_, value)| *value).collect::<Projection>()) else {
                numbers.push(None);
                continue;
            };
            let words: usize = cell.iter().map(|(axis, label)| 1 + (axis.len() + label.len()) / TEXT_UNIT).sum();
            values += words + checked.params.as_ref().map_or(0, weight);
            if values > limits::VALUES {
                faults.push(too_many(span, limits::VALUES, "values in its stages, over all cells"));
                return spread;
            }
            let aim = |text: &str, gathers: bool| aim(text, gathers, cell, &spread.layouts);
            let mut references = Vec::new();
            for reference in &checked.references {
                match aim(&reference.text, reference.gathers) {
                    Ok((text, found)) => {
                        inputs += found;
                        references.push((text, reference.span.clone()));
                    }
                    // Of a reference that many cells make, one fault is told.
                    Err((message, hint)) => {
                        if told.insert((name, &reference.text, reference.span.start)) {
                            faults.push(Diagnostic::new(&reference.span, message).hint(hint));
                        }
                    }
                }
            }
            if inputs > limits::INPUTS {
                faults.push(too_many(span, limits::INPUTS, "inputs of its nodes"));
                return spread;
            }
            let mut params = checked.params.clone();
            if references.len() < checked.references.len() {
                params = None;
            } else if let (Some(params), false) = (&mut params, matrix.axes.is_empty()) {
                redirect(params, false, &|text, gathers| aim(text, gathers).ok().map(|(text, _)| text));
            }
            numbers.push(Some(spread.all.len()));
            spread.all.push(Instance { name: Name::new(name, cell.clone()), checked, params, references });
        }
        spread.layouts.insert(name, Layout { cells: Shelf::new(&cells), axes, instances: numbers });
    }
    for (number, axis) in matrix.axes.iter().enumerate() {
        if !spread.layouts.values().any(|layout| layout.axes.contains(&number)) {
            let message = format!("The axis `{}` changes nothing that this pipeline runs.", axis.name.text);
            faults
                .push(Diagnostic::new(&axis.name.span, message).hint("Set a stage of the pipeline, or one it needs."));
        }
    }
    spread
}

/// Where a stage is in the matrix.
struct Layout {
    axes: BTreeSet<usize>,
    cells: Shelf,
    /// The number of the instance of each cell, if there is one.
    instances: Vec<Option<usize>>,
}

/// The cells of a stage, found by the labels of some of their axes in a time that does not grow with all of them.
#[derive(Default)]
pub(super) struct Shelf {
    axes: BTreeMap<String, ByLabel>,
    /// The labels of each cell by number, in the order of the axes.
    labels: Vec<Vec<usize>>,
}

/// The labels of an axis by their keys, each with the cells that have it.
#[derive(Default)]
struct ByLabel {
    numbers: BTreeMap<String, usize>,
    labels: Vec<(String, Vec<usize>)>,
}

impl Shelf {
    /// Cells that all have the same axes.
    pub fn new<'c>(cells: impl IntoIterator<Item = &'c Cell>) -> Self {
        let mut shelf = Shelf::default();
        for (at, cell) in cells.into_iter().enumerate() {
            let labels = cell.iter().map(|(axis, label)| {
                let by_label = shelf.axes.entry(axis.clone()).or_default();
                let number = *by_label.numbers.entry(key(label)).or_insert(by_label.labels.len());
                if number == by_label.labels.len() {
                    by_label.labels.push((label.clone(), Vec::new()));
                }
                by_label.labels[number].1.push(at);
                number
            });
            let labels = labels.collect();
            shelf.labels.push(labels);
        }
        shelf
    }

    /// The cells that have each of these labels, by number, in order.
    pub fn find(&self, wanted: &Cell) -> Vec<usize> {
        let mut conditions = Vec::with_capacity(wanted.len());
        let mut fewest: Option<&Vec<usize>> = None;
        for (axis, label) in wanted {
            let Some(place) = self.axes.keys().position(|known| known == axis) else { return Vec::new() };
            let by_label = &self.axes[axis];
            let Some(&number) = by_label.numbers.get(&key(label)) else { return Vec::new() };
            conditions.push((place, number));
            let cells = &by_label.labels[number].1;
            fewest = Some(fewest.filter(|fewest| fewest.len() <= cells.len()).unwrap_or(cells));
        }
        let fits = |cell: &usize| conditions.iter().all(|&(place, number)| self.labels[*cell][place] == number);
        match fewest {
            Some(cells) => cells.iter().copied().filter(fits).collect(),
            None => (0..self.labels.len()).collect(),
        }
    }

    /// The labels of a cell.
    fn cell(&self, at: usize) -> Cell {
        let label = |((axis, by_label), &number): ((&String, &ByLabel), &usize)| {
            (axis.clone(), by_label.labels[number].0.clone())
        };
        self.axes.iter().zip(&self.labels[at]).map(label).collect()
    }

    /// Checks the labels that narrow a name against these cells of its stage, and writes them as these do. The error
    /// is a message and what to do.
    pub fn narrow(&self, name: &mut Name) -> Result<(), (String, String)> {
        let stage = &name.stage;
        for (axis, wanted) in &mut name.cell {
            let axes = || self.axes.keys().map(String::as_str);
            let Some(by_label) = self.axes.get(axis) else {
                let near = suggestion(axis, axes());
                let message = format!("`{}` has no axis `{}`{near}", cut(stage, LABEL), cut(axis, LABEL));
                return Err(match self.axes.is_empty() {
                    true => (message, format!("`{stage}` is the same in all cells; write its name alone.")),
                    false => (message, format!("Its axes are {}.", names(axes()))),
                });
            };
            let Some(&number) = by_label.numbers.get(&key(wanted)) else {
                let labels: BTreeSet<&str> = by_label.labels.iter().map(|(label, _)| label.as_str()).collect();
                let near = near(wanted, labels.iter().copied());
                let hint = format!("The values of `{axis}` are {}.", names(labels.iter().copied().take(SHOWN)));
                return Err((format!("`{stage}` has no cell with `{axis}={}`{near}", cut(wanted, LABEL)), hint));
            };
            wanted.clone_from(&by_label.labels[number].0);
        }
        Ok(())
    }

    /// A fault: no cell has all of these labels.
    pub fn missing(&self, name: &Name) -> (String, String) {
        let shown = 0..self.labels.len().min(SHOWN);
        let cells: Vec<String> = shown.map(|at| Name::new(&name.stage, self.cell(at)).to_string()).collect();
        let left = self.labels.len() - cells.len();
        let more = if left > 0 { format!(", and {left} more") } else { String::new() };
        let hint = format!("The cells are {}{more}.", names(cells.iter().map(String::as_str)));
        (format!("The matrix has no cell `{name}`."), hint)
    }
}

/// The axes that tell the cells of a stage apart: its own, and those that it has by its references.
fn inherited(stage: &Variants<'_>, layouts: &BTreeMap<&str, Layout>, matrix: &Matrix) -> BTreeSet<usize> {
    let mut axes = stage.axes.clone();
    for reference in stage.references().filter(|reference| !reference.gathers) {
        let Ok(Target { run: None, name }) = Target::read(&reference.text) else { continue };
        let of = layouts.get(name.stage.as_str()).into_iter().flat_map(|layout| &layout.axes);
        axes.extend(of.filter(|&&axis| !name.cell.contains_key(&matrix.axes[axis].name.text)));
    }
    axes
}

/// What a reference from `own` cell leads to, as text, and to how many cells. The error is a message and what to do.
fn aim(
    text: &str,
    gathers: bool,
    own: &Cell,
    layouts: &BTreeMap<&str, Layout>,
) -> Result<(String, usize), (String, String)> {
    let Ok(Target { run: None, mut name }) = Target::read(text) else { return Ok((text.to_owned(), 1)) };
    // What is said of stages that are not there is said elsewhere.
    let Some(Layout { cells, .. }) = layouts.get(name.stage.as_str()) else { return Ok((text.to_owned(), 1)) };
    cells.narrow(&mut name)?;
    for axis in cells.axes.keys() {
        if let (None, Some(label)) = (name.cell.get(axis), own.get(axis)) {
            name.cell.insert(axis.clone(), label.clone());
        }
    }
    match cells.find(&name.cell).len() {
        0 => Err(cells.missing(&name)),
        _ if !gathers && name.cell.len() < cells.axes.len() => Err(cells.missing(&name)),
        found => Ok((name.to_string(), found)),
    }
}

/// What a reference means in a cell, a list's all cells; none where something is wrong with it.
type Aim<'a> = dyn Fn(&str, bool) -> Option<String> + 'a;

/// Lets every reference in `value` lead to its cell.
fn redirect(value: &mut Value, listed: bool, aim: &Aim<'_>) {
    match value {
        Value::Ref(text) => {
            if let Some(aimed) = aim(text, listed) {
                *text = aimed;
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| redirect(item, true, aim)),
        Value::Tuple(items) => items.iter_mut().for_each(|item| redirect(item, listed, aim)),
        Value::Map(map) => map.values_mut().for_each(|item| redirect(item, listed, aim)),
        Value::Struct(record) => record.fields.values_mut().for_each(|item| redirect(item, listed, aim)),
        Value::Option(Some(item)) => redirect(item, listed, aim),
        _ => {}
    }
}
