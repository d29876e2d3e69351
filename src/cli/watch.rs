//! `repro watch [RUN]`: how a run goes on, from any terminal. Its record and its event log tell it.
//!
//! Invariants:
//! - nothing is written, and no lock is held: whoever watches changes nothing;
//! - on a terminal the lines are drawn again until the run ends. Elsewhere they are printed once.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::color;
use super::failure::Failure;
use super::format::{duration, figure, word};
use super::progress::board::Board;
use super::progress::forecast::stage;
use super::progress::layout::{Room, at_work, curve, overall};
use super::run::{exit_of, listen};
use super::signs::Signs;
use super::styled::{Look, Styled, shortened};
use super::taken::find_run;
use super::terminal::{draw, note, room, show, undraw};
use crate::cli::exit::Exit;
use crate::engine::{Follower, RunEvent};
use crate::fsio;
use crate::stage::{Cancel, NodeName};
use crate::store::{FoundRun, RunLine, RunRecord, RunStatus, Status, Store};
use crate::syntax;
use crate::table::{padded, width};

/// The arguments of `repro watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The run: an id or its start, a pipeline's name (`smoke`, `smoke@tiny`, `smoke~1`), or `latest`. A pipeline's name
    /// means its newest run that goes on, if there is one [default: the newest run that goes on, else `latest`]
    run: Option<String>,
}

/// How often the lines are drawn.
const OFTEN: Duration = Duration::from_millis(250);

/// After so much time without a change, the record of the run is read again: its process may have died.
const SILENCE: Duration = Duration::from_secs(2);

/// How wide lines are that go to no terminal.
const PLAIN: usize = 80;

/// How many trainings are shown with their curves.
const CURVES: usize = 3;

/// How wide a curve is at most.
const CURVE: usize = 40;

/// How many runs that go on are named.
const NAMED: usize = 4;

/// Shows how a run goes on.
pub fn run(store: &Store, args: &WatchArgs) -> Result<Exit, Failure> {
    let found = find(store, args.run.as_deref())?;
    let mut watched = Watched {
        board: Board::default(),
        follower: Follower::of(store, &found.id)?,
        record: found,
        exit: None,
        looked: Instant::now(),
    };
    watched.hear(store)?;
    let redraws = color::redraws() && room().is_some();
    if redraws && watched.record.status == RunStatus::Running {
        let cancel = Cancel::default();
        listen(&cancel)?;
        while watched.record.status == RunStatus::Running && !cancel.requested() {
            let (columns, rows) = room().unwrap_or((PLAIN, usize::MAX));
            draw(&watched.lines(columns.saturating_sub(1), rows.saturating_sub(1).max(1)));
            thread::sleep(OFTEN);
            watched.hear(store)?;
        }
        undraw();
        if cancel.requested() {
            watched.print();
            return Ok(Exit::Interrupted);
        }
    }
    watched.print();
    Ok(match watched.record.status {
        RunStatus::Running | RunStatus::Done => Exit::Success,
        RunStatus::Failed => watched.exit.unwrap_or(Exit::Stage),
        RunStatus::Interrupted => Exit::Interrupted,
    })
}

/// The run to watch. Standard error says which one it is.
fn find(store: &Store, name: Option<&str>) -> Result<RunRecord, Failure> {
    let mut running: Vec<RunLine> = Vec::new();
    for run in store.run_summaries(None, false, |line| line.status == RunStatus::Running)? {
        running.push(run?.line);
    }
    if name.is_none() && running.len() > 1 {
        let names: Vec<String> = running.iter().map(|run| format!("{} of {}", run.id, full_name(run))).collect();
        let names = syntax::first_of(&names, NAMED);
        note(&format!("{} runs go on: {names}. The newest is shown; `repro watch RUN` shows another.", running.len()));
    }
    let is_meant = |run: &&RunLine| name.is_none_or(|name| run.id.starts_with(name) || full_name(run) == name);
    if let Some(line) = running.iter().find(is_meant)
        && let Some(run) = store.run(&line.id)?
    {
        let found = FoundRun { run, passed: Vec::new() };
        note(&found.taken());
        return Ok(found.run);
    }
    find_run(store, name.unwrap_or("latest"))
}

