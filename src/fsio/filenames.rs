//! How texts become names of files and folders: the labels of a cell, the name of a training, the id of an image.
//!
//! Who names files after texts has two steps. An [`Alphabet`] turns the text into a plain name, or the text is one
//! already. Then [`distinct`] checks all names of a folder together.
//!
//! Invariants:
//! - every disk takes such a name: it is no longer than [`LONGEST`] bytes, does not end in a dot, and is no device of Windows;
//! - different texts in a folder have different names, also on a disk that takes capital letters for small ones, or one
//!   Unicode form of a letter for another;
//! - a text that is ordinary keeps its plain name. Any other name ends in [`mark`], which stands for the whole text: two
//!   texts with one plain name, a name that is cut, and a text with a character outside of ASCII. Its letters stay, so that
//!   people can tell what it is.

use std::collections::BTreeMap;

use crate::hash::Digest;

/// The longest name of a file that disks take, in bytes.
pub const LONGEST: usize = 255;

/// The bytes of a [`mark`].
pub const MARK: usize = 13;

/// What a plain name keeps of a text beside letters and digits. Everything between becomes one `_`.
#[derive(Debug, Clone, Copy)]
pub struct Alphabet {
    signs: &'static str,
    /// Whether nothing is written for what stands before the first kept character and behind the last.
    trimmed: bool,
}

impl Alphabet {
    /// For the label of a cell.
    pub const LABEL: Alphabet = Alphabet { signs: "_-+.()", trimmed: false };
    /// For a cell or a training in words.
    pub const WORDS: Alphabet = Alphabet { signs: ".,=+-", trimmed: true };

    /// The plain name of a text.
    pub fn plain(self, text: &str) -> String {
        let kept = |c: char| c.is_alphanumeric() || self.signs.contains(c);
        let mut name = String::new();
        // Whether `_` stands for what was left out since.
        let mut gap = false;
        for c in text.chars() {
            if kept(c) {
                if gap && !(name.ends_with('_') || self.trimmed && name.is_empty()) {
                    name.push('_');
                }
                name.push(c);
            }
            gap = !kept(c);
        }
        if gap && !self.trimmed && !name.ends_with('_') {
            name.push('_');
        }
        if name.is_empty() { "_".to_owned() } else { name }
    }
}

/// The text that a name stands for, and its plain name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The whole text.
    pub text: String,
    /// The plain name.
    pub plain: String,
}

/// How long names may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// A name up to this length is not cut.
    pub whole: usize,
    /// So much of a longer one stays before its mark.
    pub cut: usize,
}

impl Room {
    /// For the folder of a cell.
    pub const FOLDER: Room = Room { whole: 200, cut: 200 };

    /// Names of at most `bytes`, with their marks.
    pub const fn within(bytes: usize) -> Self {
        Room { whole: bytes, cut: bytes.saturating_sub(MARK) }
    }
}

/// The names in one folder, each at the place of its text. Equal texts have equal names.
pub fn distinct(named: &[Named], room: Room) -> Vec<String> {
    let mut texts: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for Named { text, plain } in named {
        let same = texts.entry(folded(plain)).or_default();
        if !same.contains(&text.as_str()) {
            same.push(text);
        }
    }
    let name = |Named { text, plain }: &Named| match is_plain(text, plain) && texts[&folded(plain)].len() == 1 {
        true => alone(text, plain, room),
        false => marked(plain, room.cut, &mark(text)),
    };
    named.iter().map(name).collect()
}

/// The name of a text that needs not be told from others, since its plain name is the text itself.
pub fn alone(text: &str, plain: &str, room: Room) -> String {
    if plain.len() <= room.whole { plain.to_owned() } else { marked(plain, room.cut, &mark(text)) }
}

/// The first bytes of a name, and a mark.
pub fn marked(plain: &str, cut: usize, mark: &str) -> String {
    format!("{}{mark}", &plain[..plain.floor_char_boundary(cut)])
}

/// What stands for a whole text at the end of its name.
pub fn mark(text: &str) -> String {
    format!("~{}", Digest::of(text.as_bytes()).short())
}

