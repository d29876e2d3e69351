//! The two sides of each claim: which nodes a reference means, and which of them belong together.
//!
//! An input does not say its cell of the matrix. Expansion adds the labels of each node to the parameters, and remarks on
//! figures that were chosen among several.

use std::collections::{BTreeMap, BTreeSet};

use super::faults::at;
use crate::stage::{Extents, InputRef, MatrixCell, NodeSpec, Param, ParamFault, StageName};
use crate::stages::params::claims::{ClaimsParams, Common};
use crate::stages::support;

/// The field with a remark for each claim, by its name, on figures that were chosen among several.
pub const CHOSEN: &str = "chosen";

/// The slot of one node of a side of a claim.
pub fn slot(name: &str, side: &str, number: usize) -> String {
    format!("{}[{number}]", at(name, side))
}

/// The node of a stage.
pub fn node(p: &ClaimsParams, extents: &dyn Extents) -> Result<NodeSpec, Vec<ParamFault>> {
    let mut node = NodeSpec::default();
    let mut faults = Vec::new();
    let (mut axes, mut cells, mut chosen) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    for (name, claim) in &p.claims {
        let Common { of, than, .. } = claim.common();
        let mut sides = Vec::new();
        for (field, reference) in [("of", Some(of)), ("than", than)] {
            let Some(reference) = reference else { continue };
            let side = Side::of(reference, extents);
            axes.extend(side.cells.iter().flat_map(|cell| cell.keys().cloned()));
            faults.extend(
                side.ambiguous(reference, &p.across)
                    .map(|(message, hint)| ParamFault::new(at(name, field), message, hint)),
            );
            for (number, input) in side.inputs(reference).into_iter().enumerate() {
                node.inputs.push((slot(name, field, number), input));
            }
            if let Some(remark) = side.chosen(reference, extents) {
                chosen.entry(name.clone()).or_insert_with(Vec::new).push(remark);
            }
            let repeated = |cell: &MatrixCell| -> MatrixCell {
                cell.iter().filter(|(axis, _)| p.across.contains(axis)).map(|(a, l)| (a.clone(), l.clone())).collect()
            };
            cells.insert(at(name, field), side.cells.iter().map(repeated).collect::<Vec<MatrixCell>>());
            sides.push(side);
        }
        if let [of_side, than_side] = &sides[..]
            && of_side == than_side
            && than != Some(of)
        {
            let message = format!("`{of}` and `{}` are the same.", than.unwrap_or_default());
            faults.push(ParamFault::new(at(name, "than"), message, "Name another stage, or another cell of this one."));
        }
    }
    for (number, axis) in p.across.iter().enumerate().filter(|(_, axis)| !axes.contains(*axis)) {
        let message = format!("No stage that a claim names is in cells of an axis `{axis}`.");
        let hint = match axes.is_empty() {
            true => "Only axes of the pipeline's matrix have repetitions. Leave `across` out.".to_owned(),
            false => {
                format!("The axes are {}.", axes.iter().map(|axis| format!("`{axis}`")).collect::<Vec<_>>().join(", "))
            }
        };
        faults.push(ParamFault::new(format!("across[{number}]"), message, hint));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    node.set.push((support::CELLS, cells.write()));
    if !chosen.is_empty() {
        node.set.push((CHOSEN, chosen.write()));
    }
    Ok(node)
}

/// One side of a claim.
struct Side {
    stage: String,
    /// The cells in their order.
    cells: Vec<MatrixCell>,
    /// The iteration that is meant: that which is stated, else the last.
    iteration: usize,
    /// The number of the last node in each cell among all nodes of the reference; none where a reference means one node a cell.
    last: Option<Vec<usize>>,
}

/// Whether two sides are the same nodes, however they are written.
impl PartialEq for Side {
    fn eq(&self, other: &Side) -> bool {
        (&self.stage, &self.cells, self.iteration) == (&other.stage, &other.cells, other.iteration)
    }
}

impl Side {
    fn of(reference: &str, extents: &dyn Extents) -> Self {
        let meant = extents.cells(reference);
        let mut cells: Vec<MatrixCell> = Vec::new();
        let mut last: Vec<usize> = Vec::new();
        for (number, name) in meant.iter().enumerate() {
            if cells.last() == Some(&name.cell) {
                last.pop();
            } else {
                cells.push(name.cell.clone());
            }
            last.push(number);
        }
        let stage = meant.first().map(|name| name.stage.clone()).unwrap_or_default();
        // A kind of whose nodes a reference means the last one says so itself.
        let last = (extents.nodes(reference) == meant.len()).then_some(last);
        let stated = read(reference).and_then(|(_, name)| name.iteration);
        let iteration = stated.unwrap_or_else(|| extents.nodes(reference) / cells.len().max(1));
        Side { stage, cells, iteration, last }
    }

    fn inputs(&self, reference: &str) -> Vec<InputRef> {
        match &self.last {
            Some(last) => last.iter().map(|&number| InputRef::Node(reference.to_owned(), number)).collect(),
            None => vec![InputRef::Named(reference.to_owned())],
        }
    }

    /// What is wrong where the cells differ in an axis that has no repetitions.
    fn ambiguous(&self, reference: &str, across: &[String]) -> Option<(String, String)> {
        let axes: BTreeSet<&String> = self.cells.iter().flat_map(|cell| cell.keys()).collect();
        axes.into_iter().filter(|axis| !across.contains(axis)).find_map(|axis| {
            let labels: BTreeSet<&String> = self.cells.iter().filter_map(|cell| cell.get(axis)).collect();
            let shown: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            let first = labels.first().filter(|_| labels.len() > 1)?;
            let message = format!(
                "`{reference}` is in cells of the axis `{axis}`, with the labels {}. A side of a claim is one of them.",
                shown.join(", ")
            );
            let (run, mut name) = read(reference)?;
            name.cell.insert(axis.clone(), (*first).clone());
            let hint =
                format!("Narrow it, as `{run}{name}`, or name the axis in `across` if its cells are repetitions.");
            Some((message, hint))
        })
    }

    /// A remark where the reference states an iteration that is not the last.
    fn chosen(&self, reference: &str, extents: &dyn Extents) -> Option<String> {
        let (run, name) = read(reference)?;
        let iteration = name.iteration?;
        let whole = format!("{run}{}", StageName { iteration: None, ..name });
        let count = extents.nodes(&whole) / self.cells.len().max(1);
        (iteration < count).then(|| format!("iteration {iteration} of {count}"))
    }
}

/// The run of a reference as it is written before a name, and the name.
fn read(reference: &str) -> Option<(&str, StageName)> {
    let stage = match reference.strip_prefix("run:") {
        Some(rest) => rest.split_once('/')?.1,
        None => reference,
    };
    let run = &reference[..reference.len() - stage.len()];
    Some((run, StageName::read(stage).ok()?))
}
