//! RON as a tree. It keeps what `ron::Value` loses: names of structures, order, and places.

use super::limits::{LABEL, TEXT_UNIT};
use super::text::Span;
use super::words::cut;

/// A piece of RON and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    pub span: Span,
    pub form: Form,
}

/// What a piece of RON is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Form {
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Char(char),
    Word(Word),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
    Struct { name: Option<Word>, fields: Vec<FieldTree> },
    Tuple { name: Option<Word>, items: Vec<Tree> },
    Broken,
}

/// A field of a structure.
pub(crate) type FieldTree = (Word, Tree);

/// A name that stands without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub text: String,
    pub span: Span,
}

impl Word {
    /// The name of a field that stands without one.
    pub fn unnamed(value: &Tree) -> Self {
        Word { text: String::new(), span: value.span.clone() }
    }

    /// Whether it can stand without quotes.
    fn is_plain(&self) -> bool {
        let first = |c: char| c == '_' || c.is_alphabetic();
        let all = self.text.chars().all(|c| c == '_' || c.is_alphanumeric());
        all && self.text.starts_with(first) && !matches!(self.text.as_str(), "inf" | "NaN")
    }
}

impl Tree {
    /// The content of a text.
    pub fn text(&self) -> Option<&str> {
        match &self.form {
            Form::Str(text) => Some(text),
            _ => None,
        }
    }

    /// How many values the tree has, long texts counted by their length.
    pub fn weight(&self) -> usize {
        1 + match &self.form {
            Form::Str(text) => text.len() / TEXT_UNIT,
            Form::List(items) | Form::Tuple { items, .. } => items.iter().map(Tree::weight).sum(),
            Form::Map(entries) => entries.iter().map(|(key, value)| key.weight() + value.weight()).sum(),
            Form::Struct { fields, .. } => fields.iter().map(|(_, value)| value.weight()).sum(),
            _ => 0,
        }
    }

    /// Name and fields of a structure in any spelling: `Name(a: 1)`, `(a: 1)`, `Name()`, `Name`, `()`.
    pub fn structure(&self) -> Option<(Option<&Word>, &[FieldTree])> {
        match &self.form {
            Form::Struct { name, fields } => Some((name.as_ref(), fields)),
            Form::Tuple { name, items } if items.is_empty() => Some((name.as_ref(), &[])),
            Form::Word(word) => Some((Some(word), &[])),
            _ => None,
        }
    }

    /// A field of a structure.
    pub fn field(&self, name: &str) -> Option<&Tree> {
        let (_, fields) = self.structure()?;
        fields.iter().find(|(word, _)| word.text == name).map(|(_, value)| value)
    }

    /// The fields of a structure that states some, to change them.
    pub fn fields_mut(&mut self) -> Option<&mut Vec<FieldTree>> {
        match &mut self.form {
            Form::Struct { fields, .. } => Some(fields),
            _ => None,
        }
    }

    /// A field of a structure, to change it.
    pub fn field_mut(&mut self, name: &str) -> Option<&mut Tree> {
        let fields = self.fields_mut()?;
        fields.iter_mut().find(|(word, _)| word.text == name).map(|(_, value)| value)
    }

    /// The inside of `Some(x)`.
    pub fn some(&self) -> Option<&Tree> {
        match &self.form {
            Form::Tuple { name: Some(name), items } if name.text == "Some" && items.len() == 1 => items.first(),
            _ => None,
        }
    }

    /// The inside of `Some(x)`, to change it.
    pub fn some_mut(&mut self) -> Option<&mut Tree> {
        match &mut self.form {
            Form::Tuple { name: Some(name), items } if name.text == "Some" && items.len() == 1 => items.first_mut(),
            _ => None,
        }
    }

    /// The entries of `{"name": value}` or `(name: value)`. None for other forms, or if a key is no text.
    pub fn entries(&self) -> Option<Vec<(Word, &Tree)>> {
        match &self.form {
            Form::Map(entries) => {
                let word = |key: &Tree| match &key.form {
                    Form::Str(text) => Some(Word { text: text.clone(), span: key.span.clone() }),
                    _ => None,
                };
                entries.iter().map(|(key, value)| Some((word(key)?, value))).collect()
            }
            _ => match self.structure()? {
                (None, fields) => Some(fields.iter().map(|(word, value)| (word.clone(), value)).collect()),
                (Some(_), _) => None,
            },
        }
    }

    /// The tree as RON on one line, each text written by `text`.
    pub fn ron(&self, text: &dyn Fn(&Tree, &str) -> String) -> String {
        let list = |items: &[Tree]| items.iter().map(|item| item.ron(text)).collect::<Vec<_>>().join(", ");
        let head = |name: &Option<Word>| name.as_ref().map_or("", |name| &name.text).to_owned();
        match &self.form {
            Form::Bool(value) => value.to_string(),
            Form::Int(value) => value.to_string(),
            Form::Float(value) => format!("{value:?}"),
            Form::Str(content) => text(self, content),
            Form::Char(c) => format!("{c:?}"),
            Form::Word(word) => word.text.clone(),
            Form::List(items) => format!("[{}]", list(items)),
            Form::Map(entries) => {
                let entry = |(key, value): &(Tree, Tree)| format!("{}: {}", key.ron(text), value.ron(text));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            Form::Tuple { name: Some(name), items } if items.is_empty() => name.text.clone(),
            Form::Tuple { name, items } => format!("{}({})", head(name), list(items)),
            // An entry that was set one by one may have any name.
            Form::Struct { name: None, fields } if !fields.iter().all(|(word, _)| word.is_plain()) => {
                let entry = |(word, value): &FieldTree| format!("{:?}: {}", word.text, value.ron(text));
                format!("{{{}}}", fields.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            Form::Struct { name, fields } => {
                let field = |(word, value): &FieldTree| match word.text.as_str() {
                    "" => value.ron(text),
                    name => format!("{name}: {}", value.ron(text)),
                };
                let fields: Vec<String> = fields.iter().map(field).collect();
                format!("{}({})", head(name), fields.join(", "))
            }
            Form::Broken => String::new(),
        }
    }

    /// The tree in words, for messages: "the integer 5".
    pub fn describe(&self) -> String {
        match &self.form {
            Form::Bool(value) => format!("`{value}`"),
            Form::Int(value) => format!("the integer {value}"),
            Form::Float(value) => format!("the number {value:?}"),
            Form::Str(text) if text.is_empty() => "an empty text".to_owned(),
            Form::Str(text) => format!("the text {:?}", cut(text, LABEL)),
            Form::Char(c) => format!("the character {c:?}"),
            Form::Word(word) => format!("the word `{}`", cut(&word.text, LABEL)),
            Form::List(items) if items.is_empty() => "an empty list".to_owned(),
            Form::List(_) => "a list".to_owned(),
            Form::Map(_) => "a map".to_owned(),
            Form::Struct { name: Some(name), .. } => format!("a structure `{}(…)`", name.text),
            Form::Struct { name: None, .. } => "a structure without a name".to_owned(),
            Form::Tuple { name: Some(name), items } if items.is_empty() => format!("`{}()`", name.text),
            Form::Tuple { name: Some(name), .. } => format!("`{}(…)` without names of fields", name.text),
            Form::Tuple { name: None, items } => match items.len() {
                1 => "a tuple of one item".to_owned(),
                n => format!("a tuple of {n} items"),
            },
            Form::Broken => "nothing that can be read".to_owned(),
        }
    }
}
