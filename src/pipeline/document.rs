//! What one file states: its fields, taken apart.

use std::collections::BTreeSet;

use super::limits;
use super::matrix;
use super::stated::{Document, too_long};
use crate::syntax::{Diagnostic, Faults, Form, Span, Tree, Word, names, suggestion};

/// A file that was taken apart.
pub(super) struct Apart {
    pub document: Document,
    /// The files that it includes, as it states them.
    pub includes: Vec<(String, Span)>,
    /// Whether nothing was lost.
    pub whole: bool,
}

/// Takes a file apart. If the file is not whole, only its includes are looked at: other fields may be missing because of
/// the faults of its syntax.
pub(super) fn take_apart(tree: Tree, whole: bool, main: bool, faults: &mut Faults) -> Apart {
    let document = Document {
        text: tree.span.text.clone(),
        name: String::new(),
        stages: vec![],
        profiles: vec![],
        matrix: None,
        targets: vec![],
        sees: BTreeSet::new(),
    };
    let mut apart = Apart { document, includes: Vec::new(), whole };
    let (wanted, known): (&str, &[&str]) = match main {
        true => ("Pipeline", &["name", "include", "matrix", "stages", "profiles"]),
        false => ("Stages", &["include", "stages", "profiles", "targets"]),
    };
    let head = match tree.structure() {
        Some((Some(head), _)) if head.text == wanted => head.span.clone(),
        _ if !whole => return apart,
        head => {
            let name = head.and_then(|(name, _)| name);
            let found = name.map_or(tree.describe(), |name| format!("`{}(…)`", name.text));
            let hint = match main {
                true => {
                    "A pipeline is written `Pipeline(name: \"…\", stages: {…})`; `Stages(…)` is for included files."
                }
                false => "An included file is written `Stages(stages: {…})`; a pipeline cannot be included.",
            };
            let start = name.map_or(&tree.span, |name| &name.span);
            faults.push(Diagnostic::new(start, format!("Expected `{wanted}(…)`, found {found}.")).hint(hint));
            apart.whole = false;
            return apart;
        }
    };
    // An included file may be nothing but includes and profiles.
    let required: &[&str] = if whole && main { &["name", "stages"] } else { &[] };
    for missing in required.iter().filter(|name| tree.field(name).is_none()) {
        let fault = Diagnostic::new(&head, format!("The field `{missing}` is missing."));
        faults.push(fault.hint(format!("`{wanted}` needs {}.", names(required.iter().copied()))));
    }
    let Form::Struct { fields, .. } = tree.form else { return apart };
    for (field, value) in fields {
        let document = &mut apart.document;
        match field.text.as_str() {
            "include" => {
                let (includes, all) = includes(&value, faults);
                apart.includes = includes;
                apart.whole &= all;
            }
            _ if !whole => {}
            "matrix" if main => document.matrix = Some(matrix::normal(value)),
            "name" if main => document.name = name(&value, faults),
            "targets" if !main => document.targets = targets(&value, faults),
            "stages" => document.stages = map(value, "stages", "`\"train\": Train(…)`", faults),
            "profiles" => {
                document.profiles = map(value, "profiles", "`\"tiny\": { \"train\": (steps: 5) }`", faults);
            }
            other => faults.tell(&field.span, || {
                let message = format!("Unknown field `{other}`{}", suggestion(other, known.iter().copied()));
                let hint = format!("`{wanted}` has the fields {}.", names(known.iter().copied()));
                Diagnostic::new(&field.span, message).hint(hint)
            }),
        }
    }
    apart
}

/// The name of a pipeline, or an empty text if it has a fault.
fn name(value: &Tree, faults: &mut Faults) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    match &value.form {
        Form::Str(name) if name == "latest" => {
            let fault = Diagnostic::new(&value.span, "A pipeline cannot have the name `latest`.");
            faults.push(fault.hint("`latest` stands for the newest run of all."));
        }
        Form::Str(name) if name.len() > limits::FOLDER && name.chars().all(allowed) => {
            faults.push(too_long(&value.span, "pipeline", name));
        }
        Form::Str(name) if !name.is_empty() && name.chars().all(allowed) => return name.clone(),
        _ => {
            let message = format!("Expected the name of the pipeline, found {}.", value.describe());
            let hint = "A name is a text of small letters, digits, `_` and `-`; results are kept under it.";
            faults.push(Diagnostic::new(&value.span, message).hint(hint));
        }
    }
    String::new()
}

/// The files that are included, and whether these are all that is stated.
fn includes(value: &Tree, faults: &mut Faults) -> (Vec<(String, Span)>, bool) {
    let Form::List(items) = &value.form else {
        let fault = Diagnostic::new(&value.span, format!("Expected a list of files, found {}.", value.describe()));
        faults.push(fault.hint("Write `include: [\"../stages/voc2012.ron\"]`."));
        return (Vec::new(), false);
    };
    let mut includes = Vec::new();
    for item in items {
        match &item.form {
            Form::Str(path) => includes.push((path.clone(), item.span.clone())),
            _ => faults.tell(&item.span, || {
                let message = format!("Expected the path of a file in quotes, found {}.", item.describe());
                Diagnostic::new(&item.span, message).hint("Write `\"../stages/voc2012.ron\"`.")
            }),
        }
    }
    let all = includes.len() == items.len();
    (includes, all)
}

/// The stages that always run.
fn targets(value: &Tree, faults: &mut Faults) -> Vec<Word> {
    let items = match &value.form {
        Form::List(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let mut targets = Vec::new();
    for item in items {
        match &item.form {
            Form::Str(text) => targets.push(Word { text: text.clone(), span: item.span.clone() }),
            _ => faults.tell(&item.span, || {
                let message = format!("Expected the name of a stage in quotes, found {}.", item.describe());
                let hint = "The stages that always run are a list: `targets: [\"table\"]`.";
                Diagnostic::new(&item.span, message).hint(hint)
            }),
        }
    }
    targets
}

/// The entries of a map from names.
fn map(value: Tree, what: &str, example: &str, faults: &mut Faults) -> Vec<(Word, Tree)> {
    let hint = format!("Write `{what}: {{ … }}` with entries like {example}.");
    let found = value.describe();
    let Form::Map(entries) = value.form else {
        let fault = Diagnostic::new(&value.span, format!("Expected a map, found {found}."));
        faults.push(fault.hint(hint));
        return Vec::new();
    };
    let mut out = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let Tree { span, form } = key;
        match form {
            Form::Str(text) => out.push((Word { text, span }, value)),
            form => faults.tell(&span.clone(), || {
                let key = Tree { span, form };
                let message = format!("Expected a name in quotes, found {}.", key.describe());
                Diagnostic::new(&key.span, message).hint(&hint)
            }),
        }
    }
    out
}
