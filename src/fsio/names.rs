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

/// What [`rename_as_seen`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It has the new name.
    Yes,
    /// It is gone, or has become something else: somebody else was quicker.
    Gone,
    /// Something has the new name already.
    Taken,
}

/// Renames `from` to the free name `to`, if `from` is still what it was seen as: a folder, or none. A link to a folder is none.
///
/// An empty thing of the same sort is made at `to` first, and the rename replaces it. The system never renames a folder over a
/// file, nor a file over a folder, so that nothing can happen between a look and the rename. A process that is killed in between
/// leaves the empty thing.
pub fn rename_as_seen(from: &Path, to: &Path, folder: bool) -> Result<Moved> {
    use io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound};
    if let Some(parent) = to.parent() {
        create_dir_all(parent)?;
    }
    failpoint(Point::Write, to)?;
    match if folder { fs::create_dir(to) } else { fs::File::create_new(to).map(drop) } {
        Err(error) if error.kind() == AlreadyExists => return Ok(Moved::Taken),
        made => at("write", to, made)?,
    }
    let renamed = failpoint(Point::Rename, to).and_then(|()| at("rename to", to, fs::rename(from, to)));
    if renamed.is_err() {
        at("remove", to, if folder { fs::remove_dir(to) } else { fs::remove_file(to) })?;
    }
    match renamed {
        Err(error) if matches!(error.source.kind(), NotFound | NotADirectory | IsADirectory) => Ok(Moved::Gone),
        renamed => {
            renamed?;
            sync_parent(to)?;
            Ok(Moved::Yes)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_become_something_else_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("folder/inside"), "x").unwrap();
        fs::write(path("file"), "y").unwrap();
        std::os::unix::fs::symlink("folder", path("link")).unwrap();
        let names = || {
            let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        for (from, folder) in [("folder", false), ("file", true), ("link", true), ("gone", true), ("gone", false)] {
            assert_eq!(rename_as_seen(&path(from), &path("aside"), folder).unwrap(), Moved::Gone, "{from}");
            assert_eq!(names(), ["file", "folder", "link"], "{from}");
        }
        for (from, to, folder) in [("folder", "one", true), ("file", "two", false), ("link", "three", false)] {
            assert_eq!(rename_as_seen(&path(from), &path(to), folder).unwrap(), Moved::Yes, "{from}");
        }
        assert_eq!(names(), ["one", "three", "two"]);
        assert_eq!((fs::read(path("one/inside")).unwrap(), fs::read(path("two")).unwrap()), (b"x".into(), b"y".into()));
        assert_eq!(fs::read_link(path("three")).unwrap(), Path::new("folder"));
        // A name that is taken stays.
        fs::write(path("file"), "z").unwrap();
        assert_eq!(rename_as_seen(&path("file"), &path("two"), false).unwrap(), Moved::Taken);
        assert_eq!(fs::read(path("two")).unwrap(), b"y");
    }
}
