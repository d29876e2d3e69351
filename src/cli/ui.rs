//! What a person sees of a run: bars on a terminal, plain lines in a pipe, JSON events if asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::format::figure;
use super::terminal::print;
use crate::engine::{self, LogLine, NodeProgress, RunEvent};
use crate::stage::{Event, NodeName, StageError, StageName};
use crate::store::RunStatus;
use crate::table::visible;

/// How often a piped run says how far a stage is.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Shows the events of a run.
pub struct Ui {
    form: Form,
    /// The warnings that were shown, each with its stage: the nodes of a stage often have the same to tell.
    warned: BTreeSet<(String, String)>,
}

/// How events are shown.
enum Form {
    /// One JSON object a line.
    Json,
    /// One plain line an event.
    Plain(Plain),
    /// Bars.
    Bars(Bars),
}

/// What the plain rendering remembers.
#[derive(Default)]
struct Plain {
    said: BTreeMap<NodeName, Instant>,
    scalars: BTreeMap<NodeName, BTreeMap<String, f64>>,
}

/// What the bars remember.
struct Bars {
    all: MultiProgress,
    bars: BTreeMap<NodeName, ProgressBar>,
}

impl Ui {
    /// Bars on a terminal, plain lines elsewhere; JSON if asked for.
    pub fn new(json: bool) -> Self {
        let form = if json {
            Form::Json
        } else if std::io::stdout().is_terminal() {
            Form::Bars(Bars {
                all: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()),
                bars: BTreeMap::new(),
            })
        } else {
            Form::Plain(Plain::default())
        };
        Ui { form, warned: BTreeSet::new() }
    }

    /// Whether an event is a warning of a stage that was shown before.
    fn is_repeated(&mut self, event: &RunEvent) -> bool {
        let RunEvent::NodeEvent { node, what: Event::Warning { text } } = event else { return false };
        let stage = StageName::read(&node.stage).map_or_else(|_| node.stage.clone(), |name| name.stage);
        !self.warned.insert((stage, text.clone()))
    }

    /// Renders one event. With `--json`, it is the line of the run's event log.
    pub fn event(&mut self, line: &LogLine) {
        let event = &line.event;
        if !matches!(self.form, Form::Json) && self.is_repeated(event) {
            return;
        }
        match &mut self.form {
            Form::Json => print(&line.text()),
            Form::Plain(plain) => {
                if let RunEvent::NodeEvent { node, what } = event {
                    plain.progress(node, what);
                } else if let Some(line) = sentence(event) {
                    print(&line);
                }
            }
            Form::Bars(bars) => bars.event(event),
        }
    }
}

/// An event that both renderings show as a line.
fn sentence(event: &RunEvent) -> Option<String> {
    Some(match event {
        RunEvent::RunStarted { run, pipeline, nodes, done, .. } => {
            format!("{pipeline}: run {run}, {nodes} nodes, {done} cached.")
        }
        RunEvent::NodeStarted { node, .. } => format!("{node}: started."),
        RunEvent::NodeHit { .. } => return None,
        RunEvent::NodeEvent { node, what } => match what {
            Event::Warning { text } => format!("{node}: warning: {text}"),
            Event::Resumed { step } => format!("{node}: resumed at step {step}."),
            _ => return None,
        },
        RunEvent::NodeWaiting { node, .. } => format!("{node}: another run computes the same; waiting for it."),
        RunEvent::NodeDone { node, seconds, metrics, .. } => {
            let figures: Vec<String> =
                metrics.iter().map(|(name, value)| format!("{name} {}", figure(*value))).collect();
            let figures = if figures.is_empty() { String::new() } else { format!("; {}", figures.join(", ")) };
            format!("{node}: done in {seconds:.1} s{figures}.")
        }
        RunEvent::NodeFailed { node, failure, tail, log } => {
            let mut text = format!("{node}: failed. {failure}");
            let hint = failure.hint();
            if !hint.is_empty() {
                text += &format!("\nhint: {hint}");
            }
            // Where the stage itself says what is wrong, its log only says it again.
            let told = matches!(failure, engine::NodeFailure::Stage(e) if !matches!(e, StageError::Command { .. } | StageError::Bug(_)));
            if !told && !tail.trim().is_empty() {
                text += &format!("\nThe end of its log:\n  {}", tail.trim_end().replace('\n', "\n  "));
            }
            if let Some(log) = log {
                text += &format!("\nThe whole log is at {}.", log.display());
            }
            text
        }
        RunEvent::NodeInterrupted { node } => format!("{node}: stopped."),
        RunEvent::NodeSkipped { node, reason } => format!("{node}: skipped. {reason}"),
        RunEvent::NodeRemade { node, wanted_by, digest } => {
            format!("{node}: its output {} is damaged and is made again for {wanted_by}.", digest.short())
        }
        RunEvent::Warning { node, text } => match node {
            Some(node) => format!("{node}: warning: {text}"),
            None => format!("warning: {text}"),
        },
        RunEvent::RunFinished { run, status, ran, hits, failed, skipped, seconds } => match status {
            RunStatus::Done if *ran == 0 => format!("Nothing to do: all {hits} nodes are cached (run {run})."),
            RunStatus::Done => format!("Done in {seconds:.1} s: {ran} ran, {hits} cached (run {run})."),
            RunStatus::Failed => {
                format!(
                    "Failed after {seconds:.1} s: {ran} ran, {hits} cached, {failed} failed, {skipped} skipped (run {run})."
                )
            }
            RunStatus::Interrupted | RunStatus::Running => {
                format!("Stopped after {seconds:.1} s: {ran} ran, {hits} cached; run again to go on (run {run}).")
            }
        },
    })
}

