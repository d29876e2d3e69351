//! Files written whole, or by parts where nobody else knows of them yet.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::error::{Error, Result, at};
use super::failpoint::{Point, failpoint};
use super::folders::create_dir_all;
use super::regular::open_as;
use super::sync::sync_file;
use super::temporary::Temporary;

/// Writes `bytes` at `path`: the file appears whole, synced, or not at all, and replaces one that is there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_parts(path, &[bytes])
}

/// As [`write_atomic`], of content in parts.
pub fn write_atomic_parts(path: &Path, parts: &[&[u8]]) -> Result<()> {
    write_atomic_by(path, |put| parts.iter().try_for_each(|part| put(part)))
}

/// As [`write_atomic`], of content that `make` puts part by part; its error is the call's.
pub fn write_atomic_by<E: From<Error>>(
    path: &Path,
    make: impl FnOnce(&mut Put<'_>) -> WriteResult<E>,
) -> WriteResult<E> {
    let mut temporary = Temporary::beside(path)?;
    make(&mut |part| temporary.add(part))?;
    Ok(temporary.place(path)?)
}

/// Adds bytes to a file that is being written.
pub type Put<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// The result of making a file's content.
pub type WriteResult<E> = std::result::Result<(), E>;

/// Writes and syncs a file that nobody else knows of yet.
pub fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = create(path)?;
    at("write", path, file.write_all(bytes))?;
    sync_file(&file, path)
}

/// Creates (or empties) a file for writing by parts. Not atomic: for logs and files in a job's own folder.
pub fn create(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        create_dir_all(parent)?;
    }
    failpoint(Point::Write, path)?;
    open_as("create", path, OpenOptions::new().write(true).create(true).truncate(true))
}

/// Opens a file for adding at its end, making it where it is missing.
pub fn append(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        create_dir_all(parent)?;
    }
    open_as("open", path, OpenOptions::new().append(true).create(true))
}

/// Copies a file to a place where it appears whole or not at all.
pub fn copy_atomic(from: &Path, to: &Path) -> Result<()> {
    let mut temporary = Temporary::beside(to)?;
    temporary.fill(from)?;
    temporary.place(to)
}
