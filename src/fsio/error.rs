//! A failed operation on a path: what was done to which path, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// A failed operation on a path.
#[derive(Debug, thiserror::Error)]
#[error("Could not {action} `{}`: {source}.", path.display())]
pub struct Error {
    action: &'static str,
    path: PathBuf,
    pub(super) source: io::Error,
}

impl Error {
    /// An error while doing `action` (as "read") to `path`.
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Error { action, path: path.to_owned(), source }
    }

    /// Whether the file is not there.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether there can be no file: it is not there, or what should be a folder above it is a file.
    pub fn is_absent(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    }

    /// Whether a folder is where a file should be.
    pub fn is_folder(&self) -> bool {
        self.source.kind() == io::ErrorKind::IsADirectory
    }

    /// Whether the path may not be used so: by its permissions, or because its file system is read-only.
    pub fn is_denied(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
    }

    /// Whether the disk or a quota is full, or a file may not grow further.
    pub fn is_full(&self) -> bool {
        FULL.contains(&self.source.kind())
    }

    /// Whether something else is where the file or its folder would be, or its name cannot be that of a file.
    pub fn is_in_the_way(&self) -> bool {
        use io::ErrorKind::{AlreadyExists, InvalidFilename, InvalidInput, IsADirectory, NotADirectory};
        let kinds = [AlreadyExists, InvalidFilename, InvalidInput, IsADirectory, NotADirectory];
        kinds.contains(&self.source.kind())
    }

    /// Whether a rename failed because the two places are on different file systems.
    pub fn is_other_disk(&self) -> bool {
        self.source.kind() == io::ErrorKind::CrossesDevices
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self.source.kind() {
            _ if self.is_irregular() => "Name a regular file; what a pipe gives is saved to a file first.",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "Free some space or move the store with `--store`; what is finished is kept."
            }
            io::ErrorKind::FileTooLarge => {
                "Raise the limit on the size of files (`ulimit -f`); what is finished is kept."
            }
            io::ErrorKind::NotFound => "Check the path.",
            io::ErrorKind::PermissionDenied => "Check the owner and the permissions of the path.",
            io::ErrorKind::ReadOnlyFilesystem => "Name a place that may be written.",
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "Name a folder here; this is a file.",
            io::ErrorKind::IsADirectory => "Name a file here; this is a folder.",
            io::ErrorKind::InvalidData => "Save it as UTF-8.",
            _ => "",
        }
    }
}

/// What says that there is no room: the disk, a quota, or the limit on a file's size (`ulimit -f`).
const FULL: [io::ErrorKind; 3] =
    [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];

/// The result of an operation on a path.
pub type Result<T> = std::result::Result<T, Error>;

pub(super) fn at<T>(action: &'static str, path: &Path, result: io::Result<T>) -> Result<T> {
    result.map_err(|source| Error::new(action, path, source))
}
