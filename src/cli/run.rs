//! `repro run FILE`: run what is not cached, then write and print what the pipeline publishes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::claims;
use super::config;
use super::ending::{Ending, quoted};
use super::failure::{self, Failure, fail};
use super::live_events::LiveEvents;
use super::places::{StoreArgs, open_store, project, shortest, store_option, view_store};
use super::plan;
use super::progress::forecast::{Expected, Forecast};
use super::request::{PlanArgs, load, options, warn_of_unused};
use super::terminal::{print, show, width};
use super::ui::Ui;
use crate::cli::exit::Exit;
use crate::engine::{self, Damaged, LogLine, Observer, RunEvent};
use crate::fsio;
use crate::pipeline::Pipeline;
use crate::results::{self, Places, Published, Publisher};
use crate::stage::{Cancel, Registry};
use crate::store::{RunRecord, RunStatus, Store};

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
    /// Write events for TensorBoard while the run goes on: below DIR, or else in `tensorboard` beside the results. The
    /// config file can ask for it by `tensorboard: true`.
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    tensorboard: Option<Option<PathBuf>>,
}

/// How many skipped nodes people are told of one by one; all are counted. More would push the failure off the screen.
const SKIPPED: usize = 5;

/// Runs a pipeline.
pub fn run(at: &StoreArgs, args: &RunArgs, registry: &Registry) -> Result<Exit, Failure> {
    let file = &args.plan.pipeline.stated.file;
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
    let events = events(args, &pipeline, &options, &store, &folder)?;
    let mut watch = Watch {
        events,
        ui: Ui::new(args.json, forecast(&pipeline, &made, &store, &options)?, cancel.clone()),
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
    if let (RunStatus::Done, Some(Damaged { node, digest })) = (record.status, published.damaged.first()) {
        let node = record.nodes.get(*node).map_or("", |node| &node.stage);
        let message = format!("`{node}`: its output {} is damaged or gone again.", digest.short());
        return Err(fail(Exit::Storage, message).hint("Check the disk that holds the store."));
    }
    // What a failure is told by stays the last that is to be seen, but for what can be done.
    if !args.json {
        let mut ending = Ending { store: store_option(at, file)?, ..Ending::default() };
        if record.status == RunStatus::Done {
            published.tables.iter().for_each(|table| print(table));
            let verdicts = claims::lines(&store, &record)?;
            if !verdicts.is_empty() {
                print("");
                show(&claims::block(&verdicts, width()));
            }
            ending.open_claims = !verdicts.iter().all(claims::holds);
            ending.before = before(&store, &record);
            if let Some(folder) = &published.folder {
                ending.results = Some(shortest(folder).display().to_string());
                ending.pages = pages(&record, folder);
            }
        }
        ending.tensorboard =
            watch.events.filter(LiveEvents::any).map(|events| shortest(events.folder()).display().to_string());
        ending.lines(&record).iter().for_each(show);
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

/// The event files for TensorBoard, where they are asked for.
fn events<'a>(
    args: &RunArgs,
    pipeline: &Pipeline,
    options: &engine::Options,
    store: &'a Store,
    results: &Path,
) -> Result<Option<LiveEvents<'a>>, Failure> {
    let own = results::folder_of(&pipeline.name, pipeline.profile.as_deref(), &pipeline.sets, &options.only);
    let folder = match &args.tensorboard {
        Some(Some(folder)) => folder.join(own),
        None if !config::tensorboard()? => return Ok(None),
        Some(None) | None => results.join(own).join("tensorboard"),
    };
    let places = Places::new(pipeline.stages.keys().map(String::as_str));
    Ok(Some(LiveEvents::new(store, folder, places)))
}

/// How long the nodes of a plan are likely to take: what they took in earlier runs on this device.
fn forecast(
    pipeline: &Pipeline,
    plan: &engine::Plan,
    store: &Store,
    options: &engine::Options,
) -> Result<Forecast, Failure> {
    // The records of earlier jobs are many files: they are read only if something is left to run.
    let costs = if plan.is_done() { None } else { Some(store.costs(Some(&pipeline.name))?) };
    let device = options.device.to_string();
    let places: BTreeMap<usize, usize> =
        plan.nodes.iter().enumerate().map(|(place, planned)| (planned.node, place)).collect();
    let expected = |planned: &engine::Planned| {
        let node = &pipeline.nodes[planned.node];
        let cost = costs.as_ref().and_then(|costs| costs.expected(&device, &node.recipe, &node.stage, node.iteration));
        Expected {
            node: pipeline.node_name(planned.node),
            needs: node.needs().iter().filter_map(|need| places.get(need).copied()).collect(),
            seconds: cost.map(|cost| cost.seconds),
        }
    };
    Ok(Forecast { nodes: plan.nodes.iter().map(expected).collect(), jobs: options.jobs })
}

/// The names of the run before and of this one, for a comparison; none where there is no such run.
fn before(store: &Store, run: &RunRecord) -> Option<(String, String)> {
    let name = run.full_name();
    // A trial is compared with the whole.
    let (before, after) = match run.trial() {
        None => (format!("{name}~1"), name),
        Some(_) => (name, "latest".to_owned()),
    };
    store.find_run(&before).is_ok().then(|| (quoted(&before), quoted(&after)))
}

/// The report pages among the results.
fn pages(run: &RunRecord, folder: &Path) -> Vec<String> {
    if !run.nodes.iter().any(|node| node.kind == "Page" && node.status.is_done()) {
        return Vec::new();
    }
    let files = fsio::walk(folder).unwrap_or_default();
    let pages = files.iter().filter(|file| file.ends_with("page.html"));
    pages.map(|page| shortest(&folder.join(page)).display().to_string()).collect()
}

/// Shows a run, and publishes what it made.
struct Watch<'a> {
    ui: Ui,
    events: Option<LiveEvents<'a>>,
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
        if let Some(text) = self.events.as_mut().and_then(|events| events.take(line)) {
            self.ui.event(&warning(self.began, text));
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
pub(super) fn listen(cancel: &Cancel) -> Result<(), Failure> {
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

pub(super) fn exit_of(failure: &engine::NodeFailure) -> Exit {
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
