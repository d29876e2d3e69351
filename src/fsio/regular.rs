//! Only regular files are read and written: to open a pipe waits for its other end, a device may
//! have no end, and behind a link lies what belongs to somebody else.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::beneath::{self, Found};
use super::error::{Error, Result, at};
use super::folders::list;

/// Something that is no regular file lies where one is wanted.
#[derive(Debug, thiserror::Error)]
#[error("it is {0}, not a regular file")]
struct Irregular(Found);

impl Error {
    /// The error of doing `action` to what is no regular file.
    pub fn irregular(action: &'static str, path: &Path, what: Found) -> Self {
        Error::new(action, path, irregular(what))
    }

    /// Whether a pipe, a socket, a device or a link lies where a regular file is wanted.
    pub fn is_irregular(&self) -> bool {
        self.source.get_ref().is_some_and(|inner| inner.is::<Irregular>())
    }
}

fn irregular(what: Found) -> io::Error {
    match what {
        // The error that reading a folder gives.
        Found::Folder => Errno::ISDIR.into(),
        what => io::Error::other(Irregular(what)),
    }
}

fn regular(found: &Metadata) -> io::Result<()> {
    match Found::from(found) {
        Found::File(_) => Ok(()),
        what => Err(irregular(what)),
    }
}

/// An error unless a regular file is at `path`, links followed. It is not opened.
pub fn check_regular(path: &Path) -> Result<()> {
    at("read", path, fs::metadata(path).and_then(|found| regular(&found)))
}

/// Opens by `options` what is, or becomes, a regular file. Something else is an error before it is opened; where it takes
/// the file's place in between, it is opened without waiting, and is an error then.
pub(super) fn open_as(action: &'static str, path: &Path, options: &mut OpenOptions) -> Result<File> {
    if let Ok(found) = fs::metadata(path) {
        at(action, path, regular(&found))?;
    }
    let file = at(action, path, options.custom_flags(flags(OFlags::NONBLOCK | OFlags::NOCTTY)).open(path))?;
    at(action, path, file.metadata().and_then(|found| regular(&found)))?;
    Ok(file)
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

/// Opens a regular file for reading.
pub fn open(path: &Path) -> Result<File> {
    open_as("open", path, OpenOptions::new().read(true))
}

/// Opens a regular file for reading that `path` itself names, not a link there. Says too whether this is the file's only
/// name: one with more is somebody else's as well.
pub fn open_own(path: &Path) -> Result<(File, bool)> {
    let found = at("open", path, fs::symlink_metadata(path))?;
    at("open", path, regular(&found))?;
    let wanted = flags(OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW);
    let file = at("open", path, OpenOptions::new().read(true).custom_flags(wanted).open(path))?;
    let found = at("open", path, file.metadata())?;
    at("open", path, regular(&found))?;
    Ok((file, found.nlink() == 1))
}

/// All that lies below a folder but folders, as sorted relative paths with `/`. No link is followed: one is listed as
/// itself, also where it leads to a folder.
pub fn walk(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for name in list(&root.join(&folder))? {
            let relative = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            match beneath::found(&root.join(&relative))? {
                Found::Folder => folders.push(relative),
                _ => found.push(relative),
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    /// One of everything that is no regular file, and what each is called.
    fn strange(dir: &Path) -> Vec<(PathBuf, &'static str)> {
        let (pipe, socket, zero) = (dir.join("pipe"), dir.join("socket"), dir.join("zero"));
        let mode = rustix::fs::Mode::from_bits_retain(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        std::os::unix::net::UnixListener::bind(&socket).unwrap();
        symlink("/dev/zero", &zero).unwrap();
        let named = [(pipe, "a pipe"), (socket, "a socket"), (zero, "a device"), ("/dev/null".into(), "a device")];
        named.into()
    }

    #[test]
    fn what_is_no_regular_file_is_neither_read_nor_written() {
        let dir = tempfile::tempdir().unwrap();
        for (path, name) in strange(dir.path()) {
            let errors = [
                read(&path).unwrap_err(),
                read_to_string(&path).unwrap_err(),
                open(&path).unwrap_err(),
                open_own(&path).unwrap_err(),
                blake3(&path).unwrap_err(),
                tail(&path, 10).unwrap_err(),
                append(&path).unwrap_err(),
                create(&path).unwrap_err(),
                try_lock(&path).unwrap_err(),
                copy_atomic(&path, &dir.path().join("copy")).unwrap_err(),
            ];
            for error in errors {
                let told = error.to_string();
                let known = told.contains(name) || told.contains("a symbolic link");
                assert!(error.is_irregular() && known && told.contains(path.to_str().unwrap()), "{told}");
                assert!(error.hint().starts_with("Name a regular file"), "{told}");
            }
        }
    }

    #[test]
    fn a_folder_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(!error.is_irregular() && error.hint().starts_with("Name a file here"), "{error}");
    }

    #[test]
    fn a_link_is_followed_for_reading_and_not_for_taking() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link, twin) = (dir.path().join("file"), dir.path().join("link"), dir.path().join("twin"));
        write_atomic(&file, b"abc").unwrap();
        symlink(&file, &link).unwrap();
        assert_eq!(read(&link).unwrap(), b"abc");
        assert!(open_own(&link).unwrap_err().is_irregular());
        assert!(open_own(&file).unwrap().1);
        std::fs::hard_link(&file, &twin).unwrap();
        assert!(!open_own(&file).unwrap().1);
    }

    #[test]
    fn a_walk_lists_links_and_does_not_follow_them() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("inside"), dir.path().join("outside"));
        write_atomic(&inside.join("a/b"), b"").unwrap();
        write_atomic(&outside.join("c"), b"").unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        symlink("..", inside.join("a/up")).unwrap();
        symlink("nowhere", inside.join("lost")).unwrap();
        assert_eq!(walk(&inside).unwrap(), ["a/b", "a/up", "link", "lost"]);
    }
}
