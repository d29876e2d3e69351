//! The command line as a whole: every command, and what runs it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};
use signal_hook::consts::SIGXFSZ;

use super::color::{self, ColorWhen};
use super::failure::{self, Failure, fail};
use super::places::{StoreArgs, look};
use super::request::PlanArgs;
use super::{
    bench, claims, data, diff, doctor, exit, export, graph, init, kinds, man, plan, predict, report, run, runs, show,
    terminal, watch, weights,
};
use crate::cli::exit::Exit;
use crate::cli::terminal::print;
use crate::engine;
use crate::ml::cpu::memory;
use crate::program;
use crate::stage::{Registry, StageError};
use crate::stages;
use crate::table::visible;

/// Runs reproducible experiments stated in RON.
#[derive(Debug, Parser)]
#[command(name = "repro", version = program::VERSION, about, after_help = exit::help())]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    store: StoreArgs,
    /// Whether output is coloured: `auto`, `always` or `never`; `auto` heeds NO_COLOR, CLICOLOR and CLICOLOR_FORCE.
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t, hide_possible_values = true)]
    color: ColorWhen,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at a folder of images and labels, say what it holds, and write a pipeline that runs.
    #[command(after_help = "Example:\n  repro init /data/fields --classes names.txt -o fields.ron")]
    Init(init::InitArgs),
    /// Run what is not cached of a pipeline, and write its tables.
    #[command(after_help = "Examples:\
                      \n  repro run pipelines/smoke.ron --profile tiny\
                      \n  repro run pipelines/camvid_average.ron --data camvid=/data/camvid --set train.steps=50")]
    Run(run::RunArgs),
    /// Show what would run and why, stage by stage.
    #[command(after_help = "Example:\n  repro plan pipelines/smoke.ron --set train.seed=2")]
    Plan(PlanArgs),
    /// Show what differs between two runs and whether it matters.
    #[command(after_help = "Examples:\
                      \n  repro diff smoke~1 smoke\
                      \n  repro diff voc_regular/validate voc_average/validate --format markdown")]
    Diff(diff::DiffArgs),
    /// List a run's claims with their verdicts, and tell by the exit code whether one fails.
    #[command(after_help = "Example:\n  repro claims camvid_claims --strict")]
    Claims(claims::ClaimsArgs),
    /// List the runs with their figures, filtered and sorted.
    Runs(runs::RunsArgs),
    /// Follow a run that goes on: its stages, progress and curves.
    #[command(after_help = "Example:\n  repro watch smoke@tiny")]
    Watch(watch::WatchArgs),
    /// Show one run: parameters, nodes, metrics, machine.
    #[command(after_help = "Example:\n  repro show smoke@tiny")]
    Show(show::ShowArgs),
    /// Put a run's parameters, logs, tables, pictures and checkpoints into one archive.
    #[command(after_help = "Example:\n  repro export smoke smoke.tar.zst --without-checkpoints")]
    Export(export::ExportArgs),
    /// Write a model's predictions of images as pictures, without a pipeline.
    #[command(after_help = "Examples:\
                      \n  repro predict smoke:train photographs/ -o predictions\
                      \n  repro predict deeplab_resnet.ckpt street.jpg -o predictions")]
    Predict(predict::PredictArgs),
    /// Write a page of runs that opens offline: verdicts, tables, curves, images, costs.
    #[command(after_help = "Examples:\
                      \n  repro report smoke -o smoke.html\
                      \n  repro report smoke~1 smoke -o both.html")]
    Report(report::ReportArgs),
    /// Draw a pipeline's graph.
    #[command(after_help = "Example:\n  repro graph pipelines/smoke.ron --format dot | dot -Tsvg -o smoke.svg")]
    Graph(graph::GraphArgs),
    /// Describe the stage kinds: what each does, its outputs, its parameters, and an example.
    #[command(after_help = "Example:\n  repro kinds Train")]
    Kinds {
        /// The kind; all kinds, a line each, if none is given.
        kind: Option<String>,
        /// The whole reference as Markdown.
        #[arg(long, conflicts_with = "kind")]
        markdown: bool,
    },
    /// Check the data sets of a pipeline without a run, and look at their samples.
    #[command(subcommand)]
    Data(data::DataCommand),
    /// Look into files of weights of any format, and convert them.
    #[command(subcommand)]
    Weights(weights::WeightsCommand),
    /// Measure what the types of dilated convolution cost on this machine, in time and memory.
    #[command(after_help = "Example:\n  repro bench --encoder ResNet50 --size 161 --out costs.csv")]
    Bench(bench::BenchArgs),
    /// Check this machine, the store and the data roots, and say what to do.
    #[command(after_help = "Example:\n  repro doctor pipelines/camvid_average.ron --data camvid=/data/camvid")]
    Doctor(doctor::DoctorArgs),
    /// Print a shell's completion script.
    #[command(after_help = "Example:\n  repro completions bash > ~/.local/share/bash-completion/completions/repro")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of all commands, or print that of the program.
    #[command(after_help = "Example:\n  repro man ~/.local/share/man/man1")]
    Man(man::ManArgs),
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
    /// Say whether another process holds the lock of a file: 0 if so, 1 if not.
    #[command(hide = true)]
    IsLocked {
        /// The file.
        file: PathBuf,
    },
    /// Make the passes that `bench` asks for.
    #[command(hide = true)]
    BenchWorker(bench::WorkerArgs),
}

