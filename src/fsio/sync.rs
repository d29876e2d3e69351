//! Syncing: what was written, or named, survives a power cut afterwards.

use std::fs::File;
use std::path::Path;

use super::error::{Result, at};
use super::failpoint::{Point, failpoint};

/// Syncs an open file.
pub fn sync_file(file: &File, path: &Path) -> Result<()> {
    failpoint(Point::Sync, path)?;
    at("sync", path, file.sync_all())
}

/// Syncs the file at `path`.
pub fn sync(path: &Path) -> Result<()> {
    let file = at("open", path, File::open(path))?;
    sync_file(&file, path)
}

/// Syncs the folder that `path` is in.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync(Path::new(".")),
        Some(parent) => sync(parent),
        None => Ok(()),
    }
}
