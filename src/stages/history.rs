//! What trainings and validations logged, as curves over steps, for [`super::events`]; and the slots of all kinds that take `from`.
//!
//! They take `from`, a list of stages, and read every node of each stage. Of a training these are all iterations; other
//! kinds read its last model alone. The slots are `from[0][1]`, `from[0][2]`, …: the number of the reference from 0, and
//! that of its node from 1. A stage in several cells of a matrix has a history for each cell. An input does not say which
//! cell it is from, so expansion adds the cells to the parameters.

use std::collections::BTreeMap;

use crate::ml::state::State;
use crate::stage::name::in_words;
use crate::stage::params::{Param, Ref};
use crate::stage::{Extents, InputNode, InputRef, Job, MatrixCell, NodeSpec, StageError, StageName};
use crate::table::Table;

use super::columns;
use super::subject::{Subject, about};
use super::support;
use super::yields::{CLASSES, STATE, STEPS, SUMMARY, TRAINING_CLASSES};

/// Points of a curve: step and value.
pub type Points = Vec<(u64, f64)>;

/// The curve of the loss.
const LOSS: &str = "loss";
/// The curve of the mean IoU.
const MEAN_IOU: &str = "mIoU";

/// The columns of a training's steps, and the tags of their curves.
const STEP_CURVES: [(&str, &str); 5] = [
    ("loss", LOSS),
    ("cross_entropy", "cross_entropy"),
    ("mean_iou", MEAN_IOU),
    ("pixel_accuracy", "pixel_accuracy"),
    ("rate", "learning_rate"),
];
/// The columns of a validation's summary, and the tags of their curves.
const SUMMARY_CURVES: [(&str, &str); 3] =
    [("cross_entropy", "cross_entropy"), ("mean_iou", MEAN_IOU), ("pixel_accuracy", "pixel_accuracy")];

/// Whether a network learned or was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It learned.
    Training,
    /// It was tested.
    Validation,
}

impl Phase {
    /// The word for it in names of folders and curves.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Training => "train",
            Phase::Validation => "validation",
        }
    }
}

/// One training, or the validations of one.
#[derive(Debug)]
pub struct History {
    /// Which of the two.
    pub phase: Phase,
    /// The cell of the matrix. A stage in no cell is named by its network and seed. No two histories of a phase have the
    /// same name.
    pub name: String,
    /// One an iteration, in their order.
    pub parts: Vec<Part>,
}

/// What one node logged.
#[derive(Debug)]
pub struct Part {
    /// The slot of the node.
    pub slot: String,
    /// The curves by tag. A figure that does not exist is left out, as the IoU of a class that occurs nowhere.
    pub curves: BTreeMap<String, Points>,
}

impl Part {
    fn add(&mut self, tag: String, steps: &[u64], values: &[Option<f64>]) {
        let points = steps.iter().zip(values).filter_map(|(step, value)| Some((*step, (*value)?)));
        self.curves.entry(tag).or_default().extend(points);
    }
}

/// The one node of a kind that takes `from`: its inputs are every node of each reference.
pub fn node(from: &[Ref], extents: &dyn Extents) -> NodeSpec {
    let cells = cells_of(from, extents);
    let in_cells = cells.iter().flatten().any(|cell| !cell.is_empty());
    let set = in_cells.then(|| (support::CELLS, cells.write())).into_iter().collect();
    let nodes = |(at, reference): (usize, &Ref)| {
        let node = |i| (slot(at, i), InputRef::Node(reference.0.clone(), i));
        (0..extents.nodes(&reference.0)).map(node).collect::<Vec<_>>()
    };
    let inputs = from.iter().enumerate().flat_map(nodes).collect();
    NodeSpec { set, inputs, ..NodeSpec::default() }
}

/// The cells of every node of each reference.
pub fn cells_of(from: &[Ref], extents: &dyn Extents) -> Vec<Vec<MatrixCell>> {
    from.iter().map(|reference| cells(&reference.0, extents)).collect()
}

/// The cell of every node of a reference.
fn cells(reference: &str, extents: &dyn Extents) -> Vec<MatrixCell> {
    let meant = extents.cells(reference);
    // Where a reference means the last iteration of each cell, there may be more nodes than are meant.
    let one_each = meant.len() == extents.nodes(reference);
    let nodes = |name: StageName| match one_each {
        true => vec![name.cell],
        false => vec![name.cell.clone(); extents.nodes(&name.to_string())],
    };
    meant.into_iter().flat_map(nodes).collect()
}

/// The slot of a node of a reference, both counted from 0.
pub fn slot(reference: usize, node: usize) -> String {
    format!("from[{reference}][{}]", node + 1)
}

/// Every history in the inputs of a job, in the order of `from`.
pub fn open(job: &Job<'_>) -> Result<Vec<History>, StageError> {
    let cells = support::cells(job)?;
    let mut histories: Vec<History> = Vec::new();
    for at in 0.. {
        let cell = |i: usize| cells.get(at).and_then(|cells| cells.get(i));
        let slots: Vec<String> = (0..).map(|i| slot(at, i)).take_while(|slot| job.inputs.contains_key(slot)).collect();
        if slots.is_empty() {
            break;
        }
        for (i, slot) in slots.into_iter().enumerate() {
            let node = support::input(job, &slot)?;
            let (phase, part) = read(node, slot)?;
            match histories.last_mut().filter(|_| i > 0 && cell(i) == cell(i - 1)) {
                Some(history) => history.parts.push(part),
                None => {
                    let name = cell(i)
                        .filter(|cell| !cell.is_empty())
                        .map_or_else(|| name(node), |cell| Ok(in_words(cell)))?;
                    histories.push(History { phase, name, parts: vec![part] });
                }
            }
        }
    }
    distinguish(&mut histories);
    Ok(histories)
}

