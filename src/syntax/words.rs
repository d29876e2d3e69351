//! Parts of messages: texts of bounded length, lists of names, and suggestions.

use std::borrow::Cow;

use super::limits;

/// `text` of at most `most` characters: the middle of a longer one is left out.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most || text.chars().nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    let tail = most / 3;
    let head = text.char_indices().nth(most - tail - 1).map_or(text.len(), |(at, _)| at);
    let tail = text.char_indices().rev().nth(tail.saturating_sub(1)).map_or(0, |(at, _)| at);
    Cow::Owned(format!("{}…{}", &text[..head], &text[tail..]))
}

pub(super) fn shorten(text: String, most: usize) -> String {
    match cut(&text, most) {
        Cow::Owned(short) => short,
        Cow::Borrowed(_) => text,
    }
}

/// How much of a word and of a candidate is compared, in characters.
const COMPARED: usize = 100;

/// `, did you mean x?` if one of `candidates` resembles `word`, else a full stop. Of many candidates, the first
/// [`limits::CANDIDATES`] are looked at.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let length = |text: &str| text.chars().take(COMPARED + 1).count();
    let own = length(word);
    let far = |candidate: &str| {
        let other = length(candidate);
        own > COMPARED || other > COMPARED || own.abs_diff(other) > other.div_ceil(3)
    };
    let distance = |candidate: &str| match candidate.eq_ignore_ascii_case(word) {
        true => 0,
        false => strsim::damerau_levenshtein(word, candidate),
    };
    let near = candidates.into_iter().take(limits::CANDIDATES).filter(|candidate| !far(candidate));
    match near.map(|candidate| (distance(candidate), candidate)).min() {
        Some((distance, candidate)) if distance <= candidate.chars().count().div_ceil(3) => {
            format!(", did you mean `{candidate}`?")
        }
        _ => ".".to_owned(),
    }
}

/// The first `most` of several texts in a row, and how many others there are: `a, b and 3 others`.
pub fn first_of(texts: &[String], most: usize) -> String {
    let (shown, others) = texts.split_at(texts.len().min(most));
    match others.len() {
        0 => shown.join(", "),
        others => format!("{} and {others} others", shown.join(", ")),
    }
}

/// The first `most` of several names in a row, each in backquotes, and how many others there are: "`a`, `b` and 3 others".
pub fn first_names<'a>(names: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{}`", shown(name))).collect();
    first_of(&quoted, most)
}

/// A text that came from a file, for a message: the middle of a long one is left out, and what would do things to a terminal
/// is an escape.
pub fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    cut(text, limits::LABEL).chars().map(plain).collect()
}

/// The names in a row, each in backquotes: "`a`, `b`"; of many, the first.
pub fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let mut shown: Vec<String> =
        names.by_ref().take(limits::LISTED).map(|name| format!("`{}`", cut(name, limits::LABEL))).collect();
    match names.count() {
        0 => {}
        more => shown.push(format!("and {more} more")),
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_loses_its_middle() {
        assert_eq!(cut("äbcdefghij", 10), "äbcdefghij");
        assert_eq!(cut("äbcdefghijk", 6), "äbc…jk");
    }

    #[test]
    fn a_hint_lists_so_many_names() {
        let all: Vec<String> = (0..limits::LISTED + 5).map(|i| i.to_string()).collect();
        let listed = names(all.iter().map(String::as_str));
        assert!(listed.ends_with("`39`, and 5 more"), "{listed}");
    }

    #[test]
    fn names_from_files_are_short_and_do_nothing_to_a_terminal() {
        assert_eq!(first_names(["a", "b\u{1b}[2J", "c", "d"], 2), "`a`, `b\\u{1b}[2J` and 2 others");
        assert_eq!((first_names(["a"], 2).as_str(), first_names([], 2).as_str()), ("`a`", ""));
        assert_eq!(shown(&"x".repeat(limits::LABEL + 1)).chars().filter(|c| *c == 'x').count(), limits::LABEL - 1);
    }

    #[test]
    fn a_suggestion_must_be_near() {
        assert_eq!(suggestion("momentun", ["lr", "momentum"]), ", did you mean `momentum`?");
        assert_eq!(suggestion("sgd", ["Sgd"]), ", did you mean `Sgd`?");
        assert_eq!(suggestion("banana", ["lr", "momentum"]), ".");
    }
}
