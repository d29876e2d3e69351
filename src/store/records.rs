//! Records: framed by their digest, numbered by their format, and read by one reader a format.
//!
//! Invariants:
//! - a record whose digest is wrong is damaged: it is set aside and counts as absent;
//! - one whose digest is right is whole, whatever its fields are. It is read as far as it goes, and what does not fit is
//!   of another version: it stays where it is, and counts as absent where it cannot be of use;
//! - one of a newer format is refused in words, and is never written over.
//!
//! And action records: what a node with an action key made. And the locks on action keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Error, Result, Store};
use crate::fsio::{self, Lock};
use crate::hash::Digest;
use crate::stage::Outputs;

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
    /// The name of the data root that the outputs refer to. It is stated where there is none, too.
    #[serde(deserialize_with = "stated")]
    pub root: Option<String>,
}

/// Reads a field that must be there, where serde takes a missing option for none.
fn stated<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

impl ActionRecord {
    /// The format that this program writes.
    pub const FORMAT: u32 = 1;
}

impl Record for ActionRecord {
    const WHAT: &'static str = "The record of a finished stage";
    const FORMAT: u32 = Self::FORMAT;

    fn read(format: u32, fields: &mut Fields) -> Option<Self> {
        // What a hit is made of must be there and fit; the rest explains it.
        Some(ActionRecord {
            format,
            key: fields.need("key")?,
            recipe: fields.need("recipe")?,
            kind: fields.take("kind"),
            version: fields.take("version"),
            preimage: fields.each("preimage"),
            outputs: fields.need("outputs")?,
            metrics: fields.need("metrics")?,
            root: fields.need("root")?,
        })
    }
}

/// What the store keeps in a frame.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// What it is, as the beginning of a sentence.
    const WHAT: &'static str;
    /// The newest format that this program reads.
    const FORMAT: u32;

    /// Reads the fields of a record of `format`, which is not newer, as far as they go; none where it is of no use.
    fn read(format: u32, fields: &mut Fields) -> Option<Self>;
}

/// The fields of a record that was read by no type as a whole.
pub(super) struct Fields(serde_json::Map<String, serde_json::Value>);

impl Fields {
    pub fn of(value: serde_json::Value) -> Self {
        let serde_json::Value::Object(fields) = value else { return Fields(serde_json::Map::new()) };
        Fields(fields)
    }

    /// A field; none where it is missing or does not fit.
    pub fn need<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        serde_json::from_value(self.0.remove(name)?).ok()
    }

    /// A field that is a map; without those of its entries that do not fit.
    pub fn each<T: DeserializeOwned>(&mut self, name: &str) -> BTreeMap<String, T> {
        let entries: BTreeMap<String, serde_json::Value> = self.take(name);
        entries.into_iter().filter_map(|(key, value)| Some((key, serde_json::from_value(value).ok()?))).collect()
    }

    /// A field; empty where it is missing or does not fit.
    pub fn take<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        self.need(name).unwrap_or_default()
    }
}

/// The part of a record that every version has.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// What a file that should be a record is.
enum Found<T> {
    Absent,
    Damaged,
    /// Sound, and as far as it can be told of another version.
    Other,
    /// Of this newer format.
    Newer(u32),
    Read(T),
}

impl Store {
    /// The record of an action key. A torn or flipped record is set aside and counts as absent.
    pub fn record(&self, key: &Digest) -> Result<Option<ActionRecord>> {
        let record: Option<ActionRecord> = self.load(&self.action_path(key))?;
        Ok(record.filter(|record| record.key == *key))
    }

    /// Writes a record, in the place of an older one of the same key.
    pub fn write_record(&self, record: &ActionRecord) -> Result<()> {
        self.save(&self.action_path(&record.key), record)
    }

    /// Takes the lock on an action key; none if another process, or another part of this one, holds it.
    pub fn lock(&self, key: &Digest) -> Result<Option<Lock>> {
        self.take_lock(&key.to_string())
    }

