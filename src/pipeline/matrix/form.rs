//! The parts of a matrix as a file states them.

use super::label::label_of;
use crate::syntax::{Diagnostic, Fallible, Faults, Form, Span, Tree, Word, names, suggestion};

/// The hint of a matrix with a fault.
pub(super) const EXAMPLE: &str = "Write `matrix: (axes: {\"seed\": (set: [\"train.seed\"], values: [1, 2, 3])})`.";

/// The matrix with its maps as structures, so that profiles merge into them and paths lead through them.
pub(in super::super) fn normal(tree: Tree) -> Tree {
    let structure = |tree: Tree| {
        let fields = match tree.entries() {
            Some(entries) => entries.into_iter().map(|(word, value)| (word, value.clone())).collect(),
            None => return tree,
        };
        Tree { span: tree.span, form: Form::Struct { name: None, fields } }
    };
    let mut tree = structure(tree);
    if let Form::Struct { fields, .. } = &mut tree.form {
        for (_, value) in fields.iter_mut().filter(|(field, _)| field.text == "axes") {
            *value = structure(value.clone());
        }
    }
    tree
}

/// A matrix as a file states one, all values with their labels.
pub(in super::super) fn labelled(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    let text = |span: &Span, text: String| Tree { span: span.clone(), form: Form::Str(text) };
    let Some(axes) = tree.field_mut("axes") else { return tree };
    for values in axes.fields_mut().into_iter().flatten().filter_map(|(_, axis)| axis.field_mut("values")) {
        if let Form::List(items) = &values.form {
            let entry = |value: &Tree| (text(&values.span, label_of(value)), value.clone());
            values.form = Form::Map(items.iter().map(entry).collect());
        }
    }
    if let Form::Struct { name: None, fields } = &axes.form {
        let entry = |(name, axis): &(Word, Tree)| (text(&name.span, name.text.clone()), axis.clone());
        axes.form = Form::Map(fields.iter().map(entry).collect());
    }
    tree
}

pub(super) fn is_none(tree: &Tree) -> bool {
    matches!(&tree.form, Form::Word(word) if word.text == "None")
}

pub(super) fn expected<T>(tree: &Tree, what: &str) -> Fallible<T> {
    Diagnostic::new(&tree.span, format!("Expected {what}, found {}.", tree.describe())).hint(EXAMPLE).stop()
}

pub(super) fn list<'a>(tree: &'a Tree, what: &str) -> Fallible<&'a [Tree]> {
    match &tree.form {
        Form::List(items) => Ok(items),
        _ => expected(tree, what),
    }
}

pub(super) fn entries<'a>(tree: &'a Tree, what: &str) -> Fallible<Vec<(Word, &'a Tree)>> {
    tree.entries().map_or_else(|| expected(tree, what), Ok)
}

/// The fields of a structure that has no others than `known`.
pub(super) fn fields<'a>(
    what: &str,
    tree: &'a Tree,
    known: &[&str],
    faults: &mut Faults,
) -> Option<Vec<(Word, &'a Tree)>> {
    let found = entries(tree, &format!("a structure with the fields {}", names(known.iter().copied())));
    let found = found.map_err(|fault| faults.push(*fault)).ok()?;
    for (word, _) in found.iter().filter(|(word, _)| !known.contains(&word.text.as_str())) {
        faults.tell(&word.span, || {
            let message = format!("Unknown field `{}`{}", word.text, suggestion(&word.text, known.iter().copied()));
            let article = if what.starts_with('a') { "An" } else { "The" };
            let hint = format!("{article} {what} has the fields {}.", names(known.iter().copied()));
            Diagnostic::new(&word.span, message).hint(hint)
        });
    }
    Some(found)
}
