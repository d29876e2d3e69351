//! Whether stages fit those that they refer to, in each cell of the matrix.

use super::cells::{Instance, Instances};
use super::reference::Reference;
use crate::stage::{Peer, Peers};
use crate::syntax::Faults;

/// Asks every kind for the faults between a stage and those that it refers to. A fault that several cells share is added
/// once.
pub(super) fn check(instances: &Instances<'_>, faults: &mut Faults) {
    let peers = |reference: &str| {
        let Ok(Reference { run: None, name }) = Reference::read(reference) else { return Vec::new() };
        instances.of(&name).into_iter().filter_map(|number| peer(&instances.all[number])).collect()
    };
    let peers: &Peers<'_> = &peers;
    for instance in &instances.all {
        if let (Some(kind), Some(params)) = (instance.checked.kind, &instance.params) {
            for fault in kind.agrees(params, peers) {
                faults.push(instance.checked.place(fault));
            }
        }
    }
}

fn peer<'a>(instance: &'a Instance<'_>) -> Option<Peer<'a>> {
    Some(Peer { kind: instance.checked.kind?, params: instance.params.as_ref()? })
}
