//! What the system tells of the disk behind a folder, without writing to it.

use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::error::{Result, at};

/// The disk behind a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The file system, as `ext4`; in hexadecimal digits where its number is not known here. Empty where the system does not
    /// tell.
    pub name: String,
    /// Whether other machines may have it too.
    pub is_shared: bool,
    /// The bytes that this user may still write.
    pub free: u64,
    /// All bytes.
    pub bytes: u64,
}

/// The number of a file system, its name, and whether several machines share it.
#[cfg(target_os = "linux")]
const KNOWN: [(u64, &str, bool); 19] = [
    (0xef53, "ext4", false),
    (0x5846_5342, "XFS", false),
    (0x9123_683e, "Btrfs", false),
    (0x2fc1_2fc1, "ZFS", false),
    (0xf2f5_2010, "F2FS", false),
    (0x0102_1994, "tmpfs, which is memory", false),
    (0x794c_7630, "overlayfs, as of a container", false),
    (0x4d44, "FAT", false),
    (0x2011_bab0, "exFAT", false),
    (0x5346_544e, "NTFS", false),
    (0x6573_5546, "FUSE, a file system of a program", true),
    (0x0102_1997, "9p, of a host machine", true),
    (0x6969, "NFS", true),
    (0xff53_4d42, "SMB", true),
    (0xfe53_4d42, "SMB 2", true),
    (0x0bd0_0bd0, "Lustre", true),
    (0x4750_4653, "GPFS", true),
    (0x00c3_6400, "Ceph", true),
    (0x1983_0326, "BeeGFS", true),
];

/// The disk behind the folder at `path`.
///
/// # Errors
/// There is no such folder.
pub fn disk(path: &Path) -> Result<Disk> {
    let found = at("look at the disk of", path, statvfs(path).map_err(Into::into))?;
    let (name, is_shared) = kind(path);
    let size = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Disk { name, is_shared, free: size(found.f_bavail), bytes: size(found.f_blocks) })
}

#[cfg(target_os = "linux")]
fn kind(path: &Path) -> (String, bool) {
    let Ok(found) = rustix::fs::statfs(path) else { return (String::new(), false) };
    // The numbers have 32 bits; some systems extend their sign.
    let number = (found.f_type as u64) & 0xffff_ffff;
    let known = KNOWN.iter().find(|(known, ..)| *known == number);
    known.map_or_else(|| (format!("{number:#x}"), false), |(_, name, shared)| ((*name).to_owned(), *shared))
}

#[cfg(not(target_os = "linux"))]
fn kind(_: &Path) -> (String, bool) {
    (String::new(), false)
}

/// Whether this user may make files in the folder at `path`, as far as permissions say. Nothing is written.
pub fn may_write(path: &Path) -> bool {
    access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_a_disk_with_some_space() {
        let dir = tempfile::tempdir().unwrap();
        let found = disk(dir.path()).unwrap();
        assert!(found.bytes >= found.free && found.bytes > 0, "{found:?}");
        assert!(may_write(dir.path()) && !may_write(&dir.path().join("gone")));
        assert!(disk(&dir.path().join("gone")).is_err());
        #[cfg(target_os = "linux")]
        assert!(!disk(Path::new("/proc")).unwrap().name.is_empty());
    }
}
