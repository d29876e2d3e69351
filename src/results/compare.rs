//! What differs between two runs, and whether it matters.
//!
//! Stages are matched by name. Stages whose name only one run has are matched by kind and cell, if only one pair is possible.
//! So a renamed stage is no difference. Times and run ids are never compared.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::{Difference, MetricChange, OutputChange, ValueChange};
use super::rows;
use crate::pipeline::key::ANSWERS;
use crate::stage::{ArtifactKind, Registry, StageName, Type, Value};
use crate::store::{RunNodeRecord, RunRecord, RunStatus, Store};

/// Compares two runs. Tables that differ are read from the store to say how.
pub fn compare(store: &Store, registry: &Registry, a: &RunRecord, b: &RunRecord) -> Difference {
    let names = matched(a, b);
    // What the runs made themselves; any other input came from another run.
    let outputs = a.nodes.iter().chain(&b.nodes).flat_map(|node| node.outputs.values());
    let own: BTreeSet<String> = outputs.map(|artifact| artifact.digest.to_string()).collect();
    let mut diff = Difference { runs: (a.id.clone(), b.id.clone()), ..Difference::default() };
    for (in_a, in_b) in &names {
        let identity = |run: &RunRecord, name: &Option<String>| {
            let name = name.as_ref()?;
            let kind = run.nodes.iter().find(|node| &node.stage == name).map(|node| node.kind.as_str())?;
            let value = run.params.get(name)?;
            Some(registry.kind(kind).map_or_else(|| value.clone(), |kind| Type::Struct(kind.schema()).identity(value)))
        };
        let path = in_a.as_ref().or(in_b.as_ref()).cloned().unwrap_or_default();
        parameters(&path, identity(a, in_a).as_ref(), identity(b, in_b).as_ref(), &names, &mut diff.parameters);
        nodes(&path, &of_stage(a, in_a), &of_stage(b, in_b), &own, store, &mut diff);
    }
    for (group, of_a, of_b) in [
        ("machine", &a.machine, &b.machine),
        ("versions", &a.versions, &b.versions),
        ("numeric", &a.numeric, &b.numeric),
    ] {
        changes(&format!("{group}."), of_a, of_b, |_| true, &mut diff.environment);
    }
    if a.device != b.device {
        diff.environment.push(ValueChange {
            path: "device".into(),
            a: Some(a.device.clone()),
            b: Some(b.device.clone()),
        });
    }
    let unfinished = [a, b].into_iter().find(|run| run.status != RunStatus::Done);
    diff.verdict = match unfinished {
        Some(run) => format!("The run {} did not finish, so what it lacks says nothing.", run.id),
        None => diff.judge(),
    };
    diff
}

fn of_stage<'a>(run: &'a RunRecord, name: &Option<String>) -> BTreeMap<Option<u32>, &'a RunNodeRecord> {
    let mine = run.nodes.iter().filter(|node| Some(&node.stage) == name.as_ref());
    mine.map(|node| (node.iteration, node)).collect()
}

/// The stages of both runs in pairs.
fn matched(a: &RunRecord, b: &RunRecord) -> Vec<(Option<String>, Option<String>)> {
    let names = |run: &RunRecord| -> BTreeSet<String> { run.nodes.iter().map(|node| node.stage.clone()).collect() };
    let (of_a, of_b) = (names(a), names(b));
    let kind = |run: &RunRecord, name: &str| {
        run.nodes.iter().find(|node| node.stage == name).map(|node| node.kind.clone()).unwrap_or_default()
    };
    let cell = |name: &str| StageName::read(name).map(|name| name.cell).unwrap_or_default();
    let mut pairs: Vec<(Option<String>, Option<String>)> =
        of_a.intersection(&of_b).map(|name| (Some(name.clone()), Some(name.clone()))).collect();
    let mut only_b: Vec<String> = of_b.difference(&of_a).cloned().collect();
    let only_a: Vec<String> = of_a.difference(&of_b).cloned().collect();
    for name in &only_a {
        let same = |run: &RunRecord, names: &[String]| -> Vec<usize> {
            let wanted = (kind(a, name), cell(name));
            (0..names.len()).filter(|&i| (kind(run, &names[i]), cell(&names[i])) == wanted).collect()
        };
        let partner = match (same(a, &only_a).len(), same(b, &only_b).as_slice()) {
            (1, &[i]) => Some(only_b.remove(i)),
            _ => None,
        };
        pairs.push((Some(name.clone()), partner));
    }
    pairs.extend(only_b.into_iter().map(|name| (None, Some(name))));
    pairs.sort();
    pairs
}

