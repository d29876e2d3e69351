//! Texts, numbers and times as a page shows them.

use maud::{Markup, Render as _};

use crate::table::visible;

/// A text of one line.
pub(super) fn text(text: &str) -> Markup {
    plain(text).render()
}

/// A text of one line, not yet escaped for HTML: for attributes, which `maud` escapes.
pub(super) fn plain(text: &str) -> String {
    visible(&text.replace(['\n', '\r', '\t'], " ")).into_owned()
}

/// A title, or what stands for one that is empty: what links and headings are called by is never empty.
pub(super) fn titled(title: &str, instead: &str) -> Markup {
    text(if title.trim().is_empty() { instead } else { title })
}

/// A text of several lines, as it stands in a file.
pub(super) fn lines(text: &str) -> Markup {
    let mut out = String::with_capacity(text.len());
    for part in text.replace("\r\n", "\n").split_inclusive(['\n', '\t']) {
        let end = part.len() - usize::from(part.ends_with(['\n', '\t']));
        out += &visible(&part[..end]);
        out += &part[end..];
    }
    out.render()
}

/// A number with up to four digits that count, and a real minus.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    let text = if (-5.0..15.0).contains(&magnitude) {
        let digits = (3.0 - magnitude).max(0.0) as usize;
        let text = format!("{value:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{value:.3e}")
    };
    text.replace('-', "\u{2212}")
}

/// A time in words, as `4 min 10 s`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A text cut to a number of characters, with an ellipsis where it was cut.
pub(super) fn short(text: &str, characters: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= characters {
        return text;
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_what_controls_is_shown() {
        let hostile = "</script>\"'&\u{202e}\u{1b}[31m\u{2028}\nx";
        let shown = "&lt;/script&gt;&quot;'&amp;\\u202e\\u001b[31m\\u2028";
        assert_eq!(text(hostile).0, format!("{shown} x"));
        assert_eq!(lines(hostile).0, format!("{shown}\nx"));
        assert_eq!(lines("a\r\n\tb\rc\n").0, "a\n\tb\\u000dc\n");
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, -0.0, 41.2345, -0.012345, 12345.6, 100.0, 1e-9, -3e20, 0.5];
        let shown = ["0", "0", "41.23", "−0.01235", "12346", "100", "1.000e−9", "−3.000e20", "0.5"];
        assert_eq!(numbers.map(number), shown);
        assert_eq!([0.04, 9.96, 75.0, 3725.0].map(duration), ["0.0 s", "10 s", "1 min 15 s", "1 h 02 min"]);
        assert_eq!(short("abcdef", 4), "abc…");
    }
}
