//! Reading a file of lines that another process writes to.
//!
//! Invariant: a line that is not complete yet is read later, when it is.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use crate::fsio;

/// How many bytes are read at a time.
const PART: u64 = 1 << 20;

/// A file of lines that grows.
#[derive(Debug)]
pub(super) struct Growing {
    path: PathBuf,
    /// The lines before this place were read.
    at: u64,
}

impl Growing {
    /// The file from its beginning.
    pub fn new(path: PathBuf) -> Self {
        Growing { path, at: 0 }
    }

    /// The next whole lines; none where there are none yet, or where the file cannot be read.
    pub fn part(&mut self) -> Option<Vec<u8>> {
        let mut file = fsio::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(self.at)).ok()?;
        let mut text = Vec::new();
        file.take(PART).read_to_end(&mut text).ok()?;
        let end = match text.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            // A line of that length is none of ours.
            None if text.len() as u64 == PART => text.len(),
            None => return None,
        };
        text.truncate(end);
        self.at += end as u64;
        Some(text)
    }
}
