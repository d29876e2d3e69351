//! How records and lists are printed: the formats, and the words that several commands share.

use clap::ValueEnum;

use crate::store::RunStatus;

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

/// A run's status in a word.
pub fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Done => "done",
        RunStatus::Failed => "failed",
        RunStatus::Interrupted => "interrupted",
    }
}

/// Rows under a header, in columns.
pub fn aligned<const N: usize>(header: &[String; N], rows: &[[String; N]]) -> String {
    let width = |at: usize| std::iter::once(header).chain(rows).map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let lines = std::iter::once(header).chain(rows).map(|row| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Rows under a header, as a table in Markdown.
pub fn markdown<const N: usize>(header: &[String; N], rows: &[[String; N]]) -> String {
    let line = |cells: &[String; N]| format!("| {} |", cells.join(" | ").replace('\n', " "));
    let rule = format!("|{}", "---|".repeat(N));
    let lines = [line(header), rule].into_iter().chain(rows.iter().map(line));
    lines.collect::<Vec<_>>().join("\n")
}
