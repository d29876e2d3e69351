//! Text of others made harmless for a terminal.

use std::borrow::Cow;

use crate::table::{is_control, visible};

/// A text in which nothing but ends of lines and tabs controls a terminal: control characters, and those that turn the
/// direction of writing, are shown as JSON writes them (`\u001b`).
pub fn clean(text: &str) -> Cow<'_, str> {
    let controls = |c: char| is_control(c) && !matches!(c, '\n' | '\t');
    if !text.contains(controls) {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n");
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| line.split('\t').map(|part| visible(part)).collect::<Vec<_>>().join("\t"))
        .collect();
    Cow::Owned(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_shown_and_all_else_stays() {
        for same in ["", "a\tb\nc", "ä \u{1f600} \u{200d}", "{\"a\": \"\\u001b\"}"] {
            assert!(matches!(clean(same), Cow::Borrowed(text) if text == same), "{same}");
        }
        assert_eq!(clean("\u{1b}]0;x\u{7}"), "\\u001b]0;x\\u0007");
        assert_eq!(clean("a\r\nb\rc\u{9b}31m\u{7f}\u{202e}"), "a\nb\\u000dc\\u009b31m\\u007f\\u202e");
        // The same text for who reads JSON.
        let json = serde_json::to_string("\u{9b}\u{7f}\u{1b}").unwrap();
        assert_eq!(serde_json::from_str::<String>(&clean(&json)).unwrap(), "\u{9b}\u{7f}\u{1b}");
    }
}
