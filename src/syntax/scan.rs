//! Going through a text once, character by character.

use std::ops::Range;

use super::token::LexFault;

/// How many faults of one token, and of the blanks before it, are kept.
pub(super) const MOST_FAULTS: usize = 1000;

/// A place in a text, which only moves on.
pub(super) struct Scanner<'a> {
    pub text: &'a str,
    pub at: usize,
    /// What was found that is no token, since this list was last emptied.
    pub faults: Vec<LexFault>,
}

impl<'a> Scanner<'a> {
    /// The rest of the text.
    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next character.
    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Moves behind the next character and returns it.
    pub fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Keeps a fault.
    pub fn fault(&mut self, range: Range<usize>, message: impl Into<String>, hint: &'static str) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(LexFault { range, message: message.into(), hint });
        }
    }

    /// Moves behind the characters that `keep` accepts and returns them.
    pub fn take_while(&mut self, mut keep: impl FnMut(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// Moves to `pattern` (or the end of the text) and returns whether it is there.
    pub fn seek(&mut self, pattern: &str) -> bool {
        let found = self.rest().find(pattern);
        self.at += found.unwrap_or(self.rest().len());
        found.is_some()
    }
}
