//! What becomes of a node: done, failed, interrupted, or to be tried again.

use super::state::{Run, RunningJob};
use crate::engine::event::RunEvent;
use crate::engine::executor::Exit;
use crate::engine::failure::{NodeFailure, signal_name};
use crate::engine::folder::{LOG, tidy};
use crate::engine::hit::Lookup;
use crate::engine::job::code;
use crate::engine::observer::Damaged;
use crate::engine::schedule::{News, NodePhase};
use crate::fsio;
use crate::hash::Digest;
use crate::stage::{Artifact, ArtifactKind, Event, StageError};
use crate::store::{ActionRecord, Store, Verdict};

/// How much of a failed stage's log is shown, in bytes.
const TAIL: u64 = 4096;

impl Run<'_> {
    /// Takes in the end of a job. Its verdict is in the store. A job that was killed before it wrote a verdict has failed,
    /// unless its outputs are there.
    pub(super) fn conclude(&mut self, index: usize, job: &RunningJob, exit: &Exit) {
        self.node(index).seconds += job.since.elapsed().as_secs_f64();
        // A killed job could not tidy up; its scratch stays, to go on from.
        let _ = tidy(&job.folder);
        if let Err(failure) = self.judge(index, job, exit) {
            self.fail(index, failure, Some(job));
        }
    }

    fn judge(&mut self, index: usize, job: &RunningJob, exit: &Exit) -> Result<(), NodeFailure> {
        let store = self.context.store;
        let stopping = self.schedule.is_stopping();
        match store.execution(&job.id)?.map(|execution| execution.verdict) {
            Some(Verdict::Done { reused }) => match store.record(&job.key)? {
                Some(record) => self.finish(index, Box::new(record), !reused),
                None => {
                    return Err(NodeFailure::setup(
                        "The stage finished, but its record is not in the store.",
                        "Run again.",
                    ));
                }
            },
            Some(Verdict::Busy) => self.wait_for_others(index, job.key, News::Held),
            Some(Verdict::Stopped) | Some(Verdict::Failed(StageError::Cancelled)) if stopping => self.interrupt(index),
            Some(Verdict::Stopped) => return Err(NodeFailure::Stage(StageError::Cancelled)),
            Some(Verdict::Failed(StageError::CorruptInput { digest })) => {
                if !self.remake(index, digest) {
                    return Err(NodeFailure::Stage(StageError::CorruptInput { digest }));
                }
            }
            Some(Verdict::Failed(error)) => return Err(NodeFailure::Stage(error)),
            None => match self.context.look_up(&job.key)? {
                // A node that runs again had a record before.
                Lookup::Done(record) if !self.node(index).again => self.finish(index, record, true),
                _ if stopping => self.interrupt(index),
                _ => return Err(unsaid(exit, job)),
            },
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, index: usize, record: Box<ActionRecord>, ran: bool) {
        let (key, metrics, warnings) = (record.key, record.metrics.clone(), record.warnings.clone());
        let node = self.node(index);
        let old = node.record.replace(record);
        (node.again, node.ran) = (false, node.ran || ran);
        node.message.clear();
        let seconds = node.seconds;
        // A measurement is never the same twice.
        if let (Some(old), true, false) = (old, ran, self.context.is_alone(index)) {
            self.compare(index, &old);
        }
        self.tell(index, News::Done);
        let node = self.label(index);
        if !ran {
            // A job that ran told them itself.
            for text in warnings {
                self.emit(RunEvent::NodeEvent { node: node.clone(), what: Event::Warning { text } });
            }
        }
        self.emit(match ran {
            true => RunEvent::NodeDone { node, key, seconds, metrics },
            false => RunEvent::NodeHit { node, key },
        });
    }

    /// A node that ran again under the same key should have made the same.
    fn compare(&mut self, index: usize, old: &ActionRecord) {
        let Some(new) = &self.nodes[&index].record else { return };
        let digest = |artifact: Option<&Artifact>| artifact.map(|artifact| artifact.digest);
        let names = new.outputs.keys().chain(old.outputs.keys().filter(|name| !new.outputs.contains_key(*name)));
        let mut differ: Vec<String> = names
            .filter(|name| old.key == new.key && digest(old.outputs.get(*name)) != digest(new.outputs.get(*name)))
            .map(|name| format!("`{name}`"))
            .collect();
        if old.key == new.key && old.metrics != new.metrics {
            differ.push("its figures".to_owned());
        }
        if !differ.is_empty() {
            let node = self.label(index);
            let text = format!(
                "`{node}` is not reproducible: with the same inputs it made other {} than before. The new outputs are \
                 kept.",
                differ.join(", ")
            );
            self.emit(RunEvent::Warning { node: Some(node), text });
        }
    }

    /// Lets the maker of a damaged input run again, and then the node. False if that is of no use: the node has failed.
    fn remake(&mut self, index: usize, digest: Digest) -> bool {
        let store = self.context.store;
        let needs = self.context.pipeline.nodes[index].needs();
        let makes = |need: &usize| {
            let record = self.nodes.get(need).and_then(|node| node.record.as_ref());
            record.is_some_and(|record| record.outputs.values().any(|artifact| holds(store, artifact, &digest)))
        };
        let maker = needs.iter().copied().find(makes);
        let was_done = maker.is_some_and(|maker| self.phase(maker) == NodePhase::Done);
        self.tell(index, News::Corrupt { maker: maker.map(|maker| self.place(maker)) });
        let Some(maker) = maker.filter(|_| self.phase(index) != NodePhase::Failed) else { return false };
        if was_done {
            self.node(maker).again = true;
        }
        let (node, wanted_by) = (self.label(maker), self.label(index));
        self.emit(RunEvent::NodeRemade { node, wanted_by, digest });
        true
    }

    /// Lets nodes that are done, and whose outputs turned out to be damaged or gone, be looked up again, and so run. False
    /// if that is of no use, or if there are none.
    pub(super) fn make_again(&mut self, damaged: &[Damaged]) -> bool {
        let indices: Vec<usize> = self.nodes.keys().copied().collect();
        let mut any = false;
        for Damaged { node, digest } in damaged {
            let Some(&index) = indices.get(*node) else { continue };
            let was_done = self.phase(index) == NodePhase::Done;
            self.tell(index, News::Damaged);
            if was_done && self.phase(index) != NodePhase::Done {
                let text = format!("its output {} is damaged or gone, and is made again.", digest.short());
                let node = Some(self.label(index));
                self.show_to_others();
                self.emit(RunEvent::Warning { node, text });
                any = true;
            }
        }
        any
    }

    pub(super) fn fail(&mut self, index: usize, failure: NodeFailure, job: Option<&RunningJob>) {
        let log = job.map(|job| job.folder.join(LOG));
        let tail = log.as_ref().and_then(|log| fsio::tail(log, TAIL).ok()).unwrap_or_default();
        let node = self.node(index);
        node.message = format!("{failure} {}", failure.hint()).trim_end().to_owned();
        if self.phase(index) != NodePhase::Failed {
            self.tell(index, News::Failed);
        }
        let node = self.label(index);
        self.emit(RunEvent::NodeFailed { node, failure, tail, log });
    }

    fn interrupt(&mut self, index: usize) {
        "Stopped at the user's wish.".clone_into(&mut self.node(index).message);
        self.tell(index, News::Interrupted);
        let node = self.label(index);
        self.emit(RunEvent::NodeInterrupted { node });
    }
}

