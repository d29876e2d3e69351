//! The tokens of a text, three of them ahead, and the faults that are found among them.
//!
//! Invariants:
//! - of several faults that start at one byte, the first is kept;
//! - once a fault has ended the reading, every further token is [`Token::End`], and no more faults are added.

use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::faults::Faults;
use super::lex::Lexer;
use super::limits;
use super::text::{Span, Text};
use super::token::{Lexeme, Token};
use super::words::cut;

/// The tokens of a text.
pub(super) struct Tokens<'a> {
    text: &'a Arc<Text>,
    lexer: Lexer<'a>,
    /// The next tokens.
    next: [Lexeme; 3],
    /// The token before these.
    before: Option<Lexeme>,
    /// How many tokens lie before these.
    pub taken: usize,
    pub faults: Faults,
    /// Where the faults are that are kept.
    places: Vec<usize>,
    /// Whether nothing was lost so far.
    pub whole: bool,
    muted: bool,
}

impl<'a> Tokens<'a> {
    /// The tokens of `text` from byte `from` on.
    pub fn new(text: &'a Arc<Text>, from: usize) -> Self {
        let mut lexer = Lexer::new(&text.content, from);
        let next = [lexer.next(), lexer.next(), lexer.next()];
        let (faults, places) = (Faults::default(), Vec::new());
        let mut tokens =
            Tokens { text, lexer, next, before: None, taken: 0, faults, places, whole: true, muted: false };
        tokens.hear();
        tokens
    }

    /// The next token.
    pub fn peek(&self) -> &Token {
        self.ahead(0)
    }

    /// The token that lies `n` tokens ahead.
    pub fn ahead(&self, n: usize) -> &Token {
        &self.next[n].token
    }

    /// Where the next token is, in bytes.
    pub fn range(&self) -> Range<usize> {
        self.next[0].range.clone()
    }

    /// Moves on, but never behind the end.
    pub fn bump(&mut self) -> Token {
        if *self.peek() == Token::End {
            return Token::End;
        }
        self.next.rotate_left(1);
        let taken = std::mem::replace(&mut self.next[2], self.lexer.next());
        self.taken += 1;
        self.hear();
        let before = if matches!(taken.token, Token::Str(_)) { Token::Str(String::new()) } else { Token::Bad };
        self.before = Some(Lexeme { token: before, range: taken.range });
        taken.token
    }

    /// Adds the faults that the lexer has found.
    fn hear(&mut self) {
        for fault in self.lexer.faults() {
            self.fault(fault.range, fault.message, fault.hint);
        }
    }

    /// Goes to the end, and adds no more faults.
    fn stop(&mut self) {
        self.muted = true;
        self.lexer.stop();
        let end = self.text.content.len();
        self.next = [0; 3].map(|_| Lexeme { token: Token::End, range: end..end });
    }

    /// A part of this text.
    pub fn span(&self, range: Range<usize>) -> Span {
        Span { text: self.text.clone(), start: range.start, end: range.end }
    }

    /// From `start` to the end of the token before this one.
    pub fn since(&self, start: usize) -> Span {
        let end = self.before.as_ref().map_or(start, |before| before.range.end);
        self.span(start..end.max(start))
    }

    /// Adds a fault at `range`.
    pub fn fault(&mut self, range: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        let span = self.span(range);
        self.report(&span.clone(), || Diagnostic::new(&span, message).hint(hint));
    }

    /// Adds a fault that starts at `span`.
    pub fn report(&mut self, span: &Span, fault: impl FnOnce() -> Diagnostic) {
        self.whole = false;
        if self.muted || self.places.contains(&span.start) {
            return;
        }
        if !self.faults.is_full() {
            self.places.push(span.start);
        }
        self.faults.tell(span, fault);
    }

    /// Adds a fault that ends the reading: the rest of the text is not looked at.
    pub fn refuse(&mut self, range: Range<usize>, message: String, hint: &str) {
        self.fault(range, message, hint);
        self.stop();
    }

    /// Reports that something else was expected here, unless the lexer has already said what is wrong.
    pub fn unexpected(&mut self, expected: &str, hint: &str) {
        let range = self.range();
        let found = match self.peek() {
            Token::Bad => {
                self.whole = false;
                return;
            }
            Token::End => "the end".to_owned(),
            _ => format!("`{}`", cut(&self.text.content[range.clone()], limits::LABEL)),
        };
        let torn = self.before.as_ref().filter(|lexeme| {
            matches!(lexeme.token, Token::Str(_)) && self.text.content[lexeme.range.clone()].contains('\n')
        });
        let related = torn.map(|lexeme| self.span(lexeme.range.start..lexeme.range.start + 1));
        let span = self.span(range);
        self.report(&span.clone(), || {
            let fault = Diagnostic::new(&span, format!("Expected {expected}, found {found}.")).hint(hint);
            match related {
                Some(start) => {
                    fault.related(&start, "this text goes over several lines; is its closing quote missing?")
                }
                None => fault,
            }
        });
    }

    /// Whether a value may start here.
    pub fn starts_value(&self) -> bool {
        !matches!(self.peek(), Token::Comma | Token::Colon | Token::Close(_) | Token::End)
    }
}
