//! Files of users, which may be larger than they should: read in parts, or whole up to a limit.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::{Error, Result, at};
use super::regular::open;

/// A file has more bytes than it may have.
#[derive(Debug, thiserror::Error)]
#[error("it has more than {0} bytes")]
struct TooLarge(u64);

impl Error {
    /// Whether a file has more bytes than it may have.
    pub fn is_too_large(&self) -> bool {
        self.source.get_ref().is_some_and(|inner| inner.is::<TooLarge>())
    }
}

/// Reads a whole file of at most `most` bytes; no more is read of a larger one, which is an error.
pub fn read_within(path: &Path, most: u64) -> Result<Vec<u8>> {
    let within = |size: u64| match size <= most {
        true => Ok(()),
        false => Err(io::Error::other(TooLarge(most))),
    };
    let file = open(path)?;
    let size = at("read", path, file.metadata())?.len();
    at("read", path, within(size))?;
    let mut bytes = Vec::with_capacity(size as usize);
    at("read", path, file.take(most.saturating_add(1)).read_to_end(&mut bytes))?;
    at("read", path, within(bytes.len() as u64))?;
    Ok(bytes)
}

/// As [`read_within`], of a text. Text that is not UTF-8 is an error.
pub fn read_to_string_within(path: &Path, most: u64) -> Result<String> {
    let text = String::from_utf8(read_within(path, most)?);
    at("read", path, text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())))
}

/// An open file that is read in parts.
#[derive(Debug)]
pub struct Parts {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl Parts {
    /// Opens the file at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = open(path)?;
        let bytes = at("read", path, file.metadata())?.len();
        Ok(Parts { file, path: path.to_owned(), bytes })
    }

    /// The bytes that it had when it was opened.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes of a range that lies within the file.
    pub fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        at("read", &self.path, self.file.read_exact_at(&mut bytes, range.start))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsio::write_atomic;

    #[test]
    fn no_more_is_read_than_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_atomic(&path, b"0123456789").unwrap();
        assert_eq!(read_within(&path, 10).unwrap(), b"0123456789");
        let error = read_to_string_within(&path, 9).unwrap_err();
        let told = error.to_string();
        assert!(error.is_too_large() && !read_within(dir.path(), 9).unwrap_err().is_too_large());
        assert!(told.ends_with("it has more than 9 bytes."), "{told}");
        assert!(read_within(Path::new("/dev/zero"), 1000).is_err(), "a size that nobody stated");
        let parts = Parts::open(&path).unwrap();
        assert_eq!((parts.bytes(), parts.read(3..5).unwrap()), (10, b"34".to_vec()));
        assert!(parts.read(8..12).is_err());
    }
}
