//! A checked matrix: which axes set which fields, and the combinations of values that some axes have in its cells.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::axis::{Axis, SetPaths};
use super::cross;
use super::form::{EXAMPLE, entries, fields, is_none};
use crate::pipeline::limits;
use crate::pipeline::path::{FieldPath, Part, set_at};
use crate::pipeline::stated::Declared;
use crate::stage::MatrixCell;
use crate::syntax::{Diagnostic, Fallible, Faults, Tree};

/// A checked matrix. Without axes it has one cell, which is empty.
pub(in super::super) struct Matrix {
    pub axes: Vec<Axis>,
    /// The number of the value on each axis, by cell.
    cells: Vec<Vec<usize>>,
    /// The axes that set a part of a stage, each with the numbers of these paths, by stage.
    by_stage: BTreeMap<String, BTreeMap<usize, Vec<usize>>>,
}

/// A combination of values of some axes: the number of the value on each of them.
pub(in super::super) type Projection = Vec<usize>;

/// Reads a matrix. It can be used if `faults`, which is empty before, is empty afterwards. `sets` are the paths that the
/// command line has changed: an axis that sets one of them again is a fault.
pub(in super::super) fn read(
    tree: Option<&Tree>,
    stages: &BTreeMap<String, Declared>,
    sets: &[FieldPath],
    faults: &mut Faults,
) -> Matrix {
    let mut matrix = Matrix { axes: Vec::new(), cells: vec![Vec::new()], by_stage: BTreeMap::new() };
    let Some(tree) = tree.filter(|tree| !is_none(tree)) else { return matrix };
    let Some(fields) = fields("matrix", tree, &["axes", "zip", "exclude", "include"], faults) else { return matrix };
    let field = |name: &str| fields.iter().find(|(word, _)| word.text == name).map(|(_, value)| *value);
    let sets = &SetPaths::new(sets);
    let mut stop = |fault: Box<Diagnostic>| faults.push(*fault);
    match field("axes").map(|axes| entries(axes, "a map from the names of axes")) {
        None => stop(Box::new(Diagnostic::new(&tree.span, "The field `axes` is missing.").hint(EXAMPLE))),
        Some(Err(fault)) => stop(fault),
        Some(Ok(entries)) => {
            for (name, value) in entries.into_iter().filter(|(_, value)| !is_none(value)) {
                if matrix.axes.len() == limits::AXES {
                    let message = format!("The matrix has more than {} axes.", limits::AXES);
                    faults.push(Diagnostic::new(&name.span, message).hint("Let one axis set several fields."));
                    break;
                }
                matrix.axes.extend(Axis::read(name, value, stages, sets, faults));
            }
        }
    }
    if let Some(path) = matrix.axes.iter().flat_map(|axis| &axis.paths).nth(limits::PLACES) {
        let message = format!("The axes set more than {} fields.", limits::PLACES);
        faults.push(Diagnostic::new(&path.stage.span, message).hint("Let several stages refer to one that is set."));
        return matrix;
    }
    matrix.overlaps(faults);
    for (number, axis) in matrix.axes.iter().enumerate() {
        for (at, path) in axis.paths.iter().enumerate() {
            let stage = matrix.by_stage.entry(path.stage.text.clone()).or_default();
            stage.entry(number).or_default().push(at);
        }
    }
    // If an axis is missing, faults of cells would only follow from that.
    if faults.is_empty() {
        let made = cross::cross(&matrix.axes, field("zip"), &tree.span).and_then(|mut cells| {
            field("exclude").map_or(Ok(()), |tree| cross::exclude(&matrix.axes, &mut cells, tree))?;
            field("include").map_or(Ok(()), |tree| cross::include(&mut matrix.axes, &mut cells, tree))?;
            Ok(cells)
        });
        match made {
            Ok(cells) => matrix.cells = cells,
            Err(fault) => faults.push(*fault),
        }
    }
    if faults.is_empty() && matrix.cells.is_empty() {
        let fault = Diagnostic::new(&tree.span, "The matrix has no cell left.");
        faults.push(fault.hint("Exclude fewer cells."));
    }
    matrix
}

