//! Stages against those that they refer to, each in its own cell of the matrix.

use std::collections::BTreeMap;

use super::cells::Instance;
use super::diagnose::Diagnostic;
use super::reference::Target;
use crate::stage::name::covers;
use crate::stage::{Peer, Peers};

/// Lets every kind tell where a stage and those that it refers to do not fit. What several cells have in common is told
/// for each of them.
pub(super) fn check(instances: &[Instance<'_>], faults: &mut Vec<Diagnostic>) {
    let mut stages: BTreeMap<&str, Vec<&Instance<'_>>> = BTreeMap::new();
    for instance in instances {
        stages.entry(&instance.name.stage).or_default().push(instance);
    }
    let peers = |reference: &str| {
        let Ok(Target { run: None, name }) = Target::read(reference) else { return Vec::new() };
        let cells = stages.get(name.stage.as_str()).into_iter().flatten();
        cells.filter(|instance| covers(&name.cell, &instance.name.cell)).filter_map(|instance| peer(instance)).collect()
    };
    let peers: &Peers<'_> = &peers;
    for instance in instances {
        if let (Some(kind), Some(params)) = (instance.checked.kind, &instance.params) {
            faults.extend(kind.agrees(params, peers).into_iter().map(|fault| instance.checked.place(fault)));
        }
    }
}

fn peer<'a>(instance: &'a Instance<'_>) -> Option<Peer<'a>> {
    Some(Peer { kind: instance.checked.kind?.name(), params: instance.params.as_ref()? })
}
