//! Checks trees against types: the result is a complete value, or every fault.
//!
//! Invariants:
//! - a value that comes out has every field of its type, within its bounds;
//! - the place of every stated value is kept under the path that [`references`](crate::stage::expansion::references)
//!   gives it, as `from[0]` or `schedule.power`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::paths::tidy;
use super::stated::Declared;
use crate::stage::schema::{Enumeration, Structure};
use crate::stage::value::Record;
use crate::stage::{Field, Kind, ParamFault, Registry, Type, Value};
use crate::syntax::limits::LABEL;
use crate::syntax::{Diagnostic, Faults, FieldTree, Form, Span, Tree, Word, cut, names, suggestion};

/// A stage that was checked.
pub(super) struct Checked<'a> {
    /// The kind, if there is one of that name.
    pub kind: Option<&'a dyn Kind>,
    /// The parameters, if they have no fault.
    pub params: Option<Value>,
    /// Where the stage's kind stands.
    pub span: Span,
    /// Where each stated value stands, by its path.
    pub places: BTreeMap<String, Span>,
    /// The references that the stage states.
    pub references: Vec<StatedReference>,
}

/// A reference as stated.
pub(super) struct StatedReference {
    pub text: String,
    pub span: Span,
    /// What the stage referred to may yield.
    pub yields: Vec<&'static str>,
    /// Whether it stands in a list, and so means all cells of its stage.
    pub gathers: bool,
}

impl Checked<'_> {
    /// A fault that a kind found, at the field that it names or the nearest one around it.
    pub fn place(&self, fault: ParamFault) -> Diagnostic {
        let mut path = fault.field.as_str();
        let span = loop {
            match (self.places.get(path), path.rfind(['.', '['])) {
                (Some(span), _) => break span,
                (None, Some(end)) => path = &path[..end],
                (None, None) => break &self.span,
            }
        };
        Diagnostic::new(span, fault.message).hint(fault.hint)
    }
}

/// Checks a stage against its kind.
pub(super) fn stage<'a>(declared: &Declared, registry: &'a Registry, faults: &mut Faults) -> Checked<'a> {
    let head = declared.tree.structure().and_then(|(name, _)| name);
    let span = head.map_or(&declared.tree.span, |name| &name.span).clone();
    let mut checked = Checked { kind: None, params: None, span, places: BTreeMap::new(), references: Vec::new() };
    let (Some(head), Some((_, fields))) = (head, declared.tree.structure()) else {
        faults.tell(&declared.tree.span, || {
            let message = format!("Expected a stage, found {}.", declared.tree.describe());
            let hint = "A stage is a kind with its fields, each by name, as `Train(data: \"images\")`.";
            Diagnostic::new(&declared.tree.span, message).hint(hint)
        });
        return checked;
    };
    let kinds = || registry.kinds.iter().map(|kind| kind.name());
    let Some(kind) = registry.kind(&head.text) else {
        faults.tell(&head.span, || {
            let near = suggestion(&head.text, kinds());
            let message = format!("There is no stage kind `{}`{near}", cut(&head.text, LABEL));
            Diagnostic::new(&head.span, message).hint(format!("The kinds are {}.", names(kinds())))
        });
        return checked;
    };
    checked.kind = Some(kind);
    let mut checker =
        Checker { faults, places: BTreeMap::new(), references: Vec::new(), path: String::new(), listed: false };
    let record = checker.fields(kind.name(), &kind.schema().fields, fields, &head.span, None);
    checked.places = checker.places;
    checked.references = checker.references;
    if let Some(record) = record {
        let params = Value::Struct(record);
        for fault in kind.check(&params) {
            faults.push(checked.place(fault));
        }
        checked.params = Some(params);
    }
    checked
}

struct Checker<'a> {
    faults: &'a mut Faults,
    places: BTreeMap<String, Span>,
    references: Vec<StatedReference>,
    /// The path of the value being checked.
    path: String,
    /// Whether it is in a list.
    listed: bool,
}

