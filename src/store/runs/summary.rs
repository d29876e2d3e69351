//! Runs as a list shows them: a line each, with the figures of their nodes, newest first.
//!
//! Invariants:
//! - of a run that ended, only the head is read until it is known to be wanted;
//! - runs that share a list of nodes, or a plan, have it read once.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde::Deserialize;

use super::format::{self, Stored};
use super::names::RunName;
use super::record::{RunLine, RunNodeRecord};
use crate::hash::Digest;
use crate::stage::Value;
use crate::store::error::{Error, Result};
use crate::store::root::Store;

/// A run in a list.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// The run on a line.
    pub line: RunLine,
    /// The figures of its nodes that have some, in topological order.
    pub figures: Rc<Vec<NodeFigures>>,
    /// The complete parameters by stage; empty where they were not asked for.
    pub params: Rc<BTreeMap<String, Value>>,
}

/// The figures of a node.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NodeFigures {
    /// The stage, with its cell in the matrix.
    pub stage: String,
    /// The iteration, from 1, where the stage has several.
    #[serde(default)]
    pub iteration: Option<u32>,
    /// The kind.
    #[serde(default)]
    pub kind: String,
    /// Single figures.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
}

/// What several runs share and was read before, by the digest of the list that holds it.
#[derive(Default)]
struct Read {
    figures: HashMap<Digest, Rc<Vec<NodeFigures>>>,
    params: HashMap<Digest, Rc<BTreeMap<String, Value>>>,
}

impl Store {
    /// The runs of a pipeline, or all, for which `keep` holds, newest first, each read when it is asked for; with their
    /// parameters if `params` is set. A run of which a part is lost is listed without that part, and a notice tells it.
    ///
    /// # Errors
    /// The disk's.
    pub fn run_summaries(
        &self,
        pipeline: Option<&str>,
        params: bool,
        keep: impl Fn(&RunLine) -> bool,
    ) -> Result<impl Iterator<Item = Result<RunSummary>>> {
        let of = pipeline.map(str::to_owned);
        let mut read = Read::default();
        let wanted = move |line: &RunLine| of.as_ref().is_none_or(|of| *of == line.pipeline) && keep(line);
        let summary = move |entry: RunName| self.summary(&entry, params, &wanted, &mut read).transpose();
        Ok(self.newest_first(pipeline)?.into_iter().filter_map(summary))
    }

    fn summary(
        &self,
        entry: &RunName,
        params: bool,
        wanted: &dyn Fn(&RunLine) -> bool,
        read: &mut Read,
    ) -> Result<Option<RunSummary>> {
        let alive = self.is_alive(entry)?;
        let Some(stored) = self.stored(entry)? else { return Ok(None) };
        if let Some(lists) = &stored.lists
            && let Some(nodes) = lists.nodes
        {
            let line = format::ended_line(&stored.run, lists);
            if !wanted(&line) {
                return Ok(None);
            }
            let figures = match read.figures.get(&nodes) {
                Some(figures) => figures.clone(),
                None => {
                    let figures = Rc::new(self.node_figures(entry, &nodes)?);
                    read.figures.insert(nodes, figures.clone());
                    figures
                }
            };
            let params = match lists.plan.filter(|_| params) {
                Some(plan) => match read.params.get(&plan) {
                    Some(params) => params.clone(),
                    None => {
                        let params = Rc::new(self.plan_params(entry, stored, plan)?);
                        read.params.insert(plan, params.clone());
                        params
                    }
                },
                None => Rc::default(),
            };
            return Ok(Some(RunSummary { line, figures, params }));
        }
        let Some(run) = self.complete(entry, stored, alive)? else { return Ok(None) };
        let line = format::line_of_nodes(&run);
        let figures = |node: &RunNodeRecord| NodeFigures {
            stage: node.stage.clone(),
            iteration: node.iteration,
            kind: node.kind.clone(),
            metrics: node.metrics.clone(),
        };
        let figures = run.nodes.iter().filter(|node| !node.metrics.is_empty()).map(figures).collect();
        let params = if params { run.params } else { BTreeMap::new() };
        Ok(wanted(&line).then(|| RunSummary { line, figures: Rc::new(figures), params: Rc::new(params) }))
    }

    fn node_figures(&self, entry: &RunName, nodes: &Digest) -> Result<Vec<NodeFigures>> {
        let Some(lines) = self.lines_if_sound(entry, nodes)? else { return Ok(Vec::new()) };
        let figures = lines.iter().filter_map(|line| serde_json::from_str::<NodeFigures>(line).ok());
        Ok(figures.filter(|node| !node.metrics.is_empty()).collect())
    }

    fn plan_params(&self, entry: &RunName, stored: Stored, plan: Digest) -> Result<BTreeMap<String, Value>> {
        let mut run = stored.run;
        format::read_plan(&mut run, &self.lines_if_sound(entry, &plan)?.unwrap_or_default());
        Ok(run.params)
    }

    /// The lines of a list; none if it is damaged or gone, which is reported.
    fn lines_if_sound(&self, entry: &RunName, list: &Digest) -> Result<Option<Vec<Rc<str>>>> {
        match self.lines(list) {
            Err(error @ (Error::Corrupt { .. } | Error::Missing(_) | Error::Newer { .. })) => {
                self.notice(format!("A part of the record of run {} is lost. {error}", entry.id));
                Ok(None)
            }
            result => result.map(Some),
        }
    }
}