/// Why a job has failed that wrote no verdict.
fn unsaid(exit: &Exit, job: &RunningJob) -> NodeFailure {
    let place = job.folder.display();
    match exit {
        Exit::Signal(signal) => NodeFailure::Killed { signal: *signal, name: signal_name(*signal) },
        Exit::Code(code) if *code == i32::from(code::FULL) => NodeFailure::Setup {
            message: format!(
                "The verdict of the job at `{place}` could not be written: no storage space (No space left)."
            ),
            hint: "Free some space or move the store (`--store PATH`), then run again.".to_owned(),
            full: true,
        },
        Exit::Code(code) if *code == i32::from(code::UNRECORDED) => {
            let message = format!("The verdict of the job at `{place}` could not be written; its log says why.");
            NodeFailure::setup(message, "Look into its log.")
        }
        Exit::Code(code) => NodeFailure::Exited { code: *code },
        Exit::Unknown(error) => NodeFailure::setup(format!("Could not wait for the stage's process: {error}"), ""),
    }
}

/// Whether an output is the object, or a tree that holds it.
fn holds(store: &Store, artifact: &Artifact, digest: &Digest) -> bool {
    artifact.digest == *digest
        || artifact.kind == ArtifactKind::Tree
            && store.listing(&artifact.digest).is_ok_and(|files| files.values().any(|entry| entry.digest == *digest))
}
