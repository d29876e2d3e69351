//! Stages in the cells of the matrix.
//!
//! A stage has a cell for each combination of labels of its axes: the axes that set a part of it, and the axes of the stages
//! that it refers to. Cells of the matrix with the same labels of these axes share it. A reference in a list gathers all
//! cells of its stage. Any other reference leads to the cell with the same labels as the stage that states it.
//!
//! Invariants:
//! - stages, values and inputs are counted over all cells, and have limits;
//! - a reference in an [`Instance`] names one cell, or, if it stands in a list, all cells that have its labels.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::cell_index::CellIndex;
use super::check::Checked;
use super::limits::{self, too_many, weight};
use super::matrix::{Matrix, Projection};
use super::reference::Reference;
use super::variants::Variants;
use crate::stage::{MatrixCell, StageName, Value};
use crate::syntax::limits::{TEXT_UNIT, VALUES};
use crate::syntax::{Diagnostic, Faults, Span};

/// A stage in one cell.
pub(super) struct Instance<'a> {
    pub name: StageName,
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
    cells_of: BTreeMap<&'a str, StageCells>,
}

impl Instances<'_> {
    /// The numbers of the instances that a stage, or its part in some cells, stands for.
    pub fn of(&self, name: &StageName) -> Vec<usize> {
        let Some(stage) = self.cells_of.get(name.stage.as_str()) else { return Vec::new() };
        stage.cells.find(&name.cell).into_iter().filter_map(|cell| stage.instances[cell]).collect()
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
    let mut used: BTreeSet<usize> = BTreeSet::new();
    let (mut values, mut inputs) = (0, 0);
    for name in order {
        let Some(stage) = stages.get(name) else { continue };
        used.extend(stage.axes.iter().copied());
        let Some(span) = stage.any().map(|checked| &checked.span) else { continue };
        let axes = inherited(stage, &spread.cells_of, matrix);
        let projections =
            projected.entry(axes.clone()).or_insert_with_key(|axes| Rc::new(matrix.project(axes))).clone();
        if spread.all.len() + projections.len() > limits::NODES {
            faults.push(too_many(span, limits::NODES, "stages in their cells"));
            return spread;
        }
        let cells: Vec<MatrixCell> = projections.iter().map(|projection| matrix.cell(&axes, projection)).collect();
        let mut numbers = Vec::with_capacity(cells.len());
        for (projection, cell) in projections.iter().zip(&cells) {
            let own = axes.iter().zip(projection).filter(|(axis, _)| stage.axes.contains(axis));
            let Some(checked) = stage.checked.get(&own.map(|(_, value)| *value).collect::<Projection>()) else {
                numbers.push(None);
                continue;
            };
            let words: usize = cell.iter().map(|(axis, label)| 1 + (axis.len() + label.len()) / TEXT_UNIT).sum();
            values += words + checked.params.as_ref().map_or(0, weight);
            if values > VALUES {
                faults.push(too_many(span, VALUES, "values in its stages, over all cells"));
                return spread;
            }
            let aim = |text: &str, gathers: bool| aim(text, gathers, cell, &spread.cells_of);
            let mut references = Vec::new();
            for reference in &checked.references {
                match aim(&reference.text, reference.gathers) {
                    Ok((text, found)) => {
                        inputs += found;
                        references.push((text, reference.span.clone()));
                    }
                    // A reference may be at fault in many cells; one fault is enough.
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
            spread.all.push(Instance { name: StageName::new(name, cell.clone()), checked, params, references });
        }
        spread.cells_of.insert(name, StageCells { cells: CellIndex::new(&cells), axes, instances: numbers });
    }
    for (number, axis) in matrix.axes.iter().enumerate() {
        if !used.contains(&number) {
            let message = format!("The axis `{}` changes nothing that this pipeline runs.", axis.name.text);
            faults.push(
                Diagnostic::new(&axis.name.span, message)
                    .hint("Let it set a stage of the pipeline, or one that such a stage needs."),
            );
        }
    }
    spread
}

/// The cells of a stage.
struct StageCells {
    axes: BTreeSet<usize>,
    cells: CellIndex,
    /// The number of the instance of each cell, if there is one.
    instances: Vec<Option<usize>>,
}

/// The axes of a stage: those that set a part of it, and those of the stages that it refers to.
fn inherited(stage: &Variants<'_>, cells_of: &BTreeMap<&str, StageCells>, matrix: &Matrix) -> BTreeSet<usize> {
    let mut axes = stage.axes.clone();
    for reference in stage.references().filter(|reference| !reference.gathers) {
        let Ok(Reference { run: None, name }) = Reference::read(&reference.text) else { continue };
        let of = cells_of.get(name.stage.as_str()).into_iter().flat_map(|stage| &stage.axes);
        axes.extend(of.filter(|&&axis| !name.cell.contains_key(&matrix.axes[axis].name.text)));
    }
    axes
}

/// The reference `text` narrowed to the cells that it leads to from the cell `own`, and their number. The error is a message
/// and what to do.
fn aim(
    text: &str,
    gathers: bool,
    own: &MatrixCell,
    cells_of: &BTreeMap<&str, StageCells>,
) -> Result<(String, usize), (String, String)> {
    let Ok(Reference { run: None, mut name }) = Reference::read(text) else { return Ok((text.to_owned(), 1)) };
    // A stage that is not there is a fault of `follow`.
    let Some(StageCells { cells, .. }) = cells_of.get(name.stage.as_str()) else { return Ok((text.to_owned(), 1)) };
    cells.narrow(&mut name)?;
    for axis in cells.axes() {
        if let (None, Some(label)) = (name.cell.get(axis), own.get(axis)) {
            name.cell.insert(axis.clone(), label.clone());
        }
    }
    match cells.find(&name.cell).len() {
        0 => Err(cells.missing(&name)),
        _ if !gathers && name.cell.len() < cells.axes().len() => Err(cells.missing(&name)),
        found => Ok((name.to_string(), found)),
    }
}

/// Narrows a reference to the cells that it leads to; in a list it may lead to several. None for a reference with a fault.
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
