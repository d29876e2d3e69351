//! Profiles and `--set`: changes to stages, made before anything is checked.
//!
//! One rule: a structure without a name changes the fields that it states and leaves the others as they are;
//! every other value replaces what was there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::diagnose::{Diagnostic, Span, Text, names, suggestion};
use super::include::{Declared, Document};
use super::syntax::{Form, Tree, Word, parse};

/// Applies the profile `name` of every file, included files first.
pub(super) fn profile(
    name: &str,
    documents: &[Document],
    stages: &mut BTreeMap<String, Declared>,
    faults: &mut Vec<Diagnostic>,
) {
    let stated = documents.iter().flat_map(|document| {
        document.profiles.iter().filter(|(word, _)| word.text == name).map(move |(_, tree)| (document, tree))
    });
    let mut found = false;
    for (document, tree) in stated {
        found = true;
        for (stage, change) in changes(tree, faults) {
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
fn changes(tree: &Tree, faults: &mut Vec<Diagnostic>) -> Vec<(Word, Tree)> {
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

fn unknown_stage(stage: &Word, visible: &[&str]) -> Diagnostic {
    let message = format!("There is no stage `{}`{}", stage.text, suggestion(&stage.text, visible.iter().copied()));
    let hint = format!("The stages that can be changed here are {}.", names(visible.iter().copied()));
    Diagnostic::new(&stage.span, message).hint(hint)
}

/// Changes `base` by `change`.
fn merge(base: &mut Tree, change: Tree) {
    if matches!(&base.form, Form::Tuple { name: Some(name), items } if name.text == "Some" && items.len() == 1) {
        if let (Form::Tuple { items, .. }, Some((None, _))) = (&mut base.form, change.structure()) {
            return merge(&mut items[0], change);
        }
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
fn fields_mut(tree: &mut Tree) -> Option<&mut Vec<(Word, Tree)>> {
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

/// Applies `--set PATH=VALUE`, as `train.steps=50`, `"my.stage".crop[0]=64` or `train=Train(…)`.
pub(super) fn set(
    argument: &str,
    folder: &Path,
    stages: &mut BTreeMap<String, Declared>,
    faults: &mut Vec<Diagnostic>,
) {
    let text = Text { name: format!("--set '{argument}'"), content: argument.to_owned(), folder: folder.to_owned() };
    let mut cursor = Cursor { text: Arc::new(text), at: 0 };
    match cursor.path() {
        Err(fault) => faults.push(fault),
        Ok((stage, steps)) => {
            let parsed = parse(&cursor.text, cursor.at);
            faults.extend(parsed.faults);
            if !parsed.whole {
                return;
            }
            let all: Vec<String> = stages.keys().cloned().collect();
            match stages.get_mut(&stage.text) {
                Some(declared) => faults.extend(place(&mut declared.tree, &steps, parsed.tree).err()),
                None => faults.push(unknown_stage(&stage, &all.iter().map(String::as_str).collect::<Vec<_>>())),
            }
        }
    }
}

/// A step of a path.
enum Step {
    Field(Word),
    Index(usize, Span),
    Key(String, Span),
}

/// Changes what `steps` lead to below `base`.
fn place(base: &mut Tree, steps: &[Step], value: Tree) -> Result<(), Diagnostic> {
    let Some((step, rest)) = steps.split_first() else {
        merge(base, value);
        return Ok(());
    };
    if matches!(&base.form, Form::Tuple { name: Some(name), items } if name.text == "Some" && items.len() == 1) {
        if let Form::Tuple { items, .. } = &mut base.form {
            return place(&mut items[0], steps, value);
        }
    }
    match step {
        Step::Field(field) => {
            let empty = Form::Struct { name: None, fields: Vec::new() };
            if fields_mut(base).is_none() {
                // What stands there has no fields; the check says what its type is.
                *base = Tree { span: field.span.clone(), form: empty.clone() };
            }
            let Some(fields) = fields_mut(base) else { return Ok(()) };
            let at = match fields.iter().position(|(existing, _)| existing.text == field.text) {
                Some(at) => at,
                None => {
                    if let Some(Step::Index(_, span) | Step::Key(_, span)) = rest.first() {
                        let message =
                            format!("The pipeline does not state `{}`, so no part of it can be set.", field.text);
                        return Err(Diagnostic::new(span, message).hint("Set it as a whole."));
                    }
                    let tree =
                        if rest.is_empty() { value.clone() } else { Tree { span: field.span.clone(), form: empty } };
                    fields.push((field.clone(), tree));
                    fields.len() - 1
                }
            };
            place(&mut fields[at].1, rest, value)
        }
        Step::Index(index, span) => {
            let found = base.describe();
            match &mut base.form {
                Form::List(items) | Form::Tuple { name: None, items } if *index < items.len() => {
                    place(&mut items[*index], rest, value)
                }
                Form::List(items) | Form::Tuple { name: None, items } => {
                    let message = format!("There is no item {index}: there are {}, counted from 0.", items.len());
                    Err(Diagnostic::new(span, message).hint("To add items, set the list as a whole."))
                }
                _ => Err(Diagnostic::new(span, format!("Expected a list or a tuple here, found {found}."))
                    .hint("Only lists and tuples have numbered items.")),
            }
        }
        Step::Key(key, span) => {
            let Form::Map(entries) = &mut base.form else {
                let message = format!("Expected a map here, found {}.", base.describe());
                return Err(Diagnostic::new(span, message).hint("Only maps have keys in quotes."));
            };
            let form = Form::Str(key.clone());
            let at = entries.iter().position(|(existing, _)| existing.form == form).unwrap_or_else(|| {
                entries.push((Tree { span: span.clone(), form }, value.clone()));
                entries.len() - 1
            });
            place(&mut entries[at].1, rest, value)
        }
    }
}

/// Reads the path of a `--set`.
struct Cursor {
    text: Arc<Text>,
    at: usize,
}

impl Cursor {
    fn rest(&self) -> &str {
        &self.text.content[self.at..]
    }

    fn fault(&self, expected: &str) -> Diagnostic {
        let len = self.rest().chars().next().map_or(0, char::len_utf8);
        let span = Span { text: self.text.clone(), start: self.at, end: self.at + len };
        let found = if len == 0 { "the end".to_owned() } else { format!("`{}`", &self.rest()[..len]) };
        Diagnostic::new(&span, format!("Expected {expected}, found {found}."))
            .hint("Write `--set stage.field=VALUE`, as `train.steps=50`, `train.crop[0]=64` or `train=Train(…)`.")
    }

    /// Moves behind `symbol` if it is next.
    fn eat(&mut self, symbol: char) -> bool {
        let found = self.rest().starts_with(symbol);
        self.at += if found { symbol.len_utf8() } else { 0 };
        found
    }

    fn take(&mut self, keep: impl Fn(char) -> bool) -> Word {
        let len = self.rest().find(|c| !keep(c)).unwrap_or(self.rest().len());
        let span = Span { text: self.text.clone(), start: self.at, end: self.at + len };
        let text = self.rest()[..len].to_owned();
        self.at += len;
        Word { text, span }
    }

    fn name(&mut self, what: &str) -> Result<Word, Diagnostic> {
        let word = if self.eat('"') {
            let word = self.take(|c| c != '"');
            if !self.eat('"') {
                return Err(self.fault("a closing quote"));
            }
            word
        } else {
            self.take(|c| c.is_alphanumeric() || c == '_' || c == '-')
        };
        if word.text.is_empty() { Err(self.fault(what)) } else { Ok(word) }
    }

    fn path(&mut self) -> Result<(Word, Vec<Step>), Diagnostic> {
        let stage = self.name("the name of a stage")?;
        let mut steps = Vec::new();
        loop {
            if self.eat('=') {
                return Ok((stage, steps));
            } else if self.eat('.') {
                steps.push(Step::Field(self.name("the name of a field")?));
            } else if self.eat('[') {
                if self.rest().starts_with('"') {
                    let key = self.name("a key")?;
                    steps.push(Step::Key(key.text, key.span));
                } else {
                    let number = self.take(|c| c.is_ascii_digit());
                    let index = number.text.parse().map_err(|_| self.fault("a number or a key in quotes"))?;
                    steps.push(Step::Index(index, number.span));
                }
                if !self.eat(']') {
                    return Err(self.fault("`]`"));
                }
            } else {
                return Err(self.fault("`.`, `[` or `=`"));
            }
        }
    }
}
