//! RON text into tokens, one at a time.
//!
//! Invariants: tokens come in order and do not overlap; behind the last one every further one is [`Token::End`]; what
//! cannot be read becomes one fault and one [`Token::Bad`] (or the token that was surely meant), so that reading goes
//! on behind it; the text is gone through once.

use std::ops::Range;

use super::diagnose::cut;
use super::limits::LABEL;

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

/// Something that is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LexFault {
    pub range: Range<usize>,
    pub message: String,
    pub hint: &'static str,
}

/// How many faults of one token, and of what is skipped before it, are told.
const MOST_FAULTS: usize = 1000;

/// Cuts a text into tokens.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Whether no token has come yet.
    first: bool,
    /// What was found to be no token since this was last emptied.
    pub faults: Vec<LexFault>,
}

impl<'a> Lexer<'a> {
    /// Starts at byte `from` of `text`.
    pub fn new(text: &'a str, from: usize) -> Self {
        let mut lexer = Lexer { text, at: from, first: true, faults: Vec::new() };
        if from == 0 && lexer.peek() == Some('\u{feff}') {
            lexer.bump();
        }
        lexer
    }

    /// The next token.
    pub fn next(&mut self) -> Lexeme {
        self.skip_blanks();
        while self.first && self.rest().starts_with("#!") {
            self.skip_attribute();
            self.skip_blanks();
        }
        self.first = false;
        let start = self.at;
        let token = self.token();
        Lexeme { token, range: start..self.at }
    }

    /// Goes to the end of the text.
    pub fn stop(&mut self) {
        self.at = self.text.len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn fault(&mut self, range: Range<usize>, message: impl Into<String>, hint: &'static str) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(LexFault { range, message: message.into(), hint });
        }
    }

