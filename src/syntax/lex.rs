//! RON text into tokens, one at a time.
//!
//! Invariants:
//! - tokens come in order and do not overlap; behind the last one every further one is [`Token::End`];
//! - what cannot be read becomes one fault and one [`Token::Bad`] (or the token that was surely meant), so that reading
//!   goes on behind it;
//! - the text is gone through once.

use super::literal;
use super::scan::Scanner;
use super::token::{LexFault, Lexeme, Token};

/// Cuts a text into tokens.
pub(super) struct Lexer<'a> {
    scan: Scanner<'a>,
    /// Whether no token has come yet.
    first: bool,
}

impl<'a> Lexer<'a> {
    /// Starts at byte `from` of `text`.
    pub fn new(text: &'a str, from: usize) -> Self {
        let mut scan = Scanner { text, at: from, faults: Vec::new() };
        if from == 0 && scan.peek() == Some('\u{feff}') {
            scan.bump();
        }
        Lexer { scan, first: true }
    }

    /// The next token.
    pub fn next(&mut self) -> Lexeme {
        self.skip_blanks();
        while self.first && self.scan.rest().starts_with("#!") {
            self.skip_attribute();
            self.skip_blanks();
        }
        self.first = false;
        let start = self.scan.at;
        let token = self.token();
        Lexeme { token, range: start..self.scan.at }
    }

    /// What was found to be no token since this was last asked.
    pub fn faults(&mut self) -> Vec<LexFault> {
        std::mem::take(&mut self.scan.faults)
    }

    /// Goes to the end of the text.
    pub fn stop(&mut self) {
        self.scan.at = self.scan.text.len();
    }

    fn skip_blanks(&mut self) {
        loop {
            self.scan.take_while(char::is_whitespace);
            if self.scan.rest().starts_with("//") {
                self.scan.seek("\n");
            } else if self.scan.rest().starts_with("/*") {
                self.skip_block_comment();
            } else {
                return;
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let start = self.scan.at;
        let mut depth = 0;
        loop {
            if self.scan.rest().starts_with("/*") {
                depth += 1;
                self.scan.at += 2;
            } else if self.scan.rest().starts_with("*/") {
                depth -= 1;
                self.scan.at += 2;
                if depth == 0 {
                    return;
                }
            } else if self.scan.bump().is_none() {
                self.scan.fault(start..start + 2, "This comment is never closed.", "End it with `*/`.");
                return;
            }
        }
    }

    /// Extensions such as `#![enable(implicit_some)]` change nothing: what they allow is always allowed.
    fn skip_attribute(&mut self) {
        let start = self.scan.at;
        if self.scan.rest().starts_with("#![enable(") {
            self.scan.at += "#![enable(".len();
            self.scan.take_while(|c| c == '_' || c == ',' || c.is_alphanumeric() || c.is_whitespace());
            if self.scan.rest().starts_with(")]") {
                self.scan.at += 2;
                return;
            }
        }
        self.scan.at = start;
        self.scan.seek("\n");
        self.scan.fault(
            start..self.scan.at,
            "This is not an attribute of RON.",
            "Remove it, or write `#![enable(…)]`.",
        );
    }

    fn token(&mut self) -> Token {
        let start = self.scan.at;
        let Some(first) = self.scan.peek() else { return Token::End };
        match first {
            '(' | '[' | '{' => {
                self.scan.bump();
                Token::Open(first)
            }
            ')' | ']' | '}' => {
                self.scan.bump();
                Token::Close(first)
            }
            ',' | ';' => {
                self.scan.bump();
                if first == ';' {
                    self.scan.fault(start..self.scan.at, "Expected `,`, found `;`.", "Items are separated by `,`.");
                }
                Token::Comma
            }
            ':' | '=' => {
                self.scan.bump();
                if first == '=' {
                    self.scan.fault(start..self.scan.at, "Expected `:`, found `=`.", "A value stands behind `:`.");
                }
                Token::Colon
            }
            '"' => literal::string(&mut self.scan),
            '\'' => literal::character(&mut self.scan),
            'r' if literal::hashes_of(&self.scan).is_some() => literal::raw_string(&mut self.scan),
            '0'..='9' | '+' | '-' | '.' => literal::number(&mut self.scan),
            _ if first == '_' || first.is_alphabetic() => literal::word(&mut self.scan),
            _ => {
                self.scan.bump();
                let hint = match first {
                    '“' | '”' | '„' | '«' | '»' | '`' => "A text stands in straight quotes: \"…\".",
                    '#' => "A comment starts with `//`.",
                    _ => "Remove it.",
                };
                self.scan.fault(
                    start..self.scan.at,
                    format!("The character `{}` has no meaning here.", first.escape_debug()),
                    hint,
                );
                Token::Bad
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::scan::MOST_FAULTS;

    fn lex(text: &str) -> (Vec<Lexeme>, Vec<LexFault>) {
        let mut lexer = Lexer::new(text, 0);
        let mut out = vec![lexer.next()];
        while out.last().is_some_and(|lexeme| lexeme.token != Token::End) {
            out.push(lexer.next());
        }
        (out, lexer.faults())
    }

    fn tokens(text: &str) -> Vec<Token> {
        let (lexemes, faults) = lex(text);
        assert_eq!(faults, [], "{text}");
        lexemes.into_iter().map(|lexeme| lexeme.token).filter(|token| *token != Token::End).collect()
    }

    #[test]
    fn numbers_of_every_spelling() {
        assert_eq!(tokens("1_000 -2 +3 0xfF 0b101 0o17"), [1000, -2, 3, 255, 5, 15].map(Token::Int));
        assert_eq!(tokens("2e-3 .5 1. -1.5E+2 -inf"), [2e-3, 0.5, 1.0, -150.0, f64::NEG_INFINITY].map(Token::Float));
        assert_eq!(tokens("-9223372036854775808"), [Token::Int(i64::MIN)]);
        assert!(matches!(tokens("NaN")[..], [Token::Float(x)] if x.is_nan()));
    }

    #[test]
    fn texts_with_escapes_and_without() {
        let texts = tokens(r##" "a\n\"\x41\u{e9}" r"\n" r#"say "x""# 'z' '\'' "##);
        let expected = ["a\n\"Aé", "\\n", "say \"x\""].map(|text| Token::Str(text.to_owned()));
        assert_eq!(texts[..3], expected);
        assert_eq!(texts[3..], [Token::Char('z'), Token::Char('\'')]);
    }

    #[test]
    fn comments_and_attributes_are_no_tokens() {
        let text = "\u{feff}#![enable(implicit_some)]\n/* a /* b */ c */ x // y\n";
        assert_eq!(tokens(text), [Token::Word("x".to_owned())]);
    }

    #[test]
    fn attributes_that_are_none_are_read_once() {
        let (lexemes, faults) = lex(&"#![enable(\n".repeat(100_000));
        assert_eq!((lexemes.len(), faults.len()), (1, MOST_FAULTS));
        assert_eq!(tokens("#![enable(implicit_some,\n unwrap_newtypes)] 1"), [Token::Int(1)]);
    }

    #[test]
    fn what_cannot_be_read_is_one_fault_each() {
        let cases =
            ["1.2.3", "99999999999999999999", "\"abc", "\"\\q\"", "/* x", "§", "'ab'", "_1e5 +_1", "12abc", "0x"];
        for text in cases {
            let (lexemes, faults) = lex(text);
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert_eq!(lexemes.last().map(|lexeme| &lexeme.token), Some(&Token::End));
        }
    }
}
