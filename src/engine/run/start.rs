//! The steps for one node: its lookup, and the start of a child.

use std::collections::BTreeMap;
use std::time::Instant;

use super::state::{Run, RunningJob};
use crate::engine::event::RunEvent;
use crate::engine::failure::NodeFailure;
use crate::engine::folder::{JOB, LOG};
use crate::engine::hit::Lookup;
use crate::engine::job::{Check, FORMAT, JobFile};
use crate::engine::plan::State;
use crate::engine::schedule::News;
use crate::fsio;
use crate::hash::Digest;
use crate::pipeline::{Source, key};
use crate::program;
use crate::stage::InputNode;
use crate::store::ExecutionId;

impl Run<'_> {
    /// All inputs are done: computes the key and looks it up.
    pub(super) fn look_up(&mut self, index: usize) -> Result<(), NodeFailure> {
        self.executor.detach(index);
        let place = self.place(index);
        if let State::Hit { key, preimage, record } = &self.plan.nodes[place].state
            && self.nodes[&index].key.is_none()
        {
            // The plan has just looked it up.
            let node = self.node(index);
            (node.preimage, node.key) = (preimage.clone(), Some(*key));
            self.finish(index, record.clone(), false);
            return Ok(());
        }
        let outputs = |need: usize| {
            let record = self.nodes.get(&need).and_then(|node| node.record.as_ref());
            record.map(|record| record.outputs.clone()).unwrap_or_default()
        };
        let preimage = self.context.preimage(index, &self.plan.outside, &self.plan.conditions, &outputs)?;
        let key = preimage.digest();
        let found = self.context.look_up(&key)?;
        let node = self.node(index);
        (node.preimage, node.key) = (preimage, Some(key));
        match found {
            Lookup::Done(record) if !node.again => {
                self.finish(index, record, false);
                return Ok(());
            }
            Lookup::Done(record) => node.record = Some(record),
            Lookup::OutputMissing(_) | Lookup::Nothing => {}
        }
        self.tell(index, News::Missing);
        Ok(())
    }

    /// Somebody held the lock when it was last tried.
    pub(super) fn try_again(&mut self, index: usize) -> Result<(), NodeFailure> {
        if let Some(key) = self.nodes[&index].key
            && let Some(held) = self.holder(&key)?
        {
            self.tell(index, held);
            return Ok(());
        }
        self.look_up(index)
    }

    /// Who holds the lock on a key, if anybody does.
    fn holder(&self, key: &Digest) -> Result<Option<News>, NodeFailure> {
        if let Some((twin, _)) = self.jobs.iter().find(|(_, job)| job.key == *key) {
            return Ok(Some(News::HeldBy(self.place(*twin))));
        }
        Ok(self.context.store.is_locked(key)?.then_some(News::Held))
    }

    /// The node waits for the holder of its lock.
    pub(super) fn wait_for_others(&mut self, index: usize, key: Digest, held: News) {
        "It waits for another stage that computes the same.".clone_into(&mut self.node(index).message);
        self.tell(index, held);
        // What the other process says can be followed where its run uses this store. Where it cannot, nothing is lost.
        if held == News::Held
            && let Ok(Some(folder)) = self.context.store.job_of_others(&key, self.claim.id())
        {
            self.executor.attach(index, &folder);
        }
        let node = self.label(index);
        self.emit(RunEvent::NodeWaiting { node, key });
    }

    /// Starts a child, unless somebody holds the lock.
    pub(super) fn start(&mut self, index: usize) -> Result<(), NodeFailure> {
        let Some(key) = self.nodes[&index].key else {
            return Err(NodeFailure::setup("The stage has no key. This is a bug in repro.", ""));
        };
        if let Some(held) = self.holder(&key)? {
            self.wait_for_others(index, key, held);
            return Ok(());
        }
        let launches = self.launches.entry(key).or_default();
        *launches += 1;
        let name = match launches {
            1 => key.to_string(),
            n => format!("{key}-{n}"),
        };
        let folder = self.context.store.jobs(self.claim.id()).join(&name);
        let job = self.job(index, key)?;
        let path = folder.join(JOB);
        let text = serde_json::to_vec(&job).map_err(|error| NodeFailure::setup(error, ""))?;
        self.context.store.make_way(&path)?;
        fsio::write_atomic(&path, &text)?;
        let folder = fsio::canonical(&folder)?;
        self.executor.submit(index, &folder)?;
        let (node, log) = (self.label(index), folder.join(LOG));
        let id = ExecutionId::new(self.claim.id(), &name);
        self.jobs.insert(index, RunningJob { key, id, folder, since: Instant::now() });
        let known = self.node(index);
        known.job = Some(name);
        known.message.clear();
        self.emit(RunEvent::NodeStarted { node, key, log });
        Ok(())
    }

    /// The threads of a node's job: all where nothing else runs beside it.
    fn threads(&self, index: usize) -> usize {
        let options = self.context.options;
        let at_once = if self.context.is_alone(index) { 1 } else { options.jobs.max(1) };
        (options.threads / at_once).max(1)
    }

    fn job(&self, index: usize, key: Digest) -> Result<JobFile, NodeFailure> {
        let (node, options) = (&self.context.pipeline.nodes[index], self.context.options);
        let outside = self.plan.outside.get(&index).cloned().unwrap_or_default();
        let checks = outside.all().into_iter().zip(outside.all_digests());
        let input = |source: &Source| match source {
            Source::Node(need) => {
                let record = self.nodes[need].record.as_ref();
                InputNode {
                    outputs: record.map(|record| record.outputs.clone()).unwrap_or_default(),
                    root: self.plan.outside.get(need).and_then(|outside| outside.root.clone()),
                    made_from: record.map(|record| key::inputs(&record.preimage)).unwrap_or_default(),
                }
            }
            Source::Run { node, .. } => InputNode {
                outputs: node.outputs.clone(),
                root: outside.run_roots.get(&node.key).cloned(),
                // A record that does not read is no matter here: nothing but a warning is lost.
                made_from: match self.context.store.record(&node.key) {
                    Ok(Some(record)) => key::inputs(&record.preimage),
                    _ => BTreeMap::new(),
                },
            },
        };
        Ok(JobFile {
            format: FORMAT,
            program: program::id()?.clone(),
            store: self.context.store.path().to_owned(),
            run: self.claim.id().to_owned(),
            node: self.label(index),
            version: node.version,
            recipe: node.recipe,
            key,
            preimage: self.nodes[&index].preimage.0.clone(),
            params: node.params.clone(),
            left_out: node.left_out.clone(),
            inputs: node
                .inputs
                .iter()
                .map(|(slot, sources)| (slot.clone(), sources.iter().map(input).collect()))
                .collect(),
            checks: checks
                .map(|(external, digest)| Check { name: external.name, path: external.path, digest })
                .collect(),
            files: outside.files,
            roots: outside.roots,
            device: options.device,
            threads: self.threads(index),
            grace: options.grace,
            force: self.nodes[&index].again,
        })
    }
}
