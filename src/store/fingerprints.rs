//! The digests of files outside the store, remembered so that a data set is hashed once.
//!
//! Invariants:
//! - a digest is used only while the size, both times and the inode of the file are what they were when it was computed;
//! - it is used only if, at that time, nobody had changed the file for [`SETTLED`]: a file that changes in the same instant as
//!   it is hashed looks unchanged (git's rule for racy entries);
//! - if the remembered digests are lost, or a part of them, this costs time and nothing else. If they cannot be stored, a
//!   notice says so. Those of a newer program stay as they are.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;

use super::records::{frame, unframe};
use super::root::{Access, Store};
use crate::fsio::{self, Stat};
use crate::hash::Digest;
use crate::stage::External;

/// The newest format of a stored memory.
const FORMAT: u32 = 1;

/// What its first line begins with in every version; the version follows.
const PREFIX: &str = "repro externals ";

/// For how long, in nanoseconds, a file must have been left alone when it is hashed: two seconds, the coarsest
/// time stamp of a file system in use.
const SETTLED: i128 = 2_000_000_000;

/// What is known of one file.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fingerprint {
    digest: Digest,
    stat: Stat,
    /// When hashing began, in nanoseconds since 1970.
    hashed: i128,
}

impl Fingerprint {
    fn still(&self, stat: &Stat) -> bool {
        self.stat == *stat && stat.mtime.max(stat.ctime) + SETTLED < self.hashed
    }
}

/// The files of one folder by name.
#[derive(Debug, Default)]
struct Folder {
    files: BTreeMap<String, Fingerprint>,
    changed: bool,
    /// Whether a newer program keeps it.
    newer: bool,
}

/// Digests of external files. Folders are loaded when first asked for; [`Fingerprints::save`] keeps what is new.
#[derive(Debug)]
pub struct Fingerprints<'a> {
    store: &'a Store,
    folders: Mutex<BTreeMap<PathBuf, Folder>>,
}

impl Store {
    /// The memory of the digests of external files.
    pub fn fingerprints(&self) -> Fingerprints<'_> {
        Fingerprints { store: self, folders: Mutex::default() }
    }
}

impl Fingerprints<'_> {
    /// The digest of one file.
    pub fn digest_of(&self, external: &External) -> fsio::Result<Digest> {
        self.digests(std::slice::from_ref(external)).remove(0)
    }

    /// The digest of each file, in order; files that are not known are read, several at once.
    pub fn digests(&self, externals: &[External]) -> Vec<fsio::Result<Digest>> {
        // To ask the threads for nothing takes longer than all else that is done for a node that is in the store.
        if externals.is_empty() {
            return Vec::new();
        }
        let mut folders = self.folders.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for external in externals {
            let (folder, _) = split(&external.path);
            if !folders.contains_key(folder) {
                folders.insert(folder.to_owned(), self.load(folder));
            }
        }
        let found: Vec<fsio::Result<Fingerprint>> = externals
            .par_iter()
            .map(|external| {
                let (folder, name) = split(&external.path);
                let known = folders.get(folder).and_then(|folder| folder.files.get(&name));
                fingerprint(&external.path, known)
            })
            .collect();
        let mut digests = Vec::with_capacity(found.len());
        for (external, known) in externals.iter().zip(found) {
            let (folder, name) = split(&external.path);
            if let (Ok(known), Some(folder)) = (&known, folders.get_mut(folder)) {
                folder.changed |= folder.files.insert(name, *known) != Some(*known);
            }
            digests.push(known.map(|known| known.digest));
        }
        digests
    }

    /// Keeps new digests, where there is a store. If they cannot be kept, a notice says so, and they are computed again.
    pub fn save(&self) {
        if self.store.access == Access::Absent {
            return;
        }
        let mut folders = self.folders.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (path, folder) in folders.iter_mut().filter(|(_, folder)| folder.changed && !folder.newer) {
            if let Err(error) = self.store.place(&self.file(path), &frame(print(&folder.files).as_bytes())) {
                self.store.notice(format!("{error} The digests of files are computed again by the next command."));
                return;
            }
            folder.changed = false;
        }
    }

    /// The stored digests of a folder. Those that cannot be read are forgotten.
    fn load(&self, folder: &Path) -> Folder {
        let path = self.file(folder);
        let bytes = fsio::read(&path).unwrap_or_default();
        let text = unframe(&bytes).and_then(|body| std::str::from_utf8(body).ok()).unwrap_or_default();
        let newer = version(text).is_some_and(|version| version > FORMAT);
        if newer {
            let (format, path) = (text.lines().next().unwrap_or_default(), path.display());
            self.store.notice(format!(
                "`{path}` has the format `{format}`, which is newer than this program reads (`{PREFIX}{FORMAT}`). It \
                 stays as it is, and the digests of the files below `{}` are computed again.",
                folder.display()
            ));
        }
        Folder { files: parse(text), changed: false, newer }
    }

    fn file(&self, folder: &Path) -> PathBuf {
        let name = Digest::of(folder.as_os_str().as_encoded_bytes()).short();
        self.store.path().join("externals").join(name)
    }
}

