//! Files that are being written beside their place.
//!
//! Invariants:
//! - a temporary file is made exclusively, and locked by its writer until it is in its place or gone: whether the writer
//!   lives is told by the lock, never by a clock;
//! - its name holds the host, its boot and the process, so that no two writers of a shared folder meet, and is short
//!   whatever the name of the place is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Result, at};
use super::failpoint::{Point, failpoint};
use super::folders::create_dir_all;
use super::lock::{is_at, is_unsupported};
use super::look;
use super::names::{rename, rename_new};
use super::regular::open;
use super::sync::sync_file;

/// How many hexadecimal digits of a name stand for the host and its boot.
const HOST: usize = 12;

/// A file that is being written beside its place. It is removed when it is dropped before it came there.
#[derive(Debug)]
pub struct Temporary {
    file: File,
    path: PathBuf,
    /// The path that errors name.
    told: PathBuf,
    placed: bool,
}

impl Temporary {
    /// Makes one in `folder`, which is made where it is missing. Errors name `told`: the place that it is for.
    pub fn create(folder: &Path, told: &Path) -> Result<Self> {
        create_dir_all(folder)?;
        failpoint(Point::Write, told)?;
        loop {
            let path = folder.join(name());
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => at("write", told, opened)?,
            };
            match file.try_lock() {
                // A file system without locks: nobody can tell that the writer lives, and so nobody sweeps.
                Err(TryLockError::Error(error)) if is_unsupported(&error) => {}
                Err(TryLockError::Error(error)) => {
                    let _ = fs::remove_file(&path);
                    return at("lock a part of", told, Err(error));
                }
                // Between making and locking, who sweeps may have taken it for abandoned.
                Err(TryLockError::WouldBlock) => continue,
                Ok(()) if !is_at(&file, &path) => continue,
                Ok(()) => {}
            }
            return Ok(Temporary { file, path, told: told.to_owned(), placed: false });
        }
    }

    /// Makes one in the folder that `place` is in.
    pub fn beside(place: &Path) -> Result<Self> {
        match place.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => Self::create(folder, place),
            _ => Self::create(Path::new("."), place),
        }
    }

    /// Where it is by now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file, for writing.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Adds `bytes`.
    pub fn add(&mut self, bytes: &[u8]) -> Result<()> {
        at("write", &self.told, self.file.write_all(bytes))
    }

    /// Adds the content of the file at `from`.
    pub fn fill(&mut self, from: &Path) -> Result<()> {
        at("copy", from, io::copy(&mut open(from)?, &mut self.file))?;
        Ok(())
    }

    /// Makes it read-only for all who open it later.
    pub fn set_readonly(&self) -> Result<()> {
        look::set_readonly(&self.path)
    }

    /// Syncs it and renames it to `place`, in the place of a file that is there.
    pub fn place(mut self, place: &Path) -> Result<()> {
        sync_file(&self.file, &self.told)?;
        rename(&self.path, place)?;
        self.placed = true;
        Ok(())
    }

    /// As [`Temporary::place`], but what is at `place` stays. Whether the file came there: false if something else was
    /// there first. Of several writers, also on several hosts, one comes there.
    pub fn place_new(mut self, place: &Path) -> Result<bool> {
        sync_file(&self.file, &self.told)?;
        self.placed = rename_new(&self.path, place)?;
        Ok(self.placed)
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
            // The first error is the one to tell; a file left over is swept later.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A name that no other process and no other call uses.
fn name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::SeqCst);
    format!(".{}-{}-{n}.tmp", host(), std::process::id())
}

/// Digits that stand for this host and its boot. Where nothing tells the boot, they stand for this process.
fn host() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let boot = boot.unwrap_or_else(|_| RandomState::new().build_hasher().finish().to_string());
        // Containers share the boot; each has process ids of its own.
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let uname = rustix::system::uname();
        let text = format!("{:?} {boot} {namespace:?}", uname.nodename());
        ::blake3::hash(text.as_bytes()).to_hex()[..HOST].to_owned()
    })
}

