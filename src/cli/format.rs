//! How records and lists are printed: the formats, and the words that several commands share.

use std::borrow::Cow;

use clap::ValueEnum;

use crate::store::RunStatus;
use crate::table::{markdown_escape, padded, visible, width};

/// How a comparison or record is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RecordFormat {
    /// Plain text.
    Text,
    /// Markdown.
    Markdown,
    /// JSON.
    Json,
}

/// A figure with four digits after the point, or none where it is whole.
pub fn figure(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.4}") }
}

/// A time in seconds, as people say it: `1.5 s`, `12 s`, `1 min 20 s`, `2 h 5 min`, `3 d 2 h`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3600 % 24),
    }
}

/// A run's status in a word.
pub fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Done => "done",
        RunStatus::Failed => "failed",
        RunStatus::Interrupted => "interrupted",
    }
}

/// Rows under a header, in columns. Each row is one line, whatever its cells hold.
pub fn aligned<const N: usize>(header: &[String; N], rows: &[[String; N]]) -> String {
    let lines: Vec<[Cow<'_, str>; N]> =
        std::iter::once(header).chain(rows).map(|row| row.each_ref().map(|cell| visible(cell))).collect();
    let widest = |at: usize| lines.iter().map(|row| width(&row[at])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(widest).collect();
    let lines = lines.iter().map(|row| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width, false)).collect();
        cells.join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Rows under a header, as a table in Markdown.
pub fn markdown<const N: usize>(header: &[String; N], rows: &[[String; N]]) -> String {
    let line = |cells: &[String; N]| {
        let cells = cells.each_ref().map(|cell| markdown_escape(&visible(&cell.replace('\n', " "))));
        format!("| {} |", cells.join(" | "))
    };
    let rule = format!("|{}", "---|".repeat(N));
    let lines = [line(header), rule].into_iter().chain(rows.iter().map(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_say_them() {
        let told = [f64::NAN, 0.04, 9.94, 9.96, 59.7, 80.0, 7500.0, 90_000.0].map(duration);
        assert_eq!(told, ["0.0 s", "0.0 s", "9.9 s", "10 s", "1 min 0 s", "1 min 20 s", "2 h 5 min", "1 d 1 h"]);
    }

    #[test]
    fn a_row_is_a_line_in_columns_whatever_its_cells_hold() {
        let row = |a: &str, b: &str| [a, b].map(str::to_owned);
        let rows = [row("漢字", "x"), row("e\u{301}", "y"), row("a\nerror: b", "\u{1b}[2J|")];
        assert_eq!(
            aligned(&row("name", "n"), &rows),
            "name             n\n漢字             x\ne\u{301}                y\na\\u000aerror: b  \\u001b[2J|"
        );
        assert_eq!(
            markdown(&row("a", "b"), &[row("train[x=1]", "*a*\n\u{7}|")]),
            "| a | b |\n|---|---|\n| train[x=1] | \\*a\\* \\\\u0007\\| |"
        );
    }
}
