//! What trainings and validations logged, as curves over steps: what [`super::events`] and [`super::curves`] share.
//!
//! Both take `from`, a list of stages, and of each stage every node: a training's iterations one by one, where other
//! kinds see its last model alone. Slots are `from[0][1]`, `from[0][2]`, …: the reference, and its node from 1.

use std::collections::BTreeMap;

use crate::ml::state::State;
use crate::stage::params::Ref;
use crate::stage::{Extents, InputNode, InputRef, Job, StageError};

use super::columns;
use super::subject::{Subject, about};
use super::support;

/// Points of a curve: step and value.
pub type Points = Vec<(u64, f64)>;

/// The curve of the loss.
pub const LOSS: &str = "loss";
/// The curve of the mean IoU.
pub const MEAN_IOU: &str = "mIoU";

/// The columns of a training's steps, and the curves that they are.
const STEPS: [(&str, &str); 5] = [
    ("loss", LOSS),
    ("cross_entropy", "cross_entropy"),
    ("mean_iou", MEAN_IOU),
    ("pixel_accuracy", "pixel_accuracy"),
    ("rate", "learning_rate"),
];
/// The columns of a validation's summary, and the curves that they are.
const SUMMARY: [(&str, &str); 3] =
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
    /// The network and its seed; histories of one phase have different names.
    pub name: String,
    /// One an iteration, in their order.
    pub parts: Vec<Part>,
}

/// What one node logged.
#[derive(Debug)]
pub struct Part {
    /// The slot of the node.
    pub slot: String,
    /// The curves by tag. A figure that does not exist, as the IoU of a class that occurs nowhere, is no point.
    pub curves: BTreeMap<String, Points>,
}

impl Part {
    /// The curve of a tag; empty where there is none.
    pub fn curve(&self, tag: &str) -> &[(u64, f64)] {
        self.curves.get(tag).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, tag: String, steps: &[u64], values: &[Option<f64>]) {
        let points = steps.iter().zip(values).filter_map(|(step, value)| Some((*step, (*value)?)));
        self.curves.entry(tag).or_default().extend(points);
    }

    /// The first and the last step.
    fn span(&self) -> Option<(u64, u64)> {
        let steps = || self.curves.values().flatten().map(|(step, _)| *step);
        steps().min().zip(steps().max())
    }
}

/// The inputs that `from` stands for: every node of each reference.
pub fn inputs(from: &[Ref], extents: &dyn Extents) -> Vec<(String, InputRef)> {
    let nodes = |(at, reference): (usize, &Ref)| {
        let node = |i| (slot(at, i), InputRef::Node(reference.0.clone(), i));
        (0..extents.nodes(&reference.0)).map(node).collect::<Vec<_>>()
    };
    from.iter().enumerate().flat_map(nodes).collect()
}

fn slot(reference: usize, node: usize) -> String {
    format!("from[{reference}][{}]", node + 1)
}

/// Every history in the inputs of a job, in the order of `from`.
pub fn open(job: &Job<'_>) -> Result<Vec<History>, StageError> {
    let mut histories: Vec<History> = Vec::new();
    for at in 0.. {
        let slots = (0..).map(|i| slot(at, i)).take_while(|slot| job.inputs.contains_key(slot));
        let mut last: Option<(Phase, u64)> = None;
        for slot in slots {
            let node = support::input(job, &slot)?;
            let (phase, part) = read(node, slot)?;
            let (first, end) = part.span().unwrap_or_default();
            // A stage may hold several trainings one after the other; each begins at step 0, and none goes back.
            let goes_on = last.is_some_and(|(before, step)| before == phase && first > 0 && first >= step);
            last = Some((phase, end));
            match histories.last_mut().filter(|_| goes_on) {
                Some(history) => history.parts.push(part),
                None => histories.push(History { phase, name: name(node)?, parts: vec![part] }),
            }
        }
        if last.is_none() {
            break;
        }
    }
    distinguish(&mut histories);
    Ok(histories)
}

fn read(node: &InputNode, slot: String) -> Result<(Phase, Part), StageError> {
    let (phase, name, columns) = match node.outputs.contains_key("steps") {
        true => (Phase::Training, "steps", &STEPS[..]),
        false => (Phase::Validation, "summary", &SUMMARY[..]),
    };
    let mut part = Part { slot, curves: BTreeMap::new() };
    let figures = support::table(node, name)?;
    let steps = steps(&columns::ints(&figures, "step")?);
    for (column, tag) in columns {
        part.add((*tag).to_owned(), &steps, &columns::numbers(&figures, column)?);
    }
    let classes = support::table(node, "classes")?;
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

/// The network and the seed that a node is of, from its content: nodes know no names of stages.
fn name(node: &InputNode) -> Result<String, StageError> {
    if let Some(model) = node.outputs.get("model") {
        let state = State::read(&support::content(model)?).map_err(|error| support::ml_error(error, "from"))?;
        return Ok(Subject::of(&model.digest, &state, &about(&state)?).in_words());
    }
    let summary = support::table(node, "summary")?;
    let [encoder, prefilter] = ["encoder", "prefilter"].map(|column| columns::texts(&summary, column));
    let text = |column: Vec<Option<String>>| column.into_iter().flatten().next().unwrap_or_default();
    let seed = columns::ints(&summary, "seed")?.into_iter().flatten().next().unwrap_or_default();
    Ok(super::subject::words(&text(encoder?), &text(prefilter?), seed.unsigned_abs()))
}

/// Numbers the histories of a phase that have one name.
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
    use crate::stage::Name;

    struct Three;

    impl Extents for Three {
        fn nodes(&self, reference: &str) -> usize {
            if reference == "train" { 3 } else { 1 }
        }

        fn cells(&self, _reference: &str) -> Vec<Name> {
            Vec::new()
        }
    }

    #[test]
    fn every_node_of_every_reference_is_an_input() {
        let from = [Ref("train".to_owned()), Ref("train[2]".to_owned())];
        let inputs = inputs(&from, &Three);
        let slots: Vec<&str> = inputs.iter().map(|(slot, _)| slot.as_str()).collect();
        assert_eq!(slots, ["from[0][1]", "from[0][2]", "from[0][3]", "from[1][1]"]);
        assert_eq!(inputs[2].1, InputRef::Node("train".to_owned(), 2));
    }

    #[test]
    fn a_figure_that_does_not_exist_is_no_point() {
        let mut part = Part { slot: String::new(), curves: BTreeMap::new() };
        part.add("a".to_owned(), &[3, 4], &[None, Some(1.0)]);
        assert_eq!((part.curve("a"), part.curve("b"), part.span()), (&[(4, 1.0)][..], &[][..], Some((4, 4))));
    }

    #[test]
    fn histories_of_one_phase_have_different_names() {
        let history = |phase| History { phase, name: "Tiny".to_owned(), parts: Vec::new() };
        let mut histories = [Phase::Training, Phase::Validation, Phase::Training].map(history);
        distinguish(&mut histories);
        assert_eq!(histories.map(|history| history.name), ["Tiny", "Tiny", "Tiny (2)"]);
    }
}
