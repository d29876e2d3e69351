//! Zip archives: NumPy's `.npz`, and PyTorch's files since version 1.6. What is in them tells them apart.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use prost::bytes::Bytes;
use zip::ZipArchive;

use super::error::{Error, Result};
use super::{Checkpoint, limit, npz, torch};

/// Reads an archive of arrays or of a pickle and its storages.
pub fn read(content: Bytes) -> Result<Checkpoint> {
    let archive = Archive::open(content)?;
    match archive.names.iter().find(|name| name.as_str() == "data.pkl" || name.ends_with("/data.pkl")) {
        Some(name) => {
            let folder = name.trim_end_matches("data.pkl").to_owned();
            torch::read_zip(archive, &folder)
        }
        None if archive.names.iter().all(|name| name.ends_with(".npy")) && !archive.names.is_empty() => {
            npz::read(archive)
        }
        None => {
            let what = "The archive holds neither NumPy's arrays (`.npy`) nor a PyTorch state (`data.pkl`).";
            Err(Error::refused("", what, "Name a `.pth` or `.npz` file."))
        }
    }
}

/// An archive whose entries do not lie over one another.
pub struct Archive {
    /// The names of the entries, in their order.
    pub names: Vec<String>,
    zip: ZipArchive<Cursor<Bytes>>,
}

impl Archive {
    fn open(content: Bytes) -> Result<Self> {
        let (bytes, most) = (content.len() as u64, limit(content.len()) as u64);
        let wrong = |error: zip::result::ZipError| Error::damaged("", format!("The archive cannot be read: {error}."));
        let mut zip = ZipArchive::new(Cursor::new(content)).map_err(wrong)?;
        let (mut names, mut packed, mut unpacked) = (Vec::with_capacity(zip.len()), 0_u64, 0_u64);
        for at in 0..zip.len() {
            let entry = zip.by_index_raw(at).map_err(wrong)?;
            packed = packed.saturating_add(entry.compressed_size());
            unpacked = unpacked.saturating_add(entry.size());
            names.push(entry.name().map_err(wrong)?.into_owned());
        }
        let distinct: BTreeSet<&String> = names.iter().collect();
        if packed > bytes || distinct.len() < names.len() {
            return Err(Error::damaged("", "Entries of the archive overlap or have the same name."));
        }
        if unpacked > most {
            let what = format!("The archive of {bytes} bytes says that it unpacks to {unpacked}, as no weights do.");
            return Err(Error::refused("", what, "Fetch the file again, or save it without compression."));
        }
        Ok(Archive { names, zip })
    }

    /// The content of an entry, its checksum compared; none where there is no such entry.
    pub fn read(&mut self, name: &str) -> Result<Option<Bytes>> {
        let Some(at) = self.names.iter().position(|found| found == name) else { return Ok(None) };
        let wrong = |what: String| Error::damaged(format!("entry `{name}`"), format!("It cannot be read: {what}."));
        let entry = self.zip.by_index(at).map_err(|error| wrong(error.to_string()))?;
        let size = entry.size();
        // One more than it should have, so that an entry that is longer than it says is found.
        let mut content = Vec::new();
        entry.take(size + 1).read_to_end(&mut content).map_err(|error| wrong(error.to_string()))?;
        if content.len() as u64 != size {
            return Err(wrong(format!("it should have {size} bytes")));
        }
        Ok(Some(content.into()))
    }
}
