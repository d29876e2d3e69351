//! Writes a page to a file, and overwrites no file of another hand.

use std::path::Path;

use super::super::error::{Error, Result};
use crate::fsio;

/// What a page that this program wrote begins with.
const MARK: &[u8] = b"<!doctype html>\n<!-- A report page of repro. A later `repro report` may replace it. -->\n";

/// How a page of HTML begins.
const HTML: &[u8] = b"<!doctype html>";

/// What becomes of a file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is replaced if it is a page that this function wrote.
    Others,
    /// It is replaced, whatever it is.
    Nothing,
}

/// Writes a page: whole or not at all.
///
/// # Errors
/// A file of another hand is there and is to be kept; the folder is not there; what the disk says.
pub fn write(page: &[u8], path: &Path, kept: Kept) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !fsio::is_folder(folder) {
        return Err(Error::NoFolder(folder.to_owned()));
    }
    if fsio::is_folder(path) {
        return Err(Error::IsFolder(path.to_owned()));
    }
    if kept == Kept::Others && fsio::exists(path) && !is_ours(path)? {
        return Err(Error::Exists(path.to_owned()));
    }
    Ok(fsio::write_atomic_parts(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()), &[MARK, rest(page)])?)
}

/// The page as it is written to standard output.
pub fn marked(page: &[u8]) -> Vec<u8> {
    [MARK, rest(page)].concat()
}

/// A page without its first line, which the mark has.
fn rest(page: &[u8]) -> &[u8] {
    let start = page.get(..HTML.len()).filter(|start| start.eq_ignore_ascii_case(HTML));
    page.get(start.map_or(0, <[u8]>::len)..).unwrap_or_default()
}

/// Whether a file is a page that [`write`] wrote.
fn is_ours(path: &Path) -> Result<bool> {
    let file = fsio::Parts::open(path)?;
    let start = file.bytes().min(MARK.len() as u64);
    Ok(file.read(0..start)? == MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_replaces_a_page_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.html");
        write(b"<!DOCTYPE html>\n<p>1", &path, Kept::Others).unwrap();
        write(b"<!doctype html><p>2", &path, Kept::Others).unwrap();
        assert_eq!(fsio::read(&path).unwrap(), [MARK, b"<p>2"].concat());
        for other in [&b""[..], b"mine", b"<!doctype html>\n<p>mine, and quite a long text that no report begins with"]
        {
            fsio::write_atomic(&path, other).unwrap();
            assert!(matches!(write(b"<p>3", &path, Kept::Others), Err(Error::Exists(_))));
            assert_eq!(fsio::read(&path).unwrap(), other);
        }
        write(b"<p>3", &path, Kept::Nothing).unwrap();
        assert_eq!(fsio::read(&path).unwrap(), [MARK, b"<p>3"].concat());
        assert!(matches!(write(b"", &dir.path().join("no/report.html"), Kept::Nothing), Err(Error::NoFolder(_))));
        assert!(matches!(write(b"", dir.path(), Kept::Nothing), Err(Error::IsFolder(_))));
    }
}
