//! The plan: what is done, what runs, what depends on what runs, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Error;
use super::explain::{History, Why};
use super::hit::{Conditions, Context, Lookup};
use super::options::Options;
use super::outside::{Outside, gather, unsuited};
use super::programs;
use crate::dag;
use crate::hash::Digest;
use crate::pipeline::key::Preimage;
use crate::pipeline::{Pipeline, Source};
use crate::stage::{Outputs, Registry};
use crate::store::{ActionRecord, Store};
use crate::syntax::{Diagnostic, Diagnostics};

/// What a run would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The nodes wanted and all they need, each after what it needs.
    pub nodes: Vec<Planned>,
    /// What of the place where jobs run enters keys.
    pub(super) conditions: Conditions,
    /// The nodes that run even if they are done.
    pub(super) forced: BTreeSet<usize>,
    /// What the nodes take from outside the store.
    pub(super) outside: BTreeMap<usize, Outside>,
}

/// What a run would do with one node.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The node's index in the pipeline.
    pub node: usize,
    /// Whether it is done.
    pub state: State,
}

/// Whether a node is done.
#[derive(Debug, Clone)]
pub enum State {
    /// It is in the store.
    Hit {
        /// Its action key.
        key: Digest,
        /// The key's components.
        preimage: Preimage,
        /// What it made.
        record: Box<ActionRecord>,
    },
    /// It runs.
    Run {
        /// Its action key.
        key: Digest,
        /// The key's components.
        preimage: Preimage,
        /// Why it is not taken from the store.
        why: Why,
    },
    /// Its key is known only when others are done. If they give what they gave before, it may still be a hit.
    Depends {
        /// The nodes of the pipeline that it waits for: those of its inputs that are not done.
        on: Vec<usize>,
        /// What is known by now.
        why: Why,
    },
}

impl Plan {
    /// Whether nothing is left to run.
    pub fn is_done(&self) -> bool {
        self.nodes.iter().all(|planned| matches!(planned.state, State::Hit { .. }))
    }
}

