//! The store, its disk, the folder of results, and the data roots.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::checks::{Check, size};
use crate::cli::config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::places::{StoreArgs, project, view_store};
use crate::engine;
use crate::fsio;
use crate::pipeline::{self, Pipeline};
use crate::program;
use crate::stage::Registry;
use crate::store::Store;

/// The free space below which a run may not end, and below which it surely does not, in bytes. A checkpoint of ResNet-101 with
/// its momentum takes 360 MB.
const LITTLE: u64 = 5 << 30;
const NONE: u64 = 200 << 20;

/// The longest name of a file that the store needs.
const LONGEST: usize = 255;

/// What is checked of the store and of the results.
pub fn checks(at: &StoreArgs, pipeline: Option<&Path>) -> Vec<Check> {
    let mut checks = Vec::new();
    match view_store(at, pipeline) {
        Ok(store) => {
            let is_there = fsio::is_folder(store.path());
            let place = store.path().display();
            checks.push(match is_there {
                true => Check::ok("store", format!("`{place}`, of the format that this program writes")),
                false => Check::ok("store", format!("none yet; the first run would make `{place}`")),
            });
            store.take_notices().into_iter().for_each(|notice| checks.push(Check::warn("store", notice, "")));
            checks.extend(disk("store's disk", store.path()));
            if is_there {
                checks.extend(tried(&store));
            }
        }
        Err(failure) => checks.push(failed("store", failure, Exit::Storage)),
    }
    match project(pipeline) {
        Ok(project) => checks.push(results(&project)),
        Err(failure) => checks.push(failed("project", failure, Exit::Usage)),
    }
    checks
}

fn failed(name: &str, failure: Failure, exit: Exit) -> Check {
    let exit = if failure.exit == Exit::Success { exit } else { failure.exit };
    Check::fail(name, failure.message.trim().to_owned(), failure.hint, exit)
}

