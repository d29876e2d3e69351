//! Paths to a part of a stage, as `train.optimizer.lr`, and how a value is set there.

use std::sync::Arc;

use super::merge::{fields_mut, map_key, merge};
use crate::syntax::limits::{DEPTH, NAME};
use crate::syntax::{Diagnostic, Fallible, Form, Span, Text, Tree, Word};

/// What a path leads to: a stage, or a part of it.
#[derive(Debug)]
pub(super) struct FieldPath {
    pub stage: Word,
    pub steps: Vec<PathStep>,
}

/// A step of a path.
#[derive(Debug)]
pub(super) enum PathStep {
    Field(Word),
    Index(usize, Span),
    Key(Word),
}

impl FieldPath {
    /// Reads a path that a file states in quotes at `at`. None if the text is no path.
    pub fn read(path: &str, at: &Span) -> Option<Self> {
        let content = format!("{path}=");
        let mut cursor = PathReader { text: Arc::new(Text::new("", content, "")), at: 0 };
        let mut path = cursor.path().ok().filter(|_| cursor.at == cursor.text.content.len())?;
        path.stage.span = at.clone();
        for PathStep::Field(Word { span, .. }) | PathStep::Index(_, span) | PathStep::Key(Word { span, .. }) in
            &mut path.steps
        {
            *span = at.clone();
        }
        Some(path)
    }

    /// The field of the stage that this is or is in.
    pub fn field(&self) -> Option<&str> {
        match self.steps.first() {
            Some(PathStep::Field(field)) => Some(&field.text),
            _ => None,
        }
    }

    /// Its parts from the stage on. Where one path is a part of another, so are its parts at the start of the other's.
    pub fn parts(&self) -> Vec<Part> {
        let step = |step: &PathStep| match step {
            // An entry of a map has two spellings: `labels.iou` and `labels["iou"]`.
            PathStep::Field(Word { text, .. }) | PathStep::Key(Word { text, .. }) => Part::Name(text.clone()),
            PathStep::Index(index, _) => Part::Number(*index),
        };
        std::iter::once(Part::Name(self.stage.text.clone())).chain(self.steps.iter().map(step)).collect()
    }
}

/// A part of a path, without where it is stated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    Name(String),
    Number(usize),
}

/// Sets `value` at the part of `base` that `steps` lead to.
pub(super) fn set_at(base: &mut Tree, steps: &[PathStep], value: Tree) -> Fallible<()> {
    let Some((step, rest)) = steps.split_first() else {
        merge(base, value);
        return Ok(());
    };
    if let Some(inner) = base.some_mut() {
        return set_at(inner, steps, value);
    }
    match step {
        PathStep::Field(field) => {
            if matches!(&base.form, Form::Word(word) if word.text == "None") {
                *base = Tree { span: field.span.clone(), form: Form::Struct { name: None, fields: Vec::new() } };
            }
            let found = base.describe();
            if let Form::Map(entries) = &mut base.form {
                return set_entry(entries, field, rest, value);
            }
            let Some(fields) = fields_mut(base) else {
                let message = format!("Expected a structure or a map here, found {found}.");
                let hint = "Set it as a whole, or an item of a list by its number, as `[0]`.";
                return Diagnostic::new(&field.span, message).hint(hint).stop();
            };
            let at = match fields.iter().position(|(existing, _)| existing.text == field.text) {
                Some(at) => at,
                None => {
                    fields.push((field.clone(), fresh(&field.text, &field.span, rest, &value)?));
                    fields.len() - 1
                }
            };
            set_at(&mut fields[at].1, rest, value)
        }
        PathStep::Index(index, span) => {
            let found = base.describe();
            match &mut base.form {
                Form::List(items) | Form::Tuple { name: None, items } if *index < items.len() => {
                    set_at(&mut items[*index], rest, value)
                }
                Form::List(items) | Form::Tuple { name: None, items } => {
                    let message = format!("There is no item {index}: there are {}, counted from 0.", items.len());
                    Diagnostic::new(span, message).hint("To add items, set the list as a whole.").stop()
                }
                _ => Diagnostic::new(span, format!("Expected a list or a tuple here, found {found}."))
                    .hint("Only lists and tuples have numbered items.")
                    .stop(),
            }
        }
        PathStep::Key(word) => {
            // Entries that were set one by one, as `labels.iou`, are a map as well.
            if let Some((None, fields)) = base.structure() {
                let entries = fields.iter().map(|(word, value)| (map_key(word.clone()), value.clone())).collect();
                base.form = Form::Map(entries);
            }
            let Form::Map(entries) = &mut base.form else {
                let message = format!("Expected a map here, found {}.", base.describe());
                return Diagnostic::new(&word.span, message).hint("Only maps have keys in quotes.").stop();
            };
            set_entry(entries, word, rest, value)
        }
    }
}

