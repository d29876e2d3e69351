//! What lies at a path itself, and names that stay below the folder they start from.
//!
//! Names that others wrote (a manifest, a record, a listing, an archive) pass [`is_beneath`] before they are joined to a
//! folder, and links below the folder are not followed: [`found`] looks at a link itself.

use std::fs;
use std::io;
use std::path::Path;

use super::{Error, Result, at};

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
    /// A pipe, a socket, or a device.
    Special,
}

/// Looks at `path` itself; no link at its end is followed.
pub fn found(path: &Path) -> Result<Found> {
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Found::Nothing)
        }
        Err(error) => Err(Error::new("look at", path, error)),
        Ok(m) if m.is_symlink() => Ok(Found::Link),
        Ok(m) if m.is_dir() => Ok(Found::Folder),
        Ok(m) if m.is_file() => Ok(Found::File(m.len())),
        Ok(_) => Ok(Found::Special),
    }
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
    }
}
