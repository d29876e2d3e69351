//! What the disk of a store can do: tried with files in its folder `tmp`, which are removed at once. What a killed process
//! leaves of them is swept as any temporary file.

use std::path::Path;

use super::root::Store;
use crate::fsio;

/// How far the clock of a file server may be from this machine's, in nanoseconds.
const SKEW: i128 = 5_000_000_000;

/// What was tried, and what came of it: what was seen, or what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What was tried, in a word or two.
    pub what: &'static str,
    /// What was seen.
    pub seen: Result<&'static str, String>,
}

impl Store {
    /// Tries what the store needs of its disk. `is_locked` asks another process whether a file is locked.
    ///
    /// # Errors
    /// Nothing can be written.
    pub fn try_out(&self, is_locked: &dyn Fn(&Path) -> Option<bool>) -> fsio::Result<Vec<Tried>> {
        let place = self.path().join("tmp");
        let mut first = self.temporary(&place)?;
        let second = self.temporary(&place)?;
        first.add(b"second")?;
        let locks = match is_locked(first.path()) {
            Some(true) => Ok("another process sees a lock of this one"),
            Some(false) => Err("Another process does not see a lock of this one.".to_owned()),
            None => Err("No other process could be asked about a lock.".to_owned()),
        };
        let mine = fsio::stat(first.path())?.mtime;
        let clock = match (mine - fsio::now()).abs() <= SKEW {
            true => Ok("files have the time of this machine"),
            false => Err(format!(
                "Files are dated {} seconds away from the time of this machine.",
                (mine - fsio::now()) / 1_000_000_000
            )),
        };
        let name = first.path().file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let cases = match fsio::exists(&first.path().with_file_name(name)) {
            false => Ok("names that differ in case are two"),
            true => Err("Names that differ in case alone are one.".to_owned()),
        };
        let third = self.temporary(&place)?;
        let exclusive = match third.place_new(second.path()) {
            Ok(false) => Ok("a file that is there is not replaced unasked"),
            Ok(true) => Err("A file that was there was replaced, though that was forbidden.".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let path = second.path().to_owned();
        let rename = match first.place(&path).and_then(|()| fsio::read(&path)) {
            Ok(bytes) if bytes == b"second" => Ok("a file is replaced whole, and synced"),
            Ok(_) => Err("A renamed file had another content.".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        // The second one, whose place the first has now, goes as it is dropped.
        drop(second);
        Ok(vec![
            Tried { what: "rename", seen: rename },
            Tried { what: "new files", seen: exclusive },
            Tried { what: "locks", seen: locks },
            Tried { what: "cases", seen: cases },
            Tried { what: "file times", seen: clock },
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let tried = store.try_out(&|path| fsio::is_locked(path).ok()).unwrap();
        assert!(tried.iter().all(|tried| tried.seen.is_ok()), "{tried:?}");
        assert!(fsio::list(&dir.path().join("tmp")).unwrap().is_empty());
        let tried = store.try_out(&|_| Some(false)).unwrap();
        assert!(tried.iter().any(|tried| tried.what == "locks" && tried.seen.is_err()));
    }
}
