//! Words, numbers, texts and characters: tokens of several characters.
//!
//! Each function starts at the first character of its token, and ends behind the last.

use super::limits::LABEL;
use super::scan::Scanner;
use super::token::Token;
use super::words::cut;

/// A name without quotes, or `inf` or `NaN`, which are numbers.
pub(super) fn word(scan: &mut Scanner<'_>) -> Token {
    if scan.rest().starts_with("r#") {
        scan.at += 2;
    }
    match scan.take_while(|c| c == '_' || c.is_alphanumeric()) {
        "inf" => Token::Float(f64::INFINITY),
        "NaN" => Token::Float(f64::NAN),
        word => Token::Word(word.to_owned()),
    }
}

/// An integer or a number with a point. If it is more than decimal digits, the `ron` crate reads its value.
pub(super) fn number(scan: &mut Scanner<'_>) -> Token {
    let start = scan.at;
    if matches!(scan.peek(), Some('+' | '-')) {
        scan.bump();
    }
    let hexadecimal = scan.rest().starts_with("0x");
    let mut last = ' ';
    scan.take_while(|c| {
        let exponent = matches!(c, '+' | '-') && matches!(last, 'e' | 'E') && !hexadecimal;
        last = c;
        exponent || c == '.' || c == '_' || c.is_alphanumeric()
    });
    let text = &scan.text[start..scan.at];
    let integer = match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().map_err(|_| true),
        false => ron::from_str(text).map_err(|error| error.code == ron::Error::IntegerOutOfBounds),
    };
    // The crate takes `5i64` as well; here a number says nothing of its width.
    let suffix = !hexadecimal && !text.ends_with("inf") && text.contains(['i', 'u', 'f']);
    let large = match integer {
        Ok(value) if !suffix => return Token::Int(value),
        Ok(_) => false,
        Err(large) => large,
    };
    match ron::from_str(text) {
        Ok(value) if !large && !suffix => return Token::Float(value),
        _ if large => {
            let message = "This integer has more than 63 bits.";
            scan.fault(start..scan.at, message, "Write a smaller one, or a number with a point.");
        }
        _ => {
            let message = format!("`{}` is not a number.", cut(text, LABEL));
            scan.fault(start..scan.at, message, "Numbers look like `10`, `1_000`, `0xff`, `-0.5` or `2e-3`.");
        }
    }
    Token::Bad
}

/// A text in quotes.
pub(super) fn string(scan: &mut Scanner<'_>) -> Token {
    let start = scan.at;
    scan.bump();
    let mut out = String::new();
    loop {
        match scan.bump() {
            None => return unterminated(scan, start),
            Some('"') => return Token::Str(out),
            Some('\\') => out.extend(escape(scan)),
            Some(c) => out.push(c),
        }
    }
}

/// The number of `#` of the raw string that starts here, if one does.
pub(super) fn hashes_of(scan: &Scanner<'_>) -> Option<usize> {
    let rest = scan.rest().strip_prefix('r')?;
    let quote = rest.trim_start_matches('#');
    quote.starts_with('"').then_some(rest.len() - quote.len())
}

/// A text as `r"…"` or `r#"…"#`, in which a backslash is a backslash.
pub(super) fn raw_string(scan: &mut Scanner<'_>) -> Token {
    let start = scan.at;
    let hashes = hashes_of(scan).unwrap_or(0);
    scan.at += 2 + hashes;
    let content = scan.at;
    let close = format!("\"{}", "#".repeat(hashes));
    if !scan.seek(&close) {
        return unterminated(scan, start);
    }
    let text = scan.text[content..scan.at].to_owned();
    scan.at += close.len();
    Token::Str(text)
}

fn unterminated(scan: &mut Scanner<'_>, start: usize) -> Token {
    let line = scan.text[start..].find(['\n', '\r']).unwrap_or(scan.text.len() - start);
    scan.fault(start..start + line, "This text is never closed.", "End it with a quote.");
    Token::Bad
}

/// The character behind a backslash; none where there is no such escape.
fn escape(scan: &mut Scanner<'_>) -> Option<char> {
    let start = scan.at - 1;
    let hexadecimal = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    let found = match scan.bump() {
        Some(c @ ('"' | '\'' | '\\')) => Some(c),
        Some('n') => Some('\n'),
        Some('r') => Some('\r'),
        Some('t') => Some('\t'),
        Some('0') => Some('\0'),
        Some('x') => {
            let digits = scan.rest().get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
            scan.at += digits.map_or(0, str::len);
            digits.and_then(hexadecimal)
        }
        Some('u') if scan.peek() == Some('{') => {
            scan.bump();
            let digits = scan.take_while(|c| c.is_ascii_hexdigit());
            let closed = scan.peek() == Some('}');
            if closed {
                scan.bump();
            }
            hexadecimal(digits).filter(|_| closed && digits.len() <= 6)
        }
        _ => None,
    };
    if found.is_none() {
        let message = format!("`{}` is not an escape.", cut(scan.text[start..scan.at].trim_end(), LABEL));
        scan.fault(start..scan.at, message, r#"The escapes are \" \' \\ \n \r \t \0 \x41 \u{e9}; r"…" has none."#);
    }
    found
}

/// A character in single quotes.
pub(super) fn character(scan: &mut Scanner<'_>) -> Token {
    let start = scan.at;
    scan.bump();
    let found = match scan.bump() {
        Some('\\') => escape(scan),
        Some('\'') | None => None,
        other => other,
    };
    match (found, scan.peek()) {
        (Some(c), Some('\'')) => {
            scan.bump();
            Token::Char(c)
        }
        _ => {
            scan.fault(start..scan.at, "This is not a character.", "A text stands in double quotes: \"…\".");
            scan.take_while(|c| c != '\'' && c != '\n' && c != ',');
            if scan.peek() == Some('\'') {
                scan.bump();
            }
            Token::Bad
        }
    }
}
