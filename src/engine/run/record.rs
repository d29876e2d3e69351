//! The run record: what a run tells while it goes on, and leaves to be looked up later.

use std::time::Duration;

use super::state::{NodeRun, Run};
use crate::engine::event::RunEvent;
use crate::engine::hit::Context;
use crate::engine::log::{EventLog, FORMAT, LogLine, Passes};
use crate::engine::machine;
use crate::engine::plan::State;
use crate::engine::schedule::NodePhase;
use crate::fsio;
use crate::store::{self, RunNodeRecord, RunRecord, RunStatus, Status, rfc3339};

impl Run<'_> {
    pub(super) fn status(&self) -> RunStatus {
        let any = |test: fn(NodePhase) -> bool| self.schedule.phases().any(test);
        if any(|phase| phase == NodePhase::Failed) {
            RunStatus::Failed
        } else if any(|phase| phase != NodePhase::Done) {
            RunStatus::Interrupted
        } else {
            RunStatus::Done
        }
    }

    pub(super) fn record(&self, status: RunStatus) -> RunRecord {
        let Context { pipeline, options, .. } = self.context;
        RunRecord {
            format: RunRecord::FORMAT,
            number: self.claim.number(),
            id: self.claim.id().to_owned(),
            pipeline: pipeline.name.clone(),
            file: pipeline.file.display().to_string(),
            profile: pipeline.profile.clone(),
            sets: pipeline.sets.clone(),
            only: options.only.clone(),
            resolved: pipeline.resolved.clone(),
            started: rfc3339(self.started),
            finished: (status != RunStatus::Running).then(|| rfc3339(fsio::now())),
            status,
            device: options.device.to_string(),
            nodes: self.nodes.iter().map(|(index, node)| self.node_record(*index, node)).collect(),
            machine: fsio::machine(),
            versions: machine::versions(),
            numeric: self.plan.conditions.numeric.clone(),
            params: pipeline.stages.iter().map(|(name, stage)| (name.clone(), stage.params.clone())).collect(),
        }
    }

    /// Begins the journal and the event log of a run that had nothing to do when it was planned.
    pub(super) fn show_to_others(&mut self) {
        if self.journal.is_none() && self.plan.is_done() {
            if let Err(error) = self.open_log() {
                self.unlogged(&error);
            }
            let line = LogLine::new(Duration::ZERO, self.began());
            if let Some(log) = &mut self.log
                && let Err(error) = log.write(&line)
            {
                self.unlogged(&error);
            }
            match self.context.store.begin_run(self.claim, &self.record(RunStatus::Running)) {
                Ok(journal) => self.journal = Some(journal),
                Err(error) => self.tell_unseen(&error),
            }
        }
    }

    /// Tells the journal what changed since it was last written.
    pub(super) fn write_journal(&mut self) {
        if self.changed.is_empty() {
            return;
        }
        let Some(mut journal) = self.journal.take() else { return };
        for index in std::mem::take(&mut self.changed) {
            let Some(known) = self.nodes.get(&index) else { continue };
            let node = self.node_record(index, known);
            let now = (node.status, node.message.clone());
            if known.told.as_ref() != Some(&now) {
                let new = known.told.is_none() || node.status != Status::Waiting;
                journal.note(index, &node, new);
                self.nodes.entry(index).and_modify(|known| known.told = Some(now));
            }
        }
        match journal.write() {
            Ok(()) => self.journal = Some(journal),
            Err(error) => self.tell_unseen(&error.into()),
        }
    }

    fn tell_unseen(&mut self, error: &store::Error) {
        let text = format!("Others do not see how this run goes on. {error} {}", error.hint());
        self.emit(RunEvent::Warning { node: None, text });
    }

    fn node_record(&self, index: usize, known: &NodeRun) -> RunNodeRecord {
        let (node, phase) = (&self.context.pipeline.nodes[index], self.phase(index));
        let done = known.record.as_ref().filter(|_| phase == NodePhase::Done);
        let status = match phase {
            NodePhase::Done if known.ran => Status::Ran,
            NodePhase::Done => Status::Hit,
            NodePhase::Failed => Status::Failed,
            NodePhase::Running => Status::Running,
            NodePhase::Interrupted => Status::Interrupted,
            NodePhase::Skipped => Status::Skipped,
            NodePhase::Waiting | NodePhase::Ready | NodePhase::Held => Status::Waiting,
        };
        let idle = matches!(status, Status::Hit | Status::Skipped | Status::Waiting);
        RunNodeRecord {
            stage: node.stage.clone(),
            iteration: node.iteration,
            kind: node.kind.clone(),
            yields: self
                .context
                .registry
                .kind(&node.kind)
                .map(|kind| kind.yields().name.to_owned())
                .unwrap_or_default(),
            recipe: node.recipe,
            key: known.key,
            status,
            seconds: known.seconds,
            job: known.job.clone().filter(|_| !idle),
            outputs: done.map(|record| record.outputs.clone()).unwrap_or_default(),
            metrics: done.map(|record| record.metrics.clone()).unwrap_or_default(),
            warnings: done.map(|record| record.warnings.clone()).unwrap_or_default(),
            preimage: known.preimage.0.clone(),
            message: known.message.clone(),
        }
    }

    pub(super) fn tell_notices(&mut self) {
        for text in self.context.store.take_notices() {
            self.emit(RunEvent::Warning { node: None, text });
        }
    }

    /// The first event of the run.
    pub(super) fn began(&self) -> RunEvent {
        let done = self.plan.nodes.iter().filter(|planned| matches!(planned.state, State::Hit { .. })).count();
        let (run, pipeline) = (self.claim.id().to_owned(), self.context.pipeline.name.clone());
        RunEvent::RunStarted { format: FORMAT, run, pipeline, nodes: self.plan.nodes.len(), done }
    }

    /// Begins the run's event log.
    pub(super) fn open_log(&mut self) -> fsio::Result<()> {
        self.log = Some(EventLog::create(&self.context.store.new_events(self.claim))?);
        Ok(())
    }

    /// Reports an event. The journal is written first, so that each node reported as done is on record even after a kill.
    pub(super) fn emit(&mut self, event: RunEvent) {
        self.write_journal();
        match self.sieve.pass(&event, self.now()) {
            Passes::Yes => self.say(event),
            Passes::No => {}
            Passes::NoMoreTexts => {
                let text = "The stages say more than is shown here; their own logs have all of it.".to_owned();
                self.say(RunEvent::Warning { node: None, text });
            }
        }
    }

    fn say(&mut self, event: RunEvent) {
        let line = LogLine::new(self.now(), event);
        if let Some(mut log) = self.log.take() {
            match log.write(&line) {
                Ok(()) => self.log = Some(log),
                Err(error) => self.unlogged(&error),
            }
        }
        self.observer.event(&line);
    }

    fn unlogged(&mut self, error: &fsio::Error) {
        let text = format!("Others do not see what this run tells. {error} {}", error.hint());
        self.say(RunEvent::Warning { node: None, text });
    }
}
