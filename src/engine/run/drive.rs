//! The loop of a run: it does what the schedule orders, and tells it what came of it.

use std::time::Duration;

use super::state::{Run, TICK};
use crate::engine::error::Error;
use crate::engine::event::RunEvent;
use crate::engine::executor::{JobEvent, Stop};
use crate::engine::failure::NodeFailure;
use crate::engine::hit::Context;
use crate::engine::observer::Observer;
use crate::engine::options::Options;
use crate::engine::plan::Plan;
use crate::engine::schedule::Instruction;
use crate::fsio;
use crate::pipeline::Pipeline;
use crate::stage::{Cancel, Registry};
use crate::store::{self, RunRecord, RunStatus, Status, Store};

/// Carries out `plan`. A failed stage is not an error here: the record and the events tell it. An output that turns out to
/// be damaged when the run has ended ([`Observer::ended`]) is made again in the same run.
///
/// # Errors
/// If the run record cannot be written: at the beginning, when nothing ran, or at the end, when all is done.
pub fn run(
    plan: &Plan,
    pipeline: &Pipeline,
    registry: &Registry,
    store: &Store,
    options: &Options,
    cancel: &Cancel,
    observer: &mut dyn Observer,
) -> Result<RunRecord, Error> {
    let unwritten = |error: &store::Error| error.is_denied() && plan.is_done();
    let claim = match store.claim_run(&pipeline.name) {
        Err(error) if unwritten(&error) => store.unclaimed_run(&pipeline.name)?,
        claim => claim?,
    };
    let context = Context { pipeline, registry, store, options };
    let mut run = Run::new(context, plan, &claim, cancel, observer);
    if !plan.is_done() {
        run.open_log().map_err(store::Error::from)?;
    }
    let began = run.began();
    run.emit(began);
    if let Err(error) = store.sweep_runs()
        && !unwritten(&error)
    {
        let text = format!("What earlier runs left could not be removed. {error}");
        run.emit(RunEvent::Warning { node: None, text });
    }
    if !plan.is_done() {
        run.journal = Some(store.begin_run(&claim, &run.record(RunStatus::Running))?);
    }
    let mut record = loop {
        run.drive();
        let record = run.record(run.status());
        let damaged = run.observer.ended(&record);
        if record.status != RunStatus::Done || !run.make_again(&damaged) {
            break record;
        }
    };
    // What belongs to the run beside its stages has taken its time.
    record.finished = Some(store::rfc3339(fsio::now()));
    let status = record.status;
    let recorded = match store.end_run(&claim, &record) {
        // Nothing was to be done, so nothing is lost but the record of that.
        Err(error) if unwritten(&error) => {
            let text = format!("This run leaves no record. {error}");
            run.emit(RunEvent::Warning { node: None, text });
            Ok(())
        }
        recorded => recorded,
    };
    run.tell_notices();
    let count = |test: &dyn Fn(Status) -> bool| record.nodes.iter().filter(|node| test(node.status)).count();
    let seconds = run.now().as_secs_f64();
    run.emit(RunEvent::RunFinished {
        run: claim.id().to_owned(),
        status,
        ran: count(&|status| status == Status::Ran),
        hits: count(&|status| status == Status::Hit),
        failed: count(&|status| status == Status::Failed),
        skipped: count(&|status| matches!(status, Status::Skipped | Status::Interrupted)),
        seconds,
    });
    match recorded {
        Ok(()) => Ok(record),
        Err(error) => Err(Error::Unrecorded(Box::new(record), error)),
    }
}

impl Run<'_> {
    fn drive(&mut self) {
        self.write_journal();
        loop {
            if self.cancel.requested() {
                self.schedule.cancel(self.now());
            }
            match self.schedule.next(self.now()) {
                Instruction::LookUp(place) => self.attempt(self.index(place), Self::look_up),
                Instruction::TryAgain(place) => self.attempt(self.index(place), Self::try_again),
                Instruction::Start(place) => self.attempt(self.index(place), Self::start),
                Instruction::AskToStop => self.cancel_jobs(Stop::Soon),
                Instruction::Kill => self.cancel_jobs(Stop::Now),
                Instruction::Wait(until) => self.wait(until),
                Instruction::Skip { node, needs } => self.skip(self.index(node), needs.map(|need| self.index(need))),
                Instruction::End => break,
            }
        }
        self.tell_notices();
    }

    fn attempt(&mut self, index: usize, what: fn(&mut Self, usize) -> Result<(), NodeFailure>) {
        if let Err(failure) = what(self, index) {
            self.fail(index, failure, None);
        }
    }

    fn cancel_jobs(&mut self, how: Stop) {
        for job in self.jobs.keys() {
            self.executor.cancel(*job, how);
        }
    }

    /// Hears what happens to jobs, for no longer than `until`.
    fn wait(&mut self, until: Option<Duration>) {
        self.tell_notices();
        self.write_journal();
        let most = until.map_or(TICK, |until| until.saturating_sub(self.now()).min(TICK));
        match self.executor.next(most) {
            Some((index, JobEvent::Said(what))) => {
                let node = self.label(index);
                self.emit(RunEvent::NodeEvent { node, what });
            }
            Some((index, JobEvent::Ended(exit))) => {
                if let Some(job) = self.jobs.remove(&index) {
                    self.conclude(index, &job, &exit);
                }
            }
            None => {}
        }
    }

    /// The node is not started any more.
    fn skip(&mut self, index: usize, needs: Option<usize>) {
        let reason = match needs {
            Some(need) => format!("It needs `{}`, which is not done.", self.label(need)),
            None => "The run stopped before.".to_owned(),
        };
        self.node(index).message.clone_from(&reason);
        let node = self.label(index);
        self.emit(RunEvent::NodeSkipped { node, reason });
    }
}
