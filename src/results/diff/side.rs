//! One side of a comparison: a run of the store or of an archive, and the stage of it that is meant.

use std::io::Read;

use crate::hash::Digest;
use crate::results::archived::Archived;
use crate::stage::StageName;
use crate::store::{RunRecord, Store};
use crate::table::Table;

/// A run that is compared.
pub struct Side<'a> {
    /// How it was asked for.
    pub asked: String,
    /// The run.
    pub run: RunRecord,
    /// Where its outputs are.
    pub origin: Origin<'a>,
    /// The one stage that is compared; none: all.
    pub stage: Option<StageName>,
}

/// Where a run's outputs are.
pub enum Origin<'a> {
    /// In the store.
    Store(&'a Store),
    /// In an archive.
    Archive(Archived),
}

impl Side<'_> {
    /// A table. The error says in a sentence why it cannot be read.
    pub(super) fn table(&self, digest: &Digest) -> Result<Table, String> {
        match &self.origin {
            Origin::Store(store) => {
                let bytes = store.read(digest).map_err(|error| error.to_string())?;
                Table::from_canonical(&bytes)
                    .map_err(|error| format!("The stored table {} cannot be read: {error}", digest.short()))
            }
            Origin::Archive(archive) => archive.table(digest),
        }
    }

    /// Reads a file in parts by `read`, and verifies it. The error says in a sentence why it cannot be read.
    pub(super) fn stream<T>(
        &self,
        digest: &Digest,
        read: &mut dyn FnMut(&mut dyn Read) -> Result<T, String>,
    ) -> Result<T, String> {
        match &self.origin {
            Origin::Store(store) => {
                let told = |error: crate::store::Error| error.to_string();
                let mut reader = store.reader(digest).map_err(told)?;
                let found = read(&mut reader)?;
                reader.finish().map_err(told)?;
                Ok(found)
            }
            Origin::Archive(archive) => archive.stream(digest, read),
        }
    }
}
