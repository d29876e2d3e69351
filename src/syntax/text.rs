//! Texts that were read, and places in them.
//!
//! Invariants:
//! - a span lies within its text, and on the boundaries of characters;
//! - lines and columns count from 1, columns in characters.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// A text that was read: a file, or an argument of the command line.
#[derive(Debug)]
pub struct Text {
    /// What it is called in messages: the path as the user would write it, or the argument.
    pub name: String,
    /// The text.
    pub content: String,
    /// The absolute folder that relative paths in the text start from.
    pub folder: PathBuf,
    /// Where lines start, found when first needed.
    lines: OnceLock<Vec<usize>>,
}

impl Text {
    /// A text of that name; relative paths in it start from `folder`.
    pub fn new(name: impl Into<String>, content: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Text { name: name.into(), content: content.into(), folder: folder.into(), lines: OnceLock::new() }
    }

    /// The line that byte `at` is in, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.lines().partition_point(|&start| start <= at)
    }

    /// The first byte of a line and the byte behind its last one, the end of the line left out.
    pub(crate) fn line_range(&self, line: usize) -> (usize, usize) {
        let start = self.lines().get(line - 1).copied().unwrap_or(self.content.len());
        let end = self.lines().get(line).map_or(self.content.len(), |next| next - 1);
        (start, end)
    }

    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let newlines = self.content.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect()
        })
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.content == other.content && self.folder == other.folder
    }
}

impl Eq for Text {}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub text: Arc<Text>,
    /// The first byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

impl Span {
    /// The line of the start.
    pub fn line(&self) -> usize {
        self.text.line(self.start)
    }

    /// The line and the column of the start.
    pub fn position(&self) -> (usize, usize) {
        let line = self.line();
        let (start, _) = self.text.line_range(line);
        (line, self.text.content[start..self.start].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let span = |content: &str, start| Span { text: Arc::new(Text::new("x.ron", content, "")), start, end: start };
        assert_eq!(span("ä\nöü: 1", 8).position(), (2, 4));
        assert_eq!(span("", 0).position(), (1, 1));
    }
}