/// Whether a file's name is that of a temporary one.
pub fn is_temporary(name: &str) -> bool {
    let parts = || name.strip_prefix('.')?.strip_suffix(".tmp")?.split_once('-');
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    parts().is_some_and(|(host, rest)| {
        let hex = host.len() == HOST && host.bytes().all(|b| b.is_ascii_hexdigit());
        hex && rest.split_once('-').is_some_and(|(process, n)| digits(process) && digits(n))
    })
}

/// Removes the temporary files in `folder` whose writers are dead, and with `deep` those in the folders below it too;
/// links are not followed. What cannot be read or removed stays: it costs space and nothing else.
pub fn sweep(folder: &Path, deep: bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        if kind.is_dir() && deep {
            sweep(&path, deep);
        } else if kind.is_file() && entry.file_name().to_str().is_some_and(is_temporary) {
            remove_abandoned(&path);
        }
    }
}

fn remove_abandoned(path: &Path) {
    // Some file systems lock only what is open for writing, and some files are read-only by now.
    let opened = OpenOptions::new().read(true).write(true).open(path).or_else(|_| File::open(path));
    if let Ok(file) = opened
        && file.try_lock().is_ok()
        && is_at(&file, path)
    {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsio::{list, read};

    #[test]
    fn a_temporary_file_is_short_in_name_comes_to_its_place_and_goes_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("x".repeat(255));
        let mut temporary = Temporary::beside(&place).unwrap();
        temporary.add(b"text").unwrap();
        let name = temporary.path().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(is_temporary(&name) && name.len() < 60, "{name}");
        temporary.place(&place).unwrap();
        assert_eq!(read(&place).unwrap(), b"text");
        drop(Temporary::create(dir.path(), dir.path()).unwrap());
        assert_eq!(list(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn of_many_writers_of_a_new_file_one_comes_to_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("folder/new");
        let write = |writer: u8| {
            let mut temporary = Temporary::create(dir.path(), &place).unwrap();
            temporary.add(&[writer]).unwrap();
            temporary.place_new(&place).unwrap()
        };
        let came: Vec<u8> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8).map(|n| scope.spawn(move || write(n).then_some(n))).collect();
            writers.into_iter().filter_map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(read(&place).unwrap(), came);
        assert_eq!(list(dir.path()).unwrap(), ["folder"], "the others are gone");
    }

    #[test]
    fn only_what_no_writer_holds_is_swept_whatever_its_age() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("a/b");
        let living = Temporary::create(&below, &below).unwrap();
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(400 * 86_400);
        living.file.set_modified(long_ago).unwrap();
        let leave = |folder: &Path| {
            let left = Temporary::create(folder, folder).unwrap();
            let path = left.path().to_owned();
            left.file.unlock().unwrap();
            std::mem::forget(left);
            path
        };
        let (dead, above) = (leave(&below), leave(dir.path()));
        look::set_readonly(&dead).unwrap();
        let others = [".notes.tmp", ".0123456789ab-1-x.tmp", "0123456789ab-1-2.tmp"].map(|name| below.join(name));
        others.iter().for_each(|path| fs::write(path, b"mine").unwrap());
        fs::create_dir(below.join(".0123456789ab-1-2.tmp")).unwrap();
        sweep(dir.path(), false);
        assert!(!above.exists() && dead.exists());
        sweep(dir.path(), true);
        assert!(!dead.exists() && living.path().exists() && others.iter().all(|path| path.exists()));
        assert!(below.join(".0123456789ab-1-2.tmp").is_dir());
    }

    #[test]
    fn a_name_that_is_taken_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let first = Temporary::create(dir.path(), dir.path()).unwrap();
        let taken: u64 = first.path().to_str().unwrap().rsplit(['-', '.']).nth(1).unwrap().parse().unwrap();
        for n in taken + 1..taken + 50 {
            let _ = fs::create_dir(dir.path().join(format!(".{}-{}-{n}.tmp", host(), std::process::id())));
        }
        Temporary::create(dir.path(), dir.path()).unwrap().place(&dir.path().join("a")).unwrap();
        assert!(dir.path().join("a").is_file());
    }
}
