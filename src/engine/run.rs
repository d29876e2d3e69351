//! Execution: one loop that consults the store, starts children, listens to them, and writes the run record.
//!
//! A node goes from [`Phase::Pending`] (inputs not done) over [`Phase::Ready`] (key known, not in the store) to
//! [`Phase::Running`], or waits as [`Phase::Held`] while somebody else holds its lock, and ends as done, failed or
//! interrupted. What is still pending when nothing more can start is skipped.
//!
//! Whatever becomes of a node goes to the run's journal at once, so that others see it, and a kill loses nothing of it.

mod outcome;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::identity::{Context, Known};
use super::job::{Check, FORMAT, Frame, JobFile};
use super::launch::{Message, Running, launch};
use super::report::{Failure, NodeLabel, RunEvent};
use super::{Error, Options, Plan};
use crate::fsio;
use crate::hash::Digest;
use crate::pipeline::key::Preimage;
use crate::pipeline::{Pipeline, Source};
use crate::program;
use crate::stage::{Cancel, InputNode, Registry};
use crate::store::{self, ActionRecord, Journal, RunClaim, RunRecord, RunStatus, Status, Store};

/// How long a request to stop, or a freed lock, may go unnoticed.
const TICK: Duration = Duration::from_millis(100);

/// How often the makers of a node's damaged inputs run again before it is given up.
const REMAKES: usize = 2;

/// How much of a failed stage's log is shown, in bytes.
const TAIL: u64 = 4096;

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Pending,
    Ready,
    Held { asked: Instant },
    Running,
    Done,
    Failed,
    Interrupted,
    Skipped,
}

/// One node of the plan while it runs.
struct Progress {
    phase: Phase,
    /// Whether to run even if there is a record: the user's wish, or a damaged output.
    again: bool,
    /// Whether it ran in this run.
    ran: bool,
    key: Option<Digest>,
    preimage: Preimage,
    record: Option<Box<ActionRecord>>,
    seconds: f64,
    remakes: usize,
    message: String,
    /// What the journal says of it.
    told: Option<(Status, String)>,
}

struct Run<'a> {
    context: Context<'a>,
    plan: &'a Plan,
    claim: &'a RunClaim,
    /// None where nothing is to run, and once it could not be written.
    journal: Option<Journal>,
    /// The nodes that changed since the journal was last written.
    changed: BTreeSet<usize>,
    started: i128,
    cancel: &'a Cancel,
    sink: &'a mut dyn FnMut(RunEvent),
    nodes: BTreeMap<usize, Progress>,
    children: BTreeMap<usize, Running>,
    /// How often each action key was started: each start has a job folder of its own.
    launches: BTreeMap<Digest, usize>,
    sender: Sender<(usize, Message)>,
    messages: Receiver<(usize, Message)>,
    /// No node is started any more.
    closed: bool,
    /// When children that were asked to stop are killed.
    deadline: Option<Instant>,
}

/// Carries out `plan`. A failed stage is not an error here: the record and the events tell it.
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
    sink: &mut dyn FnMut(RunEvent),
) -> Result<RunRecord, Error> {
    let begin = Instant::now();
    let unwritten = |error: &store::Error| error.is_denied() && plan.is_done();
    let claim = match store.claim_run(&pipeline.name) {
        Err(error) if unwritten(&error) => store.unclaimed_run(&pipeline.name)?,
        claim => claim?,
    };
    let (sender, messages) = channel();
    let mut run = Run {
        context: Context { pipeline, registry, store, options },
        plan,
        claim: &claim,
        journal: None,
        changed: plan.nodes.iter().map(|planned| planned.node).collect(),
        started: fsio::now(),
        cancel,
        sink,
        nodes: plan
            .nodes
            .iter()
            .map(|planned| (planned.node, Progress::new(plan.forced.contains(&planned.node))))
            .collect(),
        children: BTreeMap::new(),
        launches: BTreeMap::new(),
        sender,
        messages,
        closed: false,
        deadline: None,
    };
    let hits = plan.nodes.iter().filter(|planned| matches!(planned.state, super::State::Hit { .. })).count();
    let (id, name) = (claim.id().to_owned(), pipeline.name.clone());
    run.emit(RunEvent::RunStarted { run: id, pipeline: name, nodes: plan.nodes.len(), done: hits });
    if let Err(error) = store.sweep_runs()
        && !unwritten(&error)
    {
        let text = format!("What earlier runs left could not be removed. {error}");
        run.emit(RunEvent::Warning { node: None, text });
    }
    if !plan.is_done() {
        run.journal = Some(store.begin_run(&claim, &run.record(RunStatus::Running))?);
    }
    run.drive();
    let status = run.status();
    let record = run.record(status);
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
    run.emit(RunEvent::RunFinished {
        run: claim.id().to_owned(),
        status,
        ran: count(&|status| status == Status::Ran),
        hits: count(&|status| status == Status::Hit),
        failed: count(&|status| status == Status::Failed),
        skipped: count(&|status| matches!(status, Status::Skipped | Status::Interrupted)),
        seconds: begin.elapsed().as_secs_f64(),
    });
    match recorded {
        Ok(()) => Ok(record),
        Err(error) => Err(Error::Unrecorded(Box::new(record), error)),
    }
}

