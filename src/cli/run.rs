//! `repro run FILE`: run what is not cached, then write and print what the pipeline publishes.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::claims;
use super::failure::{self, Failure, fail};
use super::places::{StoreArgs, open_store, project, view_store};
use super::plan;
use super::request::{PlanArgs, load, options, warn_of_unused};
use super::terminal::{print, width};
use super::ui::Ui;
use crate::cli::exit::Exit;
use crate::engine::{self, Damaged, LogLine, Observer, RunEvent};
use crate::results::{self, Published, Publisher};
use crate::stage::{Cancel, Registry};
use crate::store::{RunRecord, RunStatus};

/// The arguments of `repro run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    plan: PlanArgs,
    /// Show the plan; run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print events as JSON, one a line.
    #[arg(long)]
    json: bool,
    /// Where results are written [default: `results` at the project's root]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// How many skipped nodes people are told of one by one; all are counted. More would push the failure off the screen.
const SKIPPED: usize = 5;

/// Runs a pipeline.
pub fn run(at: &StoreArgs, args: &RunArgs, registry: &Registry) -> Result<Exit, Failure> {
    let file = &args.plan.file;
    if args.dry_run {
        return plan::run(at, &args.plan, registry);
    }
    // What is wrong with the command line or the pipeline is told before a store is made.
    let pipeline = load(&args.plan, registry, &view_store(at, Some(file))?)?;
    let options = options(&args.plan)?;
    for names in [&options.only, &options.force] {
        pipeline.select(names)?;
    }
    let store = open_store(at, Some(file))?;
    warn_of_unused(&args.plan, &pipeline, registry, &store)?;
    let made = engine::plan(&pipeline, registry, &store, &options)?;
    let folder = match &args.results {
        Some(folder) => folder.clone(),
        None => project(Some(file))?.join("results"),
    };
    results::check_names(&folder, pipeline.stages.keys().map(String::as_str))?;
    let cancel = Cancel::default();
    listen(&cancel)?;
    let publisher = Publisher { store: &store, registry, results: &folder, cancel: &cancel, width: width() };
    let mut watch = Watch {
        ui: Ui::new(args.json),
        began: Instant::now(),
        all: args.json,
        publisher,
        published: Ok(None),
        failure: None,
        skipped: 0,
    };
    let (record, unrecorded) = match engine::run(&made, &pipeline, registry, &store, &options, &cancel, &mut watch) {
        // What was computed is published all the same; the fault is told in the end.
        Err(engine::Error::Unrecorded(record, error)) => {
            ((*record).clone(), Some(engine::Error::Unrecorded(record, error)))
        }
        ended => (ended?, None),
    };
    let published = watch.published?.unwrap_or_default();
    if record.status == RunStatus::Done {
        if let Some(Damaged { node, digest }) = published.damaged.first() {
            let node = record.nodes.get(*node).map_or("", |node| &node.stage);
            let message = format!("`{node}`: its output {} is damaged or gone again.", digest.short());
            return Err(fail(Exit::Storage, message).hint("Check the disk that holds the store."));
        }
        // What a failure is told by stays the last that is to be seen.
        if !args.json {
            if let Some(folder) = &published.folder {
                print(&format!("The results are in `{}`.", shortest(folder).display()));
            }
            published.tables.iter().for_each(|table| print(table));
            let verdicts = claims::lines(&store, &record)?;
            if !verdicts.is_empty() {
                print(&format!("\n{}", claims::block(&verdicts, width())));
            }
        }
    }
    if let Some(error) = unrecorded {
        return Err(error.into());
    }
    Ok(match record.status {
        RunStatus::Done => Exit::Success,
        RunStatus::Interrupted | RunStatus::Running => Exit::Interrupted,
        RunStatus::Failed => watch.failure.unwrap_or(Exit::Stage),
    })
}

/// A path as seen from the folder that the program was started in, where it leads down from there.
fn shortest(path: &Path) -> &Path {
    let here = crate::fsio::canonical(Path::new("."));
    here.ok()
        .and_then(|here| path.strip_prefix(here).ok())
        .filter(|below| !below.as_os_str().is_empty())
        .unwrap_or(path)
}

/// Shows a run, and publishes what it made.
struct Watch<'a> {
    ui: Ui,
    began: Instant,
    /// Whether every event is shown, however many there are.
    all: bool,
    publisher: Publisher<'a>,
    published: results::Result<Option<Published>>,
    /// The exit code of the first failure.
    failure: Option<Exit>,
    skipped: usize,
}

impl Observer for Watch<'_> {
    fn event(&mut self, line: &LogLine) {
        if let RunEvent::NodeFailed { failure, .. } = &line.event {
            self.failure.get_or_insert_with(|| exit_of(failure));
        }
        let skip = matches!(line.event, RunEvent::NodeSkipped { .. });
        self.skipped += usize::from(skip);
        if self.all || self.skipped <= SKIPPED || !skip {
            self.ui.event(line);
        }
    }

    fn ended(&mut self, run: &RunRecord) -> Vec<Damaged> {
        let (ui, began) = (&mut self.ui, self.began);
        let published = self.publisher.publish(run, &mut |text| ui.event(&warning(began, text)));
        let damaged = published.as_ref().map(|published| published.damaged.clone()).unwrap_or_default();
        self.published = published.map(Some);
        damaged
    }
}

/// Asks the run to stop at the first Ctrl-C, SIGTERM or end of the terminal; a second one ends the process at once.
fn listen(cancel: &Cancel) -> Result<(), Failure> {
    let hangup = (!ignores_hangup()).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        let flag = cancel.flag();
        // In this order: the second signal finds the flag set and ends the process, the first one sets it.
        let armed = signal_hook::flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, flag.clone());
        armed
            .and_then(|_| signal_hook::flag::register(signal, flag))
            .map_err(|error| fail(Exit::Bug, format!("Could not listen for signals: {error}.")))?;
    }
    Ok(())
}

/// What is told beside the run that began then.
fn warning(began: Instant, text: String) -> LogLine {
    LogLine::new(began.elapsed(), RunEvent::Warning { node: None, text })
}

/// Whether the run was started to outlive its terminal, as by `nohup`.
fn ignores_hangup() -> bool {
    // A system without this file has no such run that it could tell of.
    let status = crate::fsio::read_to_string(std::path::Path::new("/proc/self/status")).unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (SIGHUP - 1) & 1 == 1
}

fn exit_of(failure: &engine::NodeFailure) -> Exit {
    match failure {
        engine::NodeFailure::Stage(error) => failure::exit_of(error),
        engine::NodeFailure::Setup { .. } => Exit::Storage,
        engine::NodeFailure::Killed { .. } | engine::NodeFailure::Exited { .. } => Exit::Stage,
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        let hint = error.hint();
        let exit = match &error {
            engine::Error::Selection(faults) => return faults.clone().into(),
            engine::Error::Store(_) | engine::Error::Unrecorded(..) => Exit::Storage,
            engine::Error::Inputs(_) => Exit::Data,
            engine::Error::Device(_) | engine::Error::Refused(..) => Exit::Device,
            engine::Error::UnknownKind(_) => Exit::Bug,
        };
        fail(exit, error.to_string()).hint(hint)
    }
}