fn scalars(values: &BTreeMap<String, f64>) -> String {
    values.iter().map(|(name, value)| format!("{name} {value:.4}")).collect::<Vec<_>>().join(", ")
}

/// How far a stage is, as `3 of 900 steps; loss 0.2500`.
pub(super) fn how_far(progress: &NodeProgress) -> String {
    let done = progress.done.as_ref().map(|(done, total, unit)| format!("{done} of {total} {unit}"));
    let scalars = (!progress.scalars.is_empty()).then(|| scalars(&progress.scalars));
    done.into_iter().chain(scalars).collect::<Vec<_>>().join("; ")
}

impl Plain {
    fn progress(&mut self, node: &NodeName, event: &Event) {
        match event {
            Event::Scalars { values, .. } => {
                self.scalars.insert(node.clone(), values.clone());
            }
            Event::Progress { done, total, unit } => {
                let due = self.said.get(node).is_none_or(|said| said.elapsed() >= PLAIN_INTERVAL);
                if due && done < total {
                    let scalars = self.scalars.get(node).cloned().unwrap_or_default();
                    let progress = NodeProgress { done: Some((*done, *total, unit.clone())), scalars };
                    print(&format!("{node}: {}.", how_far(&progress)));
                    self.said.insert(node.clone(), Instant::now());
                }
            }
            other => {
                if let Some(line) = sentence(&RunEvent::NodeEvent { node: node.clone(), what: other.clone() }) {
                    print(&line);
                }
            }
        }
    }
}

impl Bars {
    fn event(&mut self, event: &RunEvent) {
        match event {
            // What others make for this run is followed too.
            RunEvent::NodeStarted { node, .. } | RunEvent::NodeWaiting { node, .. } => {
                if let (RunEvent::NodeWaiting { .. }, Some(line)) = (event, sentence(event)) {
                    self.all.suspend(|| print(&line));
                }
                self.clear(node);
                let bar = self.all.add(ProgressBar::new_spinner()).with_prefix(visible(&node.to_string()).into_owned());
                if let Ok(style) = ProgressStyle::with_template("{prefix} {spinner} {elapsed}") {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(120));
                self.bars.insert(node.clone(), bar);
            }
            RunEvent::NodeEvent { node, what } => self.progress(node, what, event),
            _ => {
                if let RunEvent::NodeDone { node, .. }
                | RunEvent::NodeHit { node, .. }
                | RunEvent::NodeFailed { node, .. }
                | RunEvent::NodeSkipped { node, .. }
                | RunEvent::NodeInterrupted { node } = event
                {
                    self.clear(node);
                }
                if let Some(line) = sentence(event) {
                    self.all.suspend(|| print(&line));
                }
            }
        }
    }

    fn clear(&mut self, node: &NodeName) {
        if let Some(bar) = self.bars.remove(node) {
            bar.finish_and_clear();
        }
    }

    fn progress(&self, node: &NodeName, what: &Event, event: &RunEvent) {
        let Some(bar) = self.bars.get(node) else {
            // What is in the store has no bar, and may have a warning.
            if let Some(line) = sentence(event) {
                self.all.suspend(|| print(&line));
            }
            return;
        };
        match what {
            Event::Progress { done, total, unit } => {
                if bar.length() != Some(*total) {
                    let unit = visible(unit);
                    let template =
                        format!("{{prefix}} {{bar:30}} {{pos}}/{{len}} {unit} {{per_sec}} {{eta}} left  {{msg}}");
                    if let Ok(style) = ProgressStyle::with_template(&template) {
                        bar.set_style(style);
                    }
                    bar.set_length(*total);
                }
                bar.set_position(*done);
            }
            Event::Scalars { values, .. } => bar.set_message(visible(&scalars(values)).into_owned()),
            _ => {
                if let Some(line) = sentence(event) {
                    self.all.suspend(|| print(&line));
                }
            }
        }
    }
}
