//! Lists of lines that are stored as differences from an earlier list.
//!
//! A run's plan and its nodes are such lists: the next run often changes only one of ten thousand lines. A stored list is an
//! object. It names an earlier list, its base, and says which lines it takes from the base and which are new.
//!
//! Invariants:
//! - a list never changes, as any object: what is read is what was stored;
//! - lists are numbered by turns. The base of turn `t` is the turn whose number is `t` with its lowest set bit cleared. So a
//!   list is put together from at most as many objects as `t` has bits, and holds the changes of few turns (the skip deltas
//!   of Subversion);
//! - a list that shares too little with its base is stored whole, as turn 0.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use super::error::{Error, Result};
use super::root::Store;
use crate::hash::Digest;

/// The first line of a stored list.
const FORMAT: &str = "repro list 1";

/// How many objects a list is put together from at most: a turn has 32 bits.
const MOST_OBJECTS: usize = 33;

/// How long the lines of a list may be together, in bytes. A list that came from elsewhere could repeat its base.
const MOST_BYTES: usize = 1 << 30;

/// One of the lists that a list is put together from.
struct Turn {
    digest: Digest,
    turn: u32,
    lines: Vec<Rc<str>>,
}

impl Store {
    /// Stores a list. `like` is an earlier list that may have most of its lines; one that cannot be read is of no use.
    /// No line may hold a line break.
    pub(super) fn put_lines(&self, lines: &[String], like: Option<&Digest>) -> Result<Digest> {
        let turns = like.and_then(|like| self.turns(like).ok()).unwrap_or_default();
        let same = |turn: &Turn| turn.lines.iter().map(|line| &**line).eq(lines.iter().map(String::as_str));
        if let Some(last) = turns.last().filter(|last| same(last)) {
            return Ok(last.digest);
        }
        let next = turns.last().map_or(0, |last| last.turn.wrapping_add(1));
        let whole = format!("{FORMAT}\n0\n-\n{}", parts(lines, &[]));
        if let Some(base) = turns.iter().find(|turn| next != 0 && turn.turn == next & (next - 1)) {
            let text = format!("{FORMAT}\n{next}\n{}\n{}", base.digest, parts(lines, &base.lines));
            if text.len() < whole.len() / 2 {
                return self.put_bytes(text.as_bytes());
            }
        }
        self.put_bytes(whole.as_bytes())
    }

    /// The lines of a stored list.
    ///
    /// # Errors
    /// An object that is missing or corrupt, and one that is no list.
    pub(super) fn lines(&self, digest: &Digest) -> Result<Vec<Rc<str>>> {
        Ok(self.turns(digest)?.pop().map(|turn| turn.lines).unwrap_or_default())
    }

    /// The list, and before it all that it rests on, the first one first.
    fn turns(&self, digest: &Digest) -> Result<Vec<Turn>> {
        let mut texts = Vec::new();
        let mut next = Some(*digest);
        while let Some(digest) = next {
            let text = String::from_utf8(self.read(&digest)?).ok().filter(|_| texts.len() < MOST_OBJECTS);
            let Some((turn, base, at)) = text.as_deref().and_then(head) else {
                return Err(self.no_list(digest));
            };
            next = base;
            texts.push((digest, turn, text.unwrap_or_default(), at));
        }
        let mut turns: Vec<Turn> = Vec::with_capacity(texts.len());
        for (digest, turn, text, at) in texts.into_iter().rev() {
            let base = turns.last().map_or(&[][..], |turn| &turn.lines);
            let lines = joined(&text[at..], base).ok_or_else(|| self.no_list(digest))?;
            turns.push(Turn { digest, turn, lines });
        }
        Ok(turns)
    }

    fn no_list(&self, digest: Digest) -> Error {
        let found = "something that is not a list".to_owned();
        Error::Newer { path: self.objects.file(&digest), found, known: FORMAT.to_owned() }
    }
}

/// The turn, the base, and where the parts begin.
fn head(text: &str) -> Option<(u32, Option<Digest>, usize)> {
    let mut rest = text.strip_prefix(FORMAT)?.strip_prefix('\n')?;
    let mut line = || {
        let (line, after) = rest.split_once('\n')?;
        rest = after;
        Some(line)
    };
    let turn = line()?.parse().ok()?;
    let base = match line()? {
        "-" => None,
        digest => Some(digest.parse().ok()?),
    };
    Some((turn, base, text.len() - rest.len()))
}

/// What makes `lines` of `base`, a line each: `=FROM COUNT` for lines that the base has, `+LINE` for one of its own.
fn parts(lines: &[String], base: &[Rc<str>]) -> String {
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (at, line) in base.iter().enumerate().rev() {
        known.insert(line, at);
    }
    let same = |ours: usize, theirs: usize| {
        base.get(theirs).is_some_and(|line| Some(&**line) == lines.get(ours).map(String::as_str))
    };
    let (mut text, mut at, mut next) = (String::new(), 0, 0);
    while at < lines.len() {
        let from = if same(at, next) { Some(next) } else { known.get(lines[at].as_str()).copied() };
        // Writing to a string cannot fail.
        match from {
            Some(from) => {
                let count = (1..).find(|&n| !same(at + n, from + n)).unwrap_or(1);
                let _ = writeln!(text, "={from} {count}");
                (at, next) = (at + count, from + count);
            }
            None => {
                let _ = writeln!(text, "+{}", lines[at]);
                // Most often a line took the place of another.
                (at, next) = (at + 1, next + 1);
            }
        }
    }
    text
}

