//! Action records: each is the cache's entry for an action key, and says which outputs the node with this key made. The key
//! is made in `pipeline/key.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Result;
use super::records::{Fields, Record};
use super::root::Store;
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
    /// What the user should know of the result. Records of before lack it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
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
            warnings: fields.take("warnings"),
            root: fields.need("root")?,
        })
    }
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

    fn action_path(&self, key: &Digest) -> PathBuf {
        let name = key.to_string();
        self.root.join("actions").join(&name[..2]).join(format!("{}.json", &name[2..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsio;
    use crate::stage::{Artifact, ArtifactKind};
    use crate::store::records::frame;

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
            warnings: Vec::new(),
            root: None,
        }
    }

    #[test]
    fn a_record_reads_back_and_a_damaged_one_counts_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let record = ActionRecord { warnings: vec!["A class has no pixel.".into()], ..sample() };
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
}
