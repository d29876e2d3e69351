//! The folder of a run's results, as `results/<pipeline>`. Only this module writes, removes or renames files there.
//!
//! Invariants:
//! - `results` itself may be a link, for example to a large disk; below it no link is followed;
//! - something that is not a result may be in the way of a result (a link, a folder where a file belongs, a file where a
//!   folder belongs, a pipe). It is moved to `NAME.~1~` beside its place, and this is reported. Nothing of it is removed;
//! - files appear whole or not at all: they are written in the folder [`PARTIAL`] first. The lock is held during that time, so
//!   what lies in that folder when the lock is taken was left by a process that has ended.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{Error, Result};
use crate::fsio::filenames::LONGEST;
use crate::fsio::{self, Found, Temporary};
use crate::stage::Cancel;

/// Where files are written before they are renamed into their places. No stage has such a name.
const PARTIAL: &str = ".partial";
/// Where the locks lie below `results`. No pipeline has such a name.
const LOCKS: &str = ".locks";

/// A folder below `results`, where one process at a time writes.
pub(super) struct Folder<'a> {
    results: &'a Path,
    name: &'a str,
    /// The folders below `results` that are no links.
    sound: BTreeSet<PathBuf>,
    /// What was moved aside, as sentences.
    pub told: Vec<String>,
}

impl<'a> Folder<'a> {
    /// The folder of that name; nothing is made yet.
    pub fn new(results: &'a Path, name: &'a str) -> Self {
        Folder { results, name, sound: BTreeSet::new(), told: Vec::new() }
    }

    /// The folder's path.
    pub fn path(&self) -> PathBuf {
        self.results.join(self.name)
    }

