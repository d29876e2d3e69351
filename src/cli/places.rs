//! Where a command works: the project's folder and its store.

use std::path::{Path, PathBuf};

use clap::Args;

use super::config;
use super::ending::quoted;
use super::failure::{Failure, fail};
use super::terminal::warn;
use crate::cli::exit::Exit;
use crate::store::Store;

/// Which store a command uses.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// The store's folder [default: `.repro` at the project's root; also REPRO_STORE]
    #[arg(long, global = true, value_name = "DIR")]
    store: Option<PathBuf>,
}

/// Opens the store of the project that `file` belongs to, or of the current folder, to write to it.
pub fn open_store(at: &StoreArgs, file: Option<&Path>) -> Result<Store, Failure> {
    Ok(Store::open(&store_path(at, file)?)?)
}

/// As [`open_store`], to look things up: nothing is made where there is no store yet.
pub fn view_store(at: &StoreArgs, file: Option<&Path>) -> Result<Store, Failure> {
    Ok(Store::view(&store_path(at, file)?)?)
}

/// Lets a command look into the store of the current folder's project.
pub fn look(at: &StoreArgs, command: impl FnOnce(&Store) -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    let store = view_store(at, None)?;
    let result = command(&store);
    store.take_notices().iter().for_each(|notice| warn(notice));
    result
}

/// What a later command of the current folder needs to find the store of `file`'s project: nothing, or ` --store PATH`.
pub fn store_option(at: &StoreArgs, file: &Path) -> Result<String, Failure> {
    let path = store_path(at, Some(file))?;
    if at.store.is_none() && path == store_path(at, None)? {
        return Ok(String::new());
    }
    Ok(format!(" --store {}", quoted(&shortest(&path).display().to_string())))
}

/// A path as seen from the folder that the program was started in, where it leads down from there.
pub fn shortest(path: &Path) -> &Path {
    let here = crate::fsio::canonical(Path::new("."));
    here.ok()
        .and_then(|here| path.strip_prefix(here).ok())
        .filter(|below| !below.as_os_str().is_empty())
        .unwrap_or(path)
}

fn store_path(at: &StoreArgs, file: Option<&Path>) -> Result<PathBuf, Failure> {
    config::store(at.store.as_deref(), &project(file)?)
}

/// The project's root: around `file`, else around the current folder.
pub fn project(file: Option<&Path>) -> Result<PathBuf, Failure> {
    let here = crate::fsio::canonical(Path::new("."))?;
    let start = match file {
        Some(file) => {
            if let Err(error) = crate::fsio::check_regular(file)
                && error.is_irregular()
            {
                let hint = "Save the pipeline to a file first: what it includes is looked for from that file's folder.";
                return Err(fail(Exit::Usage, error.to_string()).hint(hint));
            }
            let found = crate::fsio::canonical(file).map_err(|error| match error.is_missing() {
                true => fail(Exit::Usage, format!("There is no file `{}`.", file.display())).hint(error.hint()),
                false => error.into(),
            })?;
            if crate::fsio::stat(&found)?.is_dir {
                let message = format!("`{}` is a folder, not the file of a pipeline.", file.display());
                return Err(fail(Exit::Usage, message).hint("Name a file that holds `Pipeline(…)`."));
            }
            found.parent().map_or(here.clone(), Path::to_owned)
        }
        None => here,
    };
    Ok(config::project(&start))
}
