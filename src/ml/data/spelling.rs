//! Names of files as people and disks spell them: in another normal form of Unicode, in other cases, and the files that
//! systems leave beside pictures.
//!
//! A name with an accent has several spellings that look the same. Lists mostly have the composed one (NFC); a Mac's disk or
//! archive may have the decomposed one (NFD).

use std::collections::BTreeMap;
use std::path::Path;

use unicode_normalization_alignments::UnicodeNormalization as _;

use crate::fsio;

/// A text in its composed normal form, NFC.
pub(super) fn composed(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.nfc().map(|(c, _)| c).collect() }
}

/// Whether a file is one that a system leaves beside pictures: `._x.png` of a Mac, and hidden files.
pub(super) fn is_stray(name: &str) -> bool {
    name.starts_with('.')
}

/// A file name without an ending, which may be in any case; none if it has another ending.
pub(super) fn without<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let (stem, end) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    end.eq_ignore_ascii_case(ending).then_some(stem)
}

/// Changes paths to the names that the disk below `root` has, where they differ in normal form alone.
pub fn as_on_disk<'a>(root: &Path, paths: impl Iterator<Item = &'a mut String>) {
    let mut folders = Folders { root, names: BTreeMap::new() };
    for path in paths.filter(|path| !path.is_ascii()) {
        if let Some(found) = folders.find(path) {
            *path = found;
        }
    }
}

/// The folders below a root that were looked into, by path.
struct Folders<'a> {
    root: &'a Path,
    names: BTreeMap<String, Vec<String>>,
}

impl Folders<'_> {
    /// The path that the disk has in place of `path`; none if `path` is there, or if nothing fits.
    fn find(&mut self, path: &str) -> Option<String> {
        if fsio::exists(&self.root.join(path)) {
            return None;
        }
        let mut found = String::new();
        for part in path.split('/') {
            let names = self.names.entry(found.clone()).or_insert_with(|| list(&self.root.join(&found)));
            let name = if names.iter().any(|name| name == part) {
                part
            } else {
                let same = names.iter().filter(|name| composed(name) == composed(part));
                same.min()?
            };
            if !found.is_empty() {
                found.push('/');
            }
            found.push_str(name);
        }
        Some(found)
    }
}

/// The name in the folder of a missing file that was most likely meant: it differs in case, in normal form, or in the
/// spelling of its ending.
pub fn nearest(path: &Path) -> Option<String> {
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    let plain = |name: &str| {
        let name = composed(name).to_lowercase();
        name.strip_suffix(".jpeg").map(|stem| format!("{stem}.jpg")).unwrap_or(name)
    };
    let wanted = plain(name);
    list(folder).into_iter().find(|there| plain(there) == wanted)
}

fn list(folder: &Path) -> Vec<String> {
    fsio::list(folder).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_normal_form_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let there = "fotos \u{212b}/cafe\u{301}.jpg";
        fsio::write_atomic(&dir.path().join(there), b"").unwrap();
        let named = ["fotos \u{c5}/caf\u{e9}.jpg", "fotos \u{c5}/caf\u{ea}.jpg", "gone.jpg"];
        let mut paths = named.map(str::to_owned);
        as_on_disk(dir.path(), paths.iter_mut());
        assert_eq!(paths[0], there);
        assert_eq!(paths[1..], named[1..], "what is not there stays as it was named");
        assert_eq!(
            nearest(&dir.path().join(there).with_file_name("Caf\u{e9}.JPEG")).as_deref(),
            Some("cafe\u{301}.jpg")
        );
        assert_eq!(nearest(&dir.path().join(there).with_file_name("cafe.jpg")), None);
    }

    #[test]
    fn endings_are_read_in_any_case() {
        assert_eq!(without("a.PNG", ".png"), Some("a"));
        assert_eq!(without("a.jpg", ".png"), None);
        assert_eq!(without("é", ".png"), None);
        assert!(is_stray("._a.png") && is_stray(".DS_Store") && !is_stray("a.png"));
    }
}
