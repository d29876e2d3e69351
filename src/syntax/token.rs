//! Tokens of RON.

use std::ops::Range;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Open(char),
    Close(char),
    Comma,
    Colon,
    Word(String),
    Int(i64),
    Float(f64),
    Str(String),
    Char(char),
    Bad,
    End,
}

/// A token and where it is, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lexeme {
    pub token: Token,
    pub range: Range<usize>,
}

/// A part of the text that is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LexFault {
    pub range: Range<usize>,
    pub message: String,
    pub hint: &'static str,
}
