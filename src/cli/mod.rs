//! The command line: one file a command. The only room that prints.

pub mod bench;
pub mod config;
pub mod diff;
pub mod exit;
pub mod export;
pub mod graph;
pub mod kinds;
pub mod plan;
pub mod publish;
pub mod run;
pub mod runs;
pub mod terminal;
pub mod ui;
pub mod weights;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use signal_hook::consts::SIGXFSZ;

use crate::cli::exit::Exit;
use crate::cli::terminal::{print, warn};
use crate::engine;
use crate::ml::ops::memory;
use crate::pipeline::{self, Diagnostics, Pipeline};
use crate::program;
use crate::stage::{DeviceSpec, Registry, StageError};
use crate::stages;
use crate::store::{self, Store};

/// Runs reproducible experiments stated in RON.
#[derive(Debug, Parser)]
#[command(name = "repro", version = program::VERSION, about, after_help = exit::help())]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The store's folder [default: `.repro` at the project's root; also REPRO_STORE]
    #[arg(long, global = true, value_name = "DIR")]
    store: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run what is not cached of a pipeline, and write its tables.
    Run(run::RunArgs),
    /// Show what would run and why, stage by stage.
    Plan(PlanArgs),
    /// Show what differs between two runs and whether it matters.
    Diff(diff::DiffArgs),
    /// List the runs.
    Runs(runs::RunsArgs),
    /// Show one run: parameters, nodes, metrics, machine.
    Show(runs::ShowArgs),
    /// Put a run's parameters, logs, tables, pictures and checkpoints into one archive.
    Export(export::ExportArgs),
    /// Draw a pipeline's graph.
    Graph(graph::GraphArgs),
    /// Describe the stage kinds and their parameters.
    Kinds {
        /// The kind; all kinds, a line each, if none is given.
        kind: Option<String>,
        /// The whole reference as Markdown.
        #[arg(long, conflicts_with = "kind")]
        markdown: bool,
    },
    /// Look into files of weights of any format, and convert them.
    #[command(subcommand)]
    Weights(weights::WeightsCommand),
    /// Measure what the types of dilated convolution cost on this machine, in time and memory.
    Bench(bench::BenchArgs),
    /// Print a shell's completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Run one node of a plan: what `run` starts a process for.
    #[command(hide = true)]
    Exec {
        /// The job file.
        job: PathBuf,
    },
    /// Be one of the processes of a training.
    #[command(hide = true)]
    Rank {
        /// The rank, from 1.
        rank: usize,
        /// How many ranks there are.
        size: usize,
    },
    /// Watch over the program of a `Command`.
    #[command(hide = true)]
    Guard,
    /// Become the program of a `Command`.
    #[command(hide = true)]
    Become,
    /// Make the passes that `bench` asks for.
    #[command(hide = true)]
    BenchWorker(bench::WorkerArgs),
}

/// What names a pipeline, a part of it, and where it runs.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The pipeline's RON file.
    file: PathBuf,
    /// A profile of the pipeline, as `tiny`.
    #[arg(long)]
    profile: Option<String>,
    /// Set a parameter to a value in RON, as `train.steps=50`; may be repeated.
    #[arg(long = "set", value_name = "STAGE.FIELD=RON")]
    sets: Vec<String>,
    /// Give the folder of a data root; may be repeated [also REPRO_DATA_NAME]
    #[arg(long = "data", value_name = "NAME=PATH")]
    data: Vec<String>,
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
    /// After a failure, go on with what does not depend on it.
    #[arg(long)]
    keep_going: bool,
}

/// How a comparison or record is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Plain text.
    Text,
    /// Markdown.
    Markdown,
    /// JSON.
    Json,
}

/// Why a command failed: the exit code, one message that says what and where, and what to do.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened; may be several lines.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
    /// Whether the message is rendered for the terminal as it is: with its label, and perhaps in colours.
    pub rendered: bool,
}

/// A failure without a hint.
pub fn fail(exit: Exit, message: impl Into<String>) -> Failure {
    Failure { exit, message: message.into(), hint: String::new(), rendered: false }
}

impl Failure {
    /// Adds what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl From<crate::fsio::Error> for Failure {
    fn from(error: crate::fsio::Error) -> Self {
        // What is no file is of the user's choice; the disk is not at fault.
        let exit = if error.is_irregular() { Exit::Data } else { Exit::Storage };
        fail(exit, error.to_string()).hint(error.hint())
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        fail(if matches!(error, store::Error::NoRun { .. }) { Exit::Usage } else { Exit::Storage }, error.to_string())
            .hint(error.hint())
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        let rendered = rendered(diagnostics, terminal::stderr_is_terminal());
        Failure { rendered: true, ..fail(Exit::Usage, rendered) }
    }
}

