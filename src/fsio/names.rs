//! The names of files: a file comes to its place by a rename, and the folder is synced then.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::error::{Result, at};
use super::failpoint::{Point, failpoint};
use super::folders::create_dir_all;
use super::sync::sync_parent;

/// Renames `from` to `to` and syncs the folder, so that the name survives a power cut.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        create_dir_all(parent)?;
    }
    failpoint(Point::Rename, to)?;
    at("rename to", to, fs::rename(from, to))?;
    sync_parent(to)
}

/// As [`rename`], but what is at `to` stays. Whether the file came there: false if something else was there first.
pub(super) fn rename_new(from: &Path, to: &Path) -> Result<bool> {
    if let Some(parent) = to.parent() {
        create_dir_all(parent)?;
    }
    failpoint(Point::Rename, to)?;
    let renamed = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system does not know the flag, as some that are shared by hosts do not. A second name is as exclusive.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::hard_link(from, to).and_then(|()| fs::remove_file(from))
        }
        renamed => renamed.map_err(io::Error::from),
    };
    match renamed {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        renamed => {
            at("rename to", to, renamed)?;
            sync_parent(to)?;
            Ok(true)
        }
    }
}

/// Removes a file; one that is not there is no error.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => at("remove", path, result),
    }
}