impl Matrix {
    /// Adds a fault for each path that is set twice: the last value would win silently, under the label of the other.
    fn overlaps(&self, faults: &mut Faults) {
        let paths: Vec<(&Axis, &FieldPath)> =
            self.axes.iter().flat_map(|axis| axis.paths.iter().map(move |path| (axis, path))).collect();
        // The first path that has just these parts, and the first that starts with them.
        let (mut ends, mut starts) = (HashMap::<Vec<Part>, usize>::new(), HashMap::<Vec<Part>, usize>::new());
        for (at, (axis, path)) in paths.iter().enumerate() {
            let parts = path.parts();
            let outer = (1..=parts.len()).filter_map(|len| ends.get(&parts[..len]));
            let earlier = outer.chain(starts.get(&parts)).min().map(|&earlier| paths[earlier]);
            (1..=parts.len()).for_each(|len| _ = starts.entry(parts[..len].to_vec()).or_insert(at));
            ends.entry(parts).or_insert(at);
            let Some((other, earlier)) = earlier else { continue };
            let (axis, other) = (&axis.name.text, &other.name.text);
            let (message, hint) = match axis == other {
                true => (format!("The axis `{axis}` sets this field, or a part of it, twice."), "Name it once."),
                false => (
                    format!("The axes `{other}` and `{axis}` both set this field, or one of them a part of it."),
                    "Let one axis set it: the value of the other would have no effect.",
                ),
            };
            let fault = Diagnostic::new(&path.stage.span, message).related(&earlier.stage.span, "the other one");
            faults.push(fault.hint(hint));
        }
    }

    /// The axes that set a part of a stage.
    pub fn axes_of(&self, stage: &str) -> BTreeSet<usize> {
        self.by_stage.get(stage).into_iter().flat_map(|axes| axes.keys().copied()).collect()
    }

    /// The combinations of values that `axes` have in the cells, each once.
    pub fn project(&self, axes: &BTreeSet<usize>) -> Vec<Projection> {
        if axes.is_empty() {
            return vec![Projection::new()];
        }
        let mut seen = BTreeSet::new();
        let projections = self.cells.iter().map(|cell| axes.iter().map(|&axis| cell[axis]).collect::<Projection>());
        projections.filter(|projection| seen.insert(projection.clone())).collect()
    }

    /// The labels of a projection.
    pub fn cell(&self, axes: &BTreeSet<usize>, projection: &Projection) -> MatrixCell {
        let label = |(&axis, &value): (&usize, &usize)| {
            let axis = &self.axes[axis];
            (axis.name.text.clone(), axis.values[value].0.clone())
        };
        axes.iter().zip(projection).map(label).collect()
    }

    /// A stage with the values of a projection.
    pub fn apply(&self, stage: &Declared, axes: &BTreeSet<usize>, projection: &Projection) -> Fallible<Declared> {
        let mut stage = stage.clone();
        let paths = self.by_stage.get(&stage.name.text);
        for (axis, &value) in axes.iter().zip(projection) {
            for &at in paths.and_then(|paths| paths.get(axis)).into_iter().flatten() {
                let axis = &self.axes[*axis];
                set_at(&mut stage.tree, &axis.paths[at].steps, axis.values[value].1.clone())?;
            }
        }
        Ok(stage)
    }

    /// The fields of a stage that axes set, or set a part of.
    pub fn fields_of(&self, stage: &str) -> BTreeSet<&str> {
        let axes = self.by_stage.get(stage).into_iter().flatten();
        axes.flat_map(|(&axis, paths)| paths.iter().filter_map(move |&at| self.axes[axis].paths[at].field())).collect()
    }
}
