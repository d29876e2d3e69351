//! A run that goes on, as lines: one for each node at work, and one for all. Pure.
//!
//! Invariant: no line is wider than the terminal, whatever names, units and figures hold, and however narrow it is.

use super::board::{AtWork, Board};
use crate::cli::format::{duration, figure};
use crate::cli::signs::Signs;
use crate::cli::styled::{Look, Styled, shortened};
use crate::stage::NodeName;
use crate::table::{padded, visible, width};

/// How many columns a bar has at most and at least, without its brackets.
const BAR: (usize, usize) = (20, 4);

/// The gap between two columns.
const GAP: usize = 2;

/// The room for lines.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// The columns.
    pub width: usize,
    /// The most lines.
    pub lines: usize,
    /// What lines are drawn with.
    pub signs: Signs,
}

/// The run at `now`, in seconds since it began: its nodes at work, and the whole.
pub fn lines(board: &Board, now: f64, room: Room) -> Vec<Styled> {
    let mut lines = at_work(board, now, Room { lines: room.lines.saturating_sub(1), ..room });
    lines.push(overall(board, now, room));
    lines
}

/// A line for each node at work; where there is no room for all, the last line counts the others.
pub fn at_work(board: &Board, now: f64, room: Room) -> Vec<Styled> {
    let all = board.at_work.len();
    let shown = if all > room.lines { room.lines.saturating_sub(1) } else { all };
    let nodes: Vec<(&NodeName, &AtWork)> = board.at_work.iter().take(shown).collect();
    let names: Vec<String> = nodes.iter().map(|(node, _)| shortened(&node.to_string(), room.width / 2)).collect();
    let widest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let mut lines: Vec<Styled> =
        nodes.iter().zip(&names).map(|((_, work), name)| line(&padded(name, widest, false), work, now, room)).collect();
    if all > shown && room.lines > 0 {
        lines.push(Styled::default().with(Look::Faint, format!("and {} more at work", all - shown)).cut(room.width));
    }
    lines
}

/// A node at work: its name, a bar, how far it is, its figures, and the time. What has no room is left out.
fn line(name: &str, work: &AtWork, now: f64, room: Room) -> Styled {
    let done = work.done.as_ref().map(|(done, total, unit)| format!("{done} of {total} {}", visible(unit)));
    let elapsed = duration(now - work.since);
    let time = match (work.elsewhere, work.left(now)) {
        (true, _) => format!("another run makes it, {elapsed}"),
        (false, Some(left)) => format!("{} left", duration(left)),
        (false, None) => elapsed,
    };
    let scalars: Vec<String> =
        work.scalars.iter().map(|(name, value)| format!("{} {}", visible(name), figure(*value))).collect();
    let mut used = width(name);
    let mut fit = |text: Option<String>| {
        let text = text.filter(|text| !text.is_empty() && used + GAP + width(text) <= room.width)?;
        used += GAP + width(&text);
        Some(text)
    };
    let (done, time, scalars) = (fit(done), fit(Some(time)), fit(Some(scalars.join(", "))));
    let bar = work.done.as_ref().and_then(|(done, total, _)| {
        let part = if *total == 0 { 0.0 } else { *done as f64 / *total as f64 };
        bar(part, room.width.saturating_sub(used + GAP))
    });
    let mut out = Styled::default().with(Look::Strong, name);
    for (look, text) in [(Look::Plain, bar), (Look::Plain, done), (Look::Plain, scalars), (Look::Faint, time)] {
        if let Some(text) = text {
            out = out.plain(" ".repeat(GAP)).with(look, text);
        }
    }
    out.cut(room.width)
}

/// The whole run: how many nodes are done, since when it runs, and how long it is likely to go on.
pub fn overall(board: &Board, now: f64, room: Room) -> Styled {
    let (done, nodes, dot) = (board.done.len(), board.nodes, room.signs.dot());
    let count = |count: usize, word: &str| if count == 0 { String::new() } else { format!(", {count} {word}") };
    let counts = count(board.cached(), "cached") + &count(board.running(), "running") + &count(failed(board), "failed");
    let time = format!("{dot}{}", duration(now));
    let left = board.left(now).filter(|left| *left > 0.0);
    let left = left.map_or(String::new(), |left| format!("{dot}about {} left", duration(left)));
    let texts = [
        format!("{done} of {nodes} nodes{counts}{time}{left}"),
        format!("{done} of {nodes} nodes{time}{left}"),
        format!("{done} of {nodes} nodes{left}"),
        format!("{done} of {nodes}"),
    ];
    let text = texts.iter().find(|text| width(text) <= room.width).unwrap_or(&texts[3]);
    let part = if nodes == 0 { 0.0 } else { done as f64 / nodes as f64 };
    match bar(part, room.width.saturating_sub(width(text) + 1)) {
        Some(bar) => Styled::default().plain(format!("{bar} {text}")),
        None => Styled::default().plain(text),
    }
    .cut(room.width)
}

fn failed(board: &Board) -> usize {
    board.over.values().filter(|over| **over == super::board::Over::Failed).count()
}

/// A bar of at most `room` columns, if there is room for one.
fn bar(part: f64, room: usize) -> Option<String> {
    let columns = room.saturating_sub(2).min(BAR.0);
    let full = ((part.clamp(0.0, 1.0) * columns as f64) as usize).min(columns);
    (columns >= BAR.1).then(|| format!("[{}{}]", "#".repeat(full), " ".repeat(columns - full)))
}