/// Sets `value` at the part of the entry `word` of a map that `rest` leads to. The entry may be new.
fn set_entry(entries: &mut Vec<(Tree, Tree)>, word: &Word, rest: &[PathStep], value: Tree) -> Fallible<()> {
    let at = match entries.iter().position(|(existing, _)| existing.text() == Some(&word.text)) {
        Some(at) => at,
        None => {
            entries.push((map_key(word.clone()), fresh(&word.text, &word.span, rest, &value)?));
            entries.len() - 1
        }
    };
    set_at(&mut entries[at].1, rest, value)
}

/// What stands at a new part `name`, before `value` is set at `rest` below it.
fn fresh(name: &str, span: &Span, rest: &[PathStep], value: &Tree) -> Fallible<Tree> {
    let form = match rest.first() {
        None => return Ok(value.clone()),
        Some(PathStep::Field(_)) => Form::Struct { name: None, fields: Vec::new() },
        Some(PathStep::Key(_)) => Form::Map(Vec::new()),
        Some(PathStep::Index(_, span)) => {
            let message = format!("The pipeline does not state `{name}`, so no item of it can be set.");
            return Diagnostic::new(span, message).hint("Set it as a whole.").stop();
        }
    };
    Ok(Tree { span: span.clone(), form })
}

/// Reads the path of a `--set`.
pub(super) struct PathReader {
    pub text: Arc<Text>,
    pub at: usize,
}

impl PathReader {
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

    fn name(&mut self, what: &str) -> Fallible<Word> {
        let word = if self.eat('"') {
            let word = self.take(|c| c != '"');
            if !self.eat('"') {
                return self.fault("a closing quote").stop();
            }
            word
        } else {
            self.take(|c| c.is_alphanumeric() || c == '_' || c == '-')
        };
        match word.text.chars().take(NAME + 1).count() {
            0 => self.fault(what).stop(),
            length if length > NAME => {
                let message = format!("This name has more than {} characters.", NAME);
                Diagnostic::new(&word.span, message).hint("Write a shorter one.").stop()
            }
            _ => Ok(word),
        }
    }

    pub fn path(&mut self) -> Fallible<FieldPath> {
        let stage = self.name("the name of a stage")?;
        let mut steps = Vec::new();
        loop {
            if steps.len() > DEPTH {
                return self.fault("`=`").stop();
            } else if self.eat('=') {
                return Ok(FieldPath { stage, steps });
            } else if self.eat('.') {
                steps.push(PathStep::Field(self.name("the name of a field")?));
            } else if self.eat('[') {
                if self.rest().starts_with('"') {
                    steps.push(PathStep::Key(self.name("a key")?));
                } else {
                    let number = self.take(|c| c.is_ascii_digit());
                    let index = number.text.parse().map_err(|_| self.fault("a number or a key in quotes"))?;
                    steps.push(PathStep::Index(index, number.span));
                }
                if !self.eat(']') {
                    return self.fault("`]`").stop();
                }
            } else {
                return self.fault("`.`, `[` or `=`").stop();
            }
        }
    }
}
