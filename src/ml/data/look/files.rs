//! The files below a folder. Links to folders are followed, each folder once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fsio;

/// How deep folders are looked into.
const DEPTH: usize = 8;

/// How many files are looked at.
pub const MOST: usize = 2_000_000;

/// The endings of pictures that are read.
const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];

/// The endings of pictures that are not read, and what these files are.
const OTHERS: [(&str, &str); 8] = [
    ("bmp", "BMP"),
    ("gif", "GIF"),
    ("heic", "HEIC"),
    ("npy", "NumPy"),
    ("tif", "TIFF"),
    ("tiff", "TIFF"),
    ("webp", "WebP"),
    ("ppm", "PPM"),
];

/// The files below a folder, by paths with `/`, sorted. Hidden files are left out.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Files {
    /// JPEG and PNG files, by their endings.
    pub pictures: Vec<String>,
    /// Files of other formats of pictures.
    pub foreign: Vec<String>,
    /// All other files.
    pub others: Vec<String>,
    /// How many names are not UTF-8. No list can name them.
    pub unnamed: usize,
    /// Whether there are more than [`MOST`] files, of which the rest was not looked at.
    pub cut: bool,
}

impl Files {
    /// The files below `root`.
    ///
    /// # Errors
    /// A folder cannot be listed.
    pub fn below(root: &Path) -> fsio::Result<Self> {
        let mut found = Files::default();
        let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
        let mut folders = vec![(String::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let place = root.join(&folder);
            if !seen.insert(fsio::canonical(&place)?) {
                continue;
            }
            for name in fsio::entries(&place)? {
                let Ok(name) = name.into_string() else {
                    found.unnamed += 1;
                    continue;
                };
                if name.starts_with('.') {
                    continue;
                }
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if !fsio::is_folder(&root.join(&path)) {
                    found.add(path);
                } else if depth < DEPTH {
                    folders.push((path, depth + 1));
                }
            }
            if found.pictures.len() + found.others.len() + found.foreign.len() > MOST {
                found.cut = true;
                break;
            }
        }
        for paths in [&mut found.pictures, &mut found.foreign, &mut found.others] {
            paths.sort_unstable();
        }
        Ok(found)
    }

    fn add(&mut self, path: String) {
        let end = ending(&path);
        if PICTURES.contains(&end.as_str()) {
            self.pictures.push(path);
        } else if OTHERS.iter().any(|(other, _)| *other == end) {
            self.foreign.push(path);
        } else {
            self.others.push(path);
        }
    }
}

/// The ending of a path in small letters.
pub fn ending(path: &str) -> String {
    path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or(String::new(), |(_, end)| end.to_lowercase())
}

/// What a file of this path is, by its ending; none where it is no picture of another format.
pub fn format(path: &str) -> Option<&'static str> {
    let end = ending(path);
    OTHERS.iter().find(|(other, _)| *other == end).map(|(_, name)| *name)
}

/// The folder and the file name without its ending.
pub fn parts(path: &str) -> (&str, &str) {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    (folder, name.rsplit_once('.').map_or(name, |(stem, _)| stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sorted_by_what_they_are_and_links_are_followed_once() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["b/x.PNG", "a/y.jpeg", ".hidden/z.png", "a/._y.png", "classes.txt", "c/t.tiff"] {
            fsio::write_atomic(&dir.path().join(path), b"").unwrap();
        }
        std::os::unix::fs::symlink("..", dir.path().join("a/up")).unwrap();
        let found = Files::below(dir.path()).unwrap();
        assert_eq!(found.pictures, ["a/y.jpeg", "b/x.PNG"]);
        assert_eq!(
            (found.others.as_slice(), found.foreign.as_slice()),
            (&["classes.txt".into()][..], &["c/t.tiff".into()][..])
        );
        assert_eq!((format("a.TIF"), format("a.png"), parts("a/b.c.png")), (Some("TIFF"), None, ("a", "b.c")));
        assert!(Files::below(&dir.path().join("gone")).is_err());
    }
}
