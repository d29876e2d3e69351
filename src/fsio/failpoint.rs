//! Places where tests break or end the process. The program sets nothing there, so that they do nothing, and no variable
//! changes that: what breaks is in `tests/failpoints/mod.rs`, which no program for users has.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use super::error::{Result, at};

/// The operations that a failpoint can hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Writing a file's content.
    Write,
    /// Syncing a file or folder to the disk.
    Sync,
    /// Renaming a file into its place.
    Rename,
}

/// What is called at a failpoint: it gives the error that the operation shall have, or ends the process.
pub type Breaks = fn(Point, &Path) -> io::Result<()>;

static BREAKS: OnceLock<Breaks> = OnceLock::new();

/// Has every failpoint of this process call `breaks`. Only tests do that, once.
pub fn set_failpoints(breaks: Breaks) {
    BREAKS.get_or_init(|| breaks);
}

/// Passes a failpoint.
pub(super) fn failpoint(point: Point, path: &Path) -> Result<()> {
    match BREAKS.get() {
        None => Ok(()),
        Some(breaks) => at("write", path, breaks(point, path)),
    }
}