/// A curve in one line of at most `columns` columns, from its lowest value to its highest. Empty where there is no finite
/// value.
pub fn curve(values: &[f64], columns: usize, signs: Signs) -> String {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let columns = columns.min(finite.len());
    let levels = signs.levels();
    let mean = |at: usize| {
        let part = &finite[at * finite.len() / columns..((at + 1) * finite.len() / columns).max(at + 1)];
        part.iter().map(|value| value / part.len() as f64).sum::<f64>()
    };
    let means: Vec<f64> = (0..columns).map(mean).collect();
    let (low, high) = means.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    let level = |value: &f64| {
        let part = if high > low { (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) } else { 0.0 };
        levels[((part * levels.len() as f64) as usize).min(levels.len() - 1)]
    };
    means.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::board::tests::{began, figures, line, name, says, steps};
    use super::super::forecast::{Expected, Forecast};
    use super::*;
    use crate::engine::RunEvent;

    fn texts(board: &Board, now: f64, width: usize) -> Vec<String> {
        let room = Room { width, lines: 4, signs: Signs::Unicode };
        lines(board, now, room).iter().map(Styled::text).collect()
    }

    fn board() -> Board {
        let names = ["data", "train[prefilter=Average,seed=1]", "train[prefilter=Average,seed=2]", "table"];
        let expected = |(at, stage): (usize, &&str)| Expected {
            node: name(stage),
            needs: if at == 0 { Vec::new() } else { vec![at - 1] },
            seconds: Some(100.0),
        };
        let nodes = names.iter().enumerate().map(expected).collect();
        let mut board = Board::new(Forecast { nodes, jobs: 1 });
        let key = crate::hash::Digest::of(b"a");
        let (run, pipeline) = ("r".to_owned(), "p".to_owned());
        for event in [
            line(0.0, RunEvent::RunStarted { format: 1, run, pipeline, nodes: 4, done: 1 }),
            line(0.0, RunEvent::NodeHit { node: name("data"), key }),
            began(0.0, names[1]),
            says(0.0, names[1], steps(0, 250)),
            says(20.0, names[1], figures(50, 1.25)),
            says(20.0, names[1], steps(50, 250)),
        ] {
            board.take(&event);
        }
        board
    }

    #[test]
    fn the_lines_fit_each_width() {
        let board = board();
        assert_eq!(
            texts(&board, 20.0, 105),
            [
                "train[prefilter=Average,seed=1]  [####                ]  50 of 250 steps  loss 1.2500  1 min 20 s left",
                "[#####               ] 1 of 4 nodes, 1 cached, 1 running \u{b7} 20 s \u{b7} about 4 min 40 s left",
            ]
        );
        assert_eq!(
            texts(&board, 20.0, 79),
            [
                "train[prefilter=Average,seed=1]  50 of 250 steps  loss 1.2500  1 min 20 s left",
                "[###         ] 1 of 4 nodes, 1 cached, 1 running \u{b7} 20 s \u{b7} about 4 min 40 s left",
            ]
        );
        assert_eq!(
            texts(&board, 20.0, 40),
            ["train[pre...,seed=1]  50 of 250 steps", "1 of 4 nodes \u{b7} about 4 min 40 s left"]
        );
        assert_eq!(texts(&board, 20.0, 9), ["t...", "1 of 4"]);
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let mut board = board();
        (0..9).for_each(|number| board.take(&began(20.0, &format!("more{number}"))));
        let lines = texts(&board, 21.0, 60);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2], "and 8 more at work");
    }

    #[test]
    fn a_curve_is_drawn_from_its_lowest_value_to_its_highest() {
        assert_eq!(curve(&[4.0, 3.0, f64::NAN, 2.0, 1.0], 4, Signs::Unicode), "█▆▃▁");
        assert_eq!(curve(&[1.0, 1.0], 9, Signs::Ascii), "__");
        assert_eq!(curve(&[1.0, 3.0, 5.0, 7.0], 2, Signs::Ascii), "_#");
        assert_eq!(curve(&[f64::MAX, f64::MIN], 2, Signs::Ascii), "#_");
        assert_eq!(curve(&[f64::INFINITY], 5, Signs::Ascii), "");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            nodes in prop::collection::vec(("(?s).{0,40}|[a漢\u{301}👩\u{1b}]{0,40}", "(?s).{0,12}", any::<u64>(), any::<u64>(), proptest::num::f64::ANY), 0..5),
            (width, lines) in (0..130_usize, 0..8_usize),
            now in 0.0..1e9_f64,
            ascii in any::<bool>(),
        ) {
            let mut board = board();
            for (stage, unit, done, total, value) in nodes {
                let what = crate::stage::Event::Progress { done, total, unit: unit.clone() };
                let values = BTreeMap::from([(unit, value)]);
                for event in [began(1.0, &stage), says(2.0, &stage, what), says(3.0, &stage, crate::stage::Event::Scalars { step: 1, values })] {
                    board.take(&event);
                }
            }
            let signs = if ascii { Signs::Ascii } else { Signs::Unicode };
            let lines_ = super::lines(&board, now, Room { width, lines, signs });
            prop_assert!(lines_.len() <= lines.max(1));
            for line in lines_ {
                prop_assert!(crate::table::width(&line.text()) <= width, "{width}: {line:?}");
            }
        }

        #[test]
        fn a_curve_has_a_column_for_each_value_at_most(values in prop::collection::vec(proptest::num::f64::ANY, 0..99), columns in 0..60_usize) {
            prop_assert!(width(&curve(&values, columns, Signs::Unicode)) <= columns.min(values.len()));
        }
    }
}
