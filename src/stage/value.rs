//! Parameter values: the tree that a checked pipeline is made of.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hash::{Canonical, Encoder};

/// A parameter value, complete and without source positions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A finite floating-point number.
    Float(f64),
    /// A text.
    Str(String),
    /// The name of a stage, as `"train"`, `"train[3]"` or `"run:voc_regular/validate"`. Enters no identity.
    Ref(String),
    /// A file, as `"root:relative/path"` or a path beside the pipeline. Enters no identity; its content does.
    File(String),
    /// Items of one type.
    List(Vec<Value>),
    /// Items of several types.
    Tuple(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
    /// A structure or an enum variant.
    Struct(Record),
    /// An optional value.
    Option(Option<Box<Value>>),
}

/// A named structure: fields by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Record {
    /// The name of the variant; empty for a structure that needs none.
    pub name: String,
    /// The fields.
    pub fields: BTreeMap<String, Value>,
}

impl Value {
    /// A record of that name.
    pub fn record(name: &str, fields: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Value::Struct(Record { name: name.to_owned(), fields })
    }

    /// The field `name` of a record.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(record) => record.fields.get(name),
            _ => None,
        }
    }

    /// The value at a dotted path, as `optimizer.lr`.
    pub fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(self, |value, name| value.field(name))
    }

    /// Replaces the field `name` of a record, or adds it.
    pub fn set_field(&mut self, name: &str, value: Value) {
        if let Value::Struct(record) = self {
            record.fields.insert(name.to_owned(), value);
        }
    }

    /// Every leaf, and every record whose variant matters, by dotted path: what a comparison walks.
    pub fn children(&self) -> Vec<(String, &Value)> {
        match self {
            Value::Struct(record) => record.fields.iter().map(|(k, v)| (format!(".{k}"), v)).collect(),
            Value::Map(map) => map.iter().map(|(k, v)| (format!("[{k:?}]"), v)).collect(),
            Value::List(items) | Value::Tuple(items) => {
                items.iter().enumerate().map(|(i, v)| (format!("[{i}]"), v)).collect()
            }
            Value::Option(Some(value)) => vec![(String::new(), value)],
            _ => Vec::new(),
        }
    }
}

impl Canonical for Value {
    fn encode(&self, encoder: &mut Encoder) {
        match self {
            Value::Bool(value) => encoder.bool(*value),
            Value::Int(value) => encoder.int(*value),
            Value::Float(value) => encoder.float(*value),
            Value::Str(value) => encoder.str(value),
            Value::Ref(_) => encoder.variant("ref"),
            Value::File(_) => encoder.variant("file"),
            Value::List(items) => items.encode(encoder),
            Value::Tuple(items) => {
                encoder.variant("tuple");
                items.encode(encoder);
            }
            Value::Map(map) => map.encode(encoder),
            Value::Struct(record) => {
                encoder.variant(&record.name);
                record.fields.encode(encoder);
            }
            Value::Option(None) => encoder.none(),
            Value::Option(Some(value)) => {
                encoder.some();
                value.encode(encoder);
            }
        }
    }
}

/// Writes RON on one line, as a pipeline would state the value.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            // `{:?}` is the shortest text that reads back as the same number, and always has a point or an exponent.
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Str(text) | Value::Ref(text) | Value::File(text) => write!(f, "{text:?}"),
            Value::List(items) => write_all(f, "[", items.iter().map(|item| (String::new(), item)), "]"),
            Value::Tuple(items) => write_all(f, "(", items.iter().map(|item| (String::new(), item)), ")"),
            Value::Map(map) => write_all(f, "{", map.iter().map(|(key, item)| (format!("{key:?}: "), item)), "}"),
            Value::Struct(record) if record.fields.is_empty() && !record.name.is_empty() => f.write_str(&record.name),
            Value::Struct(record) => {
                f.write_str(&record.name)?;
                write_all(f, "(", record.fields.iter().map(|(key, item)| (format!("{key}: "), item)), ")")
            }
            Value::Option(None) => f.write_str("None"),
            Value::Option(Some(value)) => write!(f, "Some({value})"),
        }
    }
}

fn write_all<'a>(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    items: impl Iterator<Item = (String, &'a Value)>,
    close: &str,
) -> fmt::Result {
    f.write_str(open)?;
    for (i, (key, item)) in items.enumerate() {
        let separator = if i == 0 { "" } else { ", " };
        write!(f, "{separator}{key}{item}")?;
    }
    f.write_str(close)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Digest;

    fn model(stage: &str) -> Value {
        Value::record(
            "Train",
            [("data", Value::Ref(stage.to_owned())), ("lr", Value::Float(2e-3)), ("steps", Value::Int(20))],
        )
    }

    #[test]
    fn names_of_stages_and_paths_enter_no_identity() {
        assert_eq!(Digest::of_canonical(&model("a")), Digest::of_canonical(&model("b")));
        let file = |path: &str| Digest::of_canonical(&Value::File(path.to_owned()));
        assert_eq!(file("x"), file("y"));
    }

    #[test]
    fn prints_as_ron() {
        assert_eq!(model("voc").to_string(), r#"Train(data: "voc", lr: 0.002, steps: 20)"#);
        let tuple = Value::Tuple(vec![Value::Int(3), Value::Option(None)]);
        assert_eq!(tuple.to_string(), "(3, None)");
    }

    #[test]
    fn finds_by_path() {
        let value = Value::record("Train", [("optimizer", Value::record("Sgd", [("lr", Value::Float(0.5))]))]);
        assert_eq!(value.at("optimizer.lr"), Some(&Value::Float(0.5)));
        assert_eq!(value.at("optimizer.rate"), None);
    }
}
