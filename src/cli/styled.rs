//! Text for a terminal, in parts that each have a style.
//!
//! Invariants:
//! - what a part holds is escaped when it is rendered, so that only the styles of this file reach a terminal as codes;
//! - widths are those of what is shown, and a text that is cut is never wider than asked for.

use super::clean::clean;
use crate::table::{visible, width};

/// How a part of a text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// As the terminal writes.
    Plain,
    /// A name or a head: bold.
    Strong,
    /// What is of less interest, as what was cached: faint.
    Faint,
    /// What is well: green.
    Good,
    /// What is wrong: red.
    Bad,
    /// What is to be noticed: yellow.
    Care,
    /// What can be done: cyan.
    Hint,
}

impl Look {
    /// The code that begins it.
    fn code(self) -> &'static str {
        match self {
            Look::Plain => "",
            Look::Strong => "\u{1b}[1m",
            Look::Faint => "\u{1b}[2m",
            Look::Good => "\u{1b}[32m",
            Look::Bad => "\u{1b}[1;31m",
            Look::Care => "\u{1b}[33m",
            Look::Hint => "\u{1b}[36m",
        }
    }
}

/// The code that ends every look.
const END: &str = "\u{1b}[0m";

/// What stands for what was cut off a text.
const CUT: &str = "...";

/// A text in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Styled {
    parts: Vec<(Look, String)>,
}

impl Styled {
    /// Adds a part.
    pub fn with(mut self, look: Look, text: impl Into<String>) -> Self {
        self.parts.push((look, text.into()));
        self
    }

    /// Adds a part without a style.
    pub fn plain(self, text: impl Into<String>) -> Self {
        self.with(Look::Plain, text)
    }

    /// The text without styles, in one line.
    pub fn text(&self) -> String {
        self.parts.iter().map(|(_, text)| visible(text)).collect()
    }

    /// The text for a terminal or a file; ends of lines and tabs stay.
    pub fn render(&self, color: bool) -> String {
        self.parts.iter().map(|(look, text)| dressed(*look, &clean(text), color)).collect()
    }

    /// The text in one line of at most `limit` columns. What is cut off is marked.
    pub fn cut(&self, limit: usize) -> Styled {
        let all = self.text();
        let fits = width(&all) <= limit;
        let mark = if fits { "" } else { &CUT[..CUT.len().min(limit)] };
        // Measured as a whole: what parts begin with can change the width of what stands before.
        let mut left = if fits { all.len() } else { head(&all, limit - mark.len()).len() };
        let mut out = Styled::default();
        for (look, text) in &self.parts {
            let text = visible(text);
            let bytes = left.min(text.len());
            left -= bytes;
            if bytes > 0 {
                out.parts.push((*look, text[..bytes].to_owned()));
            }
        }
        if mark.is_empty() { out } else { out.plain(mark) }
    }
}

impl Styled {
    /// The text folded at blanks to lines of at most `limit` columns; the later ones are indented. A word that is longer, as
    /// a path, stays whole, so that it can be copied.
    pub fn folded(&self, limit: usize) -> Styled {
        const INDENT: &str = "  ";
        let (mut column, mut out) = (0, Styled::default());
        for (look, text) in &self.parts {
            let mut folded = String::new();
            for (at, line) in text.split('\n').enumerate() {
                if at > 0 {
                    folded.push('\n');
                    column = 0;
                }
                for (at, word) in line.split(' ').enumerate() {
                    let columns = width(&visible(word));
                    if at > 0 && column > INDENT.len() && column + 1 + columns > limit {
                        folded.push('\n');
                        folded.push_str(INDENT);
                        column = INDENT.len();
                    } else if at > 0 {
                        folded.push(' ');
                        column += 1;
                    }
                    folded.push_str(word);
                    column += columns;
                }
            }
            out.parts.push((*look, folded));
        }
        out
    }
}

/// A text in a look.
fn dressed(look: Look, text: &str, color: bool) -> String {
    match color && look != Look::Plain && !text.is_empty() {
        true => format!("{}{text}{END}", look.code()),
        false => text.to_owned(),
    }
}

/// The longest beginning of a text that takes at most `limit` columns.
pub fn head(text: &str, limit: usize) -> &str {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let fits = ends.take_while(|end| width(&text[..*end]) <= limit);
    &text[..fits.last().unwrap_or(0)]
}

/// The longest end of a text that takes at most `limit` columns.
fn tail(text: &str, limit: usize) -> &str {
    let starts = text.char_indices().rev().map(|(at, _)| at);
    let fits = starts.take_while(|start| width(&text[*start..]) <= limit);
    &text[fits.last().unwrap_or(text.len())..]
}

/// A name in one line of at most `limit` columns; where it is longer, its middle is left out: the ends of names of stages
/// tell cells and iterations apart.
pub fn shortened(name: &str, limit: usize) -> String {
    let name = visible(name);
    if width(&name) <= limit {
        return name.into_owned();
    }
    let room = limit.saturating_sub(CUT.len());
    let first = head(&name, room.div_ceil(2));
    let last = tail(&name, room - width(first));
    format!("{first}{}{last}", &CUT[..CUT.len().min(limit)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_codes_of_looks_reach_the_terminal() {
        let text = Styled::default().with(Look::Bad, "fails").plain(" \u{1b}]0;x\u{7}\u{9b}31m\r\u{202e}\n");
        assert_eq!(text.render(true), "\u{1b}[1;31mfails\u{1b}[0m \\u001b]0;x\\u0007\\u009b31m\\u000d\\u202e\n");
        assert_eq!(text.render(false), "fails \\u001b]0;x\\u0007\\u009b31m\\u000d\\u202e\n");
        assert_eq!(text.text(), "fails \\u001b]0;x\\u0007\\u009b31m\\u000d\\u202e\\u000a");
    }

    #[test]
    fn what_is_cut_is_marked() {
        let text = Styled::default().with(Look::Good, "train").plain(" 漢字漢字");
        assert_eq!(text.cut(14), text);
        assert_eq!(text.cut(12).text(), "train 漢...");
        assert_eq!(text.cut(7).render(true), "\u{1b}[32mtrai\u{1b}[0m...");
        assert_eq!(shortened("train[prefilter=Average,seed=1][12]", 20), "train[pre...d=1][12]");
        assert_eq!(shortened("train[1]", 8), "train[1]");
    }

    #[test]
    fn sentences_are_folded_at_blanks_and_paths_stay_whole() {
        let text = Styled::default()
            .with(Look::Strong, "train")
            .plain(": done in 3 s.\nThe log is at /a/very/long/path/log.txt.");
        assert_eq!(
            text.folded(18).render(false),
            "train: done in 3\n  s.\nThe log is at\n  /a/very/long/path/log.txt."
        );
        assert_eq!(text.folded(200), text);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked_for(texts in prop::collection::vec("(?s).{0,20}|[漢\u{301}👩a]{0,20}", 0..4), limit in 0..60_usize) {
            let text = texts.iter().fold(Styled::default(), |all, text| all.plain(text.as_str()));
            prop_assert!(width(&text.cut(limit).text()) <= limit);
            for name in &texts {
                prop_assert!(width(&shortened(name, limit)) <= limit);
            }
        }
    }
}
