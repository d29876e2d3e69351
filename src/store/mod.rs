//! The store: content-addressed objects, action records, run records, locks and the memory of external files.
//!
//! Invariants:
//! - an object is named by the BLAKE3 digest of its bytes, is read-only, appears whole or not at all, and is
//!   verified whenever it is read back; a corrupt one is set aside in `quarantine/` and never seen again;
//! - a record's first line is the digest of the rest, so a torn or flipped record is set aside and counts as absent;
//! - everything is written in `tmp/`, synced, and renamed into its place: a process killed at any moment leaves a
//!   store that the next one uses as it is;
//! - what a living process writes is never swept, whatever any clock says;
//! - a store that may not be written serves what is in it, and one that is only viewed ([`Store::view`]) stays as it is;
//! - every stored format carries a version, and a newer one is refused in words;
//! - the store knows no pipeline, no stage kind and no clock in what it names: only run ids hold a time, and nothing
//!   goes by it;
//! - what each job did is recorded once and never changed (`executions.rs`);
//! - what killed processes left goes when the next run begins, once nobody holds it (`sweep.rs`).
//!
//! ```text
//! .repro/
//!   format              "repro store 1"
//!   objects/ab/cdef…    blobs; a tree is a blob that lists its files
//!   actions/ab/….json   what a node with that action key made
//!   executions/<run>/   what each job of that run did, a record a job
//!   runs/….json         run records, by number and id; ….nodes beside it while the run goes on
//!   runs/….events       what a run that had something to do told, a line an event
//!   locks/              one file a lock, held by a living process
//!   scratch/<key>/      inner checkpoints of a node that is not finished
//!   jobs/<run>/<key>/   job.json, log.txt, events, and while it runs out/ and temp/
//!   externals/          digests of files outside the store, by size, times and inode
//!   quarantine/, tmp/
//! ```

mod executions;
mod fingerprints;
mod lists;
mod objects;
mod opening;
mod reader;
mod records;
mod runs;
mod sweep;
mod time;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use executions::{Execution, ExecutionId, Verdict};
pub use fingerprints::Fingerprints;
pub use objects::Entry;
pub use reader::Reader;
pub use records::ActionRecord;
pub use runs::{Journal, RunClaim, RunLine, RunNodeRecord, RunRecord, RunStatus, Status};
pub use time::rfc3339;

pub use crate::fsio::Lock;

use crate::fsio::{self, Temporary};
use crate::hash::Digest;

/// How many characters of its path the name of what is set aside has at most: together with the time it stays below the
/// 255 bytes that file systems allow.
const ASIDE: usize = 50;

/// A failed operation on the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error(transparent)]
    Io(#[from] fsio::Error),
    /// The store or something in it was written by a newer program.
    #[error("`{}` has the format `{found}`, which is newer than this program reads (`{known}`).", path.display())]
    Newer {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: String,
        /// The newest format that this program reads.
        known: String,
    },
    /// The folder holds something else.
    #[error("`{}` holds something that is not a store of repro.", .0.display())]
    NotAStore(PathBuf),
    /// An object is not what its name says.
    #[error("The stored object {digest} is damaged; it lies at `{}`.", aside.display())]
    Corrupt {
        /// The object.
        digest: Digest,
        /// Where it is now: set aside, unless the store may not be written.
        aside: PathBuf,
    },
    /// A record that may not be replaced is there already.
    #[error("`{}` is there already, and is never replaced.", .0.display())]
    Taken(PathBuf),
    /// An object is not there.
    #[error("The stored object {0} is missing.")]
    Missing(Digest),
    /// A name stands for no run, or for several.
    #[error("{message}")]
    NoRun {
        /// What was looked for and what was found.
        message: String,
        /// What to do.
        hint: String,
    },
}

impl Error {
    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Error::Io(error) if error.is_denied() => {
                "Check the owner and the permissions of the path, or name another store by `--store PATH`.".to_owned()
            }
            Error::Io(error) => error.hint().to_owned(),
            Error::Newer { path, .. } if path.ends_with("format") => {
                "Use the newer program, or another store (`--store PATH`). If no newer program was here, the file is \
                 damaged: remove it, and it is made again."
                    .to_owned()
            }
            Error::Newer { .. } => "Use the newer program, or another store (`--store PATH`).".to_owned(),
            Error::NotAStore(_) => "Name another folder by `--store PATH`.".to_owned(),
            Error::Corrupt { .. } | Error::Missing(_) => {
                "`repro run` makes it again. Check the disk if this happens twice.".to_owned()
            }
            Error::Taken(_) => {
                "Check that no two machines use the store by file systems without shared locks.".to_owned()
            }
            Error::NoRun { hint, .. } => hint.clone(),
        }
    }

    /// Whether the store may not be written.
    pub fn is_denied(&self) -> bool {
        matches!(self, Error::Io(error) if error.is_denied())
    }

    /// Whether the disk or a quota is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Error::Io(error) if error.is_full())
    }
}

