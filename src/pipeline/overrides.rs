//! Profiles: changes to stages, made before anything is checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::matrix;
use super::merge::merge;
use super::stated::{Declared, Document, MATRIX, unknown_stage};
use crate::syntax::limits::LABEL;
use crate::syntax::{Diagnostic, Faults, FieldTree, Form, Span, Text, Tree, Word, cut, names, suggestion};

/// Applies the profile `name` of every file, included files first.
pub(super) fn profile(
    name: &str,
    documents: &[Document],
    stages: &mut BTreeMap<String, Declared>,
    matrix: &mut Option<Tree>,
    faults: &mut Faults,
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
            let seen = |declared: &Declared| document.sees.contains(&declared.document);
            match stages.get_mut(&stage.text).filter(|declared| seen(declared)) {
                Some(declared) => merge(&mut declared.tree, change),
                None => faults.tell(&stage.span, || {
                    let visible =
                        || stages.iter().filter(|(_, declared)| seen(declared)).map(|(name, _)| name.as_str());
                    unknown_stage(&stage, &visible)
                }),
            }
        }
    }
    if !found {
        let all = profiles(documents);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let span = Span { start: 0, end: name.len(), text: Arc::new(Text::new("--profile", name, "")) };
        let hint = match all.is_empty() {
            true => "This pipeline has no profiles.".to_owned(),
            false => format!("The profiles of this pipeline are {}.", names(all.iter().copied())),
        };
        let message = format!("There is no profile `{}`{}", cut(name, LABEL), suggestion(name, all));
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
fn changes(tree: &Tree, faults: &mut Faults) -> Vec<FieldTree> {
    let fault = |at: &Tree, expected: &str| {
        let message = format!("Expected {expected}, found {}.", at.describe());
        let hint = "A profile says what changes in which stage: `{ \"train\": (steps: 5) }`.";
        Diagnostic::new(&at.span, message).hint(hint)
    };
    match (&tree.form, tree.structure()) {
        (Form::Map(entries), _) => {
            let mut out = Vec::new();
            for (key, value) in entries {
                match &key.form {
                    Form::Str(text) => out.push((Word { text: text.clone(), span: key.span.clone() }, value.clone())),
                    _ => faults.tell(&key.span, || fault(key, "the name of a stage in quotes")),
                }
            }
            out
        }
        (_, Some((None, fields))) => fields.to_vec(),
        _ => {
            faults.push(fault(tree, "a map from stages to changes"));
            Vec::new()
        }
    }
}