/// The folder itself, or the nearest above it that is there.
fn nearest(path: &Path) -> PathBuf {
    let above = path.ancestors().find(|above| fsio::is_folder(above));
    above.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// What the system tells of a disk.
fn disk(name: &str, path: &Path) -> Vec<Check> {
    let folder = nearest(path);
    let found = match fsio::disk(&folder) {
        Ok(found) => found,
        Err(error) => return vec![Check::fail(name, error.to_string(), error.hint(), Exit::Storage)],
    };
    let seen = format!("{} free of {}, {}", size(found.free), size(found.bytes), found.name);
    let free = "Free some space, or name a store elsewhere by `--store`. A checkpoint of ResNet-101 takes 360 MB.";
    let mut checks = vec![match found.free {
        ..NONE => Check::fail(name, seen, free, Exit::Storage),
        NONE..LITTLE => Check::warn(name, seen, free),
        _ => Check::ok(name, seen),
    }];
    if found.name.contains("memory") {
        let advice = "What lies there is lost when the machine stops. Name a store on a disk by `--store`.";
        checks.push(Check::warn(name, format!("`{}` is in memory", folder.display()), advice));
    }
    if found.is_shared {
        let advice = "Several machines may use one store if locks hold between them, as those of NFS version 4 do.";
        checks.push(Check::warn(name, format!("{} may be shared by several machines", found.name), advice));
    }
    if !fsio::may_write(&folder) {
        let seen = format!("`{}` cannot be written", folder.display());
        let advice = "A read-only store serves `plan`, `show` and `diff`. To run, name another by `--store`.";
        checks.push(Check::fail(name, seen, advice, Exit::Storage));
    }
    if let Ok(longest) = fsio::longest_name(&folder)
        && longest < LONGEST
    {
        let advice = "Long names of images and cells may not fit. Name a store and results on another disk.";
        checks.push(Check::warn(name, format!("names of files have at most {longest} bytes"), advice));
    }
    checks
}

/// What the disk can do.
fn tried(store: &Store) -> Vec<Check> {
    match store.try_out(&is_locked) {
        Err(error) => {
            let advice = "A read-only store serves `plan`, `show` and `diff`. To run, name another by `--store`.";
            vec![Check::fail("store's files", error.to_string(), advice, Exit::Storage)]
        }
        Ok(tried) => tried
            .into_iter()
            .map(|tried| match (tried.what, tried.seen) {
                (what, Ok(seen)) => Check::ok(what, seen),
                ("cases", Err(seen)) => {
                    Check::warn("cases", seen, "The store is not affected. Cells named alike in `results/` get marks.")
                }
                ("file times", Err(seen)) => {
                    Check::warn("file times", seen, "Set the clocks of this machine and of the file server.")
                }
                ("locks", Err(seen)) => {
                    let advice =
                        "Run one process at a time, and one machine, on this store, or name another by `--store`.";
                    Check::fail("locks", seen, advice, Exit::Storage)
                }
                (what, Err(seen)) => {
                    Check::fail(what, seen, "Name a store on another disk by `--store`.", Exit::Storage)
                }
            })
            .collect(),
    }
}

/// Whether another process sees the lock of a file; none where none can be started.
fn is_locked(path: &Path) -> Option<bool> {
    let output = program::again().ok()?.arg("is-locked").arg(path).output().ok()?;
    match output.status.code() {
        Some(0) => Some(true),
        Some(1) => Some(false),
        _ => None,
    }
}

/// The folder of results.
fn results(project: &Path) -> Check {
    let folder = project.join("results");
    if fsio::exists(&folder) && !fsio::is_folder(&folder) {
        let seen = format!("`{}` is a file", folder.display());
        return Check::fail("results", seen, "Move it away, or name another folder by `--results`.", Exit::Storage);
    }
    if !fsio::may_write(&nearest(&folder)) {
        let seen = format!("`{}` cannot be written", folder.display());
        return Check::fail("results", seen, "Name another folder by `repro run --results DIR`.", Exit::Storage);
    }
    let new = if fsio::is_folder(&folder) { "" } else { ", which the first run makes" };
    Check::ok("results", format!("`{}`{new}", folder.display()))
}

/// The data roots: those that a pipeline reads, or all that are named.
pub fn roots(at: &StoreArgs, file: Option<&Path>, arguments: &[String], registry: &Registry) -> Vec<Check> {
    let named = match config::roots(arguments) {
        Ok(named) => named,
        Err(failure) => return vec![failed("data roots", failure, Exit::Data)],
    };
    let Some(file) = file else {
        if named.is_empty() {
            return vec![Check::ok("data roots", "none is named; name a pipeline to see those that it reads")];
        }
        return named.keys().map(|name| root(&named, name)).collect();
    };
    match read_by(at, file, registry) {
        Ok((pipeline, names)) if names.is_empty() => {
            vec![Check::ok("data roots", format!("the pipeline `{}` reads none", pipeline.name))]
        }
        Ok((_, names)) => names.iter().map(|name| root(&named, name)).collect(),
        Err(failure) => vec![failed("pipeline", failure, Exit::Usage)],
    }
}

/// A pipeline and the data roots that it reads.
fn read_by(at: &StoreArgs, file: &Path, registry: &Registry) -> Result<(Pipeline, Vec<String>), Failure> {
    let store = view_store(at, Some(file))?;
    let request = pipeline::Request { file: file.to_owned(), ..pipeline::Request::default() };
    let pipeline = pipeline::load(&request, registry, &store)?;
    let names = engine::data_roots(&pipeline, registry, &store)?;
    Ok((pipeline, names.into_iter().collect()))
}

fn root(named: &BTreeMap<String, PathBuf>, name: &str) -> Check {
    let what = format!("data {name}");
    match engine::data_root(named, name) {
        Ok(path) => Check::ok(&what, format!("`{}`", path.display())),
        Err(error) => Check::fail(&what, error.to_string(), "", Exit::Data),
    }
}
