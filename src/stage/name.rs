//! How stages, their cells in a matrix, and their iterations are named: `train[prefilter=Average,seed=1][3]`.
//!
//! Invariants:
//! - a name reads back as what it was written from, if its labels are [sound](is_sound);
//! - axes stand in the order of their names, so that no order in a file changes a name.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fsio::filenames::{Alphabet, Named};

/// A cell of a matrix, or several where axes are left out: the label of each axis.
pub type MatrixCell = BTreeMap<String, String>;

/// The name of a stage, of its part in some cells, or of one iteration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StageName {
    /// The stage.
    pub stage: String,
    /// The cell; empty for all cells, and for a stage that is in none.
    pub cell: MatrixCell,
    /// The iteration, from 1.
    pub iteration: Option<usize>,
}

impl StageName {
    /// A stage in a cell.
    pub fn new(stage: &str, cell: MatrixCell) -> Self {
        StageName { stage: stage.to_owned(), cell, iteration: None }
    }

    /// Reads a name. The error is a sentence for the user.
    pub fn read(text: &str) -> Result<Self, String> {
        let (stage, mut rest) = text.split_at(text.find('[').unwrap_or(text.len()));
        let mut name = StageName::new(stage, MatrixCell::new());
        while !rest.is_empty() {
            let end = closing(rest).ok_or_else(|| format!("`{text}` lacks a `]` at its end."))?;
            let inner = &rest[1..end];
            rest = &rest[end + 1..];
            if name.iteration.is_some() || !(rest.is_empty() || rest.starts_with('[')) {
                return Err(format!("`{text}` goes on behind the iteration, which stands last."));
            }
            match inner.parse::<usize>() {
                Ok(iteration) if iteration > 0 => name.iteration = Some(iteration),
                _ if !inner.contains('=') => {
                    return Err(format!("`[{inner}]` is not an iteration; they are counted from 1."));
                }
                _ => name.add(inner)?,
            }
        }
        Ok(name)
    }

    /// Adds the labels of `prefilter=Average,seed=1`.
    fn add(&mut self, inner: &str) -> Result<(), String> {
        for part in split(inner) {
            let (axis, label) = part.split_once('=').unwrap_or((part, ""));
            let (axis, label) = (axis.trim(), label.trim());
            if axis.is_empty() || label.is_empty() {
                return Err(format!("`{}` in `[{inner}]` is not a cell; write `[axis=value]`.", part.trim()));
            }
            if self.cell.insert(axis.to_owned(), label.to_owned()).is_some() {
                return Err(format!("`[{inner}]` names the axis `{axis}` twice."));
            }
        }
        Ok(())
    }

    /// Whether this names the stage in `other`'s cell, or in several of which that is one.
    pub fn covers(&self, other: &StageName) -> bool {
        self.stage == other.stage && covers(&self.cell, &other.cell)
    }

    /// The folder of the cell below the stage's own, by its plain name, `prefilter=Average,seed=1`; none where the stage is
    /// in no cell.
    pub fn cell_folder(&self) -> Option<Named> {
        let part = |(axis, label): (&String, &String)| format!("{axis}={}", Alphabet::LABEL.plain(label));
        let plain = self.cell.iter().map(part).collect::<Vec<_>>().join(",");
        let text = StageName { iteration: None, ..self.clone() }.to_string();
        (!self.cell.is_empty()).then_some(Named { text, plain })
    }
}

/// A node of a pipeline or of a run, as people are told of it: a stage with its cell, its iteration, and its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeName {
    /// The stage, with its cell in the matrix: `train[seed=1]`.
    pub stage: String,
    /// The iteration, from 1, where the stage has several.
    pub iteration: Option<u32>,
    /// The kind.
    pub kind: String,
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.iteration {
            None => f.write_str(&self.stage),
            Some(iteration) => write!(f, "{}[{iteration}]", self.stage),
        }
    }
}

/// A cell in words: `prefilter=Average,seed=1`; empty where there is none.
pub fn in_words(cell: &MatrixCell) -> String {
    cell.iter().map(|(axis, label)| format!("{axis}={label}")).collect::<Vec<_>>().join(",")
}

/// Whether each label of `wanted` is that of `cell`.
pub fn covers(wanted: &MatrixCell, cell: &MatrixCell) -> bool {
    wanted.iter().all(|(axis, label)| cell.get(axis).is_some_and(|other| same(label, other)))
}

/// Whether two labels are the same text or the same number.
pub fn same(a: &str, b: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    a == b || number(a).is_some_and(|a| number(b) == Some(a))
}