impl Progress {
    fn new(forced: bool) -> Self {
        Progress {
            phase: Phase::Pending,
            again: forced,
            ran: false,
            key: None,
            preimage: Preimage(BTreeMap::new()),
            record: None,
            seconds: 0.0,
            remakes: 0,
            message: String::new(),
            told: None,
        }
    }
}

impl Run<'_> {
    fn drive(&mut self) {
        self.write_journal();
        loop {
            if self.cancel.requested() {
                self.stop();
            }
            self.advance();
            self.tell_notices();
            self.write_journal();
            let waiting = self.nodes.values().any(|node| matches!(node.phase, Phase::Held { .. }));
            if self.children.is_empty() && (self.closed || !waiting) {
                break;
            }
            if let Ok((node, message)) = self.messages.recv_timeout(TICK) {
                self.hear(node, message);
            }
        }
        self.skip_the_rest();
    }

    /// Takes every node as far as it goes without waiting.
    fn advance(&mut self) {
        let order: Vec<usize> = self.plan.nodes.iter().map(|planned| planned.node).collect();
        for index in order {
            if self.closed {
                return;
            }
            let result = match self.nodes[&index].phase {
                Phase::Pending if self.inputs_done(index) => self.consult(index),
                Phase::Held { asked } if asked.elapsed() >= TICK => self.ask_again(index),
                _ => Ok(()),
            };
            let result = result.and_then(|()| match self.nodes[&index].phase {
                Phase::Ready if self.children.len() < self.context.options.jobs.max(1) => self.start(index),
                _ => Ok(()),
            });
            if let Err(failure) = result {
                self.fail(index, failure, None);
            }
        }
    }

    fn inputs_done(&self, index: usize) -> bool {
        let needs = self.context.pipeline.nodes[index].needs();
        needs.iter().all(|need| self.nodes.get(need).is_some_and(|node| node.phase == Phase::Done))
    }

    /// All inputs are done: computes the key and looks it up.
    fn consult(&mut self, index: usize) -> Result<(), Failure> {
        let outputs = |need: usize| {
            let record = self.nodes.get(&need).and_then(|node| node.record.as_ref());
            record.map(|record| record.outputs.clone()).unwrap_or_default()
        };
        let preimage = self.context.preimage(index, &self.plan.outside, &self.plan.numeric, &outputs)?;
        let key = preimage.digest();
        let known = self.context.known(&key)?;
        let node = self.node(index);
        (node.preimage, node.key, node.phase) = (preimage, Some(key), Phase::Ready);
        match known {
            Known::Done(record) if !node.again => self.finish(index, record, false),
            Known::Done(record) => node.record = Some(record),
            Known::OutputMissing(_) | Known::Nothing => {}
        }
        Ok(())
    }

    /// Somebody held the lock when it was last tried.
    fn ask_again(&mut self, index: usize) -> Result<(), Failure> {
        let Some(key) = self.nodes[&index].key else { return Ok(()) };
        if self.is_held(&key)? {
            self.node(index).phase = Phase::Held { asked: Instant::now() };
            return Ok(());
        }
        self.consult(index)
    }

    fn is_held(&self, key: &Digest) -> Result<bool, Failure> {
        Ok(self.children.values().any(|child| child.key == *key) || self.context.store.is_locked(key)?)
    }

    fn wait_for_others(&mut self, index: usize, key: Digest) {
        let progress = self.node(index);
        progress.phase = Phase::Held { asked: Instant::now() };
        "It waits for another stage that computes the same.".clone_into(&mut progress.message);
        let node = self.label(index);
        self.emit(RunEvent::NodeWaiting { node, key });
    }

    /// Starts a child, unless somebody holds the lock.
    fn start(&mut self, index: usize) -> Result<(), Failure> {
        let Some(key) = self.nodes[&index].key else { return Ok(()) };
        if self.is_held(&key)? {
            self.wait_for_others(index, key);
            return Ok(());
        }
        let launches = self.launches.entry(key).or_default();
        *launches += 1;
        let name = match launches {
            1 => key.to_string(),
            n => format!("{key}-{n}"),
        };
        let folder = self.context.store.jobs(self.claim.id()).join(name);
        let job = self.job(index, key)?;
        let path = folder.join("job.json");
        let text = serde_json::to_vec(&job).map_err(|error| Failure::setup(error, ""))?;
        self.context.store.make_way(&path)?;
        fsio::write_atomic(&path, &text)?;
        let folder = fsio::canonical(&folder)?;
        let program = (self.context.options.launcher)(&path)
            .map_err(|error| Failure::setup(format!("Could not find this program's own file: {error}."), ""))?;
        let child = launch(program, &folder, key, index, &self.sender)?;
        let (node, log) = (self.label(index), child.log());
        self.children.insert(index, child);
        let progress = self.node(index);
        progress.phase = Phase::Running;
        progress.message.clear();
        self.emit(RunEvent::NodeStarted { node, key, log });
        Ok(())
    }

    fn job(&self, index: usize, key: Digest) -> Result<JobFile, Failure> {
        let (node, options) = (&self.context.pipeline.nodes[index], self.context.options);
        let outside = self.plan.outside.get(&index).cloned().unwrap_or_default();
        let checks = outside.all().into_iter().zip(outside.all_digests());
        let input = |source: &Source| match source {
            Source::Node(need) => InputNode {
                outputs: self.nodes[need].record.as_ref().map(|record| record.outputs.clone()).unwrap_or_default(),
                root: self.plan.outside.get(need).and_then(|outside| outside.root.clone()),
            },
            Source::Run { node, .. } => {
                InputNode { outputs: node.outputs.clone(), root: outside.run_roots.get(&node.key).cloned() }
            }
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
            inputs: node
                .inputs
                .iter()
                .map(|(slot, sources)| (slot.clone(), sources.iter().map(input).collect()))
                .collect(),
            checks: checks.map(|(external, digest)| Check { path: external.path, digest }).collect(),
            files: outside.files,
            roots: outside.roots,
            device: options.device,
            threads: (options.threads / options.jobs.max(1)).max(1),
            grace: options.grace,
            force: self.nodes[&index].again,
        })
    }

    fn hear(&mut self, index: usize, message: Message) {
        match message {
            Message::Frame(Frame::Started { .. }) => {}
            Message::Frame(Frame::Event(what)) => {
                let node = self.label(index);
                self.emit(RunEvent::NodeEvent { node, what });
            }
            Message::Frame(verdict) => {
                if let Some(child) = self.children.get_mut(&index) {
                    child.verdict = Some(verdict);
                }
            }
            Message::Ended => {
                if let Some(child) = self.children.remove(&index) {
                    self.conclude(index, child);
                }
            }
        }
    }

    /// Asks all children to stop; kills them when the grace is over.
    fn stop(&mut self) {
        self.closed = true;
        match self.deadline {
            None => {
                self.deadline = Some(Instant::now() + self.context.options.grace);
                self.children.values_mut().for_each(Running::ask_to_stop);
            }
            Some(deadline) if Instant::now() >= deadline => self.children.values().for_each(Running::kill),
            Some(_) => {}
        }
    }

    fn skip_the_rest(&mut self) {
        let open = |node: &Progress| matches!(node.phase, Phase::Pending | Phase::Ready | Phase::Held { .. });
        let left: Vec<usize> = self.nodes.iter().filter(|(_, node)| open(node)).map(|(index, _)| *index).collect();
        for index in left {
            let needs = self.context.pipeline.nodes[index].needs();
            let undone = needs.iter().find(|need| self.nodes[need].phase != Phase::Done);
            let reason = match undone {
                Some(need) => format!("It needs `{}`, which is not done.", self.label(*need)),
                None => "The run stopped before.".to_owned(),
            };
            let progress = self.node(index);
            progress.phase = Phase::Skipped;
            progress.message.clone_from(&reason);
            let node = self.label(index);
            self.emit(RunEvent::NodeSkipped { node, reason });
        }
    }

    fn tell_notices(&mut self) {
        for text in self.context.store.take_notices() {
            self.emit(RunEvent::Warning { node: None, text });
        }
    }

    fn label(&self, index: usize) -> NodeLabel {
        let node = &self.context.pipeline.nodes[index];
        NodeLabel { stage: node.stage.clone(), iteration: node.iteration, kind: node.kind.clone() }
    }

    /// A node of the plan, to be changed; every index in here is one.
    fn node(&mut self, index: usize) -> &mut Progress {
        self.changed.insert(index);
        self.nodes.entry(index).or_insert_with(|| Progress::new(false))
    }

    /// Says what happened. The journal has it before: what was said to be done is on record, whoever is killed.
    fn emit(&mut self, event: RunEvent) {
        self.write_journal();
        (self.sink)(event);
    }
}
