//! Profiles: changes to stages, made before anything is checked.
//!
//! One rule: a structure without a name changes the fields that it states and leaves the others as they are;
//! every other value replaces what was there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::diagnose::{Diagnostic, Faults, Span, Text, cut, names, suggestion};
use super::include::{Declared, Document};
use super::limits::LABEL;
use super::matrix::{self, MATRIX};
use super::tree::{FieldTree, Form, Index, Tree, Word};

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

/// A fault: no stage of that name among those that are `visible`.
pub(super) fn unknown_stage<'a, I: Iterator<Item = &'a str>>(stage: &Word, visible: &dyn Fn() -> I) -> Diagnostic {
    let message = format!("There is no stage `{}`{}", cut(&stage.text, LABEL), suggestion(&stage.text, visible()));
    let hint = format!("The stages that can be changed here are {}.", names(visible()));
    Diagnostic::new(&stage.span, message).hint(hint)
}

/// Changes `base` by `change`.
pub(super) fn merge(base: &mut Tree, change: Tree) {
    if let (Some(inner), Some((None, _))) = (base.some_mut(), change.structure()) {
        return merge(inner, change);
    }
    match (fields_mut(base), change) {
        (Some(fields), Tree { form: Form::Struct { name: None, fields: changed }, .. }) => {
            let mut index = Index::default();
            for (field, value) in changed {
                match index.find(fields.len(), |at| Some(fields[at].0.text.as_str()), &field.text) {
                    Some(at) => merge(&mut fields[at].1, value),
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
