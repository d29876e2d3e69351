//! PyTorch's files: an archive of a pickle and its storages (since version 1.6), or pickles with the storages behind
//! them. (PyTorch, torch/serialization.py.)

use std::collections::{BTreeMap, BTreeSet};

use super::archive::Archive;
use super::content::Content;
use super::error::{Error, Result};
use super::pickle::Pickle;
use super::state_dict::{self, Storages};
use super::tensors::{Checkpoint, Source as _};

/// What older files start with: a number that means nothing, as a pickle of its own. Before it stand the protocol (2 to 5)
/// and since 4 the length of a frame; protocol 1 writes it in decimal digits.
const MAGIC: [&[u8]; 2] = [b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", b"L119547037146038801333356L\n."];

/// Whether a file starts as [`read_legacy`] reads it.
pub fn is_legacy(content: &Content) -> Result<bool> {
    let start = content.start(32)?;
    Ok(MAGIC.iter().any(|magic| start.windows(magic.len()).take(12).any(|window| window == *magic)))
}

/// The bytes that a pickle may have, without its storages. A million operations with names take a tenth.
const PICKLE: usize = 1 << 28;

/// Reads an archive whose pickle lies in `folder`.
pub fn read_zip(mut archive: Archive, folder: &str) -> Result<Checkpoint> {
    let order = archive.entry(&format!("{folder}byteorder"))?;
    if order.is_some_and(|order| order.start(16).is_ok_and(|order| order.trim_ascii() == b"big")) {
        return Err(Error::refused("", "The values are big-endian.", "Save it again on a little-endian machine."));
    }
    let pickle = archive.entry(&format!("{folder}data.pkl"))?.ok_or_else(|| Error::damaged("", "It has no pickle."))?;
    if pickle.len() > PICKLE {
        let what = format!("Its pickle has {} bytes; at most {PICKLE} are read.", pickle.len());
        return Err(Error::refused("", what, "Save the weights alone."));
    }
    let pickle = Pickle::read(&pickle.read()?)?;
    let mut storages = Storages::new();
    let keys: BTreeSet<String> = state_dict::storages(&pickle)?.into_iter().map(|storage| storage.key).collect();
    for key in keys {
        if let Some(content) = archive.entry(&format!("{folder}data/{key}"))? {
            storages.insert(key, content);
        }
    }
    state_dict::read("PyTorch", &pickle, &storages)
}

/// Reads pickles: a number, a version, the machine's sizes, the state, the keys of its storages; then the storages,
/// each its number of elements and its values.
pub fn read_legacy(content: &Content) -> Result<Checkpoint> {
    let mut at = 0;
    // How long a pickle is, only reading it says.
    let mut next = || -> Result<Pickle> {
        let rest = content.part(at..content.len()).ok_or_else(|| Error::damaged("", "A pickle is missing."))?;
        let mut most = 1 << 16;
        loop {
            match Pickle::read(&rest.start(most)?) {
                Err(_) if most < rest.len().min(PICKLE) => most = most.saturating_mul(16).min(PICKLE),
                pickle => {
                    let pickle = pickle.map_err(|error| error.after(at))?;
                    at += pickle.len;
                    return Ok(pickle);
                }
            }
        }
    };
    if !is_legacy(content)? {
        let what = "The file is a pickle, but none that torch.save wrote.";
        let hint = "Save the weights in PyTorch: torch.save(model.state_dict(), \"weights.pth\").";
        return Err(Error::refused("", what, hint));
    }
    let (_magic, _version, _machine) = (next()?, next()?, next()?);
    let (pickle, keys) = (next()?, next()?);
    let widths: BTreeMap<String, Option<usize>> =
        state_dict::storages(&pickle)?.into_iter().map(|storage| (storage.key, storage.width)).collect();
    let keys = keys.items(keys.root).into_iter().flatten().map(|key| state_dict::key(&keys, *key));
    let keys: Option<Vec<String>> = keys.collect();
    let keys = keys.ok_or_else(|| Error::damaged("", "The keys of the storages cannot be read."))?;
    let mut storages = Storages::new();
    for key in keys {
        let wrong = || Error::damaged(format!("byte {at}"), format!("The storage `{key}` is cut off or has no type."));
        let count = content.part(at..at.saturating_add(8)).map(|count| count.read()).transpose()?;
        let count = count.and_then(|count| count.first_chunk().map(|eight| u64::from_le_bytes(*eight)));
        let size = count.and_then(|count| usize::try_from(count).ok()?.checked_mul((*widths.get(&key)?)?));
        let start = at + 8;
        let storage = size.and_then(|size| content.part(start..start.checked_add(size)?)).ok_or_else(wrong)?;
        at = start + storage.len();
        storages.insert(key, storage);
    }
    state_dict::read("PyTorch before 1.6", &pickle, &storages)
}
