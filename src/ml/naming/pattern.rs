//! Patterns of names: text, and captures in braces.

use std::collections::{BTreeMap, BTreeSet};

/// The captures that a pattern may have, with the texts between them.
const PIECES: usize = 64;

/// What stands before the name of a number that counts dilations.
const RATES: &str = "rates:";

/// Words and what they become, by the name of the capture.
pub type Words = BTreeMap<String, BTreeMap<String, String>>;

/// What a name must look like: literal text, `{n}` a number, `{word}` one of the words of that name, and
/// `{*}` any text, which may stand once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

/// What a name becomes: literal text, `{n}`, `{n+1}` or `{n-1}` a captured number, `{word}` what a captured word becomes, and
/// `{rates:n}` or `{rates:n-1}` the dilation at that place of the head's, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Number(String, i64),
    Rate(String, i64),
    Word(String),
    Any,
}

/// What captures mean beside the rules: words by the name of the capture, and the dilations of the network's head.
#[derive(Debug, Clone, Copy)]
pub struct Means<'a> {
    /// The words.
    pub words: &'a Words,
    /// The dilations, in their order.
    pub rates: &'a [usize],
}

/// What the captures of a pattern held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures {
    numbers: BTreeMap<String, i64>,
    words: BTreeMap<String, String>,
}

fn pieces(text: &str, words: &Words) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        pieces.push(Piece::Text(before.to_owned()));
        let (inside, after) = after.split_once('}').ok_or_else(|| format!("`{text}` has a `{{` without a `}}`."))?;
        let (name, offset) = match inside.split_once(['+', '-']) {
            Some((name, number)) => {
                let offset: i64 = number.parse().map_err(|_| format!("`{{{inside}}}` of `{text}` adds no number."))?;
                (name, if inside.contains('-') { -offset } else { offset })
            }
            None => (inside, 0),
        };
        let number = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        pieces.push(match name {
            "*" => Piece::Any,
            name if name.strip_prefix(RATES).is_some_and(number) => {
                Piece::Rate(name.trim_start_matches(RATES).to_owned(), offset)
            }
            name if words.contains_key(name) => Piece::Word(name.to_owned()),
            name if number(name) => Piece::Number(name.to_owned(), offset),
            _ => return Err(format!("`{{{inside}}}` of `{text}` is no capture; write a name of a-z, or `*`.")),
        });
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str, words: &Words) -> Result<Self, String> {
        let pieces = pieces(text, words)?;
        if pieces.len() > PIECES {
            return Err(format!(
                "A pattern has {} captures and texts between them; {PIECES} are the most.",
                pieces.len()
            ));
        }
        if pieces.iter().filter(|piece| **piece == Piece::Any).count() > 1 {
            return Err(format!("`{text}` has more than one `{{*}}`."));
        }
        if pieces.iter().any(|piece| matches!(piece, Piece::Rate(..))) {
            return Err(format!("`{text}` has a dilation, which stands in what the name becomes only."));
        }
        if pieces.iter().any(|piece| matches!(piece, Piece::Number(_, offset) if *offset != 0)) {
            return Err(format!("`{text}` adds to a number; that belongs into what the name becomes."));
        }
        Ok(Pattern(pieces))
    }

    /// What the captures hold where the whole name is as the pattern says.
    pub fn captures(&self, name: &str, means: Means<'_>) -> Option<Captures> {
        matched(&self.0, name, Side::Theirs(means), &mut BTreeSet::new())
    }

    /// The name of the other program, from what [`Template::captures`] found of ours. A number that ours does not have is
    /// taken from `others`.
    pub fn fill(&self, captures: &Captures, others: &BTreeMap<&str, i64>) -> Option<String> {
        let part = |piece: &Piece| match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Number(name, _) => {
                captures.numbers.get(name).or_else(|| others.get(name.as_str())).map(i64::to_string)
            }
            Piece::Word(name) => captures.words.get(name).cloned(),
            Piece::Rate(..) | Piece::Any => None,
        };
        self.0.iter().map(part).collect()
    }
}

