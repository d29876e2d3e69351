//! What a person sees of a run: lines that are drawn again on a terminal, plain lines elsewhere, JSON events if asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::color;
use super::format::{duration, figure};
use super::progress::Live;
use super::progress::forecast::Forecast;
use super::styled::{Look, Styled};
use super::terminal::{print, room, show};
use crate::engine::{self, LogLine, NodeProgress, RunEvent};
use crate::stage::{Cancel, Event, NodeName, StageError, StageName};
use crate::store::RunStatus;

/// How often a piped run says how far a stage is.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// The narrowest terminal that lines are drawn again on.
const NARROWEST: usize = 30;

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
    /// Lines at the foot of the terminal. None once the run has ended.
    Live(Option<Live>),
}

/// What the plain rendering remembers.
#[derive(Default)]
struct Plain {
    said: BTreeMap<NodeName, Instant>,
    scalars: BTreeMap<NodeName, BTreeMap<String, f64>>,
}

impl Ui {
    /// JSON if asked for; else lines that are drawn again on a terminal that can do it, and plain lines elsewhere.
    pub fn new(json: bool, forecast: Forecast, cancel: Cancel) -> Self {
        let wide = room().is_some_and(|(width, _)| width >= NARROWEST);
        let form = if json {
            Form::Json
        } else if wide && color::redraws() {
            Form::Live(Some(Live::new(forecast, cancel)))
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
            Form::Plain(plain) => match event {
                RunEvent::NodeEvent { node, what } => plain.progress(node, what),
                _ => say(event),
            },
            Form::Live(live) => {
                if let Some(live) = live {
                    live.take(line);
                }
                if matches!(event, RunEvent::RunFinished { .. }) {
                    *live = None;
                }
                // That a stage began is seen by its line.
                if !matches!(event, RunEvent::NodeStarted { .. }) {
                    say(event);
                }
            }
        }
    }
}

fn say(event: &RunEvent) {
    if let Some(text) = sentence(event) {
        show(&text);
    }
}

/// An event that both renderings show as a line.
fn sentence(event: &RunEvent) -> Option<Styled> {
    let plain = |text: String| Styled::default().plain(text);
    let of = |node: &NodeName| Styled::default().with(Look::Strong, node.to_string());
    Some(match event {
        RunEvent::RunStarted { run, pipeline, nodes, done, .. } => {
            Styled::default().with(Look::Strong, pipeline).plain(format!(": run {run}, {nodes} nodes, {done} cached."))
        }
        RunEvent::NodeStarted { node, .. } => of(node).plain(": started."),
        RunEvent::NodeHit { .. } => return None,
        RunEvent::NodeEvent { node, what } => match what {
            Event::Warning { text } => of(node).plain(": ").with(Look::Care, "warning:").plain(format!(" {text}")),
            Event::Resumed { step } => of(node).plain(format!(": resumed at step {step}.")),
            _ => return None,
        },
        RunEvent::NodeWaiting { node, .. } => of(node).plain(": another run computes the same; waiting for it."),
        RunEvent::NodeDone { node, seconds, metrics, .. } => {
            let figures: Vec<String> =
                metrics.iter().map(|(name, value)| format!("{name} {}", figure(*value))).collect();
            let figures = if figures.is_empty() { String::new() } else { format!("; {}", figures.join(", ")) };
            of(node).plain(": ").with(Look::Good, "done").plain(format!(" in {}{figures}.", duration(*seconds)))
        }
        RunEvent::NodeFailed { node, failure, tail, log } => {
            let mut text = of(node).plain(": ").with(Look::Bad, "failed.").plain(format!(" {failure}"));
            let hint = failure.hint();
            if !hint.is_empty() {
                text = text.plain("\n").with(Look::Hint, "hint:").plain(format!(" {hint}"));
            }
            if !is_told(failure) && !tail.trim().is_empty() {
                text = text.plain(format!("\nThe end of its log:\n  {}", tail.trim_end().replace('\n', "\n  ")));
            }
            if let Some(log) = log {
                text = text.plain(format!("\nThe whole log is at {}.", log.display()));
            }
            text
        }
        RunEvent::NodeInterrupted { node } => of(node).plain(": stopped."),
        RunEvent::NodeSkipped { node, reason } => of(node).with(Look::Faint, format!(": skipped. {reason}")),
        RunEvent::NodeRemade { node, wanted_by, digest } => {
            let digest = digest.short();
            of(node).plain(format!(": its output {digest} is damaged and is made again for {wanted_by}."))
        }
        RunEvent::Warning { node, text } => match node {
            Some(node) => of(node).plain(": "),
            None => Styled::default(),
        }
        .with(Look::Care, "warning:")
        .plain(format!(" {text}")),
        RunEvent::RunFinished { run, status, ran, hits, failed, skipped, seconds } => {
            let took = duration(*seconds);
            match status {
                RunStatus::Done if *ran == 0 => {
                    plain(format!("Nothing to do: all {hits} nodes are cached (run {run})."))
                }
                RunStatus::Done => Styled::default()
                    .with(Look::Good, "Done")
                    .plain(format!(" in {took}: {ran} ran, {hits} cached (run {run}).")),
                RunStatus::Failed => Styled::default().with(Look::Bad, "Failed").plain(format!(
                    " after {took}: {ran} ran, {hits} cached, {failed} failed, {skipped} skipped (run {run})."
                )),
                RunStatus::Interrupted | RunStatus::Running => Styled::default()
                    .with(Look::Care, "Stopped")
                    .plain(format!(" after {took}: {ran} ran, {hits} cached; run again to go on (run {run}).")),
            }
        }
    })
}

/// Whether a failure itself says what is wrong, so that the log only says it again.
fn is_told(failure: &engine::NodeFailure) -> bool {
    matches!(failure, engine::NodeFailure::Stage(e) if !matches!(e, StageError::Command { .. } | StageError::Bug(_)))
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
            other => say(&RunEvent::NodeEvent { node: node.clone(), what: other.clone() }),
        }
    }
}
