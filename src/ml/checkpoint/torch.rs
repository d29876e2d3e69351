//! PyTorch's files: an archive of a pickle and its storages (since version 1.6), or pickles with the storages behind
//! them. (PyTorch, torch/serialization.py.)

use std::collections::{BTreeMap, BTreeSet};

use prost::bytes::Bytes;

use super::Checkpoint;
use super::error::{Error, Result};
use super::pickle::Pickle;
use super::state_dict::{self, Storages};
use super::zipped::Archive;

/// What older files start with: a number that means nothing, as a pickle of its own.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Reads an archive whose pickle lies in `folder`.
pub fn read_zip(mut archive: Archive, folder: &str) -> Result<Checkpoint> {
    let order = archive.read(&format!("{folder}byteorder"))?.unwrap_or_default();
    if order.trim_ascii() == b"big" {
        return Err(Error::refused("", "The values are big-endian.", "Save it again on a little-endian machine."));
    }
    let pickle = archive.read(&format!("{folder}data.pkl"))?.unwrap_or_default();
    let pickle = Pickle::read(&pickle)?;
    let mut storages = Storages::new();
    let keys: BTreeSet<String> = state_dict::storages(&pickle)?.into_iter().map(|storage| storage.key).collect();
    for key in keys {
        if let Some(content) = archive.read(&format!("{folder}data/{key}"))? {
            storages.insert(key, content);
        }
    }
    state_dict::read("PyTorch", &pickle, &storages)
}

/// Reads pickles: a number, a version, the machine's sizes, the state, the keys of its storages; then the storages,
/// each its number of elements and its values.
pub fn read_legacy(content: &Bytes) -> Result<Checkpoint> {
    let mut at = 0;
    let mut next = || -> Result<Pickle> {
        let pickle = Pickle::read(&content[at..]).map_err(|error| error.after(at))?;
        at += pickle.len;
        Ok(pickle)
    };
    if !content.starts_with(MAGIC) {
        let what = "The file is a pickle, but none that torch.save wrote.";
        let hint = "Save the weights in PyTorch: torch.save(model.state_dict(), \"weights.pth\").";
        return Err(Error::refused("", what, hint));
    }
    let (_magic, _version, _machine) = (next()?, next()?, next()?);
    let (pickle, keys) = (next()?, next()?);
    let widths: BTreeMap<String, usize> =
        state_dict::storages(&pickle)?.into_iter().map(|storage| (storage.key, storage.width)).collect();
    let keys = keys.items(keys.root).into_iter().flatten().map(|key| state_dict::key(&keys, *key));
    let keys: Option<Vec<String>> = keys.collect();
    let keys = keys.ok_or_else(|| Error::damaged("", "The keys of the storages cannot be read."))?;
    let mut storages = Storages::new();
    for key in keys {
        let wrong = || Error::damaged(format!("byte {at}"), format!("The storage `{key}` is cut off or has no type."));
        let count =
            content.get(at..at.saturating_add(8)).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        let size = count.and_then(|count| usize::try_from(count).ok()?.checked_mul(*widths.get(&key)?));
        let start = at + 8;
        let end = size.and_then(|size| start.checked_add(size)).filter(|end| *end <= content.len());
        let end = end.ok_or_else(wrong)?;
        storages.insert(key, content.slice(start..end));
        at = end;
    }
    state_dict::read("PyTorch before 1.6", &pickle, &storages)
}
