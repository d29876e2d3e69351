//! Folders: made, listed, removed.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use super::error::{Result, at};
use super::look::{exists, is_folder};
use super::sync::sync_parent;

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

/// Removes a folder with all in it; one that is not there is no error.
pub fn remove_dir_all(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => at("remove", path, result),
    }
}