fn full_name(run: &RunLine) -> String {
    run.profile.as_ref().map_or_else(|| run.pipeline.clone(), |profile| format!("{}@{profile}", run.pipeline))
}

/// A run that is watched.
struct Watched {
    record: RunRecord,
    board: Board,
    follower: Option<Follower>,
    /// The exit code of the first failure.
    exit: Option<Exit>,
    /// When the record was last read.
    looked: Instant,
}

impl Watched {
    /// Reads what is new.
    fn hear(&mut self, store: &Store) -> Result<(), Failure> {
        let news = self.follower.as_mut().map(Follower::more).transpose()?.unwrap_or_default();
        for line in &news {
            if let RunEvent::NodeFailed { failure, .. } = &line.event {
                self.exit.get_or_insert_with(|| exit_of(failure));
            }
            self.board.take(line);
        }
        let changed = news.iter().any(|line| !matches!(line.event, RunEvent::NodeEvent { .. }));
        if self.record.status == RunStatus::Running && (changed || self.looked.elapsed() >= SILENCE) {
            self.looked = Instant::now();
            if let Some(record) = store.run(&self.record.id)? {
                self.record = record;
            }
        }
        self.board.nodes = self.record.nodes.len();
        if self.record.status != RunStatus::Running {
            self.board.at_work.clear();
        }
        Ok(())
    }

    /// The seconds since the run began; of a run that ended, those that it took.
    fn now(&self) -> f64 {
        match self.record.status {
            RunStatus::Running => self.record.seconds_to(fsio::now()).unwrap_or_default().max(self.board.at),
            _ => self.board.at,
        }
    }

    /// Prints the lines once, whole.
    fn print(&self) {
        let columns = room().map_or(PLAIN, |(columns, _)| columns);
        self.lines(columns, usize::MAX).iter().for_each(show);
    }

    /// What is shown: the run, its stages, the nodes at work, their curves, and the whole.
    fn lines(&self, columns: usize, rows: usize) -> Vec<Styled> {
        let room = Room { width: columns, lines: rows, signs: Signs::known() };
        let mut head = vec![self.head()];
        let mut foot = vec![overall(&self.board, self.now(), room)];
        let mut curves = self.curves(room);
        let stages = self.stages(columns);
        // What there is no room for goes in this order: curves, then stages.
        let taken = head.len() + foot.len();
        let work = at_work(&self.board, self.now(), Room { lines: rows.saturating_sub(taken), ..room });
        let left = rows.saturating_sub(taken + work.len());
        head.extend(fitting(stages, left, columns));
        let left = rows.saturating_sub(head.len() + foot.len() + work.len());
        curves.truncate(left);
        head.extend(work);
        head.extend(curves);
        head.append(&mut foot);
        head.iter().map(|line| line.cut(columns)).collect()
    }

    fn head(&self) -> Styled {
        let run = &self.record;
        let out = Styled::default().with(Look::Strong, run.full_name()).plain(format!(", run {}: ", run.id));
        // A run that ended by itself says when.
        let died = run.status == RunStatus::Interrupted && run.finished.is_none();
        match run.status {
            RunStatus::Running => out.with(Look::Hint, word(run.status)),
            RunStatus::Done => out.with(Look::Good, word(run.status)),
            RunStatus::Failed => out.with(Look::Bad, word(run.status)),
            RunStatus::Interrupted if died => out.with(Look::Bad, "its process died; run it again to go on"),
            RunStatus::Interrupted => out.with(Look::Care, word(run.status)),
        }
    }

    /// A line for each stage, all its nodes together.
    fn stages(&self, columns: usize) -> Vec<Styled> {
        let mut order: Vec<String> = Vec::new();
        let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
        for node in &self.record.nodes {
            let name = NodeName { stage: node.stage.clone(), iteration: node.iteration, kind: node.kind.clone() };
            let name = stage(&name);
            if !order.contains(&name) {
                order.push(name.clone());
            }
            let counts = counts.entry(name).or_default();
            counts.add(node.status);
            counts.seconds += node.seconds;
        }
        let names: Vec<String> = order.iter().map(|name| shortened(name, columns / 2)).collect();
        let widest = names.iter().map(|name| width(name)).max().unwrap_or(0);
        order
            .iter()
            .zip(&names)
            .map(|(stage, name)| {
                let head = Styled::default().plain("  ").plain(padded(name, widest, false)).plain("  ");
                counts[stage].tell(head)
            })
            .collect()
    }

