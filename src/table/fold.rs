//! Texts folded to lines that a terminal shows as they are.
//!
//! Invariants:
//! - no line is wider than asked for, if that is two columns or more: the widest character takes two;
//! - a text that is narrow enough stays as it is, with all its spaces;
//! - a character and the marks that combine with it stay together.

use super::text::width;

/// The text in lines of at most `limit` columns: between words where that is possible, within a word elsewhere.
pub fn folded(text: &str, limit: usize) -> Vec<String> {
    if width(text) <= limit {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        if let Some(last) = lines.last_mut() {
            let longer = format!("{last} {word}");
            if width(&longer) <= limit {
                *last = longer;
                continue;
            }
        }
        lines.extend(pieces(word, limit));
    }
    lines
}

/// A word in pieces of at most `limit` columns.
fn pieces(word: &str, limit: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for cluster in clusters(word) {
        let last = pieces.len() - 1;
        let longer = format!("{}{cluster}", pieces[last]);
        if width(&longer) <= limit || pieces[last].is_empty() {
            pieces[last] = longer;
        } else {
            pieces.push(cluster.to_owned());
        }
    }
    pieces
}

/// The characters of a text, each with the marks that follow it and take no column.
fn clusters(text: &str) -> Vec<&str> {
    let starts: Vec<usize> = text
        .char_indices()
        .filter(|&(at, c)| at == 0 || width(c.encode_utf8(&mut [0; 4])) > 0)
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    starts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_end_between_words_where_they_can() {
        assert_eq!(folded("a long text of words", 10), ["a long", "text of", "words"]);
        assert_eq!(folded("fits  as it is ", 20), ["fits  as it is "]);
        assert_eq!(folded("run:voc_regular/validate[2]", 12), ["run:voc_regu", "lar/validate", "[2]"]);
        assert_eq!(
            folded("漢字漢字 e\u{301}e\u{301}e\u{301}", 3),
            ["漢", "字", "漢", "字", "e\u{301}e\u{301}e\u{301}"]
        );
        assert_eq!(folded("", 5), [""]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_nothing_is_lost(text in "\\PC{0,60}|[ab漢\u{301}\u{fe0f}\u{200d}👩🔬🇩🇪❤ ]{0,60}", limit in 2..30_usize) {
            let lines = folded(&text, limit);
            prop_assert!(lines.iter().all(|line| width(line) <= limit), "{lines:?}");
            let bare = |text: &str| text.replace(' ', "");
            prop_assert_eq!(bare(&lines.concat()), bare(&text));
        }
    }
}