fn split(path: &Path) -> (&Path, String) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    (path.parent().unwrap_or(Path::new("")), name)
}

/// The present state of a file. A file that changes while it is read is read again; if that goes on, its last state is
/// taken, and the check after the stage finds the change.
fn fingerprint(path: &Path, known: Option<&Fingerprint>) -> fsio::Result<Fingerprint> {
    let mut stat = fsio::stat(path)?;
    if let Some(known) = known.filter(|known| known.still(&stat)) {
        return Ok(*known);
    }
    let mut attempts = 0;
    loop {
        let hashed = fsio::now();
        let digest = Digest::from(fsio::blake3(path)?);
        let after = fsio::stat(path)?;
        attempts += 1;
        if after == stat || attempts == 3 {
            return Ok(Fingerprint { digest, stat: after, hashed });
        }
        stat = after;
    }
}

/// One line a file: digest, size, mtime, ctime, inode, time of hashing, name. A name with a line break is left out.
fn print(files: &BTreeMap<String, Fingerprint>) -> String {
    let mut text = format!("{PREFIX}{FORMAT}\n");
    for (name, Fingerprint { digest, stat, hashed }) in files.iter().filter(|(name, _)| !name.contains(['\n', '\r'])) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{digest} {} {} {} {} {hashed} {name}", stat.bytes, stat.mtime, stat.ctime, stat.inode);
    }
    text
}

/// The version of a memory.
fn version(text: &str) -> Option<u32> {
    text.lines().next()?.strip_prefix(PREFIX)?.parse().ok()
}

/// The files of a memory; lines that do not fit are left out.
fn parse(text: &str) -> BTreeMap<String, Fingerprint> {
    match version(text) {
        Some(1) => text.lines().skip(1).filter_map(parse_1).collect(),
        _ => BTreeMap::new(),
    }
}

