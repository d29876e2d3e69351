//! Records: each begins with its own digest, says its format, and is read as that format wants it.
//!
//! Invariants:
//! - a record whose digest is wrong is damaged: it is set aside and counts as absent;
//! - a record whose digest is right is whole, whatever its fields are. As much of it is read as is understood. What is not
//!   understood comes from another version: the record stays where it is, and counts as absent if it cannot be used;
//! - a record of a newer format is refused, the error says so, and the record is never overwritten.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::root::Store;
use crate::fsio;
use crate::hash::Digest;

/// What the store keeps in a frame.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// What it is, as the beginning of a sentence.
    const WHAT: &'static str;
    /// The newest format that this program reads.
    const FORMAT: u32;

    /// Reads the fields of a record of `format`, which is not newer, as far as they go; none where it is of no use.
    fn read(format: u32, fields: &mut Fields) -> Option<Self>;
}

/// The fields of a record, to be read one by one.
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
enum Reading<T> {
    Absent,
    Damaged,
    /// Sound, but of another version, as far as anybody can tell.
    Other,
    /// Of this newer format.
    Newer(u32),
    Read(T),
}

impl Store {
    /// Reads a record. A damaged record is set aside and counts as absent. A record of another version that is of no use
    /// stays, and counts as absent.
    ///
    /// # Errors
    /// The record is of a newer format; the disk's.
    pub(super) fn load<T: Record>(&self, path: &Path) -> Result<Option<T>> {
        match found(path)? {
            Reading::Read(record) => Ok(Some(record)),
            Reading::Absent => Ok(None),
            Reading::Newer(format) => Err(newer::<T>(path, format)),
            Reading::Damaged => {
                self.set_aside(path, T::WHAT)?;
                Ok(None)
            }
            Reading::Other => {
                self.notice(format!("{} is of another version, and is left as it is: `{}`.", T::WHAT, path.display()));
                Ok(None)
            }
        }
    }

    /// Writes a record, in the place of an older one. A record of another version is kept beside it.
    ///
    /// # Errors
    /// A record of a newer format is there; the disk's.
    pub(super) fn save<T: Record>(&self, path: &Path, record: &T) -> Result<()> {
        let json = serde_json::to_vec_pretty(record).map_err(|error| fsio::Error::new("write", path, error.into()))?;
        match found::<T>(path)? {
            Reading::Newer(format) => return Err(newer::<T>(path, format)),
            Reading::Other => fsio::rename(path, &beside(path)?)?,
            Reading::Absent | Reading::Damaged | Reading::Read(_) => {}
        }
        Ok(self.place(path, &frame(&json))?)
    }

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

fn found<T: Record>(path: &Path) -> fsio::Result<Reading<T>> {
    let bytes = match fsio::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => return Ok(Reading::Absent),
        Err(error) if error.is_folder() => return Ok(Reading::Damaged),
        Err(error) => return Err(error),
    };
    let Some(body) = unframe(&bytes) else { return Ok(Reading::Damaged) };
    let Ok(Versioned { format }) = serde_json::from_slice(body) else { return Ok(Reading::Other) };
    if format > T::FORMAT {
        return Ok(Reading::Newer(format));
    }
    // A record of this version reads at once.
    let record = serde_json::from_slice(body).ok().filter(|_| format == T::FORMAT);
    let piecewise = || T::read(format, &mut Fields::of(serde_json::from_slice(body).ok()?));
    Ok(record.or_else(piecewise).map_or(Reading::Other, Reading::Read))
}

/// The new place of the record at `path` when one of this version replaces it: its name and a digest of its content.
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
