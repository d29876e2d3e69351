//! The data sets that a command line names: which stages of which pipeline, and where their folders are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, fail};
use crate::cli::places::{StoreArgs, view_store};
use crate::cli::request::PipelineArgs;
use crate::engine;
use crate::fsio;
use crate::pipeline::{Node, Pipeline};
use crate::stage::{Registry, StageError};
use crate::stages::sets::{self, Set};
use crate::syntax;

/// A pipeline, and where its data lie.
pub struct Source {
    /// The pipeline.
    pub pipeline: Pipeline,
    roots: BTreeMap<String, PathBuf>,
    temp: Temp,
}

impl Source {
    /// Loads the pipeline. A store that is there is looked at for references to earlier runs; none is made.
    pub fn open(at: &StoreArgs, args: &PipelineArgs, registry: &Registry) -> Result<Self, Failure> {
        let store = view_store(at, Some(&args.stated.file))?;
        let pipeline = args.stated.load(registry, &store)?;
        Ok(Source { pipeline, roots: args.roots()?, temp: Temp::new() })
    }

    /// The nodes that are data sets: those of these stages, or all.
    pub fn nodes(&self, names: &[String]) -> Result<Vec<&Node>, Failure> {
        let all: Vec<&Node> = self.pipeline.nodes.iter().filter(|node| node.kind == sets::DATASET).collect();
        let is_of = |node: &Node, name: &str| {
            node.stage == name || node.stage.strip_prefix(name).is_some_and(|cell| cell.starts_with('['))
        };
        let stages = || all.iter().map(|node| node.stage.as_str());
        if let Some(name) = names.iter().find(|name| !all.iter().any(|node| is_of(node, name))) {
            let message = format!(
                "The pipeline `{}` has no data set `{name}`{}",
                self.pipeline.name,
                syntax::suggestion(name, stages())
            );
            return Err(fail(Exit::Usage, message).hint(format!("Its data sets are {}.", syntax::names(stages()))));
        }
        if all.is_empty() {
            let message = format!("The pipeline `{}` has no data set.", self.pipeline.name);
            return Err(fail(Exit::Usage, message).hint("A data set is a stage of the kind `Dataset`."));
        }
        Ok(all.into_iter().filter(|node| names.is_empty() || names.iter().any(|name| is_of(node, name))).collect())
    }

    /// Reads every file of a data set.
    pub fn read(&self, node: &Node) -> Result<Set, StageError> {
        let root = |name: &str| engine::data_root(&self.roots, name);
        let temp = self.temp.0.join(node.recipe.short());
        Set::read(&node.params, &root, &temp, fsio::cores())
    }
}

/// A folder for what is drawn or unpacked. It is removed at the end.
struct Temp(PathBuf);

impl Temp {
    fn new() -> Self {
        Temp(std::env::temp_dir().join(format!("repro-data-{}", std::process::id())))
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // What stays lies in the folder that the system empties.
        let _ = remove(&self.0);
    }
}

fn remove(folder: &Path) -> Result<(), fsio::Error> {
    fsio::remove_dir_all(folder)
}
