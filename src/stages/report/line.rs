//! The rows of a table for a paper: what names them, and their figures with what is best.
//!
//! Invariant: the best are told apart as far as the shown digits tell them apart.

use super::groups::{deviation, mean};
use super::rows::{CONSTANT, COUNT, Row};

/// A row of the table.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// Rows that belong together have one number.
    pub block: i64,
    pub labels: Vec<Option<String>>,
    pub source: String,
    pub mark: Option<String>,
    pub n: Option<i64>,
    pub figures: Vec<Shown>,
}

/// A figure of a row.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    pub value: Option<f64>,
    pub spread: Option<f64>,
    pub best: bool,
    pub mark: Option<String>,
}

/// A figure of repetitions.
pub fn repeated(group: &[&Row], figure: &str) -> Shown {
    let Some(values) = group.iter().map(|row| row.value(figure)).collect::<Option<Vec<f64>>>() else {
        return Shown::default();
    };
    let spread = if figure == COUNT { None } else { deviation(&values) };
    Shown { value: Some(mean(&values)), spread, ..Shown::default() }
}

/// Marks the best of each figure, as far as the shown digits tell them apart: several that are alike, but never all of them.
pub fn best(lines: &mut [Line], figures: &[&str], digits: usize) {
    for (at, figure) in figures.iter().enumerate() {
        let sign = match *figure {
            COUNT | CONSTANT => continue,
            // Dead pixels are gridding, and a small radius is a sharp field.
            _ if figure.starts_with("ERF ") && figure.ends_with(" dead") => -1.0,
            _ if figure.starts_with("ERF ") && figure.ends_with(" radius") => -1.0,
            _ if figure.starts_with("ERF ") => continue,
            _ => 1.0,
        };
        // As it is shown: 75.44 and 75.41 are the same in one digit.
        let shown = |line: &Line| -> Option<f64> {
            let value = line.figures[at].value?;
            format!("{:.digits$}", sign * value).parse().ok()
        };
        let values: Vec<f64> = lines.iter().filter_map(shown).filter(|value| !value.is_nan()).collect();
        if values.len() < 2 {
            continue;
        }
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Where all are alike, none is best.
        if values.iter().all(|value| *value == most) {
            continue;
        }
        for line in lines.iter_mut() {
            line.figures[at].best = shown(line) == Some(most);
        }
    }
}
