//! What work costs, estimated from the executions that are on record: what a stage is likely to take, and what it would cost
//! to make a removed object again.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Result;
use super::executions::{Execution, FOLDER, Verdict};
use super::root::Store;
use crate::hash::Digest;

/// How many runs of a pipeline tell what its next one costs.
const RUNS: usize = 100;

/// What one execution cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// How long it ran.
    pub seconds: f64,
    /// The most memory that it held, in bytes, where the system told.
    pub peak_memory: Option<u64>,
}

/// A stage with its iteration.
type StageIteration = (String, Option<u32>);

/// Costs of executions that made something; of several, those of the newest run.
#[derive(Debug, Default)]
pub struct Costs {
    by_key: BTreeMap<Digest, Cost>,
    by_recipe: BTreeMap<(String, Digest), Cost>,
    by_place: BTreeMap<(String, StageIteration), Cost>,
}

impl Costs {
    /// The cost of the outputs that stand under a key: the price of their removal.
    pub fn of_key(&self, key: &Digest) -> Option<Cost> {
        self.by_key.get(key).copied()
    }

    /// The likely cost of a stage on a device: the cost of its recipe there, else of the stage there with other parameters.
    /// None where it never ran there.
    pub fn expected(&self, device: &str, recipe: &Digest, stage: &str, iteration: Option<u32>) -> Option<Cost> {
        let by_recipe = self.by_recipe.get(&(device.to_owned(), *recipe));
        let place = (device.to_owned(), (stage.to_owned(), iteration));
        by_recipe.or_else(|| self.by_place.get(&place)).copied()
    }

    /// Takes account of an execution that is older than all before.
    fn add(&mut self, execution: Execution) {
        if execution.verdict != (Verdict::Done { reused: false }) {
            return;
        }
        let cost = Cost { seconds: execution.seconds, peak_memory: execution.peak_memory };
        let device = execution.device;
        self.by_key.entry(execution.key).or_insert(cost);
        self.by_recipe.entry((device.clone(), execution.recipe)).or_insert(cost);
        self.by_place.entry((device, (execution.stage, execution.iteration))).or_insert(cost);
    }
}

impl Store {
    /// The costs of a pipeline's executions, or of all in the store.
    ///
    /// # Errors
    /// The disk's. A notice names records of newer programs, which are left out.
    pub fn costs(&self, pipeline: Option<&str>) -> Result<Costs> {
        let mut runs: Vec<String> = self.newest_first(pipeline)?.into_iter().map(|run| run.id).collect();
        match pipeline {
            Some(_) => runs.truncate(RUNS),
            // Runs whose records are gone are the oldest here.
            None => {
                let known: BTreeSet<String> = runs.iter().cloned().collect();
                let executed = self.names(&self.path().join(FOLDER))?;
                runs.extend(executed.into_iter().rev().filter(|run| !known.contains(run)));
            }
        }
        let mut costs = Costs::default();
        for run in runs {
            // The last job of a key in a run comes last.
            self.executions(&run)?.into_iter().rev().for_each(|execution| costs.add(execution));
        }
        Ok(costs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::executions::tests::sample;
    use crate::store::{ExecutionId, runs};

    #[test]
    fn costs_come_from_the_newest_execution_that_made_something() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let write = |run: &str, job: &str, seconds: f64, change: &dyn Fn(&mut Execution)| {
            let mut execution = Execution { id: ExecutionId::new(run, job), seconds, ..sample() };
            change(&mut execution);
            store.write_execution(&execution).unwrap();
        };
        let other = Digest::of(b"other");
        let old = runs::tests::recorded(&store, "voc");
        write(&old, "a", 10.0, &|_| {});
        write(&old, "b", 20.0, &|execution| execution.recipe = other);
        write(&old, "c", 5.0, &|execution| (execution.device, execution.key) = ("cuda:0".into(), other));
        let new = runs::tests::recorded(&store, "voc");
        write(&new, "a", 11.0, &|_| {});
        write(&new, "b", 99.0, &|execution| execution.verdict = Verdict::Stopped);
        write(&new, "c", 98.0, &|execution| execution.verdict = Verdict::Done { reused: true });
        write("of a record that is gone", "a", 97.0, &|execution| execution.key = Digest::of(b"gone"));
        let seconds = |cost: Option<Cost>| cost.map(|cost| cost.seconds);
        let sample = sample();
        let costs = store.costs(Some("voc")).unwrap();
        let expected =
            |device: &str, recipe: Digest| seconds(costs.expected(device, &recipe, &sample.stage, sample.iteration));
        assert_eq!(expected("cpu", sample.recipe), Some(11.0));
        assert_eq!(expected("cpu", other), Some(20.0));
        assert_eq!(expected("cpu", Digest::of(b"new")), Some(11.0), "the stage with other parameters");
        assert_eq!(expected("cuda:0", sample.recipe), Some(5.0), "a device has its own costs");
        assert_eq!(seconds(costs.expected("cpu", &Digest::of(b"new"), "another", None)), None);
        assert_eq!((seconds(costs.of_key(&sample.key)), seconds(costs.of_key(&other))), (Some(11.0), Some(5.0)));
        assert_eq!(costs.of_key(&sample.key).unwrap().peak_memory, sample.peak_memory);
        assert!(costs.of_key(&Digest::of(b"gone")).is_none());
        assert!(store.costs(Some("smoke")).unwrap().of_key(&sample.key).is_none());
        assert_eq!(seconds(store.costs(None).unwrap().of_key(&Digest::of(b"gone"))), Some(97.0));
    }
}