/// Whether a text is ordinary, so that its plain name is taken by every disk and says what the text is.
pub fn is_plain(text: &str, plain: &str) -> bool {
    text.is_ascii() && !plain.ends_with('.') && !is_device(plain)
}

/// As a disk compares names that takes capital letters for small ones.
fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// Whether a name is that of a device of Windows, with any extension.
fn is_device(name: &str) -> bool {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem).to_ascii_lowercase();
    let numbered =
        |port: &str| stem.strip_prefix(port).is_some_and(|number| matches!(number.as_bytes(), [b'0'..=b'9']));
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn names(alphabet: Alphabet, texts: &[&str]) -> Vec<String> {
        let named = |text: &&str| Named { text: (*text).to_owned(), plain: alphabet.plain(text) };
        distinct(&texts.iter().map(named).collect::<Vec<_>>(), Room::FOLDER)
    }

    #[test]
    fn ordinary_texts_keep_their_plain_names() {
        for (text, label, words) in [
            ("Average(learned: true)", "Average(learned_true)", "Average_learned_true"),
            ("[1.0, 0.75]", "_1.0_0.75_", "1.0,_0.75"),
            ("prefilter=Average(),seed=1", "prefilter_Average()_seed_1", "prefilter=Average_,seed=1"),
            ("x/y: \"a\" (1, 2)", "x_y_a_(1_2)", "x_y_a_1,_2"),
            ("a__b", "a__b", "a_b"),
            ("with COCO", "with_COCO", "with_COCO"),
            ("-1e-3", "-1e-3", "-1e-3"),
        ] {
            assert_eq!(names(Alphabet::LABEL, &[text]), [label]);
            assert_eq!(names(Alphabet::WORDS, &[text]), [words]);
        }
    }

    #[test]
    fn what_a_disk_takes_for_one_name_is_told_apart() {
        let texts =
            ["base", "base*", "BASE", "base?", "other", "α", "a", "é", "e\u{301}", "漢字", "\u{1f600}", "nul", "x."];
        let names = names(Alphabet::WORDS, &texts);
        assert_eq!((names[4].as_str(), names[6].as_str()), ("other", "a"));
        for (at, start) in [
            (0, "base~"),
            (2, "BASE~"),
            (5, "α~"),
            (7, "é~"),
            (8, "e~"),
            (9, "漢字~"),
            (10, "_~"),
            (11, "nul~"),
            (12, "x.~"),
        ] {
            assert!(names[at].starts_with(start), "{names:?}");
        }
        assert_eq!(names.iter().map(|name| folded(name)).collect::<BTreeSet<_>>().len(), texts.len(), "{names:?}");
        // The same text twice is one name.
        assert_eq!(super::tests::names(Alphabet::WORDS, &["a", "a"]), ["a", "a"]);
    }

    #[test]
    fn a_long_name_is_cut_and_stays_its_own() {
        let texts = ["a", "b"].map(|end| format!("{}{end}", "ä".repeat(300)));
        let names = names(Alphabet::WORDS, &texts.each_ref().map(String::as_str));
        assert!(names[0] != names[1] && names.iter().all(|name| name.len() == 200 + MARK), "{names:?}");
        assert_eq!(alone("xxxxx", "xxxxx", Room { whole: 5, cut: 2 }), "xxxxx");
        assert!(alone("xxxxxx", "xxxxxx", Room { whole: 5, cut: 2 }).starts_with("xx~"));
    }

    proptest! {
        #[test]
        fn names_are_taken_by_every_disk_and_are_different(texts in prop::collection::btree_set("(?s).{0,12}|[aA*?]{1,3}", 1..8)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for alphabet in [Alphabet::LABEL, Alphabet::WORDS] {
                let names = names(alphabet, &texts);
                let folded: BTreeSet<String> = names.iter().map(|name| folded(name)).collect();
                prop_assert_eq!(folded.len(), texts.len());
                for name in &names {
                    prop_assert!(!name.is_empty() && name.len() <= LONGEST && !name.ends_with(['.', ' ']) && !is_device(name));
                    prop_assert!(!name.contains(|c: char| c.is_control() || "/\\:*?\"<>| ".contains(c)));
                }
            }
        }
    }
}
