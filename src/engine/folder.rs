//! The folder of a job.

use std::path::Path;

use crate::fsio;

/// The job file, what the job printed, and what it said.
pub(super) const JOB: &str = "job.json";
pub(super) const LOG: &str = "log.txt";
pub(super) const EVENTS: &str = "events";

/// The folders of a job that go when it ends: what it makes, and what it needs only while it runs.
pub(super) const OUT: &str = "out";
pub(super) const TEMP: &str = "temp";

/// Removes what a job leaves in its folder, named by its canonical path: outputs that are not stored, and what it needed
/// while it ran. If a program has put something else in the folder's place, that stays.
pub(super) fn tidy(folder: &Path) -> fsio::Result<()> {
    if !is_still(folder) {
        return Ok(());
    }
    fsio::remove_own_dir_all(&folder.join(OUT)).and(fsio::remove_own_dir_all(&folder.join(TEMP)))
}

/// Whether the folder at this canonical path is where it was, and no link is in its place or in that of a folder above.
pub(super) fn is_still(folder: &Path) -> bool {
    fsio::canonical(folder).is_ok_and(|now| now == folder)
}
