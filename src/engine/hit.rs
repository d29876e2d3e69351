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
        numeric: &BTreeMap<String, String>,
        outputs: &dyn Fn(usize) -> Outputs,
    ) -> Result<Preimage, Error> {
        let node = &self.pipeline.nodes[index];
        let kind = self.registry.kind(&node.kind).ok_or_else(|| Error::UnknownKind(node.kind.clone()))?;
        let nothing = Outside::default();
        let outside = outside.get(&index).unwrap_or(&nothing);
        let numeric = kind.computes().then_some(numeric);
        Ok(action(node, outputs, &outside.file_digests, &outside.external_digests, numeric, &outside.answers))
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
