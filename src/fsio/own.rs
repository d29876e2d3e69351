//! Folders that are this program's own, and the copies in them: their permissions are this program's to set, whatever
//! another program made of them.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::beneath::{Found, found};
use super::error::{Result, at};
use super::failpoint::{Point, failpoint};
use super::folders::{create_dir_all, list, remove_dir_all};
use super::look::set_readonly;
use super::regular::open;

/// Removes a folder of this program's own with all in it, whatever permissions other programs have set there.
pub fn remove_own_dir_all(path: &Path) -> Result<()> {
    match remove_dir_all(path) {
        Err(error) if error.source.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            remove_dir_all(path)
        }
        result => result,
    }
}

/// Makes a folder and all folders below it read-only.
pub fn close(path: &Path) -> Result<()> {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for name in list(&folder)? {
            let path = folder.join(name);
            if found(&path)? == Found::Folder {
                folders.push(path);
            }
        }
        set_readonly(&folder)?;
    }
    Ok(())
}

/// Lets the owner list and change a folder and all below it. No link is followed.
pub fn open_up(path: &Path) -> Result<()> {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let mode = at("find", &folder, fs::symlink_metadata(&folder))?.permissions().mode();
        if mode & 0o700 != 0o700 {
            let permissions = fs::Permissions::from_mode(mode | 0o700);
            at("set the permissions of", &folder, fs::set_permissions(&folder, permissions))?;
        }
        for entry in at("list", &folder, fs::read_dir(&folder))? {
            let entry = at("list", &folder, entry)?;
            if at("find", &entry.path(), entry.file_type())?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Copies the content of a file into a new file with these permissions, less the user's mask: as a second reference to
/// the same blocks where the file system can, else in parts. It is not synced.
pub fn copy_new(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let mut source = open(from)?;
    if let Some(parent) = to.parent() {
        create_dir_all(parent)?;
    }
    let mut target = at("create", to, OpenOptions::new().write(true).create_new(true).mode(mode).open(to))?;
    failpoint(Point::Write, to)?;
    at("write", to, io::copy(&mut source, &mut target)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    #[test]
    fn a_closed_folder_is_opened_to_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, outside) = (dir.path().join("a"), dir.path().join("outside"));
        write_atomic(&folder.join("b/c/file"), b"x").unwrap();
        create_dir_all(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, folder.join("link")).unwrap();
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
        let before = mode(&outside);
        close(&folder).unwrap();
        let inner = folder.join("b/c");
        assert_eq!((mode(&folder) & 0o222, mode(&inner) & 0o222, mode(&outside)), (0, 0, before));
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o000)).unwrap();
        remove_own_dir_all(&folder).unwrap();
        assert!(!exists(&folder) && mode(&outside) == before);
    }

    #[test]
    fn a_copy_has_the_content_and_the_permissions_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("sub/to"));
        write_atomic(&from, b"abc").unwrap();
        copy_new(&from, &to, 0o555).unwrap();
        assert_eq!(read(&to).unwrap(), b"abc");
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o222, 0);
        assert!(copy_new(&from, &to, 0o555).is_err(), "a file that is there is not written over");
    }
}