/// Makes the plan: digests what the wanted nodes read from outside, and consults the store.
///
/// # Errors
/// Unknown names in `only` and `force`, a training that would run though `no_train` forbids it, all missing roots, files and programs, a device that is missing or cannot compute as a
/// node that runs asks, a store that refuses.
pub fn plan(pipeline: &Pipeline, registry: &Registry, store: &Store, options: &Options) -> Result<Plan, Error> {
    let context = Context { pipeline, registry, store, options };
    let wanted = wanted(&context)?;
    let forced = match options.force.is_empty() {
        true => BTreeSet::new(),
        false => pipeline.select(&options.force).map_err(Error::Selection)?,
    };
    if let Some(idle) = forced.iter().find(|node| !wanted.contains(node)) {
        let name = pipeline.node_name(*idle);
        let fault = Diagnostic::unplaced(format!("`--force` names `{name}`, which `--only` leaves out."))
            .hint("Name it in `--only` too, or leave `--only` out.");
        return Err(Error::Selection(Diagnostics::one(fault)));
    }
    let outside = gather(pipeline, registry, store, options, &wanted)?;
    let executor = options.executor();
    let mut kinds = wanted.iter().filter_map(|&node| registry.kind(&pipeline.nodes[node].kind));
    let mut conditions = Conditions::default();
    if kinds.clone().any(|kind| kind.computes()) {
        conditions.numeric = executor.profile(registry, &options.device)?;
    }
    if kinds.any(|kind| kind.measures()) {
        conditions.machine = executor.machine(options.threads)?;
    }
    let mut history = History::new(store, &pipeline.name);
    let mut done: BTreeMap<usize, Outputs> = BTreeMap::new();
    let mut nodes = Vec::with_capacity(wanted.len());
    let mut lacking = Vec::new();
    for index in wanted {
        let node = &pipeline.nodes[index];
        let forced = forced.contains(&index);
        let on: Vec<usize> = node.needs().into_iter().filter(|need| !done.contains_key(need)).collect();
        let outputs = |need: usize| done.get(&need).cloned().unwrap_or_default();
        let preimage = context.preimage(index, &outside, &conditions, &outputs)?;
        let state = if !on.is_empty() {
            let waits = |sources: &Vec<Source>| sources.iter().any(|s| matches!(s, Source::Node(n) if on.contains(n)));
            let unknown: Vec<&str> =
                node.inputs.iter().filter(|(_, sources)| waits(sources)).map(|(slot, _)| slot.as_str()).collect();
            let why = if forced { Why::Forced } else { history.why(node, &preimage, &unknown)? };
            State::Depends { on, why }
        } else {
            let key = preimage.digest();
            match context.look_up(&key)? {
                _ if forced => State::Run { key, preimage, why: Why::Forced },
                Lookup::Done(record) => {
                    done.insert(index, record.outputs.clone());
                    State::Hit { key, preimage, record }
                }
                Lookup::OutputMissing(digest) => State::Run { key, preimage, why: Why::OutputMissing(digest) },
                Lookup::Nothing => {
                    let why = history.why(node, &preimage, &[])?;
                    State::Run { key, preimage, why }
                }
            }
        };
        if !matches!(state, State::Hit { .. })
            && let Some(kind) = registry.kind(&node.kind)
        {
            let refused = |error| Error::Refused(pipeline.node_name(index), error);
            executor.runs_on(kind, &node.params, &options.device).map_err(refused)?;
            let programs = kind.programs(&node.params).map_err(refused)?;
            lacking.extend(unsuited(pipeline, registry, &outside, index));
            lacking.extend(programs::lacking(&node.stage, &programs, &outside[&index].files));
        }
        nodes.push(Planned { node: index, state });
    }
    if options.no_train {
        refuse_trainings(&context, &nodes)?;
    }
    if !lacking.is_empty() {
        return Err(Error::Inputs(lacking.into_iter().collect()));
    }
    Ok(Plan { nodes, conditions, forced, outside })
}

/// Refuses trainings that are not done, all in one error. One that waits for others counts as well: whether it is done is
/// known only when they are.
fn refuse_trainings(context: &Context<'_>, nodes: &[Planned]) -> Result<(), Error> {
    let Context { pipeline, registry, .. } = *context;
    let trains =
        |planned: &&Planned| registry.kind(&pipeline.nodes[planned.node].kind).is_some_and(|kind| kind.trains());
    let open = nodes.iter().filter(|planned| !matches!(planned.state, State::Hit { .. })).filter(trains);
    let names: Vec<String> = open.map(|planned| pipeline.node_name(planned.node).to_string()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let shown = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let fault = Diagnostic::unplaced(format!("A training would run, which `--no-train` forbids: {shown}{more}."))
        .hint("Leave `--no-train` out, or name with `--only` stages that need no training. `repro plan` says why a stage runs.");
    Err(Error::Selection(Diagnostics::one(fault)))
}

/// How many trainings an error names.
const NAMED: usize = 8;

/// The nodes wanted and all they need, each after what it needs. Nodes that neither wait for others nor compute, as
/// those that read a data set, come first: their faults are reported before hours of training, not after them.
fn wanted(context: &Context<'_>) -> Result<Vec<usize>, Error> {
    let Context { pipeline, registry, options, .. } = *context;
    // A pipeline's nodes are in topological order already.
    let mut wanted: Vec<usize> = match options.only.is_empty() {
        true => (0..pipeline.nodes.len()).collect(),
        false => {
            let named = pipeline.select(&options.only).map_err(Error::Selection)?;
            dag::closure(named, |node| pipeline.nodes[node].needs()).into_iter().collect()
        }
    };
    let computes = |node: usize| registry.kind(&pipeline.nodes[node].kind).is_some_and(|kind| kind.computes());
    wanted.sort_by_key(|&node| computes(node) || !pipeline.nodes[node].needs().is_empty());
    Ok(wanted)
}