/// The lines that `parts` make of `base`; none if they do not fit it, or make too much.
fn joined(parts: &str, base: &[Rc<str>]) -> Option<Vec<Rc<str>>> {
    let mut lines: Vec<Rc<str>> = Vec::new();
    let mut bytes = 0_usize;
    for part in parts.split_terminator('\n') {
        let before = lines.len();
        if let Some(line) = part.strip_prefix('+') {
            lines.push(line.into());
        } else {
            let (from, count) = part.strip_prefix('=')?.split_once(' ')?;
            let (from, count): (usize, usize) = (from.parse().ok()?, count.parse().ok()?);
            lines.extend(base.get(from..from.checked_add(count)?)?.iter().cloned());
        }
        bytes += lines[before..].iter().map(|line| line.len() + size_of::<Rc<str>>()).sum::<usize>();
        if bytes > MOST_BYTES {
            return None;
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsio;
    use crate::store::testing::store;

    fn lines(store: &Store, digest: &Digest) -> Vec<String> {
        store.lines(digest).unwrap().iter().map(|line| line.to_string()).collect()
    }

    fn size(store: &Store, digest: &Digest) -> u64 {
        fsio::stat(&store.objects.file(digest)).unwrap().bytes
    }

    #[test]
    fn lists_read_back_and_a_change_costs_what_changed() {
        let (_dir, store) = store();
        let mut list: Vec<String> = (0..1000).map(|i| format!("line {i} {}", "x".repeat(100))).collect();
        let first = store.put_lines(&list, None).unwrap();
        assert_eq!(store.put_lines(&list, Some(&first)).unwrap(), first, "the same list is stored once");
        let (mut last, mut all) = (first, vec![(first, list.clone())]);
        for i in 0..100 {
            list[(i * 37) % 1000] = format!("changed {i}");
            last = store.put_lines(&list, Some(&last)).unwrap();
            assert!(size(&store, &last) < 40 * 150, "{i}: {}", size(&store, &last));
            all.push((last, list.clone()));
        }
        // Lines that are added, taken away and moved.
        list.insert(5, String::new());
        list.drain(100..200);
        let moved = list.split_off(400);
        list.splice(0..0, moved);
        last = store.put_lines(&list, Some(&last)).unwrap();
        all.push((last, list.clone()));
        for (digest, list) in &all {
            assert_eq!(lines(&store, digest), *list);
        }
        assert!(store.turns(&last).unwrap().len() <= 8);
        let average = all[1..101].iter().map(|(digest, _)| size(&store, digest)).sum::<u64>() / 100;
        assert!(average < 1000, "a changed line costs {average} bytes");
    }

    #[test]
    fn a_list_that_shares_little_or_whose_base_is_gone_is_stored_whole() {
        let (_dir, store) = store();
        let list = |name: &str| -> Vec<String> { (0..10).map(|i| format!("{name} {i}")).collect() };
        let a = store.put_lines(&list("a"), None).unwrap();
        let b = store.put_lines(&list("b"), Some(&a)).unwrap();
        fsio::remove_file(&store.objects.file(&a)).unwrap();
        assert_eq!(lines(&store, &b), list("b"));
        assert!(matches!(store.lines(&a), Err(Error::Missing(_))));
        let c = store.put_lines(&list("c"), Some(&a)).unwrap();
        assert_eq!(lines(&store, &c), list("c"));
        assert_eq!(lines(&store, &store.put_lines(&[], Some(&c)).unwrap()), [""; 0]);
    }

    #[test]
    fn what_is_no_list_or_would_never_end_is_refused() {
        let (_dir, store) = store();
        let long = store.put_lines(&["x".repeat(1 << 20)], None).unwrap();
        for text in [
            "repro list 2\n0\n-\n".to_owned(),
            "repro list 1\n0\n-\n=0 1\n".to_owned(),
            "repro list 1\n0\n-\nline\n".to_owned(),
            format!("repro list 1\n1\n{long}\n=0 18446744073709551615\n"),
            format!("repro list 1\n1\n{long}\n{}", "=0 1\n".repeat(1100)),
        ] {
            let digest = store.put_bytes(text.as_bytes()).unwrap();
            assert!(matches!(store.lines(&digest), Err(Error::Newer { .. })));
        }
        let mut last = long;
        for turn in 1..40 {
            last = store.put_bytes(format!("repro list 1\n{turn}\n{last}\n=0 1\n").as_bytes()).unwrap();
        }
        assert!(matches!(store.lines(&last), Err(Error::Newer { .. })));
    }
}
