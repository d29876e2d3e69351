//! Zip archives, in which NumPy's `.npz` and PyTorch's files since version 1.6 lie.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use prost::bytes::Bytes;
use zip::{CompressionMethod, ZipArchive};

use super::content::{Content, Stream};
use super::error::{Error, Result};
use super::tensors::limit;

/// An archive whose entries do not lie over one another.
pub struct Archive {
    /// The names of the entries, in their order.
    pub names: Vec<String>,
    places: BTreeMap<String, usize>,
    content: Content,
    zip: ZipArchive<BufReader<Stream>>,
}

impl Archive {
    /// Opens an archive.
    ///
    /// # Errors
    /// It is not whole, entries overlap or share a name, or it unpacks to more than weights do.
    pub fn open(content: &Content) -> Result<Self> {
        let (bytes, most) = (content.len() as u64, limit(content.len()) as u64);
        let wrong = |error: zip::result::ZipError| Error::damaged("", format!("The archive cannot be read: {error}."));
        let mut zip = ZipArchive::new(BufReader::new(content.stream())).map_err(wrong)?;
        let (mut names, mut unpacked) = (Vec::with_capacity(zip.len()), 0_u64);
        for at in 0..zip.len() {
            let entry = zip.by_index_raw(at).map_err(wrong)?;
            unpacked = unpacked.saturating_add(entry.size());
            names.push(entry.name().map_err(wrong)?.into_owned());
        }
        let places: BTreeMap<String, usize> = names.iter().cloned().zip(0..).collect();
        if zip.has_duplicate_names() || places.len() < names.len() || zip.has_overlapping_entries().map_err(wrong)? {
            return Err(Error::damaged("", "Entries of the archive overlap or have the same name."));
        }
        if unpacked > most {
            let what = format!("The archive of {bytes} bytes says that it unpacks to {unpacked}, as no weights do.");
            return Err(Error::refused("", what, "Fetch the file again, or save it without compression."));
        }
        Ok(Archive { names, places, content: content.clone(), zip })
    }

    /// The content of an entry, whose checksum is compared at the latest when it is read; none where there is no such
    /// entry. One that is not compressed stays in the file.
    pub fn entry(&mut self, name: &str) -> Result<Option<Content>> {
        let Some(&at) = self.places.get(name) else { return Ok(None) };
        let wrong = |what: String| Error::damaged(format!("entry `{name}`"), format!("It cannot be read: {what}."));
        let entry = self.zip.by_index(at).map_err(|error| wrong(error.to_string()))?;
        let (size, crc) = (entry.size(), entry.crc32());
        let cut_off = || wrong(format!("it should have {size} bytes"));
        if entry.compression() == CompressionMethod::Stored && entry.compressed_size() == size {
            let start = entry.data_start().and_then(|start| usize::try_from(start).ok());
            let end = start.zip(usize::try_from(size).ok()).and_then(|(start, size)| start.checked_add(size));
            let part = start.zip(end).and_then(|(start, end)| self.content.part(start..end));
            return Ok(Some(part.ok_or_else(cut_off)?.checked(crc)));
        }
        // One more than it should have, so that an entry that is longer than it says is found.
        let mut content = Vec::new();
        entry.take(size + 1).read_to_end(&mut content).map_err(|error| wrong(error.to_string()))?;
        if content.len() as u64 != size {
            return Err(cut_off());
        }
        Ok(Some(Bytes::from(content).into()))
    }
}