/// Runs the command line and gives the process's exit code.
pub fn main(registry: &Registry) -> Exit {
    // A file that may not grow further (`ulimit -f`) is an error of its writer, as a full disk is, and no death. Where the
    // handler cannot be installed, it stays one.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    color::set(cli.color);
    let exit = dispatch(&cli, registry).unwrap_or_else(|failure| {
        failure::report(&failure);
        failure.exit
    });
    terminal::end(exit)
}

/// Tells what is wrong with a command line, or the help that it asks for.
fn usage(error: &clap::Error) -> Exit {
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    color::set(color::asked(&arguments));
    // The same of clean arguments: clap's text may hold any of them, between its colours.
    match Cli::try_parse_from(arguments.iter().map(|argument| visible(argument).into_owned())) {
        Err(error) => terminal::usage(&error, true),
        Ok(_) => terminal::usage(error, false),
    }
}

fn dispatch(cli: &Cli, registry: &Registry) -> Result<Exit, Failure> {
    let at = &cli.store;
    match &cli.command {
        Command::Init(args) => init::run(args),
        Command::Run(args) => run::run(at, args, registry),
        Command::Plan(args) => plan::run(at, args, registry),
        Command::Diff(args) => look(at, |store| diff::run(store, registry, args)),
        Command::Claims(args) => look(at, |store| claims::run(store, registry, args)),
        Command::Runs(args) => look(at, |store| runs::run(store, args)),
        Command::Watch(args) => look(at, |store| watch::run(store, args)),
        Command::Show(args) => look(at, |store| show::run(store, args)),
        Command::Export(args) => look(at, |store| export::run(store, registry, args)),
        Command::Report(args) => look(at, |store| report::run(store, registry, args)),
        Command::Predict(args) => predict::run(at, args),
        Command::Graph(args) => graph::run(at, args, registry),
        Command::Kinds { markdown: true, .. } => {
            print(&kinds::markdown(registry));
            Ok(Exit::Success)
        }
        Command::Kinds { kind, .. } => kinds::run(registry, kind.as_deref()),
        Command::Data(command) => data::run(at, command, registry),
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
        Command::Doctor(args) => doctor::run(at, args, registry),
        Command::IsLocked { file } => Ok(if crate::fsio::is_locked(file)? { Exit::Success } else { Exit::Different }),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "repro", &mut script);
            print(&String::from_utf8_lossy(&script));
            Ok(Exit::Success)
        }
        Command::Man(args) => man::run(args, Cli::command()),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands of a text that stand on lines of their own, as words. What a shell would do with their output is left out.
    fn examples(text: &str) -> Vec<Vec<String>> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("  repro "));
        let words = |line: &str| line.split(['|', '>']).next().unwrap_or_default().replace('\'', "");
        let spaced = |line| words(line).split_whitespace().map(str::to_owned).collect();
        lines.map(spaced).collect()
    }

    #[test]
    fn every_command_shows_an_example_that_it_takes() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            if command.has_subcommands() {
                continue;
            }
            let help = command.clone().render_long_help().to_string();
            let found = examples(&help);
            assert!(found.iter().any(|words| words[0] == name), "`{name}` shows no example:\n{help}");
            for words in found {
                let line = std::iter::once("repro".to_owned()).chain(words.iter().cloned());
                let parsed = Cli::try_parse_from(line);
                assert!(
                    parsed.is_ok(),
                    "{words:?}: {}",
                    parsed.err().map_or_else(String::new, |error| error.to_string())
                );
            }
        }
    }
}
