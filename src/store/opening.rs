//! How a store is opened: for work, which makes the store if it is missing, or only to look, which makes nothing.
//!
//! The file `format` marks a folder as a store. If this file is lost or damaged, and the other files show that the folder
//! is a store, the file is made again. A store of a newer program is refused and stays as it is.

use std::path::Path;

use super::error::{Error, Result};
use super::layers;
use super::root::{Access, Store};
use crate::fsio;

/// The text of the file `format`: what this program reads and writes.
pub(super) const FORMAT: &str = "repro store 1";

/// What the text begins with in every version; a whole number follows.
const PREFIX: &str = "repro store ";

/// The folders of a store whose content shows by its names that it is one.
const TELLING: [&str; 5] = ["objects", "actions", "runs", "jobs", "scratch"];

/// The folders that tell nothing alone; a folder with no others is a store in which nothing was done yet.
const OTHERS: [&str; 7] = ["locks", "layers", "leases", "executions", "externals", "quarantine", "tmp"];

/// What a folder is.
#[derive(Debug, PartialEq)]
enum Standing {
    /// A store with its mark.
    Store,
    /// Plainly a store, but its mark is lost or damaged.
    Unmarked,
    /// Nothing, or an empty folder.
    Nothing,
}

impl Store {
    /// Opens the store at `path` for work, or makes one there. A store that may not be written serves what is in it.
    ///
    /// # Errors
    /// A folder that holds something else, and a store of a newer format, are refused; where there is no store, one
    /// must be made, and the disk may refuse.
    pub fn open(path: &Path) -> Result<Self> {
        let found = look(path)?;
        if found == Standing::Nothing {
            fsio::create_dir_all(path)?;
        }
        let root = fsio::canonical(path)?;
        let lower = layers::below(&root)?;
        let store = Store::at(root, lower, Access::Work);
        if found != Standing::Store {
            match store.place(&store.root.join("format"), format!("{FORMAT}\n").as_bytes()) {
                Ok(()) if found == Standing::Unmarked => {
                    store.notice(format!("{} It has been made again.", lost(path)))
                }
                Err(error) if found == Standing::Unmarked && error.is_denied() => store.notice(lost(path)),
                result => result?,
            }
        }
        store.sweep();
        Ok(store)
    }

    /// Opens the store at `path` for a look: nothing is moved or swept, and nothing written but the memory of digests, where
    /// there is a store. A missing store reads as an empty one, and is not made.
    ///
    /// # Errors
    /// As those of [`Store::open`], but for the disk's.
    pub fn view(path: &Path) -> Result<Self> {
        let found = look(path)?;
        let root = match found {
            Standing::Nothing => std::path::absolute(path).map_err(|error| fsio::Error::new("find", path, error))?,
            Standing::Store | Standing::Unmarked => fsio::canonical(path)?,
        };
        let lower = layers::below(&root)?;
        let access = if found == Standing::Nothing { Access::Absent } else { Access::View };
        let store = Store::at(root, lower, access);
        if found == Standing::Unmarked {
            store.notice(format!("{} The next run makes it again.", lost(path)));
        }
        Ok(store)
    }
}

fn lost(path: &Path) -> String {
    format!("The file `{}` was lost or damaged.", path.join("format").display())
}

/// What is at `path`. Only the format of a newer program, and a folder that holds something else, are errors.
fn look(path: &Path) -> Result<Standing> {
    let mark = path.join("format");
    // The mark comes first: what is listed beside it may be a store that another process is making now.
    match version(&mark)? {
        Some(1) => return Ok(Standing::Store),
        Some(version) if version > 1 => {
            return Err(Error::Newer { path: mark, found: format!("{PREFIX}{version}"), known: FORMAT.to_owned() });
        }
        Some(_) | None => {}
    }
    if !fsio::exists(path) {
        return Ok(Standing::Nothing);
    }
    let names: Vec<String> = fsio::entries(path)?.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let visible = || names.iter().map(String::as_str).filter(|name| !name.starts_with('.'));
    if visible().all(|name| name == "tmp") {
        // A process that was just here may have made it a store.
        return Ok(if version(&mark)? == Some(1) { Standing::Store } else { Standing::Nothing });
    }
    let told = TELLING.iter().any(|folder| tells(&path.join(folder)));
    if told
        || visible().all(|name| name == "format" || OTHERS.contains(&name)) && visible().any(|name| name != "format")
    {
        return Ok(Standing::Unmarked);
    }
    match version(&mark)? {
        Some(1) => Ok(Standing::Store),
        _ => Err(Error::NotAStore(path.to_owned())),
    }
}

