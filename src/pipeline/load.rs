//! A pipeline's files into a checked graph: the passes, one after the other.
//!
//! Invariants:
//! - only loading reads files;
//! - all faults of a pass are told at once, and none that only follows from another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::earlier::{EarlierRuns, RunLookup};
use super::graph::{Origin, Pipeline, Stage};
use super::{agree, cells, declare, expand, follow, include, limits, matrix, overrides, resolved, set, variants};
use crate::fsio;
use crate::stage::Registry;
use crate::syntax::{Diagnostic, Diagnostics, Faults};

/// What to load.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The pipeline's file.
    pub file: PathBuf,
    /// The profile to apply.
    pub profile: Option<String>,
    /// Single changes, applied last and in order, as `train.steps=50`.
    pub sets: Vec<String>,
}

/// Reads, checks and expands a pipeline.
///
/// # Errors
/// The files have faults. All faults of the first pass that finds one are told.
pub fn load(request: &Request, registry: &Registry, runs: &dyn RunLookup) -> Result<Pipeline, Diagnostics> {
    let mut faults = Faults::default();
    if request.sets.len() > limits::SETS {
        let message = format!("There are more than {} `--set` arguments.", limits::SETS);
        return Err(Diagnostics::one(Diagnostic::unplaced(message).hint("State the changes as a profile.")));
    }
    let mut documents = include::load(&request.file, &mut faults)?;
    let mut declared = declare::stages(&mut documents, &mut faults);
    let Some(main) = documents.last() else { return Err(Diagnostics::new(faults)) };
    let mut stated = main.matrix.clone();
    if let Some(profile) = &request.profile {
        overrides::profile(profile, &documents, &mut declared, &mut stated, &mut faults);
    }
    let mut sets = Vec::new();
    if !request.sets.is_empty() {
        let folder = fsio::canonical(Path::new("."))
            .map_err(|error| Diagnostics::one(Diagnostic::unplaced(error.to_string()).hint(error.hint())))?;
        for argument in &request.sets {
            sets.extend(set::set(argument, &folder, &mut declared, &mut stated, &mut faults));
        }
    }
    let mut wrong = Faults::default();
    let matrix = matrix::read(stated.as_ref(), &declared, &sets, &mut wrong);
    if !wrong.is_empty() {
        faults.append(wrong);
        return Err(Diagnostics::new(faults));
    }
    let variants = variants::check(&declared, &matrix, registry, &mut faults);
    let targets = declare::targets(&documents, &mut faults);
    let mut runs = EarlierRuns::new(runs, registry);
    let order = follow::follow(&variants, &targets, &mut runs, &mut faults);
    let instances = cells::spread(&variants, &order, &matrix, &mut faults);
    agree::check(&instances, &mut faults);
    let nodes = expand::expand(&instances, &targets, &runs, &main.text.folder, &mut faults);
    faults.check()?;
    let mut by_stage: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, node) in nodes.iter().enumerate() {
        by_stage.entry(&node.stage).or_default().push(number);
    }
    let stages = instances.all.into_iter().filter_map(|instance| {
        let name = instance.name.to_string();
        let span = &declared.get(&instance.name.stage)?.name.span;
        let stage = Stage {
            kind: instance.checked.kind?.name().to_owned(),
            params: instance.params?,
            origin: Origin { file: span.text.name.clone(), line: span.line() },
            nodes: by_stage.get(name.as_str())?.clone(),
            target: targets.contains(&instance.name.stage),
            name: instance.name,
        };
        Some((name, stage))
    });
    let stages = stages.collect();
    Ok(Pipeline {
        name: main.name.clone(),
        file: request.file.clone(),
        folder: main.text.folder.clone(),
        profile: request.profile.clone(),
        profiles: overrides::profiles(&documents),
        sets: request.sets.clone(),
        resolved: resolved::text(&main.name, stated.as_ref(), &matrix, &order, &declared, &variants),
        earlier: runs.taken(),
        stages,
        nodes,
    })
}