/// Walks two values together and notes the smallest parts that differ.
fn parameters(
    path: &str,
    a: Option<&Value>,
    b: Option<&Value>,
    names: &[(Option<String>, Option<String>)],
    out: &mut Vec<ValueChange>,
) {
    match (a, b) {
        (Some(a), Some(b)) if a == b => {}
        (Some(Value::Ref(a)), Some(Value::Ref(b))) if renamed(a, b, names) => {}
        (Some(Value::File(_)), Some(Value::File(_))) => {}
        (Some(Value::Struct(x)), Some(Value::Struct(y))) if x.name == y.name => {
            let keys: BTreeSet<&String> = x.fields.keys().chain(y.fields.keys()).collect();
            for key in keys {
                parameters(&format!("{path}.{key}"), x.fields.get(key), y.fields.get(key), names, out);
            }
        }
        (Some(Value::List(x)), Some(Value::List(y))) if x.len() == y.len() => {
            for (i, (x, y)) in x.iter().zip(y).enumerate() {
                parameters(&format!("{path}[{i}]"), Some(x), Some(y), names, out);
            }
        }
        (a, b) => out.push(ValueChange {
            path: path.to_owned(),
            a: a.map(ToString::to_string),
            b: b.map(ToString::to_string),
        }),
    }
}

/// Whether two references name the two sides of one pair.
fn renamed(a: &str, b: &str, names: &[(Option<String>, Option<String>)]) -> bool {
    let read = |name: &str| StageName::read(name).ok();
    let (Some(a), Some(b)) = (read(a), read(b)) else { return false };
    let paired = |(x, y): &(Option<String>, Option<String>)| {
        let names = x.as_deref().and_then(read).zip(y.as_deref().and_then(read));
        names.is_some_and(|(x, y)| a.covers(&x) && b.covers(&y))
    };
    (a.iteration, &a.cell) == (b.iteration, &b.cell) && names.iter().any(paired)
}

fn nodes(
    stage: &str,
    a: &BTreeMap<Option<u32>, &RunNodeRecord>,
    b: &BTreeMap<Option<u32>, &RunNodeRecord>,
    own: &BTreeSet<String>,
    store: &Store,
    diff: &mut Difference,
) {
    let iterations: BTreeSet<Option<u32>> = a.keys().chain(b.keys()).copied().collect();
    for iteration in iterations {
        let path = iteration.map_or_else(|| stage.to_owned(), |i| format!("{stage}[{i}]"));
        let (a, b) = (a.get(&iteration), b.get(&iteration));
        if let (Some(a), Some(b)) = (a, b) {
            let outside = |key: &str| ["externals", "file.", ANSWERS].iter().any(|part| key.starts_with(part));
            changes(&format!("{path}."), &a.preimage, &b.preimage, outside, &mut diff.inputs);
            changes(&format!("{path}."), &a.preimage, &b.preimage, |key| key == "version", &mut diff.environment);
            let foreign = |key: &str| {
                let taken = |node: &RunNodeRecord| node.preimage.get(key).is_some_and(|digest| !own.contains(digest));
                key.starts_with("input.") && (taken(a) || taken(b))
            };
            changes(&format!("{path}."), &a.preimage, &b.preimage, foreign, &mut diff.inputs);
        }
        let empty = BTreeMap::new();
        let of = |node: Option<&&RunNodeRecord>| node.map_or(empty.clone(), |node| node.metrics.clone());
        let (metrics_a, metrics_b) = (of(a), of(b));
        for name in metrics_a.keys().chain(metrics_b.keys()).collect::<BTreeSet<_>>() {
            let (x, y) = (metrics_a.get(name).copied(), metrics_b.get(name).copied());
            // Equal bits, so that a figure that is not a number equals itself.
            if x.map(f64::to_bits) != y.map(f64::to_bits) {
                let difference = x.zip(y).map(|(x, y)| y - x);
                diff.metrics.push(MetricChange { path: format!("{path}.{name}"), a: x, b: y, difference });
            }
        }
        let outputs = |node: Option<&&RunNodeRecord>| node.map(|node| node.outputs.clone()).unwrap_or_default();
        let (outputs_a, outputs_b) = (outputs(a), outputs(b));
        for name in outputs_a.keys().chain(outputs_b.keys()).collect::<BTreeSet<_>>() {
            let (x, y) = (outputs_a.get(name), outputs_b.get(name));
            if x.map(|x| x.digest) != y.map(|y| y.digest) {
                let tables = x.zip(y).filter(|(x, y)| x.kind == ArtifactKind::Table && y.kind == ArtifactKind::Table);
                diff.artifacts.push(OutputChange {
                    path: format!("{path}.{name}"),
                    a: x.map(|x| x.digest.to_string()),
                    b: y.map(|y| y.digest.to_string()),
                    detail: tables.map_or_else(String::new, |(x, y)| rows::in_words(store, &x.digest, &y.digest)),
                });
            }
        }
    }
}

fn changes(
    prefix: &str,
    a: &BTreeMap<String, String>,
    b: &BTreeMap<String, String>,
    wanted: impl Fn(&str) -> bool,
    out: &mut Vec<ValueChange>,
) {
    for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        if wanted(key) && a.get(key) != b.get(key) {
            let value = |map: &BTreeMap<String, String>| map.get(key).cloned();
            out.push(ValueChange { path: format!("{prefix}{key}"), a: value(a), b: value(b) });
        }
    }
}
