//! Action records: what a node with an action key made. And the locks on action keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::objects::to_json;
use super::{Error, Result, Store};
use crate::fsio::{self, Lock};
use crate::hash::Digest;
use crate::stage::Outputs;

/// The newest format of records, action and run alike.
pub(super) const FORMAT: u32 = 1;

/// What a node made. It holds nothing that changes by itself: no time, no host, no run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// The version of this format.
    pub format: u32,
    /// The action key.
    pub key: Digest,
    /// The recipe that first made it.
    pub recipe: Digest,
    /// The kind of the stage.
    pub kind: String,
    /// The version of the kind.
    pub version: u32,
    /// Every component of the key.
    pub preimage: BTreeMap<String, String>,
    /// The outputs.
    pub outputs: Outputs,
    /// Single figures.
    pub metrics: BTreeMap<String, f64>,
    /// The name of the data root that the outputs refer to.
    pub root: Option<String>,
}

impl ActionRecord {
    /// The format that this program writes.
    pub const FORMAT: u32 = FORMAT;
}

/// The part of a record that every version has.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

impl Store {
    /// The record of an action key. A torn or flipped record is set aside and counts as absent.
    pub fn record(&self, key: &Digest) -> Result<Option<ActionRecord>> {
        let record: Option<ActionRecord> = self.load(&self.action_path(key), "The record of a finished stage")?;
        Ok(record.filter(|record| record.key == *key))
    }

    /// Writes a record, in the place of an older one of the same key.
    pub fn write_record(&self, record: &ActionRecord) -> Result<()> {
        self.save(&self.action_path(&record.key), record)
    }

    /// Takes the lock on an action key; none if another process, or another part of this one, holds it.
    pub fn lock(&self, key: &Digest) -> Result<Option<Lock>> {
        Ok(fsio::try_lock(&self.lock_path(&key.to_string()))?)
    }

    pub(super) fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }

    fn action_path(&self, key: &Digest) -> PathBuf {
        let name = key.to_string();
        self.root.join("actions").join(&name[..2]).join(format!("{}.json", &name[2..]))
    }

    /// Reads a framed record; one that is damaged is set aside and counts as absent.
    pub(super) fn load<T: DeserializeOwned>(&self, path: &Path, what: &str) -> Result<Option<T>> {
        let bytes = match fsio::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let body = unframe(&bytes);
        if let Some(Versioned { format }) = body.and_then(|body| serde_json::from_slice(body).ok())
            && format > FORMAT
        {
            let (found, known) = (format!("record {format}"), format!("record {FORMAT}"));
            return Err(Error::Newer { path: path.to_owned(), found, known });
        }
        match body.and_then(|body| serde_json::from_slice(body).ok()) {
            Some(record) => Ok(Some(record)),
            None => {
                self.set_aside(path, what)?;
                Ok(None)
            }
        }
    }

    /// Writes a framed record.
    pub(super) fn save(&self, path: &Path, record: &impl Serialize) -> Result<()> {
        Ok(self.place(path, &frame(&to_json(record)))?)
    }
}

/// Puts the digest of `body` before it, on a line of its own.
pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    [format!("{}\n", Digest::of(body)).as_bytes(), body].concat()
}

/// The body, if the digest before it is right.
pub(super) fn unframe(bytes: &[u8]) -> Option<&[u8]> {
    let (head, body) = bytes.split_at_checked(65)?;
    let head = std::str::from_utf8(head).ok()?.strip_suffix('\n')?;
    (head.parse() == Ok(Digest::of(body))).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ActionRecord {
        ActionRecord {
            format: ActionRecord::FORMAT,
            key: Digest::of(b"key"),
            recipe: Digest::of(b"recipe"),
            kind: "Train".into(),
            version: 1,
            preimage: BTreeMap::from([("kind".into(), "Train".into())]),
            outputs: Outputs::new(),
            metrics: BTreeMap::from([("miou".into(), 0.1 + 0.2)]),
            root: None,
        }
    }

    #[test]
    fn a_record_reads_back_and_a_damaged_one_counts_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let record = sample();
        let path = store.action_path(&record.key);
        assert_eq!(store.record(&record.key).unwrap(), None);
        store.write_record(&record).unwrap();
        assert_eq!(store.record(&record.key).unwrap(), Some(record.clone()));
        let whole = fsio::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[200] ^= 4;
        for damaged in [&flipped, &whole[..100], &whole[..10], &[][..]] {
            fsio::write_atomic(&path, damaged).unwrap();
            assert_eq!(store.record(&record.key).unwrap(), None);
            assert!(!fsio::exists(&path));
            assert_eq!(store.take_notices().len(), 1);
        }
        assert_eq!(fsio::list(&store.path().join("quarantine")).unwrap().len(), 4);
    }

    #[test]
    fn a_newer_record_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let record = ActionRecord { format: 2, ..sample() };
        store.write_record(&record).unwrap();
        let error = store.record(&record.key).unwrap_err();
        assert!(error.to_string().contains("`record 2`, which is newer"), "{error}");
    }

    #[test]
    fn a_lock_is_held_once_and_freed_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = Digest::of(b"key");
        let held = store.lock(&key).unwrap();
        assert!(held.is_some());
        assert!(store.lock(&key).unwrap().is_none());
        drop(held);
        assert!(store.lock(&key).unwrap().is_some());
    }
}
