//! What a command line asks of a pipeline: which one, which part of it, and where it runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::config;
use super::failure::Failure;
use super::places::project;
use super::taken::tell_references;
use super::terminal::warn;
use crate::engine;
use crate::fsio;
use crate::pipeline::{self, Pipeline};
use crate::stage::{DeviceSpec, Registry};
use crate::store::Store;
use crate::syntax;

/// What names a pipeline.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// The pipeline's RON file.
    pub file: PathBuf,
    /// A profile of the pipeline, as `tiny`.
    #[arg(long)]
    profile: Option<String>,
    /// Set a parameter to a value in RON, as `train.steps=50`; may be repeated.
    #[arg(long = "set", value_name = "STAGE.FIELD=RON")]
    sets: Vec<String>,
}

impl FileArgs {
    /// Loads the pipeline.
    pub fn load(&self, registry: &Registry, store: &Store) -> Result<Pipeline, Failure> {
        let request =
            pipeline::Request { file: self.file.clone(), profile: self.profile.clone(), sets: self.sets.clone() };
        Ok(pipeline::load(&request, registry, store)?)
    }
}

/// What names a pipeline and its data roots.
#[derive(Debug, Args)]
pub struct PipelineArgs {
    #[command(flatten)]
    pub stated: FileArgs,
    /// Give the folder of a data root; may be repeated [also REPRO_DATA_NAME]
    #[arg(long = "data", value_name = "NAME=PATH")]
    data: Vec<String>,
}

impl PipelineArgs {
    /// Where its data roots lie.
    pub fn roots(&self) -> Result<BTreeMap<String, PathBuf>, Failure> {
        config::roots(&self.data)
    }
}

/// What names a pipeline, a part of it, and where it runs.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub(super) pipeline: PipelineArgs,
    /// Only these stages and what they need: `validate`, `validate[2]` or `train[prefilter=Average,seed=1]`.
    #[arg(long, value_name = "STAGE")]
    only: Vec<String>,
    /// Run these stages even where they are cached.
    #[arg(long, value_name = "STAGE")]
    force: Vec<String>,
    /// Where to compute: `cpu`, `cuda` or `cuda:1`.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
    /// How many stages run at a time; at most one a core.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// How many threads all stages share; at most one a core [default: one a core]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Take `--jobs` and `--threads` as they are, also where they are more than the cores, which takes longer.
    #[arg(long)]
    oversubscribe: bool,
    /// Refuse to run where a training is not in the cache.
    #[arg(long)]
    no_train: bool,
    /// After a failure, go on with what does not depend on it.
    #[arg(long)]
    keep_going: bool,
}

/// Loads the pipeline that the arguments name, and says which earlier runs its references mean.
pub fn load(args: &PlanArgs, registry: &Registry, store: &Store) -> Result<Pipeline, Failure> {
    let pipeline = args.pipeline.stated.load(registry, store)?;
    tell_references(&pipeline);
    Ok(pipeline)
}

pub fn options(args: &PlanArgs) -> Result<engine::Options, Failure> {
    Ok(engine::Options {
        project: Some(project(Some(&args.pipeline.stated.file))?),
        roots: args.pipeline.roots()?,
        device: args.device,
        threads: args.threads.map_or_else(fsio::cores, |threads| bounded("--threads", threads, args.oversubscribe)),
        jobs: bounded("--jobs", args.jobs, args.oversubscribe),
        only: split(&args.only),
        force: split(&args.force),
        no_train: args.no_train,
        keep_going: args.keep_going,
        ..engine::Options::default()
    })
}

/// Warns of each `--data` that names no data root of the pipeline.
pub fn warn_of_unused(args: &PlanArgs, pipeline: &Pipeline, registry: &Registry, store: &Store) -> Result<(), Failure> {
    let given = args.pipeline.data.iter();
    let mut names: Vec<&str> = given.filter_map(|argument| Some(argument.split_once('=')?.0)).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Ok(());
    }
    let used = engine::data_roots(pipeline, registry, store)?;
    let open = || used.iter().map(String::as_str);
    for name in names.into_iter().filter(|name| !used.contains(*name)) {
        let roots = match used.len() {
            0 => "this pipeline reads no data root".to_owned(),
            1 => format!("this pipeline reads the data root {}", syntax::names(open())),
            _ => format!("this pipeline reads the data roots {}", syntax::names(open())),
        };
        warn(&format!("`--data {name}=…` is not used: {roots}{}", syntax::suggestion(name, open())));
    }
    Ok(())
}

/// The value of an option that is of use up to the number of cores: more threads hinder each other. `insists` takes more.
pub fn bounded(option: &str, wanted: u16, insists: bool) -> usize {
    let (wanted, cores) = (usize::from(wanted), fsio::cores());
    if wanted <= cores || insists {
        return wanted;
    }
    let text = "more would take longer. `--oversubscribe` takes it as it is.";
    warn(&format!("`{option} {wanted}` is taken as {cores}, one a core: {text}"));
    cores
}

/// The stages that arguments name, several in one with commas between; those in brackets belong to a cell.
fn split(arguments: &[String]) -> Vec<String> {
    let names = arguments.iter().flat_map(|argument| crate::stage::name::split(argument));
    names.map(|name| name.trim().to_owned()).collect()
}
