//! How long a run is likely to go on.
//!
//! Invariants:
//! - pure: the times of nodes go in, a time comes out;
//! - where the time of a node that is not done cannot be told, nothing is said of the whole.
//!
//! The time of a node is, in this order: what its own progress tells, what it took in earlier runs, and what other nodes of
//! its stage or its kind took in this run.

use std::collections::BTreeMap;

use crate::stage::{NodeName, StageName};

/// A node of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The node.
    pub node: NodeName,
    /// The places in the plan of the nodes that it needs; all are before its own.
    pub needs: Vec<usize>,
    /// The seconds that it took in earlier runs, where that is known.
    pub seconds: Option<f64>,
}

/// The nodes of a plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Forecast {
    /// Each after what it needs.
    pub nodes: Vec<Expected>,
    /// How many run at a time.
    pub jobs: usize,
}

/// How a node stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stand {
    /// It has not begun.
    Waiting,
    /// It is at work.
    Running {
        /// The seconds since it began.
        elapsed: f64,
        /// The part of its work that is done, where it tells, from 0 to 1.
        part: Option<f64>,
    },
    /// It is done; with the seconds that it took, where it ran in this run.
    Done(Option<f64>),
    /// It will not run any more.
    Over,
}

/// The least part of its work after which a node's own progress tells its time.
const TELLING: f64 = 0.02;

impl Forecast {
    /// The seconds until all nodes are done; none where that cannot be told.
    pub fn left(&self, stand: impl Fn(&NodeName) -> Stand) -> Option<f64> {
        let stands: Vec<Stand> = self.nodes.iter().map(|expected| stand(&expected.node)).collect();
        let known = Known::of(self, &stands);
        let mut ends: Vec<f64> = Vec::new();
        // When each of the jobs that run at a time is free.
        let mut free = vec![0.0_f64; self.jobs.max(1)];
        for (expected, stand) in self.nodes.iter().zip(&stands) {
            let rest = match stand {
                Stand::Done(_) | Stand::Over => {
                    ends.push(0.0);
                    continue;
                }
                Stand::Running { elapsed, part } => match own(*elapsed, *part) {
                    Some(whole) => whole - elapsed,
                    None => (known.seconds(expected)? - elapsed).max(0.0),
                },
                Stand::Waiting => known.seconds(expected)?,
            };
            let ready = expected.needs.iter().filter_map(|need| ends.get(*need)).fold(0.0_f64, |a, b| a.max(*b));
            let Some(job) = free.iter_mut().min_by(|a, b| a.total_cmp(b)) else { continue };
            *job = job.max(ready) + rest.max(0.0);
            ends.push(*job);
        }
        Some(ends.into_iter().fold(0.0, f64::max))
    }
}

/// The seconds that a node takes in all, by its own progress.
fn own(elapsed: f64, part: Option<f64>) -> Option<f64> {
    part.filter(|part| *part >= TELLING).map(|part| elapsed / part.min(1.0))
}

/// What nodes take in this run, on average.
#[derive(Default)]
struct Known {
    stages: BTreeMap<String, (f64, u32)>,
    kinds: BTreeMap<String, (f64, u32)>,
}

impl Known {
    fn of(forecast: &Forecast, stands: &[Stand]) -> Self {
        let mut known = Known::default();
        for (expected, stand) in forecast.nodes.iter().zip(stands) {
            let seconds = match stand {
                Stand::Done(seconds) => *seconds,
                Stand::Running { elapsed, part } => own(*elapsed, *part),
                Stand::Waiting | Stand::Over => None,
            };
            let Some(seconds) = seconds else { continue };
            let (stage, kind) = names(&expected.node);
            for (sum, count) in [known.stages.entry(stage).or_default(), known.kinds.entry(kind).or_default()] {
                *sum += seconds;
                *count += 1;
            }
        }
        known
    }

    fn seconds(&self, expected: &Expected) -> Option<f64> {
        let mean = |found: Option<&(f64, u32)>| found.map(|(sum, count)| sum / f64::from(*count));
        let (stage, kind) = names(&expected.node);
        expected.seconds.or_else(|| mean(self.stages.get(&stage))).or_else(|| mean(self.kinds.get(&kind)))
    }
}

/// A node's stage without its cell, and its kind.
fn names(node: &NodeName) -> (String, String) {
    (stage(node), node.kind.clone())
}

/// A node's stage without its cell.
pub fn stage(node: &NodeName) -> String {
    StageName::read(&node.stage).map_or_else(|_| node.stage.clone(), |name| name.stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(stage: &str, kind: &str, needs: &[usize], seconds: Option<f64>) -> Expected {
        let node = NodeName { stage: stage.into(), iteration: None, kind: kind.into() };
        Expected { node, needs: needs.to_vec(), seconds }
    }

    #[test]
    fn the_time_left_follows_what_nodes_need_and_how_many_run_at_a_time() {
        let nodes = vec![
            node("a", "Train", &[], Some(10.0)),
            node("b", "Train", &[], Some(20.0)),
            node("c", "Validate", &[0], Some(5.0)),
        ];
        let left = |jobs, stand: fn(&NodeName) -> Stand| Forecast { nodes: nodes.clone(), jobs }.left(stand);
        assert_eq!(left(1, |_| Stand::Waiting), Some(35.0));
        assert_eq!(left(2, |_| Stand::Waiting), Some(20.0));
        assert_eq!(left(9, |node| if node.stage == "b" { Stand::Done(None) } else { Stand::Waiting }), Some(15.0));
        // Progress tells more than earlier runs do: a tenth took 4 s.
        let slow = |node: &NodeName| match node.stage.as_str() {
            "b" => Stand::Running { elapsed: 4.0, part: Some(0.1) },
            _ => Stand::Done(None),
        };
        assert_eq!(left(1, slow), Some(36.0));
        let late = |node: &NodeName| match node.stage.as_str() {
            "b" => Stand::Running { elapsed: 50.0, part: None },
            _ => Stand::Over,
        };
        assert_eq!(left(1, late), Some(0.0));
    }

    #[test]
    fn what_is_not_known_is_taken_from_this_run_or_not_told() {
        let nodes = vec![
            node("t[seed=1]", "Train", &[], None),
            node("t[seed=2]", "Train", &[0], None),
            node("v", "Train", &[1], None),
        ];
        let forecast = Forecast { nodes, jobs: 1 };
        assert_eq!(forecast.left(|_| Stand::Waiting), None);
        let first =
            |stand: Stand| move |node: &NodeName| if node.stage == "t[seed=1]" { stand } else { Stand::Waiting };
        assert_eq!(forecast.left(first(Stand::Done(None))), None);
        assert_eq!(forecast.left(first(Stand::Done(Some(3.0)))), Some(6.0));
        assert_eq!(forecast.left(first(Stand::Running { elapsed: 1.0, part: Some(0.5) })), Some(5.0));
        assert_eq!(Forecast::default().left(|_| Stand::Waiting), Some(0.0));
    }
}
