//! Small files with few fields, as the user's configuration or a table of names: their trees into typed values.
//!
//! Invariant: a part that is not as expected is one fault at its place. Reading goes on with the other parts, so that all
//! faults are told at once.

use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::faults::{Diagnostics, Faults};
use super::limits::{LABEL, VALUES};
use super::parse::parse;
use super::text::{Span, Text};
use super::tree::{Form, Tree, Word};
use super::words::{cut, names, suggestion};

/// Reads `content`, the text of the file `name`: `take` takes the value out of its tree. A fault shows `example`.
///
/// # Errors
/// The faults of the text, or those that `take` found.
pub(crate) fn read<T>(
    name: &str,
    content: &str,
    example: &'static str,
    take: impl FnOnce(&mut Shape<'_>, &Tree) -> Option<T>,
) -> Result<T, Diagnostics> {
    let parsed = parse(&Arc::new(Text::new(name, content, "")), 0, VALUES);
    let mut faults = parsed.faults;
    let value = match parsed.whole {
        true => take(&mut Shape { faults: &mut faults, example }, &parsed.tree),
        false => None,
    };
    match value {
        Some(value) if faults.is_empty() => Ok(value),
        _ => Err(Diagnostics::new(faults)),
    }
}

/// Takes values out of the parts of a tree, and adds a fault for each part that is something else.
pub(crate) struct Shape<'f> {
    faults: &'f mut Faults,
    example: &'static str,
}

impl Shape<'_> {
    /// Adds a fault at `span`, with the example.
    pub fn fault(&mut self, span: &Span, message: impl Into<String>) {
        self.faults.tell(span, || Diagnostic::new(span, message).hint(self.example));
    }

    fn expected<T>(&mut self, tree: &Tree, what: &str) -> Option<T> {
        self.fault(&tree.span, format!("Expected {what}, found {}.", tree.describe()));
        None
    }

    /// The fields `known` of a structure that may have the name `name`, of which the first `required` must be there. A
    /// field that is left out, or states `None`, is none.
    pub fn fields<'t, const N: usize>(
        &mut self,
        tree: &'t Tree,
        name: &str,
        known: [&'static str; N],
        required: usize,
    ) -> Option<[Option<&'t Tree>; N]> {
        let Some((found, fields)) = tree.structure() else {
            return self.expected(tree, &format!("a structure `{name}(…)`"));
        };
        if let Some(found) = found.filter(|found| found.text != name) {
            self.fault(&found.span, format!("Expected `{name}`, found `{}`.", cut(&found.text, LABEL)));
            return None;
        }
        let mut values = [None; N];
        for (word, value) in fields {
            match known.iter().position(|field| *field == word.text) {
                Some(at) => values[at] = Some(value),
                None => self.faults.tell(&word.span, || {
                    let near = suggestion(&word.text, known);
                    let message = format!("Unknown field `{}`{near}", cut(&word.text, LABEL));
                    Diagnostic::new(&word.span, message).hint(format!("The fields are {}.", names(known)))
                }),
            }
        }
        for (field, value) in known.iter().zip(&values).take(required) {
            if value.is_none() {
                self.fault(&tree.span, format!("The field `{field}` is missing."));
            }
        }
        Some(values.map(|value| {
            let value = value.filter(|tree| !matches!(&tree.form, Form::Word(word) if word.text == "None"))?;
            Some(value.some().unwrap_or(value))
        }))
    }

    /// A text in quotes.
    pub fn text(&mut self, tree: &Tree) -> Option<String> {
        match tree.text() {
            Some(text) => Some(text.to_owned()),
            None => self.expected(tree, "a text in quotes"),
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, tree: &Tree) -> Option<bool> {
        match tree.form {
            Form::Bool(value) => Some(value),
            _ => self.expected(tree, "`true` or `false`"),
        }
    }

    /// A finite number.
    pub fn number(&mut self, tree: &Tree) -> Option<f64> {
        match tree.form {
            Form::Float(value) if value.is_finite() => Some(value),
            Form::Int(value) => Some(value as f64),
            _ => self.expected(tree, "a finite number"),
        }
    }

    /// One of several words, by its number.
    pub fn choice(&mut self, tree: &Tree, words: &[&'static str]) -> Option<usize> {
        let stated = match tree.structure() {
            Some((Some(word), [])) => words.iter().position(|known| *known == word.text),
            _ => None,
        };
        stated.or_else(|| self.expected(tree, &format!("one of {}", names(words.iter().copied()))))
    }

    /// The items of a list.
    pub fn list<'t>(&mut self, tree: &'t Tree) -> Option<&'t [Tree]> {
        match &tree.form {
            Form::List(items) => Some(items),
            _ => self.expected(tree, "a list"),
        }
    }

    /// The two items of a tuple.
    pub fn pair<'t>(&mut self, tree: &'t Tree) -> Option<[&'t Tree; 2]> {
        match &tree.form {
            Form::Tuple { name: None, items } if items.len() == 2 => Some([&items[0], &items[1]]),
            _ => self.expected(tree, "a tuple of two items"),
        }
    }

    /// The entries of a map whose keys are texts.
    pub fn map<'t>(&mut self, tree: &'t Tree) -> Option<Vec<(Word, &'t Tree)>> {
        tree.entries().or_else(|| self.expected(tree, "a map whose keys are texts in quotes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Holds = (Option<String>, Vec<(String, f64)>);

    fn holds(content: &str) -> Result<Holds, Diagnostics> {
        read("x.ron", content, "Write `(name: \"x\", weights: {\"a\": 1})`.", |shape, tree| {
            let [weights, name] = shape.fields(tree, "Holds", ["weights", "name"], 1)?;
            let entries = weights.and_then(|tree| shape.map(tree)).unwrap_or_default();
            let weights = entries.into_iter().filter_map(|(word, tree)| Some((word.text, shape.number(tree)?)));
            let weights = weights.collect();
            Some((name.and_then(|tree| shape.text(tree)), weights))
        })
    }

    #[test]
    fn a_file_is_taken_apart_in_every_spelling() {
        let whole = Ok((Some("x".to_owned()), vec![("a".to_owned(), 1.0)]));
        for text in ["(name: \"x\", weights: {\"a\": 1})", "Holds(weights: (a: 1.0), name: Some(\"x\"))"] {
            assert_eq!(holds(text), whole, "{text}");
        }
        assert_eq!(holds("(weights: {}, name: None)"), Ok((None, vec![])));
    }

    #[test]
    fn all_faults_are_told_each_at_its_place() {
        let told = |text: &str| holds(text).unwrap_err().to_string();
        insta::assert_snapshot!(told("(nam: 1, name: 2, weights: {\"a\": \"b\", \"c\": inf})"));
        insta::assert_snapshot!(told("Hold(weights: {})"));
        insta::assert_snapshot!(told("(name: \"x\")"));
        insta::assert_snapshot!(told("(name: \"x\" weights: {})"));
    }
}
