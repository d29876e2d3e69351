//! Profiles: changes to stages, made before anything is checked.
//!
//! One rule: a structure without a name changes the fields that it states and leaves the others as they are;
//! every other value replaces what was there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::diagnose::{Diagnostic, Span, Text, names, suggestion};
use super::include::{Declared, Document};
use super::matrix::{self, MATRIX};
use super::tree::{FieldTree, Form, Tree, Word};

/// Applies the profile `name` of every file, included files first.
pub(super) fn profile(
    name: &str,
    documents: &[Document],
    stages: &mut BTreeMap<String, Declared>,
    matrix: &mut Option<Tree>,
    faults: &mut Vec<Diagnostic>,
) {
    let stated = documents.iter().flat_map(|document| {
        document.profiles.iter().filter(|(word, _)| word.text == name).map(move |(_, tree)| (document, tree))
    });
    let mut found = false;
    for (document, tree) in stated {
        found = true;
        for (stage, change) in changes(tree, faults) {
            if stage.text == MATRIX && document.is_main() {
                let change = matrix::normal(change);
                match matrix {
                    Some(base) => merge(base, change),
                    None => *matrix = Some(change),
                }
                continue;
            }
            let seen = |(_, declared): &(&String, &Declared)| document.sees.contains(&declared.document);
            let visible: Vec<&str> = stages.iter().filter(seen).map(|(name, _)| name.as_str()).collect();
            if !visible.contains(&stage.text.as_str()) {
                faults.push(unknown_stage(&stage, &visible));
            } else if let Some(declared) = stages.get_mut(&stage.text) {
                merge(&mut declared.tree, change);
            }
        }
    }
    if !found {
        let all = profiles(documents);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let text = Text { name: "--profile".to_owned(), content: name.to_owned(), folder: "".into() };
        let span = Span { start: 0, end: name.len(), text: Arc::new(text) };
        let hint = match all.is_empty() {
            true => "This pipeline has no profiles.".to_owned(),
            false => format!("The profiles of this pipeline are {}.", names(all.iter().copied())),
        };
        let message = format!("There is no profile `{name}`{}", suggestion(name, all));
        faults.push(Diagnostic::new(&span, message).hint(hint));
    }
}

/// The names of all profiles, sorted.
pub(super) fn profiles(documents: &[Document]) -> Vec<String> {
    let mut all: Vec<String> =
        documents.iter().flat_map(|document| document.profiles.iter().map(|(word, _)| word.text.clone())).collect();
    all.sort();
    all.dedup();
    all
}

/// A profile's changes by stage: `{ "train": (steps: 5) }` or `(train: (steps: 5))`.
fn changes(tree: &Tree, faults: &mut Vec<Diagnostic>) -> Vec<FieldTree> {
    let mut fault = |at: &Tree, expected: &str| {
        let message = format!("Expected {expected}, found {}.", at.describe());
        let hint = "A profile says what changes in which stage: `{ \"train\": (steps: 5) }`.";
        faults.push(Diagnostic::new(&at.span, message).hint(hint));
    };
    match (&tree.form, tree.structure()) {
        (Form::Map(entries), _) => {
            let mut out = Vec::new();
            for (key, value) in entries {
                match &key.form {
                    Form::Str(text) => out.push((Word { text: text.clone(), span: key.span.clone() }, value.clone())),
                    _ => fault(key, "the name of a stage in quotes"),
                }
            }
            out
        }
        (_, Some((None, fields))) => fields.to_vec(),
        _ => {
            fault(tree, "a map from stages to changes");
            Vec::new()
        }
    }
}

/// A fault: no stage of that name among those that are visible.
pub(super) fn unknown_stage(stage: &Word, visible: &[&str]) -> Diagnostic {
    let message = format!("There is no stage `{}`{}", stage.text, suggestion(&stage.text, visible.iter().copied()));
    let hint = format!("The stages that can be changed here are {}.", names(visible.iter().copied()));
    Diagnostic::new(&stage.span, message).hint(hint)
}

/// Changes `base` by `change`.
pub(super) fn merge(base: &mut Tree, change: Tree) {
    if let (Some(inner), Some((None, _))) = (base.some_mut(), change.structure()) {
        return merge(inner, change);
    }
    match (fields_mut(base), change) {
        (Some(fields), Tree { form: Form::Struct { name: None, fields: changed }, .. }) => {
            for (field, value) in changed {
                match fields.iter_mut().find(|(existing, _)| existing.text == field.text) {
                    Some((_, existing)) => merge(existing, value),
                    None => fields.push((field, value)),
                }
            }
        }
        // `()` changes nothing.
        (Some(_), Tree { form: Form::Tuple { name: None, items }, .. }) if items.is_empty() => {}
        (_, change) => *base = change,
    }
}

/// The fields of a structure, which `Name`, `Name()` and `()` become as well; none for other forms.
pub(super) fn fields_mut(tree: &mut Tree) -> Option<&mut Vec<FieldTree>> {
    let name = match &mut tree.form {
        Form::Struct { .. } => None,
        Form::Word(word) if word.text != "None" => Some(Some(word.clone())),
        Form::Tuple { name, items } if items.is_empty() => Some(name.take()),
        _ => return None,
    };
    if let Some(name) = name {
        tree.form = Form::Struct { name, fields: Vec::new() };
    }
    match &mut tree.form {
        Form::Struct { fields, .. } => Some(fields),
        _ => None,
    }
}
