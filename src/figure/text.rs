//! Fits texts into room: cut with `…`, or broken into lines. Widths are those of the embedded font, in CSS pixels.

use crate::table::visible;

use super::font::width;

/// The text, or as much of its start as fits into `room`, and `…`.
pub fn fit(text: &str, size: f64, room: f64) -> String {
    let text = visible(text);
    if width(&text, size) <= room {
        return text.into_owned();
    }
    let mut kept = String::new();
    let room = room - width("…", size);
    let mut taken = 0.0;
    for c in text.chars() {
        taken += width(c.encode_utf8(&mut [0; 4]), size);
        if taken > room {
            break;
        }
        kept.push(c);
    }
    format!("{}…", kept.trim_end())
}

/// The text in at most `most` lines that fit into `room`; the last is cut where the rest does not fit.
pub fn wrap(text: &str, size: f64, room: f64, most: usize) -> Vec<String> {
    let text = visible(text);
    let mut lines: Vec<String> = Vec::new();
    let mut rest: &str = &text;
    while width(rest, size) > room && lines.len() + 1 < most {
        let at = break_at(rest, size, room);
        if at == rest.len() {
            break;
        }
        let (line, after) = rest.split_at(at);
        lines.push(line.trim_end().to_owned());
        rest = after.trim_start();
    }
    lines.push(fit(rest, size, room));
    lines
}

/// Whether lines lost the end of their text.
pub fn cut(lines: &[String]) -> bool {
    lines.last().is_some_and(|line| line.ends_with('…'))
}

/// Where a line ends: behind the last space or sign of punctuation that fits, before a capital letter inside of a name, or
/// else in the midst of a word.
fn break_at(text: &str, size: f64, room: f64) -> usize {
    let mut taken = 0.0;
    let (mut word, mut fits, mut before) = (None, 0, ' ');
    for (at, c) in text.char_indices() {
        // Names of types are several words without spaces.
        if before.is_lowercase() && c.is_uppercase() {
            word = Some(at);
        }
        before = c;
        taken += width(c.encode_utf8(&mut [0; 4]), size);
        // A space at the end of a line takes no room.
        if taken > room && c != ' ' {
            break;
        }
        fits = at + c.len_utf8();
        if matches!(c, ' ' | ',' | '/' | '_' | '-' | '=' | ':' | ';' | '(') {
            word = Some(fits);
        }
    }
    let first = text.chars().next().map_or(0, char::len_utf8);
    // A break near the start would waste the line.
    word.filter(|&at| 3 * at >= fits).unwrap_or(fits).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_it_does_not_fit() {
        assert_eq!(fit("road", 10.0, 100.0), "road");
        let cut = fit("a very long name of a class", 10.0, 60.0);
        assert!(cut.ends_with('…') && width(&cut, 10.0) <= 60.0 && cut.len() > 8, "{cut}");
        assert_eq!(fit("a\u{1b}b", 10.0, 100.0), "a\\u001bb");
    }

    #[test]
    fn lines_break_at_words_and_lose_nothing_but_the_end() {
        let lines = wrap("prefilter=Average, seed=1, iteration 3", 10.0, 90.0, 9);
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line, 10.0) <= 90.0), "{lines:?}");
        assert_eq!(lines.join(" ").replace("= ", "="), "prefilter=Average, seed=1, iteration 3");
        assert_eq!(wrap("GroupInteraction", 10.0, 60.0, 9), ["Group", "Interaction"]);
        let one = wrap(&"x".repeat(200), 10.0, 50.0, 3);
        assert!(one.len() == 3 && one[2].ends_with('…'), "{one:?}");
        assert_eq!(wrap("", 10.0, 50.0, 3), [""]);
        assert_eq!(wrap("漢", 10.0, 0.0, 3).len(), 1);
    }
}
