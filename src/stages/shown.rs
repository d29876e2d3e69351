//! What stages left, as a report page and pictures take it: what [`super::page`], [`super::figure`] and [`super::curves`] share.
//!
//! They take `from`, a list of stages, and read every node of each; [`super::history`] has the slots. An input says neither its
//! cell of the matrix nor its stage, so expansion adds both to the parameters.

use std::collections::{BTreeMap, BTreeSet};

use crate::fsio;
use crate::hash::Digest;
use crate::page::{Fault, Files, Given, Source};
use crate::stage::params::{Param, Ref};
use crate::stage::{Artifact, DataFault, Extents, InputNode, Job, NodeSpec, ParamFault, StageError};
use crate::table::Table;

use super::data::Data;
use super::history;
use super::support;
use super::yields::INDEX;

/// The node of a stage that shows `from`, where the cells in the axes `over` repeat one another.
///
/// # Errors
/// Nothing is in cells of such an axis.
pub fn node(from: &[Ref], over: &[String], extents: &dyn Extents) -> Result<NodeSpec, Vec<ParamFault>> {
    let cells = history::cells_of(from, extents);
    let axes: BTreeSet<&String> = cells.iter().flatten().flat_map(|cell| cell.keys()).collect();
    let fault = |(at, axis): (usize, &String)| {
        let message = format!("Nothing that is shown is in cells of an axis `{axis}`.");
        let hint = match axes.is_empty() {
            true => "Only axes of the pipeline's matrix have repetitions. Leave `over` out.".to_owned(),
            false => {
                format!("The axes are {}.", axes.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", "))
            }
        };
        ParamFault::new(format!("over[{at}]"), message, hint)
    };
    let unknown = over.iter().enumerate().filter(|(_, axis)| !axes.contains(axis));
    let faults: Vec<ParamFault> = unknown.map(fault).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut node = history::node(from, extents);
    let roles = support::roles(from, extents);
    if roles.iter().enumerate().any(|(at, role)| at != *role) {
        node.set.push((support::ROLES, roles.write()));
    }
    Ok(node)
}

/// An error of what is shown, as `page` or `picture`: a stage's own, or what is wrong with the inputs.
pub fn own(what: &str, fault: Fault) -> StageError {
    match fault.downcast::<StageError>() {
        Ok(error) => *error,
        Err(fault) => {
            DataFault::new("from", format!("The {what} cannot be made: {fault}"), "Leave that stage out of `from`.")
                .into()
        }
    }
}

/// What the inputs left, in the order of `from`. Who wants to know of stages that nothing is shown of, hands over `unseen`: it
/// is told the number of the reference.
pub fn sources<'a>(
    from: &[Ref],
    job: &'a Job<'_>,
    mut unseen: impl FnMut(usize),
) -> Result<Vec<Source<'a>>, StageError> {
    let cells = support::cells(job)?;
    let roles: Vec<usize> = job.set(support::ROLES)?.unwrap_or_default();
    let mut sources = Vec::new();
    for reference in 0..from.len() {
        let stage = roles.get(reference).copied().unwrap_or(reference).to_string();
        let start = sources.len();
        for at in 0.. {
            let Some(nodes) = job.inputs.get(&history::slot(reference, at)) else { break };
            let cell = cells.get(reference).and_then(|cells| cells.get(at)).cloned().unwrap_or_default();
            for node in nodes {
                sources.push(Source { stage: stage.clone(), cell: cell.clone(), ..source(node)? });
            }
        }
        if !sources[start..].iter().any(Source::is_shown) {
            unseen(reference);
        }
    }
    Ok(sources)
}

fn source(node: &InputNode) -> Result<Source<'_>, StageError> {
    let outputs = node.outputs.iter().map(|(name, artifact)| (name.clone(), given(artifact))).collect();
    let digests: BTreeMap<String, Digest> =
        node.outputs.iter().map(|(name, artifact)| (name.clone(), artifact.digest)).collect();
    let files = match INDEX.of(node) {
        Some(_) => Some(Box::new(Photographs(Data::of(node)?)) as Box<dyn Files>),
        None => None,
    };
    Ok(Source { outputs, digests, files, ..Source::default() })
}

fn given(artifact: &Artifact) -> Box<dyn Given + '_> {
    Box::new(Stored(artifact))
}

/// An output of an input.
struct Stored<'a>(&'a Artifact);

impl Given for Stored<'_> {
    fn bytes(&self) -> Result<Vec<u8>, Fault> {
        Ok(support::content(self.0)?)
    }

    fn table(&self) -> Result<Table, Fault> {
        Ok(Table::from_canonical(&support::content(self.0)?)?)
    }

    fn files(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
        let there = names.iter().filter_map(|name| Some((name, self.0.tree.get(name)?)));
        there.map(|(name, file)| Ok((name.clone(), support::content(file)?))).collect()
    }
}

/// The images and labels of a data set.
struct Photographs(Data);

impl Files for Photographs {
    fn read(&self, path: &str, digest: &Digest) -> Result<Result<Vec<u8>, String>, Fault> {
        let bytes = fsio::read(&self.0.resolve(path)).map_err(StageError::from)?;
        if Digest::of(&bytes) == *digest {
            return Ok(Ok(bytes));
        }
        let hint = "Run again: the data set will be prepared anew.";
        let changed = DataFault::new(path, "The file changed since the data set was prepared.", hint);
        Err(self.0.blame(changed.into()).into())
    }
}