/// A key to find labels by: two labels have one key if and only if they are the [`same`].
pub fn key(label: &str) -> String {
    match label.parse::<f64>() {
        // The sum has one zero: -0.0 becomes 0.0.
        Ok(number) if !number.is_nan() => format!("{:?}", number + 0.0),
        _ => label.to_owned(),
    }
}

/// Whether a name can hold this label.
pub fn is_sound(label: &str) -> bool {
    let name = StageName::new("s", MatrixCell::from([("a".to_owned(), label.to_owned())]));
    !label.contains(char::is_control) && StageName::read(&name.to_string()).as_ref() == Ok(&name)
}

/// The parts of a list at the commas that stand in no brackets.
pub fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Where the bracket that `text` begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return (c == ']').then_some(at);
        }
    }
    None
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stage)?;
        if !self.cell.is_empty() {
            write!(f, "[{}]", in_words(&self.cell))?;
        }
        self.iteration.map_or(Ok(()), |iteration| write!(f, "[{iteration}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(stage: &str, cell: &[(&str, &str)], iteration: Option<usize>) -> StageName {
        let cell = cell.iter().map(|(axis, label)| ((*axis).to_owned(), (*label).to_owned())).collect();
        StageName { stage: stage.to_owned(), cell, iteration }
    }

    #[test]
    fn names_read_back() {
        for (text, expected) in [
            ("train", name("train", &[], None)),
            ("train[3]", name("train", &[], Some(3))),
            ("train[prefilter=Average,seed=1]", name("train", &[("prefilter", "Average"), ("seed", "1")], None)),
            ("a.b[scales=[0.5, 1],x=F(y: 2)][2]", name("a.b", &[("scales", "[0.5, 1]"), ("x", "F(y: 2)")], Some(2))),
        ] {
            assert_eq!(StageName::read(text), Ok(expected.clone()));
            assert_eq!(expected.to_string(), text);
        }
        let spaced = StageName::read("train[ seed = 1, prefilter = Average ]").unwrap();
        assert_eq!(spaced.to_string(), "train[prefilter=Average,seed=1]");
    }

    #[test]
    fn what_is_no_name_is_told() {
        for (text, told) in [
            ("train[0]", "`[0]` is not an iteration; they are counted from 1."),
            ("train[seed=1", "`train[seed=1` lacks a `]` at its end."),
            ("train[2][seed=1]", "`train[2][seed=1]` goes on behind the iteration, which stands last."),
            ("train[2]x", "`train[2]x` goes on behind the iteration, which stands last."),
            ("train[seed=]", "`seed=` in `[seed=]` is not a cell; write `[axis=value]`."),
            ("train[a=1,a=2]", "`[a=1,a=2]` names the axis `a` twice."),
        ] {
            assert_eq!(StageName::read(text), Err(told.to_owned()), "{text}");
        }
    }

    #[test]
    fn labels_that_names_cannot_hold_are_known() {
        for sound in ["Average", "0.002", "Average(learned: false)", "with COCO", "(1, 2)", "a=b", "ä/b"] {
            assert!(is_sound(sound), "{sound}");
        }
        for unsound in ["", " a", "a,b", "a]", "(", "a\nb", "a), b=("] {
            assert!(!is_sound(unsound), "{unsound}");
        }
    }

    #[test]
    fn labels_that_are_the_same_have_one_key() {
        let labels = ["1", "1.0", "1e0", "-0", "0", "NaN", "nan", "inf", "1e999", "a", "A", "0.1", ".1"];
        for (a, b) in labels.iter().flat_map(|a| labels.iter().map(move |b| (a, b))) {
            assert_eq!(same(a, b), key(a) == key(b), "{a} {b}");
        }
    }

    #[test]
    fn a_name_covers_the_cells_that_have_its_labels() {
        let cell = name("train", &[("prefilter", "Average"), ("rate", "0.002")], None);
        for (wanted, covered) in [
            ("train", true),
            ("train[rate=2e-3]", true),
            ("train[rate=0.02]", false),
            ("train[prefilter=Average,seed=1]", false),
            ("validate", false),
        ] {
            assert_eq!(StageName::read(wanted).unwrap().covers(&cell), covered, "{wanted}");
        }
        let folder = |name: &StageName| name.cell_folder().unwrap().plain;
        assert_eq!(folder(&cell), "prefilter=Average,rate=0.002");
        assert_eq!(folder(&name("t", &[("a", "x/y: \"a\" (1, 2)")], None)), "a=x_y_a_(1_2)");
        assert_eq!(name("t", &[], Some(1)).cell_folder(), None);
    }
}
