//! The only user of `std::fs`.
//!
//! Invariants:
//! - every error names its path and what was being done to it;
//! - a file that others may read appears whole or not at all: written beside its place, synced, renamed; the folder is
//!   synced then, and so is the parent of every folder that is made;
//! - every write, sync and rename passes a [`failpoint`], so that tests can stop or break the process at each of them;
//! - only regular files are read and written: nothing waits for a pipe or reads a device.

mod beneath;
pub mod exact;
mod failpoint;
mod lock;
mod own;
mod parts;
mod regular;
mod temporary;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use beneath::{Found, found, found_below, is_beneath, move_aside, remove_empty_dir};
pub use failpoint::{Point, failpoint};
pub use lock::{Lock, is_locked, try_lock};
pub use own::{close, copy_new, open_up, remove_own_dir_all};
pub use parts::{Parts, read_to_string_within, read_within};
pub use regular::{check_regular, open, open_own, walk};
pub use temporary::{Temporary, is_temporary, sweep};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use regular::open_as;

/// A failed operation on a path.
#[derive(Debug, thiserror::Error)]
#[error("Could not {action} `{}`: {source}.", path.display())]
pub struct Error {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
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

fn at<T>(action: &'static str, path: &Path, result: io::Result<T>) -> Result<T> {
    result.map_err(|source| Error::new(action, path, source))
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    at("read", path, open_as("read", path, OpenOptions::new().read(true))?.read_to_end(&mut content))?;
    Ok(content)
}

/// Reads a whole text file. Text that is not UTF-8 is an error.
pub fn read_to_string(path: &Path) -> Result<String> {
    let mut content = String::new();
    at("read", path, open_as("read", path, OpenOptions::new().read(true))?.read_to_string(&mut content))?;
    Ok(content)
}

/// Reads a whole text file of at most `most` bytes; none where it has more. Text that is not UTF-8 is an error.
pub fn read_text(path: &Path, most: usize) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    at("read", path, open(path)?.take(most as u64 + 1).read_to_end(&mut bytes))?;
    if bytes.len() > most {
        return Ok(None);
    }
    let text = String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
    at("read", path, text).map(Some)
}

/// The BLAKE3 hash of a file's content, read in parts.
pub fn blake3(path: &Path) -> Result<::blake3::Hash> {
    hash(&open(path)?, path)
}

/// The BLAKE3 hash of what is left to read of an open file.
pub fn hash(mut file: &File, path: &Path) -> Result<::blake3::Hash> {
    let mut hasher = ::blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = at("read", path, file.read(&mut buffer))?;
        if n == 0 {
            return Ok(hasher.finalize());
        }
        hasher.update(&buffer[..n]);
    }
}

/// Makes a folder and those above it; each that is made is synced in its parent.
pub fn create_dir_all(path: &Path) -> Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !exists(folder)).collect();
    for folder in missing.into_iter().rev() {
        match fs::create_dir(folder) {
            // Somebody else was quicker, or it ends in `..`.
            Err(_) if is_folder(folder) => {}
            made => {
                at("make the folder", folder, made)?;
                sync_parent(folder)?;
            }
        }
    }
    if path.as_os_str().is_empty() || is_folder(path) {
        return Ok(());
    }
    at("make the folder", path, Err(io::Error::from(io::ErrorKind::NotADirectory)))
}

/// Writes `bytes` at `path`: the file appears whole, synced, or not at all, and replaces one that is there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_parts(path, &[bytes])
}

/// As [`write_atomic`], of content in parts.
pub fn write_atomic_parts(path: &Path, parts: &[&[u8]]) -> Result<()> {
    write_atomic_by(path, |put| parts.iter().try_for_each(|part| put(part)))
}

/// As [`write_atomic`], of content that `make` puts part by part; its error is the call's.
pub fn write_atomic_by<E: From<Error>>(path: &Path, make: impl FnOnce(&mut Put<'_>) -> Made<E>) -> Made<E> {
    let mut temporary = Temporary::beside(path)?;
    make(&mut |part| temporary.add(part))?;
    Ok(temporary.place(path)?)
}

/// Adds bytes to a file that is being written.
pub type Put<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// The result of making a file's content.
pub type Made<E> = std::result::Result<(), E>;

/// Writes and syncs a file that nobody else knows of yet.
pub fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = create(path)?;
    at("write", path, file.write_all(bytes))?;
    sync_file(&file, path)
}

/// Syncs an open file.
pub fn sync_file(file: &File, path: &Path) -> Result<()> {
    failpoint(Point::Sync, path)?;
    at("sync", path, file.sync_all())
}

/// Syncs the file at `path`.
pub fn sync(path: &Path) -> Result<()> {
    let file = at("open", path, File::open(path))?;
    sync_file(&file, path)
}

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
fn rename_new(from: &Path, to: &Path) -> Result<bool> {
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

/// Syncs the folder that `path` is in.
fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync(Path::new(".")),
        Some(parent) => sync(parent),
        None => Ok(()),
    }
}

/// Creates (or empties) a file for writing by parts. Not atomic: for logs and files in a job's own folder.
pub fn create(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        create_dir_all(parent)?;
    }
    failpoint(Point::Write, path)?;
    open_as("create", path, OpenOptions::new().write(true).create(true).truncate(true))
}

