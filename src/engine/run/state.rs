//! What is known of a run and its nodes while it goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::engine::executor::Executor;
use crate::engine::hit::Context;
use crate::engine::log::{EventLog, Sieve};
use crate::engine::observer::Observer;
use crate::engine::plan::{Plan, Planned};
use crate::engine::schedule::{News, NodePhase, Place, Rules, Schedule};
use crate::fsio;
use crate::hash::Digest;
use crate::pipeline::key::Preimage;
use crate::stage::{Cancel, NodeName};
use crate::store::{ActionRecord, ExecutionId, Journal, RunClaim, Status};

/// How long a request to stop, or at first a freed lock, may go unnoticed.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// How often the makers of a node's damaged inputs run again before it is given up.
const REMAKES: usize = 2;

/// One node of the plan while it runs.
#[derive(Default)]
pub(super) struct NodeRun {
    /// Whether to run even if there is a record: the user's wish, or a damaged output.
    pub again: bool,
    /// Whether it ran in this run.
    pub ran: bool,
    pub key: Option<Digest>,
    pub preimage: Preimage,
    pub record: Option<Box<ActionRecord>>,
    pub seconds: f64,
    pub message: String,
    /// The last job that was started for it.
    pub job: Option<String>,
    /// What the journal says of it.
    pub told: Option<(Status, String)>,
}

/// A job that was submitted and has not ended.
pub(super) struct RunningJob {
    /// The action key that it makes.
    pub key: Digest,
    pub id: ExecutionId,
    pub folder: PathBuf,
    /// When it was submitted.
    pub since: Instant,
}

pub(super) struct Run<'a> {
    pub context: Context<'a>,
    pub plan: &'a Plan,
    pub claim: &'a RunClaim,
    /// None where nothing is to run, and once it could not be written.
    pub journal: Option<Journal>,
    /// The nodes that changed since the journal was last written.
    pub changed: BTreeSet<usize>,
    pub started: i128,
    pub begin: Instant,
    pub cancel: &'a Cancel,
    pub observer: &'a mut dyn Observer,
    /// None where nothing is to run, and once it could not be written.
    pub log: Option<EventLog>,
    pub sieve: Sieve,
    /// The nodes by their number in the pipeline.
    pub nodes: BTreeMap<usize, NodeRun>,
    /// Their places in the plan.
    places: BTreeMap<usize, Place>,
    pub schedule: Schedule,
    pub executor: Box<dyn Executor>,
    /// What runs, by the node.
    pub jobs: BTreeMap<usize, RunningJob>,
    /// How often each action key was started: each start has a job folder of its own.
    pub launches: BTreeMap<Digest, usize>,
}

impl<'a> Run<'a> {
    pub fn new(
        context: Context<'a>,
        plan: &'a Plan,
        claim: &'a RunClaim,
        cancel: &'a Cancel,
        observer: &'a mut dyn Observer,
    ) -> Self {
        let options = context.options;
        let places: BTreeMap<usize, Place> =
            plan.nodes.iter().enumerate().map(|(place, planned)| (planned.node, place)).collect();
        let jobs = options.jobs.max(1);
        let needs = plan.nodes.iter().map(|planned| {
            let needs = context.pipeline.nodes[planned.node].needs();
            // Each stage that runs takes one of the jobs, and one that measures takes them all.
            let takes = if context.is_alone(planned.node) { jobs } else { 1 };
            (needs.iter().map(|need| places[need]).collect(), vec![takes])
        });
        let checks = |planned: &&Planned| {
            let node = &context.pipeline.nodes[planned.node];
            node.needs().is_empty() && context.registry.kind(&node.kind).is_some_and(|kind| kind.checks())
        };
        let rules = Rules {
            room: vec![jobs],
            keep_going: options.keep_going,
            checks: plan.nodes.iter().filter(checks).map(|planned| places[&planned.node]).collect(),
            grace: options.grace,
            retry: TICK,
            remakes: REMAKES,
        };
        let schedule = Schedule::new(needs, rules);
        let node = |index: &usize| NodeRun { again: plan.forced.contains(index), ..NodeRun::default() };
        Run {
            context,
            plan,
            claim,
            journal: None,
            changed: places.keys().copied().collect(),
            started: fsio::now(),
            begin: Instant::now(),
            cancel,
            observer,
            log: None,
            sieve: Sieve::default(),
            nodes: places.keys().map(|index| (*index, node(index))).collect(),
            places,
            schedule,
            executor: options.executor(),
            jobs: BTreeMap::new(),
            launches: BTreeMap::new(),
        }
    }

    /// The time since the run began.
    pub fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    pub fn phase(&self, index: usize) -> NodePhase {
        self.schedule.phase(self.places[&index])
    }

    /// Tells the schedule what became of a node.
    pub fn tell(&mut self, index: usize, news: News) {
        let now = self.now();
        self.schedule.tell(self.places[&index], news, now);
        self.changed.insert(index);
    }

    /// The place of a node in the plan.
    pub fn place(&self, index: usize) -> Place {
        self.places[&index]
    }

    /// The number in the pipeline of the node at a place in the plan.
    pub fn index(&self, place: Place) -> usize {
        self.plan.nodes[place].node
    }

    pub fn label(&self, index: usize) -> NodeName {
        self.context.pipeline.node_name(index)
    }

    /// A node of the plan, to be changed; every index in here is one.
    pub fn node(&mut self, index: usize) -> &mut NodeRun {
        self.changed.insert(index);
        self.nodes.entry(index).or_default()
    }
}
