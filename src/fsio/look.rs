//! What is at a path, links followed, and what may be done with it. Nothing is opened or read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, statvfs, utimensat};

use super::error::{Result, at};

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

/// The path made absolute, with links resolved.
pub fn canonical(path: &Path) -> Result<PathBuf> {
    at("find", path, fs::canonicalize(path))
}

/// Makes a file read-only, for its owner readable, and no more a program that runs as its owner.
pub fn set_readonly(path: &Path) -> Result<()> {
    let mode = at("read the permissions of", path, fs::metadata(path))?.permissions().mode();
    let permissions = fs::Permissions::from_mode(mode & 0o555 | 0o400);
    at("set the permissions of", path, fs::set_permissions(path, permissions))
}

/// Gives the file at `path` the present as the time of its last change. No link is followed.
pub fn touch(path: &Path) -> Result<()> {
    let (omit, now) = (Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, Timespec { tv_sec: 0, tv_nsec: UTIME_NOW });
    let times = Timestamps { last_access: omit, last_modification: now };
    at("set the time of", path, utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into))
}

/// The longest name, in bytes, that the disk of the folder at `path` takes, which need not be there yet.
pub fn longest_name(path: &Path) -> Result<usize> {
    let above = path.ancestors().find(|above| exists(above)).unwrap_or(Path::new("."));
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    let disk = at("look at the disk of", above, statvfs(above).map_err(Into::into))?;
    Ok(usize::try_from(disk.f_namemax).unwrap_or(usize::MAX))
}