    /// The size of the regular file at `relative`; none where there is no such file, or one behind a link.
    pub fn size(&self, relative: &str) -> Result<Option<u64>> {
        if !self.is_plain(relative)? {
            return Ok(None);
        }
        Ok(match fsio::found(&self.path().join(relative))? {
            Found::File(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// Gives the file at `relative` the present as the time of its last change. Where the results may only be read, it
    /// keeps its time.
    pub fn touch(&self, relative: &str) -> Result<()> {
        match self.size(relative)?.map(|_| fsio::touch(&self.path().join(relative))) {
            Some(Err(error)) if !error.is_denied() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Whether each folder above `relative` is a folder, and no link.
    fn is_plain(&self, relative: &str) -> Result<bool> {
        let mut folder = self.path();
        let mut plain = fsio::found(&folder)? == Found::Folder;
        for part in above(relative) {
            folder.push(part);
            plain = plain && fsio::found(&folder)? == Found::Folder;
        }
        Ok(plain)
    }

    /// What the file at `relative` holds; none where there is no regular file.
    pub fn read(&self, relative: &str) -> Result<Option<Vec<u8>>> {
        match self.size(relative)? {
            None => Ok(None),
            Some(_) => Ok(Some(fsio::read(&self.path().join(relative))?)),
        }
    }

    /// Waits until no other process writes here. `tell` hears of the wait once; a request to stop ends it.
    pub fn lock(&mut self, cancel: &Cancel, tell: &mut dyn FnMut(String)) -> Result<fsio::Lock> {
        fsio::create_dir_all(self.results)?;
        let path = self.clear(&[LOCKS, self.name])?;
        let mut waits = false;
        loop {
            if let Some(lock) = fsio::try_lock(&path)? {
                let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
                lock.sign(&format!("process {} on {host}", std::process::id()));
                return Ok(lock);
            }
            let folder = self.path();
            if cancel.requested() {
                return Err(Error::Stopped { folder });
            }
            if !waits {
                let holder = fsio::read(&path).unwrap_or_default();
                let holder = String::from_utf8_lossy(&holder);
                let holder = if holder.is_empty() { String::new() } else { format!(" ({})", holder.trim()) };
                tell(format!("Another run{holder} writes to `{}`; waiting for it.", folder.display()));
                waits = true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether a process that is gone left parts of files.
    pub fn holds_parts(&self) -> Result<bool> {
        self.is_folder(PARTIAL)
    }

    /// Removes parts of files.
    pub fn sweep(&mut self) -> Result<()> {
        if self.holds_parts()? {
            let path = self.path().join(PARTIAL);
            fsio::remove_dir_all(&path)?;
            self.sound.remove(&path);
        }
        Ok(())
    }

    /// Writes the file at `relative` by `fill`, in the place of an older one.
    pub fn write<T>(&mut self, relative: &str, fill: impl FnOnce(&mut dyn Write, &Path) -> Result<T>) -> Result<T> {
        let parts: Vec<&str> = std::iter::once(self.name).chain(relative.split('/')).collect();
        let target = self.clear(&parts)?;
        let part = self.clear(&[self.name, PARTIAL, "part"])?;
        let mut temporary = Temporary::create(part.parent().unwrap_or(&part), &target)?;
        let filled = fill(&mut temporary, &target)?;
        temporary.place(&target)?;
        Ok(filled)
    }

    /// Removes the file at `relative` if it is a regular one of so many bytes, behind no link, and then the folders
    /// above it that are empty. Anything else is not what was published, and stays.
    pub fn remove(&mut self, relative: &str, bytes: u64) -> Result<()> {
        if self.size(relative)? != Some(bytes) {
            return Ok(());
        }
        fsio::remove_file(&self.path().join(relative))?;
        let above: Vec<&str> = above(relative).collect();
        for depth in (1..=above.len()).rev() {
            let folder = self.path().join(above[..depth].join("/"));
            if !fsio::remove_empty_dir(&folder) {
                break;
            }
            self.sound.remove(&folder);
        }
        Ok(())
    }

    /// Whether a folder is at `relative`.
    pub fn is_folder(&self, relative: &str) -> Result<bool> {
        Ok(self.is_plain(relative)? && fsio::found(&self.path().join(relative))? == Found::Folder)
    }

    /// Makes sure that the path of these parts below `results` leads through folders alone and ends at a regular file or
    /// at nothing; moves aside what is in the way.
    fn clear(&mut self, parts: &[&str]) -> Result<PathBuf> {
        let mut path = self.results.to_owned();
        let (last, folders) = parts.split_last().unwrap_or((&"", &[]));
        for folder in folders {
            path.push(folder);
            if self.sound.contains(&path) {
                continue;
            }
            if !matches!(fsio::found(&path)?, Found::Folder | Found::Nothing) {
                self.set_aside(&path)?;
            }
            fsio::create_dir_all(&path)?;
            self.sound.insert(path.clone());
        }
        path.push(last);
        if !matches!(fsio::found(&path)?, Found::File(_) | Found::Nothing) {
            self.set_aside(&path)?;
        }
        Ok(path)
    }

    /// Renames what is at `path` to the first free name beside it. An empty folder is nothing that could be lost.
    fn set_aside(&mut self, path: &Path) -> Result<()> {
        if fsio::remove_empty_dir(path) {
            return Ok(());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for number in 1_u32.. {
            let ending = format!(".~{number}~");
            let kept = name.floor_char_boundary(LONGEST - ending.len());
            let aside = path.with_file_name(format!("{}{ending}", &name[..kept]));
            if fsio::found(&aside)? == Found::Nothing {
                fsio::move_aside(path, &aside)?;
                let text = "was in the way of a result and no part of one; it is now";
                self.told.push(format!("`{}` {text} `{}`.", path.display(), aside.display()));
                break;
            }
        }
        Ok(())
    }
}

/// The folders that a relative path leads through, one by one.
fn above(relative: &str) -> impl Iterator<Item = &str> {
    relative.rsplit_once('/').map(|(folders, _)| folders.split('/')).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(folder: &mut Folder<'_>, relative: &str, text: &str) {
        let fill = |file: &mut dyn Write, _: &Path| -> Result<()> {
            file.write_all(text.as_bytes()).unwrap();
            Ok(())
        };
        folder.write(relative, fill).unwrap();
    }

    fn text(path: &Path) -> String {
        fsio::read_to_string(path).unwrap()
    }

    #[test]
    fn nothing_is_written_read_or_removed_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (results, elsewhere) = (dir.path().join("results"), dir.path().join("elsewhere"));
        fsio::write_atomic(&elsewhere.join("a/file"), b"mine").unwrap();
        fsio::create_dir_all(&results.join("p")).unwrap();
        symlink(elsewhere.join("a"), results.join("p/a")).unwrap();
        symlink(elsewhere.join("a/file"), results.join("p/file")).unwrap();
        let mut folder = Folder::new(&results, "p");
        for name in ["a/file", "file"] {
            assert_eq!(folder.size(name).unwrap(), None);
            folder.remove(name, 4).unwrap();
            assert_eq!(folder.read(name).unwrap(), None);
            write(&mut folder, name, "ours");
            assert_eq!(text(&results.join("p").join(name)), "ours");
        }
        assert_eq!(folder.told.len(), 2);
        assert_eq!(text(&elsewhere.join("a/file")), "mine");
        assert_eq!(text(&results.join("p/file.~1~")), "mine");
        assert_eq!(fsio::found(&results.join("p/a.~1~")).unwrap(), Found::Link);
        // The folder of the pipeline itself.
        symlink(&elsewhere, results.join("q")).unwrap();
        let mut folder = Folder::new(&results, "q");
        assert_eq!(folder.size("a/file").unwrap(), None);
        write(&mut folder, "a/file", "ours");
        assert_eq!(text(&elsewhere.join("a/file")), "mine");
        folder.sweep().unwrap();
        assert_eq!(fsio::walk(&results.join("q")).unwrap(), ["a/file"]);
    }

    #[test]
    fn results_itself_may_be_a_link() {
        let dir = tempfile::tempdir().unwrap();
        fsio::create_dir_all(&dir.path().join("disk")).unwrap();
        symlink(dir.path().join("disk"), dir.path().join("results")).unwrap();
        let results = dir.path().join("results");
        let mut folder = Folder::new(&results, "p");
        write(&mut folder, "a", "ours");
        assert_eq!((text(&dir.path().join("disk/p/a")).as_str(), folder.told.len()), ("ours", 0));
    }

    #[test]
    fn a_file_becomes_a_folder_and_a_folder_a_file_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(dir.path(), "p");
        write(&mut folder, "x", "a file");
        write(&mut folder, "x/y", "in a folder");
        write(&mut folder, "x", "a file again");
        let read = |name: &str| text(&dir.path().join("p").join(name));
        assert_eq!([read("x.~1~"), read("x.~2~/y"), read("x")], ["a file", "in a folder", "a file again"]);
        assert_eq!(folder.told.len(), 2);
        // The longest name that a disk takes.
        let long = "n".repeat(LONGEST);
        fsio::create_dir_all(&dir.path().join("p").join(&long)).unwrap();
        write(&mut folder, &long, "x");
        assert_eq!(read(&long), "x");
    }

    #[test]
    fn a_file_that_is_not_as_it_was_published_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(dir.path(), "p");
        for name in ["a/b/c", "a/b/d"] {
            write(&mut folder, name, "1234");
        }
        folder.remove("a/b/c", 3).unwrap();
        assert_eq!(folder.size("a/b/c").unwrap(), Some(4));
        folder.remove("a/b/c", 4).unwrap();
        assert!(folder.is_folder("a/b").unwrap());
        folder.remove("a/b/d", 4).unwrap();
        assert!(!folder.is_folder("a").unwrap() && fsio::exists(&folder.path()));
        // What was removed is made again.
        write(&mut folder, "a/b/c", "x");
        assert_eq!(folder.size("a/b/c").unwrap(), Some(1));
    }

    #[test]
    fn a_wait_is_told_once_and_ends_with_a_request_to_stop() {
        let dir = tempfile::tempdir().unwrap();
        let (cancel, mut told) = (Cancel::default(), Vec::new());
        let held = Folder::new(dir.path(), "p").lock(&cancel, &mut |_| panic!("nobody holds it")).unwrap();
        let stop = cancel.clone();
        let failure = Folder::new(dir.path(), "p").lock(&cancel, &mut |text| {
            told.push(text);
            stop.request();
        });
        let failure = failure.unwrap_err();
        assert!(matches!(failure, Error::Stopped { .. }));
        assert_eq!(told.len(), 1);
        assert!(told[0].contains(&format!("process {} on ", std::process::id())), "{told:?}");
        drop(held);
        Folder::new(dir.path(), "p").lock(&cancel, &mut |_| panic!("nobody holds it")).unwrap();
    }
}
