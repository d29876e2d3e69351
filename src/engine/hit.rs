//! Decides whether a node is a hit in the cache: whether the store holds a record under its key, and the record's outputs.
//!
//! The cache key itself is made in `pipeline/key.rs`. Here are gathered the components that it is made from.

use std::collections::BTreeMap;

use super::error::Error;
use super::options::Options;
use super::outside::Outside;
use crate::hash::Digest;
use crate::pipeline::Pipeline;
use crate::pipeline::key::{Preimage, action};
use crate::stage::{Outputs, Registry};
use crate::store::{self, ActionRecord, Store};

/// What planning and running share.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub pipeline: &'a Pipeline,
    pub registry: &'a Registry,
    pub store: &'a Store,
    pub options: &'a Options,
}

/// What of the place where jobs run enters keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    /// What changes the bits of arithmetic; empty where no node computes.
    pub numeric: BTreeMap<String, String>,
    /// What is measured on; empty where no node measures.
    pub machine: BTreeMap<String, String>,
}

/// What the store knows under a key.
pub(super) enum Lookup {
    /// A record whose outputs are there.
    Done(Box<ActionRecord>),
    /// A record of which this output is gone.
    OutputMissing(Digest),
    /// Nothing.
    Nothing,
}

impl Context<'_> {
    /// The components of a node's action key.
    pub fn preimage(
        &self,
        index: usize,
        outside: &BTreeMap<usize, Outside>,
        conditions: &Conditions,
        outputs: &dyn Fn(usize) -> Outputs,
    ) -> Result<Preimage, Error> {
        let node = &self.pipeline.nodes[index];
        let kind = self.registry.kind(&node.kind).ok_or_else(|| Error::UnknownKind(node.kind.clone()))?;
        let nothing = Outside::default();
        let outside = outside.get(&index).unwrap_or(&nothing);
        let numeric = kind.computes().then_some(&conditions.numeric);
        let machine = kind.measures().then_some(&conditions.machine);
        let Outside { file_digests, external_digests, answers, .. } = outside;
        Ok(action(node, outputs, file_digests, external_digests, numeric, machine, answers))
    }

    /// Whether nothing else of the run may be at work while the node is: it measures.
    pub fn is_alone(&self, index: usize) -> bool {
        self.registry.kind(&self.pipeline.nodes[index].kind).is_some_and(|kind| kind.measures())
    }

    /// What the store knows under `key`. Outputs are looked for, and read of them are the listings of trees alone.
    pub fn look_up(&self, key: &Digest) -> store::Result<Lookup> {
        Ok(match self.store.record(key)? {
            None => Lookup::Nothing,
            Some(record) => match missing_output(self.store, &record)? {
                None => Lookup::Done(Box::new(record)),
                Some(digest) => Lookup::OutputMissing(digest),
            },
        })
    }
}

/// The first object of a record's outputs that is not in the store: an output, or a file of one that is a tree.
pub(super) fn missing_output(store: &Store, record: &ActionRecord) -> store::Result<Option<Digest>> {
    record.outputs.values().find_map(|artifact| store.lacking(artifact).transpose()).transpose()
}