    /// The newest curves of trainings at work, or of the last ones.
    fn curves(&self, room: Room) -> Vec<Styled> {
        let mut lines = Vec::new();
        let newest: Vec<_> = self.board.curves.iter().rev().take(CURVES).collect();
        for (node, curves) in newest.into_iter().rev() {
            for (name, points) in curves {
                let values: Vec<f64> = points.values().collect();
                let Some((step, last)) = points.last() else { continue };
                let label = shortened(&node.stage, room.width / 3);
                let text = format!("  {label}  {name} {} at step {step}  ", figure(last));
                let columns = room.width.saturating_sub(width(&text)).min(CURVE);
                lines.push(Styled::default().plain(text).with(Look::Hint, curve(&values, columns, room.signs)));
            }
        }
        lines
    }
}

/// As many lines as there is room for; the last counts the others.
fn fitting(mut lines: Vec<Styled>, room: usize, columns: usize) -> Vec<Styled> {
    let all = lines.len();
    if all > room {
        lines.truncate(room.saturating_sub(1));
        if room > 0 {
            let text = format!("  and {} more stages", all - lines.len());
            lines.push(Styled::default().with(Look::Faint, text).cut(columns));
        }
    }
    lines
}

/// How the nodes of a stage stand.
#[derive(Debug, Default)]
struct Counts {
    cached: usize,
    ran: usize,
    running: usize,
    waiting: usize,
    failed: usize,
    stopped: usize,
    seconds: f64,
}

impl Counts {
    fn add(&mut self, status: Status) {
        match status {
            Status::Hit => self.cached += 1,
            Status::Ran => self.ran += 1,
            Status::Running => self.running += 1,
            Status::Waiting => self.waiting += 1,
            Status::Failed => self.failed += 1,
            Status::Interrupted | Status::Skipped => self.stopped += 1,
        }
    }

    /// The counts in words, behind a head.
    fn tell(&self, head: Styled) -> Styled {
        let all = self.cached + self.ran + self.running + self.waiting + self.failed + self.stopped;
        let parts = [
            (Look::Bad, self.failed, "failed"),
            (Look::Hint, self.running, "running"),
            (Look::Good, self.ran, "done"),
            (Look::Faint, self.cached, "cached"),
            (Look::Plain, self.waiting, "waiting"),
            (Look::Care, self.stopped, "not run"),
        ];
        let mut out = head;
        for (at, (look, count, word)) in parts.into_iter().filter(|(_, count, _)| *count > 0).enumerate() {
            let gap = if at == 0 { "" } else { ", " };
            let count = if all == 1 { String::new() } else { format!("{count} ") };
            out = out.plain(gap).with(look, format!("{count}{word}"));
        }
        match self.ran > 0 {
            true => out.with(Look::Faint, format!("  {}", duration(self.seconds))),
            false => out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_told_by_the_counts_of_its_nodes() {
        let told = |statuses: &[Status]| {
            let mut counts = Counts { seconds: 12.0, ..Counts::default() };
            statuses.iter().for_each(|status| counts.add(*status));
            counts.tell(Styled::default()).text()
        };
        assert_eq!(told(&[Status::Hit]), "cached");
        assert_eq!(
            told(&[Status::Ran, Status::Ran, Status::Running, Status::Waiting]),
            "1 running, 2 done, 1 waiting  12 s"
        );
        assert_eq!(told(&[Status::Failed, Status::Skipped, Status::Interrupted]), "1 failed, 2 not run");
    }

    #[test]
    fn stages_without_room_are_counted() {
        let lines = || (0..5).map(|at| Styled::default().plain(at.to_string())).collect::<Vec<_>>();
        let texts = |room| fitting(lines(), room, 40).iter().map(Styled::text).collect::<Vec<_>>();
        assert_eq!(texts(5).len(), 5);
        assert_eq!(texts(2), ["0", "  and 4 more stages"]);
        assert_eq!(texts(0), Vec::<String>::new());
    }
}
