//! The content of a file of weights, in memory or on the disk: a part of it is read when it is asked for, so that a large
//! file takes no more memory than its largest tensor.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use prost::bytes::Bytes;

use super::error::{Error, Result};
use super::tensors::Source;
use crate::fsio;

/// The bytes that are read at a time where they are only looked at.
const PART: usize = 1 << 20;

/// A range of a file.
#[derive(Clone)]
pub struct Content {
    place: Place,
    range: Range<usize>,
    /// What must be sound before a part of it is handed out.
    check: Option<Arc<Check>>,
}

#[derive(Clone)]
enum Place {
    Held(Bytes),
    Stored(Arc<fsio::Parts>),
}

/// A checksum of a whole entry of an archive; compared once.
struct Check {
    range: Range<usize>,
    crc: u32,
    sound: OnceLock<bool>,
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Content { range: 0..bytes.len(), place: Place::Held(bytes), check: None }
    }
}

impl Content {
    /// The content of the file at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = fsio::Parts::open(path)?;
        let len = usize::try_from(file.bytes()).map_err(|_| Error::damaged("", "The file is too large."))?;
        Ok(Content { place: Place::Stored(Arc::new(file)), range: 0..len, check: None })
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// A part of it; none where it does not lie within.
    pub fn part(&self, part: Range<usize>) -> Option<Content> {
        if part.start > part.end || part.end > self.len() {
            return None;
        }
        let range = self.range.start + part.start..self.range.start + part.end;
        Some(Content { place: self.place.clone(), range, check: self.check.clone() })
    }

    /// The same with a CRC-32 of all of it, which is compared before any part of it is handed out.
    pub fn checked(self, crc: u32) -> Self {
        let check = Check { range: self.range.clone(), crc, sound: OnceLock::new() };
        Content { check: Some(Arc::new(check)), ..self }
    }

    /// At most so many bytes from its start.
    pub fn start(&self, most: usize) -> Result<Bytes> {
        self.bytes(self.range.start..self.range.end.min(self.range.start.saturating_add(most)))
    }

    /// Whether it ends with these bytes.
    pub fn ends_with(&self, end: &[u8]) -> Result<bool> {
        match self.len().checked_sub(end.len()).and_then(|start| self.part(start..self.len())) {
            Some(last) => Ok(last.read()? == end),
            None => Ok(false),
        }
    }

    /// The bytes of a range of the file.
    fn bytes(&self, range: Range<usize>) -> Result<Bytes> {
        match &self.place {
            Place::Held(bytes) => Ok(bytes.slice(range)),
            Place::Stored(file) => Ok(file.read(range.start as u64..range.end as u64)?.into()),
        }
    }

    fn sound(&self, check: &Check) -> Result<bool> {
        if let Some(sound) = check.sound.get() {
            return Ok(*sound);
        }
        let mut crc = flate2::Crc::new();
        for start in check.range.clone().step_by(PART) {
            crc.update(&self.bytes(start..check.range.end.min(start + PART))?);
        }
        Ok(*check.sound.get_or_init(|| crc.sum() == check.crc))
    }

    /// The content to be read as a stream.
    pub fn stream(&self) -> Stream {
        Stream { content: self.clone(), at: 0 }
    }
}

impl Source for Content {
    fn read(&self) -> Result<Bytes> {
        if let Some(check) = &self.check
            && !self.sound(check)?
        {
            return Err(Error::damaged("", "The checksum of its entry in the archive is another."));
        }
        self.bytes(self.range.clone())
    }
}

/// A [`Content`] that is read from place to place.
#[derive(Clone)]
pub struct Stream {
    content: Content,
    at: u64,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(self.at).unwrap_or(usize::MAX).min(self.content.len());
        let end = self.content.len().min(start.saturating_add(buffer.len()));
        let part = self.content.range.start + start..self.content.range.start + end;
        let bytes = self.content.bytes(part).map_err(io::Error::other)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for Stream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => (self.content.len() as u64).checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