/// Whose name is read: that of the other program by a pattern, or ours by a template.
#[derive(Clone, Copy)]
enum Side<'a> {
    Theirs(Means<'a>),
    Ours(Means<'a>),
}

/// The places where a match was tried in vain, as numbers of pieces and bytes that were left. Without this memory, words
/// of which one is the beginning of another would be tried in every combination.
type Failed = BTreeSet<(usize, usize)>;

fn matched(pieces: &[Piece], name: &str, side: Side<'_>, failed: &mut Failed) -> Option<Captures> {
    let left = (pieces.len(), name.len());
    let found = (!failed.contains(&left)).then(|| tried(pieces, name, side, failed)).flatten();
    if found.is_none() {
        failed.insert(left);
    }
    found
}

fn tried(pieces: &[Piece], name: &str, side: Side<'_>, failed: &mut Failed) -> Option<Captures> {
    let Some((piece, rest)) = pieces.split_first() else { return name.is_empty().then(Captures::default) };
    let (Side::Theirs(means) | Side::Ours(means)) = side;
    match piece {
        Piece::Text(text) => matched(rest, name.strip_prefix(text.as_str())?, side, failed),
        Piece::Number(capture, offset) | Piece::Rate(capture, offset) => {
            let digits = name.bytes().take_while(u8::is_ascii_digit).count();
            let number: i64 = name[..digits].parse().ok()?;
            let number = match piece {
                Piece::Rate(..) => {
                    let place = means.rates.iter().position(|rate| i64::try_from(*rate) == Ok(number))?;
                    i64::try_from(place).ok()?
                }
                _ => number,
            };
            let number = number.checked_sub(*offset).filter(|number| *number >= 0)?;
            let mut captures = matched(rest, &name[digits..], side, failed)?;
            // A capture that stands twice is the same number.
            match captures.numbers.insert(capture.clone(), number) {
                Some(other) if other != number => None,
                _ => Some(captures),
            }
        }
        Piece::Word(capture) => means.words.get(capture)?.iter().find_map(|(theirs, ours)| {
            let (word, becomes) = if let Side::Theirs(_) = side { (theirs, ours) } else { (ours, theirs) };
            let mut captures = matched(rest, name.strip_prefix(word.as_str())?, side, failed)?;
            captures.words.insert(capture.clone(), becomes.clone());
            Some(captures)
        }),
        Piece::Any => {
            (0..=name.len()).filter_map(|end| name.get(end..)).find_map(|tail| matched(rest, tail, side, failed))
        }
    }
}

impl Template {
    /// Reads what `pattern` becomes. Every capture must be one of the pattern's.
    pub fn parse(text: &str, pattern: &Pattern, words: &Words) -> Result<Self, String> {
        let pieces = pieces(text, words)?;
        for piece in &pieces {
            let there = match piece {
                Piece::Text(_) => true,
                Piece::Any => return Err(format!("`{text}` has a `{{*}}`, which stands in patterns only.")),
                Piece::Word(_) => pattern.0.contains(piece),
                Piece::Number(name, _) | Piece::Rate(name, _) => pattern.0.contains(&Piece::Number(name.clone(), 0)),
            };
            if !there {
                return Err(format!("`{text}` uses a capture that its pattern does not have."));
            }
        }
        Ok(Template(pieces))
    }

    /// What the captures hold where the whole name of ours is as the template says.
    pub fn captures(&self, name: &str, means: Means<'_>) -> Option<Captures> {
        matched(&self.0, name, Side::Ours(means), &mut BTreeSet::new())
    }

    /// The name; none where a number would be negative, or the head has no dilation at that place.
    pub fn fill(&self, captures: &Captures, rates: &[usize]) -> Option<String> {
        let part = |piece: &Piece| match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Number(name, offset) => {
                let number = captures.numbers.get(name)?.checked_add(*offset)?;
                (number >= 0).then(|| number.to_string())
            }
            Piece::Rate(name, offset) => {
                let place = captures.numbers.get(name)?.checked_add(*offset)?;
                Some(rates.get(usize::try_from(place).ok()?)?.to_string())
            }
            Piece::Word(name) => captures.words.get(name).cloned(),
            Piece::Any => None,
        };
        self.0.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_hold_numbers_and_words() {
        let words = Words::from([("letter".into(), [("a".into(), "1".into()), ("ab".into(), "2".into())].into())]);
        let rule = |from: &str, to: &str, name: &str| {
            let from = Pattern::parse(from, &words)?;
            let to = Template::parse(to, &from, &words)?;
            let means = Means { words: &words, rates: &[6, 12] };
            Ok::<_, String>(from.captures(name, means).and_then(|captures| to.fill(&captures, means.rates)))
        };
        let filled = |from, to, name| rule(from, to, name).unwrap();
        assert_eq!(filled("l{g}.{b}.w", "g{g+1}/b{b}", "l3.22.w").as_deref(), Some("g4/b22"));
        assert_eq!(filled("res{g}{letter}_x", "{g}-{letter}", "res4ab_x").as_deref(), Some("4-2"));
        assert_eq!(filled("res{g}{letter}_x", "{letter}", "res4b_x"), None);
        assert_eq!(filled("{*}.n", "gone", "a.n.n").as_deref(), Some("gone"));
        assert_eq!(filled("a{n}", "b{n-2}", "a1"), None, "no negative numbers");
        assert_eq!(filled("é{n}", "{n}", "é7").as_deref(), Some("7"));
        assert_eq!(filled("a{n}", "{n}", "a99999999999999999999"), None);
        assert_eq!(filled("c{n}", "aspp{rates:n}", "c1").as_deref(), Some("aspp12"));
        assert_eq!(filled("c{n}", "aspp{rates:n-1}", "c1").as_deref(), Some("aspp6"));
        assert_eq!(filled("c{n}", "aspp{rates:n}", "c2"), None, "no third dilation");
        let many = "{n}".repeat(40);
        for (from, to) in [
            (&many[..], "b"),
            ("a{n", "b"),
            ("{*}{*}", "b"),
            ("a", "b{n}"),
            ("a{n+1}", "b"),
            ("{N}", "b"),
            ("{*}", "{*}"),
            ("{n}", "{n+x}"),
            ("{rates:n}", "{n}"),
            ("a", "{rates:n}"),
        ] {
            assert!(rule(from, to, "").is_err(), "{from} {to}");
        }
    }

    /// Without a memory of what was tried, this takes some 2^30 steps.
    #[test]
    fn words_that_start_one_another_are_not_tried_in_every_combination() {
        let words = Words::from([("a".into(), [("a".into(), "1".into()), ("aa".into(), "2".into())].into())]);
        let pattern = Pattern::parse(&format!("{}x", "{a}".repeat(31)), &words).unwrap();
        let means = Means { words: &words, rates: &[] };
        assert_eq!(pattern.captures(&"a".repeat(46), means), None);
        assert!(pattern.captures(&format!("{}x", "a".repeat(46)), means).is_some());
    }

    #[test]
    fn names_of_ours_are_turned_back() {
        let words = Words::from([("letter".into(), [("a".into(), "1".into()), ("b".into(), "2".into())].into())]);
        let means = Means { words: &words, rates: &[6, 12] };
        let back = |from: &str, to: &str, name: &str| {
            let from = Pattern::parse(from, &words).unwrap();
            let to = Template::parse(to, &from, &words).unwrap();
            from.fill(&to.captures(name, means)?, &[("net", 50)].into())
        };
        assert_eq!(back("l{g}.{b}.w", "g{g+1}/b{b}", "g4/b22").as_deref(), Some("l3.22.w"));
        assert_eq!(back("res{g}{letter}", "{g}-{letter}", "4-2").as_deref(), Some("res4b"));
        assert_eq!(back("res{g}b{n}", "{g}-{n+1}", "4-0"), None, "no negative numbers");
        assert_eq!(back("c{n}.w", "aspp{rates:n-1}", "aspp12").as_deref(), Some("c2.w"));
        assert_eq!(back("c{n}.w", "aspp{rates:n}", "aspp18"), None);
        assert_eq!(back("net_{net}/a{n}", "a{n}", "a1").as_deref(), Some("net_50/a1"));
        assert_eq!(back("of_{other}/a{n}", "a{n}", "a1"), None, "a number that nobody knows");
    }
}