/// The result of an operation on the store.
pub type Result<T> = std::result::Result<T, Error>;

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// For work.
    Work,
    /// For a look: nothing is changed but the memory of digests.
    View,
    /// For a look at nothing: there is no store, and none is made.
    Absent,
}

/// An open store. Cheap; several processes and threads may use one store at once.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    access: Access,
    notices: Mutex<Vec<String>>,
    /// Trees all of whose files were there when they were last looked for.
    whole: Mutex<BTreeSet<Digest>>,
}

impl Store {
    /// The absolute path of the store's folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The folder of inner checkpoints for an action key.
    pub fn scratch(&self, key: &Digest) -> PathBuf {
        self.root.join("scratch").join(key.to_string())
    }

    /// The folder of all jobs of a run, each below it by action key.
    pub fn jobs(&self, run: &str) -> PathBuf {
        self.root.join("jobs").join(run)
    }

    /// The memory of the digests of external files.
    pub fn fingerprints(&self) -> Fingerprints<'_> {
        Fingerprints::new(self)
    }

    /// What the store had to set aside since this was last asked, as sentences for the user.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_whole(&self, tree: &Digest) -> bool {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).contains(tree)
    }

    fn note_whole(&self, tree: Digest) {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).insert(tree);
    }

    fn notice(&self, text: String) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// A file in `tmp/` that is for `place`.
    fn temporary(&self, place: &Path) -> fsio::Result<Temporary> {
        let folder = self.root.join("tmp");
        self.make_way(&folder.join("any"))?;
        Temporary::create(&folder, place)
    }

    /// Writes `bytes` at `path` inside the store: whole or not at all.
    fn place(&self, path: &Path, bytes: &[u8]) -> fsio::Result<()> {
        let mut temporary = self.temporary(path)?;
        temporary.add(bytes)?;
        self.make_way(path)?;
        temporary.place(path)
    }

    /// As [`Store::place`], but what is at `path` stays. Whether the file came there.
    fn place_new(&self, path: &Path, bytes: &[u8]) -> fsio::Result<bool> {
        let mut temporary = self.temporary(path)?;
        temporary.add(bytes)?;
        self.make_way(path)?;
        temporary.place_new(path)
    }

    /// Sets aside what is in the way of a file at `path` inside the store: a folder in its place, and files in the place of
    /// its folders.
    ///
    /// # Errors
    /// The disk's.
    pub fn make_way(&self, path: &Path) -> fsio::Result<()> {
        if fsio::is_folder(path) {
            self.set_aside(path, "A folder in the place of a file")?;
        }
        let mut folder = path.parent();
        while let Some(above) = folder.filter(|above| above.starts_with(&self.root) && !fsio::is_folder(above)) {
            if fsio::exists(above) {
                self.set_aside(above, "A file in the place of a folder")?;
            }
            folder = above.parent();
        }
        Ok(())
    }

    /// The names in one of the store's folders, sorted; none if there is no such folder. The store gives no names but
    /// UTF-8, so others are set aside.
    fn names(&self, folder: &Path) -> fsio::Result<Vec<String>> {
        let entries = match fsio::entries(folder) {
            Err(error) if error.is_absent() => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::with_capacity(entries.len());
        for name in entries {
            match name.into_string() {
                Ok(name) => names.push(name),
                Err(name) => drop(self.set_aside(&folder.join(name), "A file whose name is not UTF-8")?),
            }
        }
        Ok(names)
    }

    /// Moves what is damaged or out of place into `quarantine/` and says where it is now. In a view it stays.
    fn set_aside(&self, path: &Path, what: &str) -> fsio::Result<PathBuf> {
        // It may have been a file of any tree.
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if self.access != Access::Work {
            self.notice(format!("{what} is damaged: `{}`. The next run sets it aside.", path.display()));
            return Ok(path.to_owned());
        }
        let name = path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('/', "-");
        let name: String = name.chars().take(ASIDE).collect();
        let folder = self.root.join("quarantine");
        let mut n = fsio::now();
        let mut aside = folder.join(format!("{name}.{n:x}"));
        while fsio::exists(&aside) {
            n += 1;
            aside = folder.join(format!("{name}.{n:x}"));
        }
        match fsio::rename(path, &aside) {
            // Another process was quicker.
            Err(error) if error.is_missing() => {}
            // What may not be written counts as not there, and stays.
            Err(error) if error.is_denied() => {
                self.notice(format!("{what} was damaged: {error}"));
                return Ok(path.to_owned());
            }
            result => result?,
        }
        self.notice(format!("{what} was damaged and has been set aside at `{}`.", aside.display()));
        Ok(aside)
    }

    /// Removes what killed processes left in `tmp/`.
    fn sweep(&self) {
        fsio::sweep(&self.root.join("tmp"), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_living_process_writes_is_not_swept_whatever_its_age() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut living = store.temporary(&store.path().join("runs/a")).unwrap();
        let two_days = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 86_400);
        living.file().set_modified(two_days).unwrap();
        Store::open(dir.path()).unwrap();
        living.place(&store.path().join("runs/a")).unwrap();
    }
}
