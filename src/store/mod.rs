//! The store: content-addressed objects, action records, run records, locks and the memory of external files.
//!
//! Invariants:
//! - an object is named by the BLAKE3 digest of its bytes, is read-only, appears whole or not at all, and is
//!   verified whenever it is read back; a corrupt one is set aside in `quarantine/` and never seen again;
//! - a record's first line is the digest of the rest, so a torn or flipped record is set aside and counts as absent;
//! - everything is written in `tmp/`, synced, and renamed into its place: a process killed at any moment leaves a
//!   store that the next one uses as it is;
//! - every stored format carries a version, and a newer one is refused in words;
//! - the store knows no pipeline, no stage kind and no clock in what it names: only run ids hold a time.
//!
//! ```text
//! .repro/
//!   format              "repro store 1"
//!   objects/ab/cdef…    blobs; a tree is a blob that lists its files
//!   actions/ab/….json   what a node with that action key made
//!   runs/<id>.json      run records
//!   locks/              one file a lock, held by a living process
//!   scratch/<key>/      inner checkpoints of a node that is not finished
//!   jobs/<recipe>/<run> job.json, log.txt, events, out/
//!   externals/          digests of files outside the store, by size, times and inode
//!   quarantine/, tmp/
//! ```

mod fingerprints;
mod objects;
mod reader;
mod records;
mod runs;
mod time;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub use fingerprints::Fingerprints;
pub use objects::Entry;
pub use reader::Reader;
pub use records::ActionRecord;
pub use runs::{RunClaim, RunNodeRecord, RunRecord, RunStatus, Status};
pub use time::rfc3339;

pub use crate::fsio::Lock;

use crate::fsio;
use crate::hash::Digest;

/// The text of the file `format`: what this program reads and writes.
const FORMAT: &str = "repro store 1";

/// How old a file in `tmp/` is, in nanoseconds, before it counts as left over by a killed process: one day.
const STALE: i128 = 86_400_000_000_000;

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
    #[error("`{}` is not empty and not a store of repro.", .0.display())]
    NotAStore(PathBuf),
    /// An object is not what its name says. It has been set aside.
    #[error("The stored object {digest} was corrupt and has been set aside at `{}`.", aside.display())]
    Corrupt {
        /// The object.
        digest: Digest,
        /// Where it is now.
        aside: PathBuf,
    },
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
            Error::Io(error) => error.hint().to_owned(),
            Error::Newer { .. } => "Use the newer program, or another store (`--store PATH`).".to_owned(),
            Error::NotAStore(_) => "Name another folder by `--store PATH`, or empty this one.".to_owned(),
            Error::Corrupt { .. } | Error::Missing(_) => {
                "`repro run` makes it again. Check the disk if this happens twice.".to_owned()
            }
            Error::NoRun { hint, .. } => hint.clone(),
        }
    }

    /// Whether the disk or a quota is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Error::Io(error) if error.is_full())
    }
}

/// The result of an operation on the store.
pub type Result<T> = std::result::Result<T, Error>;

/// An open store. Cheap; several processes and threads may use one store at once.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    notices: Mutex<Vec<String>>,
}

impl Store {
    /// Opens the store at `path`, or makes one there.
    ///
    /// # Errors
    /// A folder that holds something else, and a store of a newer format, are refused.
    pub fn open(path: &Path) -> Result<Self> {
        let mark = path.join("format");
        if !fsio::exists(&mark) {
            let empty = |names: &[String]| names.iter().all(|name| name.starts_with('.') || name == "tmp");
            // The mark comes first: what is listed beside it may be a store that another process is making now.
            if fsio::exists(path) && !empty(&fsio::list(path)?) && !fsio::exists(&mark) {
                return Err(Error::NotAStore(path.to_owned()));
            }
            fsio::write_atomic(&mark, format!("{FORMAT}\n").as_bytes())?;
        }
        let found = fsio::read_to_string(&mark)?.trim().to_owned();
        if found != FORMAT {
            return Err(match found.starts_with("repro store ") {
                true => Error::Newer { path: mark, found, known: FORMAT.to_owned() },
                false => Error::NotAStore(path.to_owned()),
            });
        }
        let store = Store { root: fsio::canonical(path)?, notices: Mutex::default() };
        store.sweep()?;
        Ok(store)
    }

