//! Which files are behind a name: some checkpoints are several.
//!
//! TensorFlow V2: `PREFIX.index` and `PREFIX.data-00000-of-00002`, named by the prefix, the index or any part.
//! TensorFlow V1, in parts: `PREFIX-00000-of-00002`, named by the prefix or any part. All others are one file.
//!
//! Some names only lead to a checkpoint ([`lead`]): `PREFIX.meta`, the text file `checkpoint`, a folder, and a prefix
//! without its step.

mod lead;
mod parts;

use std::path::{Path, PathBuf};

use super::error::Result;
use crate::fsio;
use parts::{parts, split_part};

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
    /// There is nothing by that name, a part is missing, or the name leads to several checkpoints.
    pub fn find(path: &Path) -> Result<Self> {
        match lead::lead(path)? {
            Some(led) => Files::named(&led),
            None => Files::named(path),
        }
    }

    /// The files behind the name of a checkpoint.
    fn named(path: &Path) -> Result<Self> {
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
