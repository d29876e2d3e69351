//! Stages in the cells of the matrix.
//!
//! A stage is told apart by the axes that set a part of it, and by those of the stages that it refers to, so that what
//! cells share is there once. A reference that stands in a list gathers all cells of its stage; any other leads to the
//! cell of its own stage's labels.
//!
//! Invariants:
//! - a stage is checked once for each combination of the axes that set a part of it, never for those that it inherits;
//! - references of what comes out name one cell, or, in a list, the cells meant by the labels that they share.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{self, Checked, Reference};
use super::diagnose::{Diagnostic, Span, names, suggestion};
use super::include::Declared;
use super::matrix::{Matrix, Projection, near};
use super::reference::{SHOWN, Target};
use crate::stage::name::{covers, same};
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
    faults: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Variants<'a>> {
    let mut stages = BTreeMap::new();
    for (name, stage) in declared {
        let axes = matrix.axes_of(name);
        let mut checked = BTreeMap::new();
        for projection in matrix.project(&axes) {
            match matrix.apply(stage, &axes, &projection) {
                Ok(stage) => drop(checked.insert(projection, check::stage(&stage, registry, faults))),
                Err(fault) => faults.push(*fault),
            }
        }
        stages.insert(name.clone(), Variants { axes, checked });
    }
    stages
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

/// The stages of `order` in all of their cells.
pub(super) fn spread<'a>(
    stages: &'a BTreeMap<String, Variants<'a>>,
    order: &[String],
    matrix: &Matrix,
    faults: &mut Vec<Diagnostic>,
) -> Vec<Instance<'a>> {
    let mut layouts: BTreeMap<&str, Layout> = BTreeMap::new();
    let mut instances = Vec::new();
    let mut told = BTreeSet::new();
    for name in order {
        let stage = &stages[name];
        let axes = inherited(stage, &layouts, matrix);
        let projections = matrix.project(&axes);
        let cells: Vec<Cell> = projections.iter().map(|projection| matrix.cell(&axes, projection)).collect();
        for (projection, cell) in projections.iter().zip(&cells) {
            let values = axes.iter().zip(projection).filter(|(axis, _)| stage.axes.contains(axis));
            let Some(checked) = stage.checked.get(&values.map(|(_, value)| *value).collect::<Projection>()) else {
                continue;
            };
            let aim = |text: &str, gathers: bool| aim(text, gathers, cell, &layouts);
            let mut references = Vec::new();
            for reference in &checked.references {
                match aim(&reference.text, reference.gathers) {
                    Ok(text) => references.push((text, reference.span.clone())),
                    // Of a reference that many cells make, one fault is told.
                    Err((message, hint)) => {
                        if told.insert((name, &reference.text, reference.span.start)) {
                            faults.push(Diagnostic::new(&reference.span, message).hint(hint));
                        }
                    }
                }
            }
            let mut params = checked.params.clone();
            if references.len() < checked.references.len() {
                params = None;
            } else if let (Some(params), false) = (&mut params, matrix.axes.is_empty()) {
                redirect(params, false, &aim);
            }
            instances.push(Instance { name: Name::new(name, cell.clone()), checked, params, references });
        }
        layouts.insert(name, Layout { known: cells.iter().cloned().collect(), cells, axes });
    }
    for (number, axis) in matrix.axes.iter().enumerate() {
        if !layouts.values().any(|layout| layout.axes.contains(&number)) {
            let message = format!("The axis `{}` changes nothing that this pipeline runs.", axis.name.text);
            faults
                .push(Diagnostic::new(&axis.name.span, message).hint("Set a stage of the pipeline, or one it needs."));
        }
    }
    instances
}

/// Where a stage is in the matrix.
struct Layout {
    axes: BTreeSet<usize>,
    /// Its cells in order.
    cells: Vec<Cell>,
    known: BTreeSet<Cell>,
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

/// What a reference from `own` cell leads to, as text. The error is a message and what to do.
fn aim(text: &str, gathers: bool, own: &Cell, layouts: &BTreeMap<&str, Layout>) -> Result<String, (String, String)> {
    let Ok(Target { run: None, mut name }) = Target::read(text) else { return Ok(text.to_owned()) };
    // What is said of stages that are not there is said elsewhere.
    let Some(layout) = layouts.get(name.stage.as_str()) else { return Ok(text.to_owned()) };
    narrow(&mut name, &layout.cells)?;
    for axis in layout.cells.first().into_iter().flat_map(Cell::keys) {
        if let (None, Some(label)) = (name.cell.get(axis), own.get(axis)) {
            name.cell.insert(axis.clone(), label.clone());
        }
    }
    let found = match gathers {
        true => layout.cells.iter().any(|cell| covers(&name.cell, cell)),
        false => layout.known.contains(&name.cell),
    };
    if found { Ok(name.to_string()) } else { Err(missing(&name, &layout.cells)) }
}

/// Checks the labels that narrow a name against the cells of its stage, and writes them as these do. The error is a
/// message and what to do.
pub(super) fn narrow<'a>(name: &mut Name, cells: impl IntoIterator<Item = &'a Cell>) -> Result<(), (String, String)> {
    if name.cell.is_empty() {
        return Ok(());
    }
    let mut axes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (axis, label) in cells.into_iter().flatten() {
        axes.entry(axis).or_default().insert(label);
    }
    let stage = &name.stage;
    for (axis, wanted) in &mut name.cell {
        let Some(labels) = axes.get(axis.as_str()) else {
            let message = format!("`{stage}` has no axis `{axis}`{}", suggestion(axis, axes.keys().copied()));
            return Err(match axes.is_empty() {
                true => (message, format!("`{stage}` is the same in all cells; write its name alone.")),
                false => (message, format!("Its axes are {}.", names(axes.keys().copied()))),
            });
        };
        let Some(label) = labels.iter().find(|label| same(label, wanted)) else {
            let near = near(wanted, labels.iter().copied());
            let hint = format!("The values of `{axis}` are {}.", names(labels.iter().copied().take(SHOWN)));
            return Err((format!("`{stage}` has no cell with `{axis}={wanted}`{near}"), hint));
        };
        *wanted = (*label).to_owned();
    }
    Ok(())
}

/// A fault: no cell has all of these labels.
pub(super) fn missing<'a>(name: &Name, cells: impl IntoIterator<Item = &'a Cell>) -> (String, String) {
    let cells: Vec<String> = cells.into_iter().map(|cell| Name::new(&name.stage, cell.clone()).to_string()).collect();
    let more = if cells.len() > SHOWN { format!(", and {} more", cells.len() - SHOWN) } else { String::new() };
    let hint = format!("The cells are {}{more}.", names(cells.iter().take(SHOWN).map(String::as_str)));
    (format!("The matrix has no cell `{name}`."), hint)
}

/// Lets every reference in `value` lead to its cell.
/// What a reference means in a cell, a list's all cells; or what is wrong with it and what to do.
type Aim<'a> = dyn Fn(&str, bool) -> Result<String, (String, String)> + 'a;

fn redirect(value: &mut Value, listed: bool, aim: &Aim<'_>) {
    match value {
        Value::Ref(text) => {
            if let Ok(aimed) = aim(text, listed) {
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
