//! Which files are behind a name: some checkpoints are several.
//!
//! TensorFlow V2: `PREFIX.index` and `PREFIX.data-00000-of-00002`, named by the prefix, the index or any part.
//! TensorFlow V1, in parts: `PREFIX-00000-of-00002`, named by the prefix or any part. All others are one file.

use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use crate::fsio;

/// The files of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The file that says what there is.
    pub first: PathBuf,
    /// The parts besides it, in their order.
    pub others: Vec<PathBuf>,
}

impl Files {
    /// The files behind `path`.
    ///
    /// # Errors
    /// There is nothing by that name, or a part is missing.
    pub fn find(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = |name: &str| path.with_file_name(name);
        let is_file = |path: &Path| fsio::stat(path).is_ok_and(|stat| !stat.is_dir);
        let (stem, part) = match split_part(&name) {
            Some((stem, part)) => (stem, Some(part)),
            None => (name.as_str(), None),
        };
        let prefix = match part {
            Some(_) => stem.strip_suffix(".data").unwrap_or(stem),
            None => stem.strip_suffix(".index").unwrap_or(stem),
        };
        let index = beside(&format!("{prefix}.index"));
        let names_index = name.ends_with(".index") || stem.ends_with(".data");
        if names_index || (!is_file(path) && is_file(&index)) {
            fsio::stat(&index)?;
            return Ok(Files { others: parts(&index, &format!("{prefix}.data"), part)?, first: index });
        }
        let named = is_file(path);
        if part.is_none() && named {
            return Ok(Files { first: path.to_owned(), others: Vec::new() });
        }
        let mut all = parts(path, prefix, part)?;
        if all.is_empty() {
            // The error of the file system says what is not there.
            fsio::stat(path)?;
            all.push(path.to_owned());
        }
        Ok(Files { first: all.remove(0), others: all })
    }
}

/// `a.data-00001-of-00002` as `a.data` and 2, the number of parts.
fn split_part(name: &str) -> Option<(&str, usize)> {
    let (rest, count) = name.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    (digits(number) && digits(count)).then_some((stem, count.parse().ok()?))
}

/// All parts `STEM-0000i-of-0000n` beside `path`, n being `count` or else the greatest there is; none where there is
/// none. One that is missing is an error.
fn parts(path: &Path, stem: &str, count: Option<usize>) -> Result<Vec<PathBuf>> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let there: Vec<String> = fsio::list(folder)?
        .into_iter()
        .filter(|name| split_part(name).is_some_and(|(found, _)| found == stem))
        .collect();
    let greatest = there.iter().filter_map(|name| split_part(name)).map(|(_, count)| count).max();
    let Some(count) = count.or(greatest) else {
        return Ok(Vec::new());
    };
    let wanted = (0..count).map(|at| format!("{stem}-{at:05}-of-{count:05}"));
    let missing = wanted.clone().find(|name| !there.contains(name));
    match missing {
        None => Ok(wanted.map(|name| path.with_file_name(name)).collect()),
        Some(name) => {
            Err(Error::refused("", format!("The part `{name}` is missing."), "Fetch all parts into one folder.")
                .of_file(&path.display().to_string()))
        }
    }
}
