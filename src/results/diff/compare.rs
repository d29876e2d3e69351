//! Compares runs. Times and run ids are shown, and are no difference.

use std::collections::BTreeSet;

use super::comparison::{ArtifactRow, ComparedRun, Comparison, MetricRow, SCHEMA, VERSION};
use super::pairs::{self, StageRow};
use super::sections::{Section, sections};
use super::side::{Origin, Side};
use super::{costs, data, figures, layers, rows, seeds, validation, values, verdict};
use crate::hash::Digest;
use crate::results::error::Result;
use crate::stage::{ArtifactKind, Registry};
use crate::store::RunNodeRecord;

/// What a reference to a receptive field yields.
const ERF: &str = "erf";

/// Compares runs, or single stages of them; the first is the reference. Tables and models that differ are read to say how.
///
/// # Errors
/// A stage is asked for that cannot be compared. What cannot be read is a note.
pub fn compare(registry: &Registry, sides: &[Side<'_>]) -> Result<Comparison> {
    let rows = pairs::rows(sides)?;
    let wanted: Vec<StageRow<'_>> = rows.iter().filter(|row| row.wanted).cloned().collect();
    let mut found = Comparison { schema: SCHEMA, version: VERSION, ..Comparison::default() };
    found.runs = sides.iter().enumerate().map(|(at, side)| described(at, side)).collect();
    found.parameters = values::iterations(&wanted);
    found.parameters.extend(values::parameters(sides, registry, &rows));
    found.inputs = values::inputs(sides, &rows);
    found.environment = values::environment(sides, &rows);
    found.data = data::of_sets(sides, &rows, &label, &mut found.notes);
    found.metrics = metrics(&wanted, &|_| true, false);
    found.erf = metrics(&wanted, &|node| node.yields == ERF, true);
    found.artifacts = artifacts(sides, &wanted);
    let validations = validation::validations(sides, &rows);
    found.figures = figures::of_models(&validations);
    let axes: Vec<seeds::SeedAxes> = sides.iter().map(|side| seeds::axes_of(side, registry)).collect();
    let same_seeds = !found.parameters.iter().any(|row| row.path.ends_with(seeds::SEED));
    found.methods = figures::of_methods(sides, &axes, same_seeds, &validations);
    found.classes = figures::of_classes(&validations);
    found.confusion = figures::of_confusion(&validations);
    found.weights = layers::of_models(sides, &rows, &mut found.notes);
    found.costs = costs::of_stages(sides, &wanted);
    found.causes = verdict::causes(&found).into_keys().collect();
    found.differs = !found.parameters.is_empty()
        || !found.inputs.is_empty()
        || !found.metrics.is_empty()
        || !found.artifacts.is_empty();
    found.verdict = verdict::sentence(&found, sides.iter().all(|side| side.stage.is_none()));
    Ok(found)
}

/// What runs were asked for and where they ran, as far as that is not the same: tables of the runs, of their parameters, inputs
/// and environments. No output is read.
///
/// # Errors
/// A stage is asked for that cannot be compared.
pub fn settings(registry: &Registry, sides: &[Side<'_>]) -> Result<Vec<Section>> {
    let rows = pairs::rows(sides)?;
    let found = Comparison {
        runs: sides.iter().enumerate().map(|(at, side)| described(at, side)).collect(),
        parameters: values::parameters(sides, registry, &rows),
        inputs: values::inputs(sides, &rows),
        environment: values::environment(sides, &rows),
        ..Comparison::default()
    };
    Ok(sections(&found, false))
}

/// What tables call a run: A to Z, then by number.
fn label(at: usize) -> String {
    match u8::try_from(at).ok().filter(|at| *at < 26) {
        Some(at) => char::from(b'A' + at).to_string(),
        None => format!("R{}", at + 1),
    }
}

fn described(at: usize, side: &Side<'_>) -> ComparedRun {
    let run = &side.run;
    ComparedRun {
        label: label(at),
        asked: side.asked.clone(),
        run: run.id.clone(),
        pipeline: run.pipeline.clone(),
        profile: run.profile.clone(),
        sets: run.sets.clone(),
        only: run.only.clone(),
        status: run.status,
        stage: side.stage.as_ref().map(ToString::to_string),
        archive: match &side.origin {
            Origin::Store(_) => None,
            Origin::Archive(archive) => Some(archive.path().display().to_string()),
        },
    }
}

/// The figures that were recorded of some nodes: those that differ, or `all` of the last iterations.
fn metrics(rows: &[StageRow<'_>], wanted: &dyn Fn(&RunNodeRecord) -> bool, all: bool) -> Vec<MetricRow> {
    let mut found = Vec::new();
    for node in rows.iter().flat_map(|row| if all { std::slice::from_ref(&row.last) } else { &row.nodes }) {
        if !node.nodes.iter().flatten().any(|node| wanted(node)) {
            continue;
        }
        let names: BTreeSet<&String> = node.nodes.iter().flatten().flat_map(|node| node.metrics.keys()).collect();
        for name in names {
            let values: Vec<Option<f64>> = node.nodes.iter().map(|node| (*node)?.metrics.get(name).copied()).collect();
            // Equal bits, so that a figure that is not a number equals itself.
            let bits = |value: &Option<f64>| value.map(f64::to_bits);
            if all || values.iter().any(|value| bits(value) != bits(&values[0])) {
                let differences = values[1..].iter().map(|other| Some((*other)? - values[0]?)).collect();
                found.push(MetricRow { path: format!("{}.{name}", node.path), values, differences });
            }
        }
    }
    found
}

/// The outputs that differ.
fn artifacts(sides: &[Side<'_>], rows: &[StageRow<'_>]) -> Vec<ArtifactRow> {
    let mut found = Vec::new();
    for node in rows.iter().flat_map(|row| &row.nodes) {
        let names: BTreeSet<&String> = node.nodes.iter().flatten().flat_map(|node| node.outputs.keys()).collect();
        for name in names {
            let outputs: Vec<_> = node.nodes.iter().map(|node| (*node)?.outputs.get(name)).collect();
            let digests: Vec<Option<Digest>> = outputs.iter().map(|output| Some(output.as_ref()?.digest)).collect();
            if digests.iter().all(|digest| *digest == digests[0]) {
                continue;
            }
            let is_table = outputs.iter().flatten().all(|output| output.kind == ArtifactKind::Table);
            let detail = |at: usize| match (digests[0], digests[at]) {
                (Some(a), Some(b)) if is_table && a != b => {
                    sides[0].table(&a).and_then(|a| Ok(rows::of_tables(&a, &sides[at].table(&b)?))).unwrap_or_default()
                }
                _ => String::new(),
            };
            found.push(ArtifactRow {
                path: format!("{}.{name}", node.path),
                details: (1..sides.len()).map(detail).collect(),
                values: digests.iter().map(|digest| digest.map(|digest| digest.to_string())).collect(),
            });
        }
    }
    found
}
