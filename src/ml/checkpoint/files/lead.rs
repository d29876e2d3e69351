//! Names that lead to a checkpoint of TensorFlow without being one of its files.
//!
//! | name | leads to |
//! |---|---|
//! | `PREFIX.meta`, the graph | the checkpoint of that prefix |
//! | the text file `checkpoint` | the latest that it names |
//! | a folder | what its `checkpoint` names, or the only checkpoint in it |
//! | a prefix without its step, `model.ckpt` for `model.ckpt-100` | the only step beside it |
//!
//! Where several are meant, that is an error which names them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::parts::split_part;
use crate::fsio;
use crate::ml::checkpoint::error::{Error, Result};

/// The name of the text file that TensorFlow writes beside its checkpoints.
const STATE: &str = "checkpoint";
/// The bytes that this file may have. It names each checkpoint that was kept.
const BYTES: u64 = 1 << 20;
/// What files of weights that are one file end in.
const SINGLE: [&str; 6] = [".pth", ".pt", ".npz", ".npy", ".safetensors", ".ckpt"];

/// The checkpoint that `path` leads to; none where `path` is to be taken as it is.
///
/// # Errors
/// It leads to several, to none in a folder, or to one that is not there.
pub fn lead(path: &Path) -> Result<Option<PathBuf>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match fsio::stat(path) {
        Ok(stat) if stat.is_dir => of_folder(path).map(Some),
        Ok(_) if name == STATE => latest(path),
        _ => match name.strip_suffix(".meta") {
            Some(prefix) => of_graph(path, &path.with_file_name(prefix)).map(Some),
            None if is_checkpoint(path) => Ok(None),
            None => of_steps(path, &name),
        },
    }
}

/// Whether there is a checkpoint of this prefix, or a file of this name.
fn is_checkpoint(prefix: &Path) -> bool {
    let with = |end: &str| {
        let mut name = prefix.file_name().unwrap_or_default().to_owned();
        name.push(end);
        prefix.with_file_name(name)
    };
    let stem = prefix.file_name().unwrap_or_default().to_string_lossy();
    let is_part = |name: &String| split_part(name).is_some_and(|(found, _)| found == stem);
    let parts = || listed(folder(prefix)).iter().any(is_part);
    fsio::stat(prefix).is_ok_and(|stat| !stat.is_dir) || fsio::exists(&with(".index")) || parts()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The names in a folder; none where it cannot be read.
fn listed(folder: &Path) -> Vec<String> {
    fsio::list(folder).unwrap_or_default()
}

fn refused(place: &Path, what: String, hint: &'static str) -> Error {
    Error::refused("", what, hint).of_file(&place.display().to_string())
}

/// The checkpoint beside a graph.
fn of_graph(path: &Path, prefix: &Path) -> Result<PathBuf> {
    if is_checkpoint(prefix) {
        return Ok(prefix.to_owned());
    }
    // Where there is no such file either, the error of the file system says so.
    fsio::stat(path)?;
    let what = format!("It is the graph of a model; the weights, `{}`, are not beside it.", prefix.display());
    Err(refused(path, what, "Fetch the files `.index` and `.data-…` of the same name into the same folder."))
}

/// The latest checkpoint that the text file names; none where it is no such file.
fn latest(path: &Path) -> Result<Option<PathBuf>> {
    let Ok(text) = fsio::read_to_string_within(path, BYTES) else { return Ok(None) };
    let Some(named) = text.lines().find_map(model_checkpoint_path) else { return Ok(None) };
    // A folder that was moved: the path is of where it was.
    let beside = path.with_file_name(Path::new(&named).file_name().unwrap_or_default());
    match [path.with_file_name(&named), beside].into_iter().find(|prefix| is_checkpoint(prefix)) {
        Some(prefix) => Ok(Some(prefix)),
        None => {
            let what = format!("It names `{named}` as the latest checkpoint, which is not there.");
            Err(refused(path, what, "Fetch the files of that checkpoint, or name the prefix of another."))
        }
    }
}

/// The value of the line `model_checkpoint_path: "model.ckpt-100"`.
fn model_checkpoint_path(line: &str) -> Option<String> {
    let value = line.trim().strip_prefix("model_checkpoint_path")?.trim_start().strip_prefix(':')?.trim();
    let quoted = value.strip_prefix('"')?.strip_suffix('"')?;
    Some(quoted.replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\"))
}

/// The checkpoint in a folder.
fn of_folder(path: &Path) -> Result<PathBuf> {
    let names = fsio::list(path)?;
    if names.iter().any(|name| name == STATE)
        && let Some(prefix) = latest(&path.join(STATE))?
    {
        return Ok(prefix);
    }
    let mut prefixes: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".index")).collect();
    prefixes.sort_by_key(|prefix| (step(prefix).map(|(_, step)| step), *prefix));
    // A model that TensorFlow 2 saved as a whole.
    let variables = path.join("variables").join("variables");
    match &prefixes[..] {
        [] if is_checkpoint(&variables) => Ok(variables),
        [] => {
            let single = |name: &&String| SINGLE.iter().any(|end| name.ends_with(end));
            let some: Vec<String> = names.iter().filter(single).take(4).map(|name| format!("`{name}`")).collect();
            let what = match &some[..] {
                [] => "It is a folder without a TensorFlow checkpoint.".to_owned(),
                some => format!("It is a folder; files of weights in it are {}.", some.join(", ")),
            };
            Err(refused(path, what, "Name the file of weights."))
        }
        [prefix] => Ok(path.join(prefix)),
        [.., last] => {
            let what = format!(
                "It is a folder of {} checkpoints; the last is `{}`.",
                prefixes.len(),
                path.join(last).display()
            );
            Err(refused(path, what, "Name the prefix of one of them."))
        }
    }
}

/// `model.ckpt-100` as `model.ckpt` and 100.
fn step(prefix: &str) -> Option<(&str, u64)> {
    let (stem, digits) = prefix.rsplit_once('-')?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some((stem, number))
}

/// The only checkpoint of a prefix with a step behind it; none where there is none.
fn of_steps(path: &Path, name: &str) -> Result<Option<PathBuf>> {
    let stem = name.strip_suffix(".index").unwrap_or(name);
    let mut steps = BTreeMap::new();
    for file in listed(folder(path)) {
        let prefix = [".index", ".meta"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(&file);
        if let Some((found, step)) = step(prefix)
            && found == stem
            && is_checkpoint(&path.with_file_name(prefix))
        {
            steps.insert(step, path.with_file_name(prefix));
        }
    }
    match steps.len() {
        0 => Ok(None),
        1 => Ok(steps.into_values().next()),
        count => {
            let numbers: Vec<String> = steps.keys().rev().take(4).rev().map(u64::to_string).collect();
            let last = steps.into_values().next_back().unwrap_or_default();
            let (last, numbers) = (last.display(), numbers.join(", "));
            let what =
                format!("There are checkpoints of {count} steps of this name, up to {numbers}; the last is `{last}`.");
            Err(refused(path, what, "Name one with its step."))
        }
    }
}