/// The version that a mark states; none where there is no mark, or none that says so.
fn version(mark: &Path) -> Result<Option<u32>> {
    match fsio::read(mark) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            Ok(text.trim_end().strip_prefix(PREFIX).and_then(|version| version.parse().ok()))
        }
        Err(error) if error.is_absent() || error.is_folder() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a folder holds something that only a store has: names of digests, whole or parted, or of runs.
fn tells(folder: &Path) -> bool {
    let hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    let run = |name: &str| {
        let id = name.strip_suffix(".json").unwrap_or_default();
        id.len() > 15 && matches!(id.as_bytes()[8], b'-' | b'.') && id.bytes().take(8).all(|b| b.is_ascii_digit())
    };
    let names = fsio::entries(folder).unwrap_or_default();
    names.iter().filter_map(|name| name.to_str()).any(|name| hex(name, 2) || hex(name, 64) || run(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(path: &Path) -> Option<Vec<u8>> {
        fsio::read(&path.join("format")).ok()
    }

    #[test]
    fn a_store_opens_again_and_other_folders_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/.repro");
        Store::open(&path).unwrap();
        assert_eq!(Store::open(&path).unwrap().path(), path.canonicalize().unwrap());
        for open in [Store::open, Store::view] {
            fsio::write_atomic(&path.join("format"), b"repro store 2\n").unwrap();
            let error = open(&path).unwrap_err();
            assert!(error.to_string().contains("newer than this program reads (`repro store 1`)"), "{error}");
            assert_eq!(mark(&path).unwrap(), b"repro store 2\n");
            for (name, content) in [("photos/a.jpg", ""), ("settings/format", "json"), ("tools/runs/one/log", "")] {
                let file = dir.path().join(name);
                fsio::write_atomic(&file, content.as_bytes()).unwrap();
                let folder = dir.path().join(name.split('/').next().unwrap());
                let error = open(&folder).unwrap_err();
                assert!(matches!(error, Error::NotAStore(_)) && !error.hint().contains("empty"), "{error}");
                assert_eq!(fsio::read(&file).unwrap(), content.as_bytes());
            }
        }
    }

    #[test]
    fn a_view_creates_nothing_and_reads_what_is_not_there_as_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/.repro");
        let view = Store::view(&path).unwrap();
        assert!(view.runs(None).unwrap().next().is_none());
        let key = crate::hash::Digest::of(b"key");
        assert!(view.record(&key).unwrap().is_none() && !view.contains(&key));
        assert!(!fsio::exists(&dir.path().join("a")));
        assert_eq!(Store::open(view.path()).unwrap().path(), path.canonicalize().unwrap());
        fsio::remove_dir_all(&path.join("tmp")).unwrap();
        Store::view(&path).unwrap();
        assert_eq!(fsio::list(&path).unwrap(), ["format"]);
    }

    #[test]
    fn a_lost_or_damaged_mark_of_a_store_is_made_again_and_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let digest = Store::open(&path).unwrap().put_bytes(b"abc").unwrap();
        let file = path.join("format");
        let damages: [&dyn Fn(); 6] = [
            &|| fsio::remove_file(&file).unwrap(),
            &|| fsio::write_atomic(&file, b"").unwrap(),
            &|| fsio::write_atomic(&file, b"repro sTore 1\n").unwrap(),
            &|| fsio::write_atomic(&file, b"repro store \xb1\n").unwrap(),
            &|| fsio::write_atomic(&file, b"repro store 0\n").unwrap(),
            &|| fsio::remove_file(&file).and_then(|()| fsio::create_dir_all(&file.join("a"))).unwrap(),
        ];
        for damage in damages {
            damage();
            let view = Store::view(&path).unwrap();
            assert_eq!(view.read(&digest).unwrap(), b"abc");
            assert_eq!(view.take_notices().len(), 1);
            let store = Store::open(&path).unwrap();
            assert!(store.take_notices().concat().contains("made again"));
            assert_eq!(mark(&path).unwrap(), b"repro store 1\n");
            assert!(Store::open(&path).unwrap().take_notices().is_empty());
        }
    }
}
