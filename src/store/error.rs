//! What can go wrong with a store, and what to do about it.

use std::path::PathBuf;

use crate::fsio;
use crate::hash::Digest;

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
    /// Objects that are needed are missing or damaged: all of them.
    #[error("{} stored object(s) are missing or damaged: {}.", .0.len(), all(.0))]
    Lacking(Vec<Digest>),
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
            Error::Corrupt { .. } | Error::Missing(_) | Error::Lacking(_) => {
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

fn all(digests: &[Digest]) -> String {
    digests.iter().map(Digest::to_string).collect::<Vec<_>>().join(", ")
}

/// The result of an operation on the store.
pub type Result<T> = std::result::Result<T, Error>;
