//! Files read whole: their bytes, their text, their hash, their end.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::error::{Result, at};
use super::regular::{open, open_as};

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    at("read", path, open_as("read", path, OpenOptions::new().read(true))?.read_to_end(&mut content))?;
    Ok(content)
}

/// Reads a whole text file. Text that is not UTF-8 is an error.
pub fn read_to_string(path: &Path) -> Result<String> {
    let mut content = String::new();
    at("read", path, open_as("read", path, OpenOptions::new().read(true))?.read_to_string(&mut content))?;
    Ok(content)
}

/// The BLAKE3 hash of a file's content, read in parts.
pub fn blake3(path: &Path) -> Result<::blake3::Hash> {
    hash(&open(path)?, path)
}

/// The BLAKE3 hash of what is left to read of an open file.
pub fn hash(mut file: &File, path: &Path) -> Result<::blake3::Hash> {
    let mut hasher = ::blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = at("read", path, file.read(&mut buffer))?;
        if n == 0 {
            return Ok(hasher.finalize());
        }
        hasher.update(&buffer[..n]);
    }
}

/// The last `bytes` of a text file, from a line's start; bytes that are not UTF-8 are replaced.
pub fn tail(path: &Path, bytes: u64) -> Result<String> {
    let mut file = open(path)?;
    let len = at("read", path, file.metadata())?.len();
    at("read", path, file.seek(SeekFrom::Start(len.saturating_sub(bytes))))?;
    let mut content = Vec::new();
    at("read", path, file.read_to_end(&mut content))?;
    let text = String::from_utf8_lossy(&content).into_owned();
    let cut = if len > bytes { text.find('\n').map_or(0, |i| i + 1) } else { 0 };
    Ok(text[cut..].to_owned())
}