    /// Moves behind the characters that `keep` accepts and returns them.
    fn take_while(&mut self, mut keep: impl FnMut(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// Moves to `pattern` (or the end of the text) and returns whether it is there.
    fn seek(&mut self, pattern: &str) -> bool {
        let found = self.rest().find(pattern);
        self.at += found.unwrap_or(self.rest().len());
        found.is_some()
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.seek("\n");
            } else if self.rest().starts_with("/*") {
                self.skip_block_comment();
            } else {
                return;
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let start = self.at;
        let mut depth = 0;
        loop {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else if self.bump().is_none() {
                self.fault(start..start + 2, "This comment is never closed.", "End it with `*/`.");
                return;
            }
        }
    }

    /// Extensions such as `#![enable(implicit_some)]` change nothing: what they allow is allowed anyway.
    fn skip_attribute(&mut self) {
        let start = self.at;
        if self.rest().starts_with("#![enable(") {
            self.at += "#![enable(".len();
            self.take_while(|c| c == '_' || c == ',' || c.is_alphanumeric() || c.is_whitespace());
            if self.rest().starts_with(")]") {
                self.at += 2;
                return;
            }
        }
        self.at = start;
        self.seek("\n");
        self.fault(start..self.at, "This is not an attribute of RON.", "Remove it, or write `#![enable(…)]`.");
    }

    fn token(&mut self) -> Token {
        let start = self.at;
        let Some(first) = self.peek() else { return Token::End };
        match first {
            '(' | '[' | '{' => {
                self.bump();
                Token::Open(first)
            }
            ')' | ']' | '}' => {
                self.bump();
                Token::Close(first)
            }
            ',' | ';' => {
                self.bump();
                if first == ';' {
                    self.fault(start..self.at, "Expected `,`, found `;`.", "Items are separated by `,`.");
                }
                Token::Comma
            }
            ':' | '=' => {
                self.bump();
                if first == '=' {
                    self.fault(start..self.at, "Expected `:`, found `=`.", "A value stands behind `:`.");
                }
                Token::Colon
            }
            '"' => self.string(),
            '\'' => self.character(),
            'r' if self.raw_string_hashes().is_some() => self.raw_string(),
            '0'..='9' | '+' | '-' | '.' => self.number(),
            _ if first == '_' || first.is_alphabetic() => self.word(),
            _ => {
                self.bump();
                let hint = match first {
                    '“' | '”' | '„' | '«' | '»' | '`' => "A text stands in straight quotes: \"…\".",
                    '#' => "A comment starts with `//`.",
                    _ => "Remove it.",
                };
                self.fault(
                    start..self.at,
                    format!("The character `{}` has no meaning here.", first.escape_debug()),
                    hint,
                );
                Token::Bad
            }
        }
    }

    fn word(&mut self) -> Token {
        if self.rest().starts_with("r#") {
            self.at += 2;
        }
        match self.take_while(|c| c == '_' || c.is_alphanumeric()) {
            "inf" => Token::Float(f64::INFINITY),
            "NaN" => Token::Float(f64::NAN),
            word => Token::Word(word.to_owned()),
        }
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        let negative = match self.peek() {
            Some(sign @ ('+' | '-')) => {
                self.bump();
                sign == '-'
            }
            _ => false,
        };
        let hexadecimal = self.rest().starts_with("0x");
        let mut last = ' ';
        let body = self.take_while(|c| {
            let exponent = matches!(c, '+' | '-') && matches!(last, 'e' | 'E') && !hexadecimal;
            last = c;
            exponent || c == '.' || c == '_' || c.is_alphanumeric()
        });
        let digits = body.replace('_', "");
        let integer = |digits: &str, radix| {
            let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
            i64::from_str_radix(&signed, radix).map(Token::Int)
        };
        let parsed = match (digits.get(..2), digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')) {
            _ if body.starts_with('_') => None,
            _ if body == "inf" || body == "NaN" => {
                let value = if body == "inf" { f64::INFINITY } else { f64::NAN };
                Some(Ok(Token::Float(if negative { -value } else { value })))
            }
            (_, false) => None,
            (Some("0x"), _) => Some(integer(&digits[2..], 16)),
            (Some("0o"), _) => Some(integer(&digits[2..], 8)),
            (Some("0b"), _) => Some(integer(&digits[2..], 2)),
            _ if digits.contains(['.', 'e', 'E']) => {
                digits.parse::<f64>().ok().map(|value| Ok(Token::Float(if negative { -value } else { value })))
            }
            _ => Some(integer(&digits, 10)),
        };
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        match parsed {
            Some(Ok(token)) => token,
            Some(Err(error)) if matches!(error.kind(), PosOverflow | NegOverflow) => {
                let message = "This integer has more than 63 bits.";
                self.fault(start..self.at, message, "Write a smaller one, or a number with a point.");
                Token::Bad
            }
            _ => {
                let message = format!("`{}` is not a number.", cut(&self.text[start..self.at], LABEL));
                self.fault(start..self.at, message, "Numbers look like `10`, `1_000`, `0xff`, `-0.5` or `2e-3`.");
                Token::Bad
            }
        }
    }

    fn string(&mut self) -> Token {
        let start = self.at;
        self.bump();
        let mut out = String::new();
        loop {
            match self.bump() {
                None => return self.unterminated(start),
                Some('"') => return Token::Str(out),
                Some('\\') => out.extend(self.escape()),
                Some(c) => out.push(c),
            }
        }
    }

    /// The number of `#` of the raw string that starts here, if one does.
    fn raw_string_hashes(&self) -> Option<usize> {
        let rest = self.rest().strip_prefix('r')?;
        let quote = rest.trim_start_matches('#');
        quote.starts_with('"').then_some(rest.len() - quote.len())
    }

    fn raw_string(&mut self) -> Token {
        let start = self.at;
        let hashes = self.raw_string_hashes().unwrap_or(0);
        self.at += 2 + hashes;
        let content = self.at;
        let close = format!("\"{}", "#".repeat(hashes));
        if !self.seek(&close) {
            return self.unterminated(start);
        }
        let text = self.text[content..self.at].to_owned();
        self.at += close.len();
        Token::Str(text)
    }

    fn unterminated(&mut self, start: usize) -> Token {
        let line = self.text[start..].find(['\n', '\r']).unwrap_or(self.text.len() - start);
        self.fault(start..start + line, "This text is never closed.", "End it with a quote.");
        Token::Bad
    }

    /// The character behind a backslash; none where there is no such escape.
    fn escape(&mut self) -> Option<char> {
        let start = self.at - 1;
        let hexadecimal = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        let found = match self.bump() {
            Some(c @ ('"' | '\'' | '\\')) => Some(c),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('0') => Some('\0'),
            Some('x') => {
                let digits = self.rest().get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
                self.at += digits.map_or(0, str::len);
                digits.and_then(hexadecimal)
            }
            Some('u') if self.peek() == Some('{') => {
                self.bump();
                let digits = self.take_while(|c| c.is_ascii_hexdigit());
                let closed = self.peek() == Some('}');
                if closed {
                    self.bump();
                }
                hexadecimal(digits).filter(|_| closed && digits.len() <= 6)
            }
            _ => None,
        };
        if found.is_none() {
            let message = format!("`{}` is not an escape.", cut(self.text[start..self.at].trim_end(), LABEL));
            self.fault(start..self.at, message, r#"The escapes are \" \' \\ \n \r \t \0 \x41 \u{e9}; r"…" has none."#);
        }
        found
    }

    fn character(&mut self) -> Token {
        let start = self.at;
        self.bump();
        let found = match self.bump() {
            Some('\\') => self.escape(),
            Some('\'') | None => None,
            other => other,
        };
        match (found, self.peek()) {
            (Some(c), Some('\'')) => {
                self.bump();
                Token::Char(c)
            }
            _ => {
                self.fault(start..self.at, "This is not a character.", "A text stands in double quotes: \"…\".");
                self.take_while(|c| c != '\'' && c != '\n' && c != ',');
                if self.peek() == Some('\'') {
                    self.bump();
                }
                Token::Bad
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lex(text: &str) -> (Vec<Lexeme>, Vec<LexFault>) {
        let mut lexer = Lexer::new(text, 0);
        let mut out = vec![lexer.next()];
        while out.last().is_some_and(|lexeme| lexeme.token != Token::End) {
            out.push(lexer.next());
        }
        (out, lexer.faults)
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
