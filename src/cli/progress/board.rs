//! What is known of a run that goes on, by its events. Pure: the same for the run itself and for who watches it.

use std::collections::BTreeMap;

use super::forecast::{Forecast, Stand};
use crate::engine::{LogLine, RunEvent};
use crate::stage::{Event, NodeName};
use crate::store::RunStatus;

/// How many points of a curve are kept; of more, every second one goes.
const POINTS: usize = 512;

/// A run that goes on.
#[derive(Debug, Default)]
pub struct Board {
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// How many nodes there are.
    pub nodes: usize,
    /// The nodes that are done, with the seconds that those took that ran.
    pub done: BTreeMap<NodeName, Option<f64>>,
    /// The nodes that failed, were stopped or will not start.
    pub over: BTreeMap<NodeName, Over>,
    /// The nodes at work, and those that others make.
    pub at_work: BTreeMap<NodeName, AtWork>,
    /// The curves of figures by name, of each node that told some; the newest node last.
    pub curves: Vec<(NodeName, BTreeMap<String, Curve>)>,
    /// How the run ended.
    pub ended: Option<RunStatus>,
    /// The newest time that an event told, in seconds since the run began.
    pub at: f64,
    /// How long nodes take.
    pub forecast: Forecast,
}

/// Why a node will not run any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It failed.
    Failed,
    /// It was stopped.
    Stopped,
    /// It was not started.
    Skipped,
}

/// A node at work.
#[derive(Debug, Clone, PartialEq)]
pub struct AtWork {
    /// When it began, in seconds since the run began.
    pub since: f64,
    /// Whether another run makes it.
    pub elsewhere: bool,
    /// Units done, units in all, and the unit.
    pub done: Option<(u64, u64, String)>,
    /// When the first progress was told, and how many units were done then: a training may go on in its middle.
    first: Option<(f64, u64)>,
    /// The newest figures by name.
    pub scalars: BTreeMap<String, f64>,
}

/// A curve: pairs of step and value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    points: Vec<(u64, f64)>,
}

impl Curve {
    /// The values in the order of the steps.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|(_, value)| *value)
    }

    /// The newest step and value.
    pub fn last(&self) -> Option<(u64, f64)> {
        self.points.last().copied()
    }

    fn add(&mut self, step: u64, value: f64) {
        // What was done twice after a kill replaces what it was before.
        self.points.retain(|(before, _)| *before < step);
        self.points.push((step, value));
        if self.points.len() > POINTS {
            let last = self.points.len() - 1;
            let mut at = 0;
            self.points.retain(|_| {
                at += 1;
                at % 2 == 1 || at == last + 1
            });
        }
    }
}

impl AtWork {
    fn new(since: f64, elsewhere: bool) -> Self {
        AtWork { since, elsewhere, done: None, first: None, scalars: BTreeMap::new() }
    }

    /// The seconds of work until the node is done, by its own progress.
    pub fn left(&self, now: f64) -> Option<f64> {
        let ((done, total, _), (at, before)) = (self.done.as_ref()?, self.first?);
        let (made, took) = (done.saturating_sub(before), now - at);
        (made > 0 && took > 0.0).then(|| took / made as f64 * total.saturating_sub(*done) as f64)
    }

    /// How it stands at a time.
    fn stand(&self, now: f64) -> Stand {
        let elapsed = (now - self.since).max(0.0);
        let part = match (self.left(now), &self.done) {
            (Some(left), Some((done, total, _))) if *total > 0 => {
                // As the forecast reads it: so much of the whole time is over.
                let part = elapsed / (elapsed + left).max(f64::MIN_POSITIVE);
                (*done as f64 / *total as f64 >= 0.01).then_some(part)
            }
            _ => None,
        };
        Stand::Running { elapsed, part }
    }
}

impl Board {
    /// A run whose nodes are likely to take so long.
    pub fn new(forecast: Forecast) -> Self {
        Board { forecast, ..Board::default() }
    }

    /// Takes in an event.
    pub fn take(&mut self, line: &LogLine) {
        let at = line.at;
        self.at = self.at.max(at);
        match &line.event {
            RunEvent::RunStarted { run, pipeline, nodes, .. } => {
                (self.run, self.pipeline, self.nodes) = (run.clone(), pipeline.clone(), *nodes);
            }
            RunEvent::NodeStarted { node, .. } => self.begin(node, AtWork::new(at, false)),
            RunEvent::NodeWaiting { node, .. } => self.begin(node, AtWork::new(at, true)),
            RunEvent::NodeEvent { node, what } => self.hear(node, what, at),
            RunEvent::NodeHit { node, .. } => self.end(node, None),
            RunEvent::NodeDone { node, seconds, .. } => self.end(node, Some(*seconds)),
            RunEvent::NodeFailed { node, .. } => self.give_up(node, Over::Failed),
            RunEvent::NodeInterrupted { node } => self.give_up(node, Over::Stopped),
            RunEvent::NodeSkipped { node, .. } => self.give_up(node, Over::Skipped),
            RunEvent::NodeRemade { node, .. } => {
                self.done.remove(node);
            }
            RunEvent::RunFinished { status, .. } => {
                self.ended = Some(*status);
                self.at_work.clear();
            }
            RunEvent::Warning { .. } => {}
        }
    }

    fn begin(&mut self, node: &NodeName, work: AtWork) {
        self.done.remove(node);
        self.over.remove(node);
        self.at_work.insert(node.clone(), work);
    }