    /// The absolute path of the store's folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The folder of inner checkpoints for an action key.
    pub fn scratch(&self, key: &Digest) -> PathBuf {
        self.root.join("scratch").join(key.to_string())
    }

    /// The folder of all jobs of a recipe, each below it by run.
    pub fn jobs(&self, recipe: &Digest) -> PathBuf {
        self.root.join("jobs").join(recipe.to_string())
    }

    /// The memory of the digests of external files.
    pub fn fingerprints(&self) -> Fingerprints<'_> {
        Fingerprints::new(self)
    }

    /// What the store had to set aside since this was last asked, as sentences for the user.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.notices.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn notice(&self, text: String) {
        self.notices.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(text);
    }

    /// A path in `tmp/` that nobody else uses, on the same file system as everything else in the store.
    fn temporary(&self) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let n = COUNT.fetch_add(1, Ordering::SeqCst);
        self.root.join("tmp").join(format!("{}-{n}-{:x}", std::process::id(), fsio::now()))
    }

    /// Writes `bytes` at `path` inside the store: whole or not at all.
    fn place(&self, path: &Path, bytes: &[u8]) -> fsio::Result<()> {
        let temporary = self.temporary();
        let placed = fsio::write_synced(&temporary, bytes).and_then(|()| fsio::rename(&temporary, path));
        if placed.is_err() {
            // The first error is the one to tell; what stays is swept later.
            let _ = fsio::remove_file(&temporary);
        }
        placed
    }

    /// Moves a damaged file into `quarantine/` and says where it is now.
    fn set_aside(&self, path: &Path, what: &str) -> fsio::Result<PathBuf> {
        let name = path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('/', "-");
        let aside = self.root.join("quarantine").join(format!("{name}.{:x}", fsio::now()));
        match fsio::rename(path, &aside) {
            // Another process was quicker.
            Err(error) if error.is_missing() => {}
            result => result?,
        }
        self.notice(format!("{what} was corrupt and has been set aside at `{}`.", aside.display()));
        Ok(aside)
    }

    /// Removes what killed processes left in `tmp/`.
    fn sweep(&self) -> Result<()> {
        let folder = self.root.join("tmp");
        if !fsio::exists(&folder) {
            return Ok(());
        }
        for name in fsio::list(&folder)? {
            let path = folder.join(name);
            // A file that is gone by now was in use by a living process.
            if fsio::stat(&path).is_ok_and(|stat| !stat.is_dir && fsio::now() - stat.mtime > STALE) {
                fsio::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_opens_again_and_other_folders_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/.repro");
        Store::open(&path).unwrap();
        assert_eq!(Store::open(&path).unwrap().path(), path.canonicalize().unwrap());
        fsio::write_atomic(&path.join("format"), b"repro store 2\n").unwrap();
        let error = Store::open(&path).unwrap_err();
        assert!(error.to_string().contains("newer than this program reads (`repro store 1`)"), "{error}");
        let other = dir.path().join("photos");
        fsio::write_atomic(&other.join("a.jpg"), b"").unwrap();
        assert!(matches!(Store::open(&other), Err(Error::NotAStore(_))));
    }

    #[test]
    fn what_killed_processes_left_is_swept_after_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (old, new) = (store.path().join("tmp/old"), store.path().join("tmp/new"));
        fsio::write_atomic(&old, b"x").unwrap();
        fsio::write_atomic(&new, b"x").unwrap();
        let two_days = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 86_400);
        fsio::open(&old).unwrap().set_modified(two_days).unwrap();
        Store::open(dir.path()).unwrap();
        assert!(!fsio::exists(&old) && fsio::exists(&new));
    }
}