    /// Takes the lock with this name.
    pub(super) fn take_lock(&self, name: &str) -> Result<Option<Lock>> {
        let path = self.lock_path(name);
        self.make_way(&path)?;
        Ok(fsio::try_lock(&path)?)
    }

    /// Whether somebody holds the lock on an action key.
    pub fn is_locked(&self, key: &Digest) -> Result<bool> {
        Ok(fsio::is_locked(&self.lock_path(&key.to_string()))?)
    }

    pub(super) fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }

    fn action_path(&self, key: &Digest) -> PathBuf {
        let name = key.to_string();
        self.root.join("actions").join(&name[..2]).join(format!("{}.json", &name[2..]))
    }

    /// Reads a record. One that is damaged is set aside; it counts as absent, and so does one of another version that is of
    /// no use, which stays.
    ///
    /// # Errors
    /// One of a newer format, and the disk's.
    pub(super) fn load<T: Record>(&self, path: &Path) -> Result<Option<T>> {
        match found(path)? {
            Found::Read(record) => Ok(Some(record)),
            Found::Absent => Ok(None),
            Found::Newer(format) => Err(newer::<T>(path, format)),
            Found::Damaged => {
                self.set_aside(path, T::WHAT)?;
                Ok(None)
            }
            Found::Other => {
                self.notice(format!("{} is of another version, and is left as it is: `{}`.", T::WHAT, path.display()));
                Ok(None)
            }
        }
    }

    /// Writes a record. One that is there is replaced; one of another version is kept beside it.
    ///
    /// # Errors
    /// One of a newer format is there, and the disk's.
    pub(super) fn save<T: Record>(&self, path: &Path, record: &T) -> Result<()> {
        let json = serde_json::to_vec_pretty(record).map_err(|error| fsio::Error::new("write", path, error.into()))?;
        match found::<T>(path)? {
            Found::Newer(format) => return Err(newer::<T>(path, format)),
            Found::Other => fsio::rename(path, &beside(path)?)?,
            Found::Absent | Found::Damaged | Found::Read(_) => {}
        }
        Ok(self.place(path, &frame(&json))?)
    }
}

impl Store {
    /// Writes a record where none is.
    ///
    /// # Errors
    /// Something is there, and the disk's.
    pub(super) fn save_new<T: Record>(&self, path: &Path, record: &T) -> Result<()> {
        let json = serde_json::to_vec(record).map_err(|error| fsio::Error::new("write", path, error.into()))?;
        if self.place_new(path, &frame(&json))? { Ok(()) } else { Err(Error::Taken(path.to_owned())) }
    }
}

fn newer<T: Record>(path: &Path, format: u32) -> Error {
    let (found, known) = (format!("record {format}"), format!("record {}", T::FORMAT));
    Error::Newer { path: path.to_owned(), found, known }
}

fn found<T: Record>(path: &Path) -> fsio::Result<Found<T>> {
    let bytes = match fsio::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => return Ok(Found::Absent),
        Err(error) if error.is_folder() => return Ok(Found::Damaged),
        Err(error) => return Err(error),
    };
    let Some(body) = unframe(&bytes) else { return Ok(Found::Damaged) };
    let Ok(Versioned { format }) = serde_json::from_slice(body) else { return Ok(Found::Other) };
    if format > T::FORMAT {
        return Ok(Found::Newer(format));
    }
    // A record of this version reads at once.
    let record = serde_json::from_slice(body).ok().filter(|_| format == T::FORMAT);
    let piecewise = || T::read(format, &mut Fields::of(serde_json::from_slice(body).ok()?));
    Ok(record.or_else(piecewise).map_or(Found::Other, Found::Read))
}