    fn end(&mut self, node: &NodeName, seconds: Option<f64>) {
        self.at_work.remove(node);
        self.done.insert(node.clone(), seconds);
    }

    fn give_up(&mut self, node: &NodeName, over: Over) {
        self.at_work.remove(node);
        self.over.insert(node.clone(), over);
    }

    fn hear(&mut self, node: &NodeName, what: &Event, at: f64) {
        match what {
            Event::Progress { done, total, unit } => {
                if let Some(work) = self.at_work.get_mut(node) {
                    work.first.get_or_insert((at, *done));
                    work.done = Some((*done, *total, unit.clone()));
                }
            }
            Event::Scalars { step, values } => {
                if let Some(work) = self.at_work.get_mut(node) {
                    work.scalars.clone_from(values);
                }
                let place = self.curves.iter().position(|(other, _)| other.stage == node.stage);
                let (_, mut curves) =
                    place.map_or_else(|| (node.clone(), BTreeMap::new()), |at| self.curves.remove(at));
                for (name, value) in values {
                    let curve: &mut Curve = curves.entry(name.clone()).or_default();
                    curve.add(*step, *value);
                }
                // Iterations of a stage go on counting steps: they are one curve.
                self.curves.push((node.clone(), curves));
            }
            Event::Resumed { .. } | Event::Checkpoint { .. } | Event::Log { .. } | Event::Warning { .. } => {}
        }
    }

    /// How many nodes were in the store.
    pub fn cached(&self) -> usize {
        self.done.values().filter(|seconds| seconds.is_none()).count()
    }

    /// How many nodes this run computes at the moment.
    pub fn running(&self) -> usize {
        self.at_work.values().filter(|work| !work.elsewhere).count()
    }

    /// The seconds until the run is done; none where that cannot be told.
    pub fn left(&self, now: f64) -> Option<f64> {
        // Who watches knows no plan.
        if self.forecast.nodes.is_empty() {
            return None;
        }
        self.forecast.left(|node| match (self.at_work.get(node), self.done.get(node)) {
            (Some(work), _) => work.stand(now),
            (None, Some(seconds)) => Stand::Done(*seconds),
            (None, None) if self.over.contains_key(node) => Stand::Over,
            (None, None) => Stand::Waiting,
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn name(stage: &str) -> NodeName {
        NodeName { stage: stage.into(), iteration: None, kind: "Train".into() }
    }

    pub fn line(at: f64, event: RunEvent) -> LogLine {
        LogLine { at, event }
    }

    pub fn began(at: f64, stage: &str) -> LogLine {
        let key = crate::hash::Digest::of(stage.as_bytes());
        line(at, RunEvent::NodeStarted { node: name(stage), key, log: "log".into() })
    }

    pub fn says(at: f64, stage: &str, what: Event) -> LogLine {
        line(at, RunEvent::NodeEvent { node: name(stage), what })
    }

    pub fn steps(done: u64, total: u64) -> Event {
        Event::Progress { done, total, unit: "steps".into() }
    }

    pub fn figures(step: u64, loss: f64) -> Event {
        Event::Scalars { step, values: BTreeMap::from([("loss".into(), loss)]) }
    }

    #[test]
    fn time_left_is_told_from_what_was_made_since_the_first_word() {
        let mut board = Board::default();
        // It goes on from a checkpoint at step 100.
        for event in [began(5.0, "a"), says(10.0, "a", steps(100, 200)), says(20.0, "a", steps(150, 200))] {
            board.take(&event);
        }
        let work = &board.at_work[&name("a")];
        assert_eq!(work.left(20.0), Some(10.0));
        assert_eq!(work.stand(20.0), Stand::Running { elapsed: 15.0, part: Some(0.6) });
        assert_eq!(board.running(), 1);
    }

    #[test]
    fn a_curve_is_bounded_and_follows_what_is_done_again() {
        let mut curve = Curve::default();
        (0..5000).for_each(|step| curve.add(step, step as f64));
        assert!(curve.points.len() <= POINTS && curve.last() == Some((4999, 4999.0)));
        curve.add(10, 1.0);
        assert!(curve.last() == Some((10, 1.0)) && curve.points.iter().all(|(step, _)| *step <= 10));
    }

    #[test]
    fn iterations_are_one_curve_and_nodes_end() {
        let mut board = Board::default();
        let second = NodeName { iteration: Some(2), ..name("a") };
        let key = crate::hash::Digest::of(b"a");
        for event in [
            began(0.0, "a"),
            says(1.0, "a", figures(1, 2.0)),
            line(2.0, RunEvent::NodeDone { node: name("a"), key, seconds: 2.0, metrics: BTreeMap::new() }),
            line(2.0, RunEvent::NodeStarted { node: second.clone(), key, log: "log".into() }),
            line(3.0, RunEvent::NodeEvent { node: second, what: figures(2, 1.0) }),
            line(3.0, RunEvent::NodeHit { node: name("b"), key }),
            line(4.0, RunEvent::NodeSkipped { node: name("c"), reason: String::new() }),
        ] {
            board.take(&event);
        }
        assert_eq!((board.cached(), board.running(), board.done.len(), board.at), (1, 1, 2, 4.0));
        assert_eq!(board.over[&name("c")], Over::Skipped);
        let [(_, curves)] = &board.curves[..] else { panic!("{:?}", board.curves) };
        assert_eq!(curves["loss"].values().collect::<Vec<_>>(), [2.0, 1.0]);
    }
}