impl Checker<'_> {
    fn mismatch<T>(&mut self, tree: &Tree, expected: impl AsRef<str>, hint: impl Into<String>) -> Option<T> {
        let path = &self.path;
        self.faults.tell(&tree.span, || {
            let message = format!("Expected {}, found {}.", expected.as_ref(), tree.describe());
            let label = if path.is_empty() { String::new() } else { format!("value of `{path}`") };
            Diagnostic::new(&tree.span, message).label(label).hint(hint)
        });
        None
    }

    /// Checks `tree` as the part of the value here that `step` leads to.
    fn part(&mut self, step: &str, ty: &Type, tree: &Tree, hint: &str, default: Option<&Value>) -> Option<Value> {
        let outer = self.path.len();
        self.path.push_str(if outer == 0 { step.trim_start_matches('.') } else { step });
        let value = self.value(ty, tree, hint, default);
        self.path.truncate(outer);
        value
    }

    /// The value of `tree` as a `ty`, or none if there is a fault. A structure without a name changes `default`.
    fn value(&mut self, ty: &Type, tree: &Tree, hint: &str, default: Option<&Value>) -> Option<Value> {
        self.places.insert(self.path.clone(), tree.span.clone());
        match (ty, &tree.form) {
            (Type::Bool, Form::Bool(value)) => Some(Value::Bool(*value)),
            (Type::Int { min, max }, Form::Int(value)) if (min..=max).contains(&value) => Some(Value::Int(*value)),
            (Type::Int { .. }, Form::Float(value)) if value.fract() == 0.0 => {
                self.mismatch(tree, ty.describe(), format!("Write `{value:.0}`, without a point. {hint}"))
            }
            (Type::Float(bounds), Form::Float(value)) if bounds.contains(*value) => Some(Value::Float(*value)),
            (Type::Float(bounds), Form::Int(value)) if bounds.contains(*value as f64) => {
                Some(Value::Float(*value as f64))
            }
            (Type::Str, Form::Str(text)) if !text.is_empty() => Some(Value::Str(text.clone())),
            (Type::File, Form::Str(text)) if !text.is_empty() => Some(Value::File(file(text, tree))),
            (Type::Ref(yields), Form::Str(text)) if !text.is_empty() => {
                let (text, span) = (text.clone(), tree.span.clone());
                let (yields, gathers) = (yields.clone(), self.listed);
                self.references.push(StatedReference { text: text.clone(), span, yields, gathers });
                Some(Value::Ref(text))
            }
            (Type::Cells(yields), Form::Str(text)) if !text.is_empty() => {
                Some(Value::List(vec![self.cells(text, yields, tree)]))
            }
            // As a value is written: in brackets.
            (Type::Cells(yields), Form::List(items)) => match &items[..] {
                [Tree { form: Form::Str(text), .. }] if !text.is_empty() => {
                    Some(Value::List(vec![self.cells(text, yields, &items[0])]))
                }
                _ => self.mismatch(tree, ty.describe(), hint),
            },
            (Type::Str | Type::File | Type::Ref(_) | Type::Cells(_), Form::Word(word)) => {
                self.mismatch(tree, ty.describe(), format!("Put it in quotes: `\"{}\"`.", word.text))
            }
            (Type::List { item, min }, Form::List(items)) if items.len() >= *min => {
                let parts: Vec<_> =
                    items.iter().enumerate().map(|(i, tree)| (format!("[{i}]"), &**item, tree)).collect();
                let outer = std::mem::replace(&mut self.listed, true);
                let values = self.parts(parts, hint);
                self.listed = outer;
                values.map(Value::List)
            }
            (Type::Tuple(types), Form::Tuple { name: None, items }) if items.len() == types.len() => {
                let parts = types.iter().zip(items).enumerate().map(|(i, (ty, tree))| (format!("[{i}]"), ty, tree));
                self.parts(parts.collect(), hint).map(Value::Tuple)
            }
            (Type::Tuple(types), Form::List(items)) if items.len() == types.len() => {
                self.mismatch(tree, ty.describe(), "A tuple stands in parentheses: `(…, …)`.")
            }
            (Type::List { .. }, Form::Tuple { name: None, .. }) => {
                self.mismatch(tree, ty.describe(), "A list stands in brackets: `[…, …]`.")
            }
            (Type::Map(item), Form::Map(entries)) => self.map(item, entries, hint),
            (Type::Map(item), _) if matches!(tree.structure(), Some((None, _))) => {
                let (_, fields) = tree.structure()?;
                self.changed_map(item, fields, hint, default)
            }
            (Type::Option(_), Form::Word(word)) if word.text == "None" => Some(Value::Option(None)),
            (Type::Option(inner), _) => {
                let default = default.and_then(|value| match value {
                    Value::Option(Some(value)) => Some(&**value),
                    _ => None,
                });
                let value = self.value(inner, tree.some().unwrap_or(tree), hint, default)?;
                Some(Value::Option(Some(Box::new(value))))
            }
            (Type::Struct(structure), _) => self.structure(structure, tree, hint, default),
            (Type::Enum(enumeration), _) => self.variant(enumeration, tree, hint, default),
            _ => self.mismatch(tree, ty.describe(), hint),
        }
    }

    /// A reference that means all cells of its stage.
    fn cells(&mut self, text: &str, yields: &[&'static str], tree: &Tree) -> Value {
        let (text, span) = (text.to_owned(), tree.span.clone());
        let reference = StatedReference { text: text.clone(), span, yields: yields.to_vec(), gathers: true };
        self.references.push(reference);
        Value::Ref(text)
    }

    /// The values of all parts, or none if one has a fault. Every part is checked.
    fn parts(&mut self, parts: Vec<(String, &Type, &Tree)>, hint: &str) -> Option<Vec<Value>> {
        let values: Vec<Option<Value>> =
            parts.into_iter().map(|(step, ty, tree)| self.part(&step, ty, tree, hint, None)).collect();
        values.into_iter().collect()
    }

    fn map(&mut self, item: &Type, entries: &[(Tree, Tree)], hint: &str) -> Option<Value> {
        let mut out = Some(BTreeMap::new());
        for (key, value) in entries {
            let entry = match &key.form {
                Form::Str(name) => {
                    self.part(&format!("[{name:?}]"), item, value, hint, None).map(|value| (name.clone(), value))
                }
                _ => self.mismatch(key, "a key in quotes", hint),
            };
            out = out.zip(entry).map(|(mut out, (name, value))| {
                out.insert(name, value);
                out
            });
        }
        out.map(Value::Map)
    }

    /// A map as a structure without a name states it, which changes the entries of the default.
    fn changed_map(&mut self, item: &Type, fields: &[FieldTree], hint: &str, default: Option<&Value>) -> Option<Value> {
        let mut map = match default {
            Some(Value::Map(map)) => map.clone(),
            _ => BTreeMap::new(),
        };
        let parts = fields.iter().map(|(word, tree)| (format!("[{:?}]", word.text), item, tree)).collect();
        let values = self.parts(parts, hint)?;
        map.extend(fields.iter().map(|(word, _)| word.text.clone()).zip(values));
        Some(Value::Map(map))
    }

    fn structure(&mut self, ty: &Structure, tree: &Tree, hint: &str, default: Option<&Value>) -> Option<Value> {
        let Some((name, fields)) = tree.structure() else {
            return self.mismatch(tree, format!("a structure `{}(…)`", ty.name), hint);
        };
        if let Some(name) = name.filter(|name| name.text != ty.name) {
            self.faults.tell(&name.span, || {
                let message = format!("Expected `{}`, found `{}`.", ty.name, cut(&name.text, LABEL));
                Diagnostic::new(&name.span, message).hint("The name may be left out.")
            });
            return None;
        }
        let default = default.filter(|_| name.is_none());
        let span = name.map_or(&tree.span, |name| &name.span);
        self.fields(ty.name, &ty.fields, fields, span, default).map(Value::Struct)
    }

    fn variant(&mut self, ty: &Enumeration, tree: &Tree, hint: &str, default: Option<&Value>) -> Option<Value> {
        let variants = || ty.variants.iter().map(|variant| variant.name);
        let expected = || format!("one of {}", names(variants()));
        let known = |name: &Word| variants().any(|variant| variant == name.text);
        let given = match &tree.form {
            Form::Tuple { name: Some(name), items } => match &items[..] {
                [first] if !known(name) || ty.first_unnamed(&name.text).is_some() => {
                    Some((Some(name), vec![(Word::unnamed(first), first.clone())]))
                }
                _ => None,
            },
            _ => None,
        };
        let given = given.as_ref().map(|(name, fields)| (*name, &fields[..]));
        let Some((name, fields)) = given.or_else(|| tree.structure()) else {
            return self.mismatch(tree, expected(), hint);
        };
        let (stated, span) = match (name, default) {
            (Some(name), _) => (name.text.as_str(), &name.span),
            (None, Some(Value::Struct(record))) => (record.name.as_str(), &tree.span),
            (None, _) => return self.mismatch(tree, expected(), hint),
        };
        let Some(variant) = ty.variants.iter().find(|variant| variant.name == stated) else {
            self.faults.tell(span, || {
                let near = suggestion(stated, variants());
                let message = format!("There is no `{}` called `{}`{near}", ty.name, cut(stated, LABEL));
                Diagnostic::new(span, message).hint(format!("Expected {}.", expected()))
            });
            return None;
        };
        let default = default.filter(|_| name.is_none());
        let named = self.first_named(ty.first_unnamed(variant.name), fields)?;
        self.fields(variant.name, &variant.fields, &named, span, default).map(Value::Struct)
    }

    /// The fields of a variant, of which the first gets its name if it may stand without one and does.
    fn first_named<'t>(&mut self, first: Option<&Field>, fields: &'t [FieldTree]) -> Option<Cow<'t, [FieldTree]>> {
        let stated = fields.first().filter(|(word, _)| word.text.is_empty());
        let (Some((word, value)), Some(first)) = (stated, first) else { return Some(Cow::Borrowed(fields)) };
        if let Some((again, _)) = fields.iter().find(|(word, _)| word.text == first.name) {
            self.faults.tell(&again.span, || {
                Diagnostic::new(&again.span, format!("The field `{}` is stated twice.", first.name))
                    .label("again")
                    .related(&word.span, "stated here without its name")
                    .hint("Keep one of them.")
            });
            return None;
        }
        let named = Word { text: first.name.to_owned(), span: word.span.clone() };
        Some(Cow::Owned(std::iter::once((named, value.clone())).chain(fields[1..].iter().cloned()).collect()))
    }

    /// The record `name` with `fields`, of which some are `given`. A field that is not given has its value from
    /// `default` if there is one, else its own default.
    fn fields(
        &mut self,
        name: &str,
        fields: &[Field],
        given: &[FieldTree],
        span: &Span,
        default: Option<&Value>,
    ) -> Option<Record> {
        let mut out = Some(BTreeMap::new());
        let all = || fields.iter().map(|field| field.name);
        for (word, _) in given.iter().filter(|(word, _)| all().all(|field| field != word.text)) {
            self.faults.tell(&word.span, || {
                let message = match word.text.as_str() {
                    "" => "Every field needs its name here: `name: value`.".to_owned(),
                    text => format!("Unknown field `{}`{}", cut(text, LABEL), suggestion(text, all())),
                };
                let hint = match fields.is_empty() {
                    true => format!("`{name}` has no fields."),
                    false => format!("`{name}` has the fields {}.", names(all())),
                };
                Diagnostic::new(&word.span, message).hint(hint)
            });
            out = None;
        }
        for field in fields {
            let default = default.and_then(|value| value.field(field.name)).or(field.default.as_ref());
            let value = match given.iter().find(|(word, _)| word.text == field.name) {
                Some((_, tree)) => self.part(&format!(".{}", field.name), &field.ty, tree, &about(field), default),
                None if default.is_some() => default.cloned(),
                None => {
                    self.faults.tell(span, || {
                        let message = format!("The field `{}` is missing.", field.name);
                        let hint = format!("Expected {}. {}", field.ty.describe(), about(field));
                        Diagnostic::new(span, message).label(format!("in `{name}`")).hint(hint)
                    });
                    None
                }
            };
            out = out.zip(value).map(|(mut out, value)| {
                out.insert(field.name.to_owned(), value);
                out
            });
        }
        Some(Record { name: name.to_owned(), fields: out? })
    }
}

/// What a field is: the first sentence of its documentation, and its unit.
fn about(field: &Field) -> String {
    let sentence = field.doc.split_once(". ").map_or(field.doc, |(first, _)| first).trim_end_matches('.');
    let unit = if field.unit.is_empty() { String::new() } else { format!(" (in {})", field.unit) };
    if sentence.is_empty() { String::new() } else { format!("`{}`{unit}: {sentence}.", field.name) }
}

/// A file below a data root stays as it is; a relative path starts from the folder of the text that states it.
fn file(text: &str, tree: &Tree) -> String {
    let root = text.split_once(':').map_or("", |(root, _)| root);
    let is_root = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !root.is_empty() && root.chars().all(is_root) {
        return text.to_owned();
    }
    tidy(&tree.span.text.folder.join(text)).display().to_string()
}