/// Where the record at `path` goes when one of this version comes to its place: a name of its own content.
fn beside(path: &Path) -> fsio::Result<PathBuf> {
    let digest = Digest::from(fsio::blake3(path)?);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", digest.short()));
    Ok(path.with_file_name(name))
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
    use crate::stage::{Artifact, ArtifactKind};

    fn sample() -> ActionRecord {
        let model = Artifact {
            digest: Digest::of(b"model"),
            bytes: 5,
            kind: ArtifactKind::File,
            file: "model.safetensors".into(),
            path: None,
            tree: BTreeMap::new(),
        };
        ActionRecord {
            format: ActionRecord::FORMAT,
            key: Digest::of(b"key"),
            recipe: Digest::of(b"recipe"),
            kind: "Train".into(),
            version: 1,
            preimage: BTreeMap::from([("kind".into(), "Train".into())]),
            outputs: Outputs::from([("model".to_owned(), model)]),
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
    fn a_newer_record_is_refused_in_words_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let record = ActionRecord { format: 2, ..sample() };
        store.write_record(&record).unwrap();
        let path = store.action_path(&record.key);
        let bytes = fsio::read(&path).unwrap();
        for error in [store.record(&record.key).unwrap_err(), store.write_record(&sample()).unwrap_err()] {
            let text = error.to_string();
            assert!(
                text.contains("`record 2`, which is newer") && text.contains(&path.display().to_string()),
                "{text}"
            );
        }
        assert_eq!(fsio::read(&path).unwrap(), bytes);
        assert!(store.take_notices().is_empty());
    }

    /// A record of format 1 as it was first written.
    const FORMAT_1: &str = include_str!("samples/action-1.json");

    #[test]
    fn a_record_of_every_format_reads() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = sample().key;
        let path = store.action_path(&key);
        fsio::write_atomic(&path, FORMAT_1.as_bytes()).unwrap();
        assert_eq!(store.record(&key).unwrap(), Some(sample()));
        store.write_record(&sample()).unwrap();
        assert_eq!(fsio::read_to_string(&path).unwrap(), FORMAT_1);
    }

    /// The sample with `change` made to its fields, in a frame.
    fn other(change: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>)) -> Vec<u8> {
        let mut value = serde_json::to_value(sample()).unwrap();
        change(value.as_object_mut().unwrap());
        frame(value.to_string().as_bytes())
    }

    #[test]
    fn a_sound_record_of_other_fields_stays_and_is_read_as_far_as_it_goes() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = sample().key;
        let path = store.action_path(&key);
        let write = |bytes: &[u8]| fsio::write_atomic(&path, bytes).unwrap();
        for of_use in [
            other(&|fields| drop(fields.insert("more".into(), 1.into()))),
            other(&|fields| drop(fields.remove("preimage"))),
            other(&|fields| drop(fields.insert("kind".into(), 3.into()))),
            other(&|fields| drop(fields.insert("format".into(), 0.into()))),
        ] {
            write(&of_use);
            assert_eq!(store.record(&key).unwrap().unwrap().outputs, sample().outputs);
            assert!(fsio::exists(&path) && store.take_notices().is_empty());
        }
        for of_none in [
            other(&|fields| drop(fields.remove("outputs"))),
            other(&|fields| drop(fields.remove("root"))),
            other(&|fields| drop(fields.insert("outputs".into(), "none".into()))),
            other(&|fields| drop(fields.remove("format"))),
            frame(b"no JSON"),
        ] {
            write(&of_none);
            assert_eq!(store.record(&key).unwrap(), None);
            assert_eq!(fsio::read(&path).unwrap(), of_none);
            assert!(store.take_notices()[0].contains("another version"));
            // The node runs again: its record comes to the place, and the other stays beside it.
            store.write_record(&sample()).unwrap();
            assert_eq!(store.record(&key).unwrap(), Some(sample()));
            let names = fsio::list(path.parent().unwrap()).unwrap();
            let kept = names.iter().any(|name| fsio::read(&path.with_file_name(name)).unwrap() == of_none);
            assert!(kept && !fsio::exists(&store.path().join("quarantine")), "{names:?}");
        }
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
