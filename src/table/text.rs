//! How tables are shown, and what all renderings for people share.
//!
//! Invariants:
//! - no text that is rendered for people holds a character that controls a terminal: [`visible`];
//! - widths are those of a terminal: wide characters take two columns, and combining marks none.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::layout::Layout;

/// How a table is shown to people. CSV and Parquet keep every digit and heed none of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Style {
    /// The digits after the point for a column of floating-point numbers; as many as there are where none are stated.
    pub digits: BTreeMap<String, usize>,
    /// What is said below the table where people read it, as sentences.
    pub notes: Vec<String>,
    /// Which columns are shown, and how; none: the table as it is.
    pub layout: Option<Layout>,
}

impl Style {
    /// The style with `digits` after the point in the column `name`.
    pub fn with(mut self, name: impl Into<String>, digits: usize) -> Self {
        self.digits.insert(name.into(), digits);
        self
    }

    /// The caption of the layout.
    pub(super) fn caption(&self) -> Option<&str> {
        self.layout.as_ref()?.caption.as_deref().filter(|caption| !caption.trim().is_empty())
    }
}

/// What stands where a value is missing, as the score of a class that does not occur.
pub(super) const MISSING: &str = "–";

/// A text in one line.
pub(super) fn line(text: &str) -> String {
    visible(&text.replace(['\n', '\r', '\t'], " ")).into_owned()
}

/// Whether a terminal obeys a character and does not show it: control characters, and those that break lines or turn the
/// direction of writing.
pub fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0001}'..='\u{e007f}'
        )
}

/// A text with each control character, also each end of a line, as JSON writes it: `\u001b`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_control(c) {
            // Writing to a string cannot fail.
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(out, "\\u{unit:04x}")),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The columns of a terminal that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text padded to `width`: numbers on the left, so that their digits stand in columns, and texts on the right.
pub fn padded(text: &str, width: usize, number: bool) -> String {
    // A width in a format may not be over 65,535, and counts characters.
    let space = " ".repeat(width.saturating_sub(self::width(text)));
    if number { format!("{space}{text}") } else { format!("{text}{space}") }
}

/// The widest text of each column.
pub(super) fn widths(texts: &[Vec<String>]) -> Vec<usize> {
    let columns = texts.first().map_or(0, Vec::len);
    (0..columns).map(|c| texts.iter().map(|row| width(&row[c])).max().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_shown_and_all_else_stays() {
        for same in ["", "ä \u{1f600} \u{200d}", "e\u{301}", "漢字"] {
            assert!(matches!(visible(same), Cow::Borrowed(text) if text == same), "{same}");
        }
        assert_eq!(visible("\u{1b}]0;x\u{7}\n"), "\\u001b]0;x\\u0007\\u000a");
        assert_eq!(visible("\u{9b}31m\u{7f}\u{202e}\u{2028}\u{61c}"), "\\u009b31m\\u007f\\u202e\\u2028\\u061c");
        // As JSON reads it.
        let json = format!("\"{}\"", visible("\u{e0041}"));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "\u{e0041}");
    }

    #[test]
    fn wide_characters_take_two_columns_and_marks_none() {
        assert_eq!(["a", "漢字", "e\u{301}", "ﾊ", "\u{1f600}", "–"].map(width), [1, 4, 1, 1, 2, 1]);
        assert_eq!(["漢", "e\u{301}"].map(|text| padded(text, 3, false)), ["漢 ", "e\u{301}  "]);
        assert_eq!(padded("漢", 3, true), " 漢");
    }
}