fn parse_1(line: &str) -> Option<(String, Fingerprint)> {
    let mut parts = line.splitn(7, ' ');
    let digest = parts.next()?.parse().ok()?;
    let bytes = parts.next()?.parse().ok()?;
    let mtime = parts.next()?.parse().ok()?;
    let ctime = parts.next()?.parse().ok()?;
    let inode = parts.next()?.parse().ok()?;
    let hashed = parts.next()?.parse().ok()?;
    let stat = Stat { bytes, mtime, ctime, inode, is_dir: false };
    Some((parts.next()?.to_owned(), Fingerprint { digest, stat, hashed }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn known(name: &str, hashed: i128) -> (String, Fingerprint) {
        let stat = Stat { bytes: 3, mtime: 10, ctime: 20, inode: 7, is_dir: false };
        (name.to_owned(), Fingerprint { digest: Digest::of(name.as_bytes()), stat, hashed })
    }

    #[test]
    fn an_entry_made_in_the_same_instant_is_not_believed() {
        let (_, entry) = known("a", 20 + SETTLED);
        assert!(!entry.still(&entry.stat));
        let (_, entry) = known("a", 21 + SETTLED);
        assert!(entry.still(&entry.stat));
        assert!(!entry.still(&Stat { inode: 8, ..entry.stat }));
        assert!(!entry.still(&Stat { ctime: 19, ..entry.stat }));
    }

    #[test]
    fn a_file_changed_in_place_has_its_new_digest_and_a_missing_one_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let root = dir.path().join("data");
        fsio::write_atomic(&root.join("a.jpg"), b"one").unwrap();
        let externals = [External::below(&root, "a.jpg"), External::below(&root, "b.jpg")];
        let digests = store.fingerprints().digests(&externals);
        assert_eq!(*digests[0].as_ref().unwrap(), Digest::of(b"one"));
        assert!(digests[1].as_ref().unwrap_err().is_missing());
        let prints = store.fingerprints();
        prints.digest_of(&externals[0]).unwrap();
        prints.save();
        fsio::write_atomic(&root.join("a.jpg"), b"two").unwrap();
        assert_eq!(store.fingerprints().digest_of(&externals[0]).unwrap(), Digest::of(b"two"));
    }

    #[test]
    fn a_settled_file_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let external = External::below(dir.path(), "a");
        fsio::write_atomic(&external.path, b"one").unwrap();
        fsio::open(&external.path).unwrap().set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        let stat = fsio::stat(&external.path).unwrap();
        // Only a wrong digest in the memory shows that the file itself was not read.
        let wrong = Digest::of(b"remembered");
        let entry = Fingerprint { digest: wrong, stat, hashed: fsio::now() + 2 * SETTLED };
        let prints = store.fingerprints();
        let files = BTreeMap::from([("a".to_owned(), entry)]);
        prints.folders.lock().unwrap().insert(dir.path().to_owned(), Folder { files, changed: true, newer: false });
        prints.save();
        assert_eq!(store.fingerprints().digest_of(&external).unwrap(), wrong);
        let file = prints.file(dir.path());
        let mut bytes = fsio::read(&file).unwrap();
        bytes[100] ^= 1;
        fsio::write_atomic(&file, &bytes).unwrap();
        assert_eq!(store.fingerprints().digest_of(&external).unwrap(), Digest::of(b"one"));
    }

    #[test]
    fn a_memory_of_every_format_reads_and_a_newer_one_stays() {
        let text = include_str!("samples/externals-1.txt");
        let body = std::str::from_utf8(unframe(text.as_bytes()).unwrap()).unwrap();
        let files = BTreeMap::from([known("a.jpg", 30), known("b c.png", 40)]);
        assert_eq!(parse(body), files);
        assert_eq!(frame(print(&files).as_bytes()), text.as_bytes());
        let partly = body.replace("\n", "\nno digest\n");
        assert_eq!(parse(&partly), files);

        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let external = External::below(dir.path(), "a");
        fsio::write_atomic(&external.path, b"one").unwrap();
        let prints = store.fingerprints();
        let file = prints.file(dir.path());
        let newer = frame(body.replace("externals 1", "externals 2").as_bytes());
        fsio::write_atomic(&file, &newer).unwrap();
        assert_eq!(prints.digest_of(&external).unwrap(), Digest::of(b"one"));
        prints.save();
        assert_eq!(fsio::read(&file).unwrap(), newer);
        assert!(store.take_notices()[0].contains("`repro externals 2`, which is newer"));
    }

    #[test]
    fn a_memory_that_cannot_be_kept_is_a_notice() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let external = External::below(dir.path(), "a");
        fsio::write_atomic(&external.path, b"one").unwrap();
        let prints = store.fingerprints();
        prints.digest_of(&external).unwrap();
        // A folder in its place is set aside.
        fsio::create_dir_all(&prints.file(dir.path()).join("a")).unwrap();
        prints.save();
        assert!(fsio::is_file(&prints.file(dir.path())));
        assert_eq!(store.take_notices().len(), 1);
    }

    #[test]
    fn a_folder_is_loaded_once_however_many_files_of_it_are_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let root = dir.path().join("data");
        let externals: Vec<External> = (0..300).map(|i| External::below(&root, &format!("2007_{i:06}.jpg"))).collect();
        externals.iter().for_each(|external| fsio::write_atomic(&external.path, b"x").unwrap());
        let first = store.fingerprints();
        let digests: Vec<Digest> = first.digests(&externals).into_iter().map(Result::unwrap).collect();
        first.save();
        let second = store.fingerprints();
        second.digest_of(&externals[0]).unwrap();
        // Where its memory is gone in the meantime, what was loaded serves the others.
        fsio::remove_file(&second.file(&root)).unwrap();
        let again: Vec<Digest> = second.digests(&externals).into_iter().map(Result::unwrap).collect();
        let folders = second.folders.lock().unwrap();
        assert_eq!((again, folders.len(), folders[&root].files.len()), (digests, 1, externals.len()));
    }

    #[test]
    fn many_entries_are_read_as_they_were_written() {
        let files: BTreeMap<String, Fingerprint> = (0..25_000).map(|i| known(&format!("2007_{i:06}.jpg"), i)).collect();
        let bytes = frame(print(&files).as_bytes());
        assert_eq!(parse(std::str::from_utf8(unframe(&bytes).unwrap()).unwrap()), files);
    }
}
