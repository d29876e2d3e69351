//! Parts of a checkpoint, which are numbered.

use std::path::{Path, PathBuf};

use crate::fsio;
use crate::ml::checkpoint::error::{Error, Result};

/// `a.data-00001-of-00002` as `a.data` and 2, the number of parts.
pub fn split_part(name: &str) -> Option<(&str, usize)> {
    let (rest, count) = name.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    (digits(number) && digits(count)).then_some((stem, count.parse().ok()?))
}

/// All parts `STEM-0000i-of-0000n` beside `path`, n being `count` or else the greatest there is; none where there is
/// none. One that is missing is an error.
pub fn parts(path: &Path, stem: &str, count: Option<usize>) -> Result<Vec<PathBuf>> {
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
