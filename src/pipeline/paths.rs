//! Paths of files, in the text alone.

use std::path::{Component, Path, PathBuf};

/// `path` without `.`, and without each `..` that follows the name of a folder.
pub(super) fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            _ => out.push(component),
        }
    }
    out
}

/// An absolute path as seen from `folder`; what is below a data root stays as it is.
pub(super) fn seen_from(folder: &Path, file: String) -> String {
    let path = Path::new(&file);
    if !path.is_absolute() {
        return file;
    }
    let common = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| Path::new(".."));
    let down = path.components().skip(common).map(|component| Path::new(component.as_os_str()));
    up.chain(down).collect::<PathBuf>().display().to_string()
}
