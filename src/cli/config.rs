//! Where data roots, the store and what a user always wants come from: the command line, then the environment, then the
//! user's config file.
//!
//! None of it enters a key or an artifact.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::failure::{Failure, fail};
use crate::cli::exit::Exit;
use crate::fsio;
use crate::syntax;

/// The user's file: `$XDG_CONFIG_HOME/repro/config.ron` or `~/.config/repro/config.ron`.
#[derive(Debug, Default)]
struct Config {
    /// Data roots by name.
    data: BTreeMap<String, PathBuf>,
    /// The store.
    store: Option<PathBuf>,
    /// Whether runs write events for TensorBoard while they go on.
    tensorboard: bool,
}

fn config_file() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(base.join("repro/config.ron"))
}

fn config() -> Result<Config, Failure> {
    let Some(path) = config_file().filter(|path| fsio::exists(path)) else { return Ok(Config::default()) };
    let text = fsio::read_to_string(&path).map_err(|error| match error.is_irregular() {
        true => fail(Exit::Usage, error.to_string()).hint(error.hint()),
        false => error.into(),
    })?;
    let example = "The file holds `(data: {\"voc2012\": \"/data/VOC2012\"}, store: Some(\"/scratch/repro\"))`.";
    let config = syntax::read(&path.display().to_string(), &text, example, |shape, tree| {
        let [data, store, tensorboard] = shape.fields(tree, "Config", ["data", "store", "tensorboard"], 0)?;
        let entries = data.and_then(|tree| shape.map(tree)).unwrap_or_default().into_iter();
        let data = entries.filter_map(|(name, tree)| Some((name.text, PathBuf::from(shape.text(tree)?)))).collect();
        let store = store.and_then(|tree| shape.text(tree)).map(PathBuf::from);
        let tensorboard = tensorboard.and_then(|tree| shape.flag(tree)).unwrap_or_default();
        Some(Config { data, store, tensorboard })
    })?;
    Ok(config)
}

/// The data roots: `--data NAME=PATH`, else `REPRO_DATA_NAME`, else the config file. Every root named by `--data`
/// must be a folder.
pub fn roots(arguments: &[String]) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut roots = config()?.data;
    for (key, path) in std::env::vars_os() {
        if let Some(name) = key.to_str().and_then(|key| key.strip_prefix("REPRO_DATA_")) {
            roots.insert(name.to_lowercase(), PathBuf::from(path));
        }
    }
    let (mut faults, mut missing) = (Vec::new(), false);
    for argument in arguments {
        let Some((name, path)) = argument.split_once('=') else {
            faults.push(format!("`--data {argument}` names no folder."));
            continue;
        };
        let path = at_home(Path::new(path));
        if !fsio::stat(&path).is_ok_and(|stat| stat.is_dir) {
            faults.push(format!("`--data {argument}`: `{}` is not a folder.", path.display()));
            missing = true;
        }
        roots.insert(name.to_owned(), path);
    }
    if !faults.is_empty() {
        let (exit, hint) = match missing {
            true => (Exit::Data, "Check the path."),
            false => (Exit::Usage, "Write `--data NAME=PATH`, as `--data voc2012=/data/VOC2012`."),
        };
        return Err(fail(exit, faults.join("\n")).hint(hint));
    }
    roots.values_mut().for_each(|path| *path = at_home(path));
    Ok(roots)
}

/// A path with the home folder for a `~` at its beginning: a shell leaves it as it is behind an equals sign, and so does
/// whoever writes a file.
fn at_home(path: &Path) -> PathBuf {
    let rest = path.strip_prefix("~").ok();
    // A folder of that name is meant as it is written.
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty() && !fsio::exists(path));
    match (rest, home) {
        (Some(rest), Some(home)) if rest.as_os_str().is_empty() => PathBuf::from(home),
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => path.to_owned(),
    }
}

/// The store's folder: `--store`, else `REPRO_STORE`, else the config file, else `.repro` at the project's root.
pub fn store(argument: Option<&Path>, project: &Path) -> Result<PathBuf, Failure> {
    if let Some(path) = argument {
        return Ok(path.to_owned());
    }
    if let Some(path) = std::env::var_os("REPRO_STORE") {
        return Ok(PathBuf::from(path));
    }
    Ok(config()?.store.unwrap_or_else(|| project.join(".repro")))
}

/// Whether the user's file asks that runs write events for TensorBoard while they go on.
pub fn tensorboard() -> Result<bool, Failure> {
    Ok(config()?.tensorboard)
}

/// The project's root: the nearest folder from `start` upwards that has a store or a `pipelines` folder, else `start`.
pub fn project(start: &Path) -> PathBuf {
    let is_root = |folder: &&Path| fsio::exists(&folder.join(".repro")) || fsio::exists(&folder.join("pipelines"));
    start.ancestors().find(is_root).unwrap_or(start).to_owned()
}