/// The figures of a validation's summary, by the tags of their curves, each with its step.
pub fn validation_figures(summary: &Table) -> Vec<(u64, BTreeMap<String, f64>)> {
    let row = |row: usize| {
        let number = |column: &str| summary.position(column).and_then(|column| summary.cell(row, column).number());
        let figures = SUMMARY_CURVES.iter().filter_map(|(column, tag)| Some(((*tag).to_owned(), number(column)?)));
        Some((number("step")? as u64, figures.collect()))
    };
    (0..summary.rows()).filter_map(row).collect()
}

fn read(node: &InputNode, slot: String) -> Result<(Phase, Part), StageError> {
    let (phase, figures, classes, columns) = match STEPS.of(node) {
        Some(_) => (Phase::Training, STEPS, TRAINING_CLASSES, &STEP_CURVES[..]),
        None => (Phase::Validation, SUMMARY, CLASSES, &SUMMARY_CURVES[..]),
    };
    let mut part = Part { slot, curves: BTreeMap::new() };
    let figures = support::table(node, &figures)?;
    let steps = steps(&columns::ints(&figures, "step")?);
    for (column, tag) in columns {
        part.add((*tag).to_owned(), &steps, &columns::numbers(&figures, column)?);
    }
    let classes = support::table(node, &classes)?;
    let steps = self::steps(&columns::ints(&classes, "step")?);
    let ious = columns::numbers(&classes, "iou")?;
    for (at, class) in columns::texts(&classes, "name")?.into_iter().enumerate() {
        part.add(format!("IoU/{}", class.unwrap_or_default()), &steps[at..], &ious[at..=at]);
    }
    Ok((phase, part))
}

fn steps(column: &[Option<i64>]) -> Vec<u64> {
    column.iter().flatten().map(|step| u64::try_from(*step).unwrap_or_default()).collect()
}

/// The network and the seed of a node. They are read from its content, since an input has no name of a stage.
fn name(node: &InputNode) -> Result<String, StageError> {
    if let Some(model) = STATE.of(node) {
        let state = State::read(&support::content(model)?).map_err(|error| support::ml_error(error, "from"))?;
        return Ok(Subject::of(&model.digest, &state, &about(&state.extra)?).in_words());
    }
    let summary = support::table(node, &SUMMARY)?;
    let [encoder, prefilter] = ["encoder", "prefilter"].map(|column| columns::texts(&summary, column));
    let text = |column: Vec<Option<String>>| column.into_iter().flatten().next().unwrap_or_default();
    let seed = columns::ints(&summary, "seed")?.into_iter().flatten().next();
    Ok(super::subject::words(&text(encoder?), &text(prefilter?), seed.map(i64::unsigned_abs)))
}

/// Adds a number to the names of histories that would have the same name in one phase.
fn distinguish(histories: &mut [History]) {
    let mut seen: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for history in histories {
        let count = seen.entry((history.phase.word(), history.name.clone())).or_default();
        *count += 1;
        if *count > 1 {
            history.name = format!("{} ({count})", history.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A training of one cell with three iterations and one with two, and its validations of each.
    struct Five;

    impl Extents for Five {
        fn nodes(&self, reference: &str) -> usize {
            match reference {
                "train[2]" => 2,
                "train[seed=1]" => 3,
                "train[seed=2]" => 2,
                _ => 5,
            }
        }

        fn cells(&self, reference: &str) -> Vec<StageName> {
            let name = |seed: &u32| StageName::new("train", MatrixCell::from([("seed".to_owned(), seed.to_string())]));
            let seeds: &[u32] = if reference == "validate" { &[1, 1, 1, 2, 2] } else { &[1, 2] };
            seeds.iter().map(name).collect()
        }
    }

    #[test]
    fn every_node_of_every_reference_is_an_input_and_has_its_cell() {
        let from = ["train", "validate", "train[2]"].map(|name| Ref(name.to_owned()));
        let node = node(&from, &Five);
        let slots: Vec<&str> = node.inputs.iter().map(|(slot, _)| slot.as_str()).collect();
        assert_eq!((slots.len(), slots[0], slots[4], slots[11]), (12, "from[0][1]", "from[0][5]", "from[2][2]"));
        assert_eq!(node.inputs[2].1, InputRef::Node("train".to_owned(), 2));
        let cells: Vec<Vec<MatrixCell>> = Param::read(&node.set[0].1).unwrap();
        let words: Vec<Vec<String>> = cells.iter().map(|cells| cells.iter().map(in_words).collect()).collect();
        let all = ["seed=1", "seed=1", "seed=1", "seed=2", "seed=2"];
        assert_eq!(words, [&all[..], &all[..], &["seed=1", "seed=2"]]);
    }

    #[test]
    fn a_figure_that_does_not_exist_is_no_point() {
        let mut part = Part { slot: String::new(), curves: BTreeMap::new() };
        part.add("a".to_owned(), &[3, 4], &[None, Some(1.0)]);
        assert_eq!(part.curves, BTreeMap::from([("a".to_owned(), vec![(4, 1.0)])]));
    }

    #[test]
    fn histories_of_one_phase_have_different_names() {
        let history = |phase| History { phase, name: "Tiny".to_owned(), parts: Vec::new() };
        let mut histories = [Phase::Training, Phase::Validation, Phase::Training].map(history);
        distinguish(&mut histories);
        assert_eq!(histories.map(|history| history.name), ["Tiny", "Tiny", "Tiny (2)"]);
    }
}