/// Faults of a pipeline as text for the terminal. What the user's files hold is made clean before it is coloured.
fn rendered(mut diagnostics: Diagnostics, color: bool) -> String {
    let clean = |text: &mut String| *text = terminal::clean(text).into_owned();
    for fault in &mut diagnostics.faults {
        [&mut fault.message, &mut fault.label, &mut fault.hint].into_iter().for_each(clean);
        fault.related.iter_mut().for_each(|(_, label)| clean(label));
    }
    let text = diagnostics.render(color);
    if color { text } else { terminal::clean(&text).into_owned() }
}

/// Notes that the process began without a standard output: what is printed is an error, as on a full disk.
pub fn stdout_was_closed() {
    terminal::stdout_was_closed();
}

/// Runs the command line and gives the process's exit code.
pub fn main(registry: &Registry) -> Exit {
    // A file that may not grow further (`ulimit -f`) is an error of its writer, as a full disk is, and no death. Where the
    // handler cannot be installed, it stays one.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return terminal::usage(&error),
    };
    let exit = dispatch(&cli, registry).unwrap_or_else(|failure| {
        terminal::failure(&failure);
        failure.exit
    });
    terminal::end(exit)
}

fn dispatch(cli: &Cli, registry: &Registry) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Run(args) => run::run(cli, args, registry),
        Command::Plan(args) => plan::run(cli, args, registry),
        Command::Diff(args) => look(cli, |store| diff::run(store, registry, args)),
        Command::Runs(args) => look(cli, |store| runs::list(store, args)),
        Command::Show(args) => look(cli, |store| runs::show(store, args)),
        Command::Export(args) => look(cli, |store| export::run(store, registry, args)),
        Command::Graph(args) => graph::run(cli, args, registry),
        Command::Kinds { markdown: true, .. } => {
            print(&kinds::markdown(registry));
            Ok(Exit::Success)
        }
        Command::Kinds { kind, .. } => kinds::run(registry, kind.as_deref()),
        Command::Weights(command) => weights::run(command),
        Command::Bench(args) => bench::run(args),
        Command::Rank { rank, size } => {
            program::take_name();
            memory::keep_freed();
            let failed = |error: StageError| fail(Exit::Stage, format!("Rank {rank} of a training: {error}"));
            stages::serve_rank(*rank, *size).map(|()| Exit::Success).map_err(failed)
        }
        Command::Guard => guard(stages::serve_guard()),
        Command::Become => guard(stages::become_program()),
        Command::BenchWorker(args) => {
            program::take_name();
            bench::serve(args)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "repro", &mut script);
            print(&String::from_utf8_lossy(&script));
            Ok(Exit::Success)
        }
        Command::Exec { job } => {
            program::take_name();
            memory::keep_freed();
            std::process::exit(i32::from(engine::exec(job, registry)))
        }
    }
}

fn guard(result: Result<(), StageError>) -> Result<Exit, Failure> {
    result.map(|()| Exit::Success).map_err(|error| fail(Exit::Bug, error.to_string()))
}

/// Opens the store of the project that `file` belongs to, or of the current folder, to write to it.
fn open_store(cli: &Cli, file: Option<&Path>) -> Result<Store, Failure> {
    Ok(Store::open(&store_path(cli, file)?)?)
}

/// As [`open_store`], to look things up: nothing is made where there is no store yet.
fn view_store(cli: &Cli, file: Option<&Path>) -> Result<Store, Failure> {
    Ok(Store::view(&store_path(cli, file)?)?)
}

/// Lets a command look into the store of the current folder's project.
fn look(cli: &Cli, command: impl FnOnce(&Store) -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    let store = view_store(cli, None)?;
    let result = command(&store);
    store.take_notices().iter().for_each(|notice| warn(notice));
    result
}

fn store_path(cli: &Cli, file: Option<&Path>) -> Result<PathBuf, Failure> {
    config::store(cli.store.as_deref(), &project(file)?)
}

/// The project's root: around `file`, else around the current folder.
fn project(file: Option<&Path>) -> Result<PathBuf, Failure> {
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

/// Loads the pipeline that the arguments name.
fn load(args: &PlanArgs, registry: &Registry, store: &Store) -> Result<Pipeline, Failure> {
    let request = pipeline::Request { file: args.file.clone(), profile: args.profile.clone(), sets: args.sets.clone() };
    Ok(pipeline::load(&request, registry, store)?)
}

fn options(args: &PlanArgs) -> Result<engine::Options, Failure> {
    Ok(engine::Options {
        project: Some(project(Some(&args.file))?),
        roots: config::roots(&args.data)?,
        device: args.device,
        threads: args.threads.map_or_else(cores, |threads| bounded("--threads", threads, args.oversubscribe)),
        jobs: bounded("--jobs", args.jobs, args.oversubscribe),
        only: split(&args.only),
        force: split(&args.force),
        keep_going: args.keep_going,
        ..engine::Options::default()
    })
}

/// How many threads run at once on this machine.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The value of an option that is of use up to the number of cores: more threads hinder each other. `insists` takes more.
fn bounded(option: &str, wanted: u16, insists: bool) -> usize {
    let (wanted, cores) = (usize::from(wanted), cores());
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