/// Opens a file for adding at its end, making it where it is missing.
pub fn append(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        create_dir_all(parent)?;
    }
    open_as("open", path, OpenOptions::new().append(true).create(true))
}

/// Makes a file read-only, for its owner readable, and no more a program that runs as its owner.
pub fn set_readonly(path: &Path) -> Result<()> {
    let mode = at("read the permissions of", path, fs::metadata(path))?.permissions().mode();
    let permissions = fs::Permissions::from_mode(mode & 0o555 | 0o400);
    at("set the permissions of", path, fs::set_permissions(path, permissions))
}

/// What identifies a file's state without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The size in bytes.
    pub bytes: u64,
    /// When the content changed, in nanoseconds since 1970.
    pub mtime: i128,
    /// When the content or the metadata changed, in nanoseconds since 1970.
    pub ctime: i128,
    /// The inode.
    pub inode: u64,
    /// Whether it is a folder.
    pub is_dir: bool,
}

/// The state of the file at `path`, links followed.
pub fn stat(path: &Path) -> Result<Stat> {
    use std::os::unix::fs::MetadataExt;
    let m = at("find", path, fs::metadata(path))?;
    let nanos = |s: i64, n: i64| i128::from(s) * 1_000_000_000 + i128::from(n);
    Ok(Stat {
        bytes: m.len(),
        mtime: nanos(m.mtime(), m.mtime_nsec()),
        ctime: nanos(m.ctime(), m.ctime_nsec()),
        inode: m.ino(),
        is_dir: m.is_dir(),
    })
}

/// Whether a file is at `path` that this user may start as a program.
pub fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file()) && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Whether something is at `path`.
pub fn exists(path: &Path) -> bool {
    fs::metadata(path).is_ok()
}

/// Whether a folder is at `path`.
pub fn is_folder(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_dir())
}

/// Whether a file is at `path`.
pub fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file())
}

/// The names in a folder, sorted, whatever their bytes.
pub fn entries(path: &Path) -> Result<Vec<OsString>> {
    let found = at("list", path, fs::read_dir(path))?;
    let mut names =
        at("list", path, found.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>())?;
    names.sort();
    Ok(names)
}

/// The names in a folder, sorted. A name that is not UTF-8 is an error.
pub fn list(path: &Path) -> Result<Vec<String>> {
    let text = |name: OsString| {
        let wrong = |name| io::Error::new(io::ErrorKind::InvalidData, format!("the name {name:?} is not UTF-8"));
        at("list", path, name.into_string().map_err(wrong))
    };
    entries(path)?.into_iter().map(text).collect()
}

/// Removes a file; one that is not there is no error.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => at("remove", path, result),
    }
}

/// Removes a folder with all in it; one that is not there is no error.
pub fn remove_dir_all(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => at("remove", path, result),
    }
}

/// Copies a file to a place where it appears whole or not at all.
pub fn copy_atomic(from: &Path, to: &Path) -> Result<()> {
    let mut temporary = Temporary::beside(to)?;
    temporary.fill(from)?;
    temporary.place(to)
}

/// The last `bytes` of a text file, from a line's start; bytes that are not UTF-8 are replaced.
pub fn tail(path: &Path, bytes: u64) -> Result<String> {
    let mut file = open(path)?;
    let len = at("read", path, file.metadata())?.len();
    at("read", path, file.seek(SeekFrom::Start(len.saturating_sub(bytes))))?;
    let mut content = Vec::new();
    at("read", path, file.read_to_end(&mut content))?;
    let text = String::from_utf8_lossy(&content).into_owned();
    let cut = if len > bytes { text.find('\n').map_or(0, |i| i + 1) } else { 0 };
    Ok(text[cut..].to_owned())
}

/// The current time in nanoseconds since 1970: for records and for the age of files, never for an artifact.
pub fn now() -> i128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i128)
}

/// The most memory that this process has held, in bytes; none where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

/// The path made absolute, with links resolved.
pub fn canonical(path: &Path) -> Result<PathBuf> {
    at("find", path, fs::canonicalize(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atomic_write_replaces_whole_files_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.txt");
        write_atomic(&path, b"one").unwrap();
        write_atomic_parts(&path, &[b"t", b"", b"wo"]).unwrap();
        assert_eq!(read(&path).unwrap(), b"two");
        assert_eq!(list(path.parent().unwrap()).unwrap(), ["b.txt"]);
        assert_eq!(blake3(&path).unwrap(), ::blake3::hash(b"two"));
        assert_eq!(walk(dir.path()).unwrap(), ["a/b.txt"]);
    }

    #[test]
    fn errors_name_the_path_and_the_action() {
        let error = read(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.is_missing());
        assert!(error.to_string().starts_with("Could not read `/nowhere/at/all`: "), "{error}");
    }

    #[test]
    fn the_tail_starts_at_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        write_atomic(&path, b"first\nsecond\nthird\n").unwrap();
        assert_eq!(tail(&path, 10).unwrap(), "third\n");
        assert_eq!(tail(&path, 100).unwrap(), "first\nsecond\nthird\n");
    }
}
