//! What lies at a path itself, and names that stay below the folder they start from.
//!
//! Names that others wrote (a manifest, a record, a listing, an archive) pass [`is_beneath`] before they are joined to a
//! folder, and links below the folder are not followed: [`found`] looks at a link itself.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::io::Errno;

use super::error::{Error, Result, at};

/// What lies at a path. A link is a link, whatever it points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or nothing that can be reached.
    Nothing,
    /// A regular file of so many bytes.
    File(u64),
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, a socket, or a device: its name for people.
    Special(&'static str),
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Found::Nothing => "nothing",
            Found::File(_) => "a file",
            Found::Folder => "a folder",
            Found::Link => "a symbolic link",
            Found::Special(name) => name,
        })
    }
}

impl From<&fs::Metadata> for Found {
    fn from(m: &fs::Metadata) -> Self {
        match m.file_type() {
            t if t.is_symlink() => Found::Link,
            t if t.is_dir() => Found::Folder,
            t if t.is_file() => Found::File(m.len()),
            t if t.is_fifo() => Found::Special("a pipe"),
            t if t.is_socket() => Found::Special("a socket"),
            _ => Found::Special("a device"),
        }
    }
}

/// Looks at `path` itself; no link at its end is followed.
pub fn found(path: &Path) -> Result<Found> {
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Found::Nothing)
        }
        Err(error) => Err(Error::new("look at", path, error)),
        Ok(m) => Ok(Found::from(&m)),
    }
}

/// What lies at `relative` below the folder `root`. Every part of the way to it must be a folder: something else there,
/// as a link, is an error.
pub fn found_below(root: &Path, relative: &Path) -> Result<Found> {
    let mut path = root.to_owned();
    let mut what = Found::Folder;
    for part in relative.components() {
        match what {
            Found::Folder => path.push(part),
            Found::Nothing => return Ok(Found::Nothing),
            Found::File(_) => return Err(Error::new("enter", &path, Errno::NOTDIR.into())),
            what => return Err(Error::irregular("enter", &path, what)),
        }
        what = found(&path)?;
    }
    Ok(what)
}

/// Whether a relative path with `/` names something below the folder that it starts from: no part of it is empty, `.`
/// or `..`, and none holds a zero byte.
pub fn is_beneath(relative: &str) -> bool {
    !relative.contains('\0') && relative.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Removes a folder that is empty. Whether it is gone: one that holds something, or is none, stays.
pub fn remove_empty_dir(path: &Path) -> bool {
    fs::remove_dir(path).is_ok()
}

/// Renames whatever is at `from`, a link itself; what is at `to` must be nothing.
pub fn move_aside(from: &Path, to: &Path) -> Result<()> {
    at("move aside", from, fs::rename(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_outside_are_known() {
        for inside in ["a", "a/b.txt", "..a", "a..", ".hidden/x", "a b/ä"] {
            assert!(is_beneath(inside), "{inside}");
        }
        for outside in ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", "a/./b", "a\0b"] {
            assert!(!is_beneath(outside), "{outside:?}");
        }
    }

    #[test]
    fn a_link_is_seen_as_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "abc").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        std::os::unix::fs::symlink(path("nowhere"), path("dangling")).unwrap();
        let seen = ["file", "link", "dangling", "", "gone", "file/below"].map(|name| found(&path(name)).unwrap());
        assert_eq!(seen, [Found::File(3), Found::Link, Found::Link, Found::Folder, Found::Nothing, Found::Nothing]);
        std::os::unix::fs::symlink(".", path("here")).unwrap();
        let below = |relative: &str| found_below(dir.path(), Path::new(relative));
        assert_eq!((below("file").unwrap(), below("here").unwrap()), (Found::File(3), Found::Link));
        assert_eq!(below("gone/file").unwrap(), Found::Nothing);
        assert!(below("here/file").unwrap_err().is_irregular() && below("file/x").is_err());
    }
}
