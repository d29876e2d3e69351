//! What tables are made of: columns of one kind each, and values.

use serde::{Serialize, Serializer};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Texts.
    Text,
    /// Integers of 64 bits.
    Int,
    /// Floating-point numbers of 64 bits; NaN and the infinities are values, other than null.
    Float,
    /// Truth values.
    Bool,
}

impl ColumnKind {
    /// Every kind.
    pub const ALL: [ColumnKind; 4] = [ColumnKind::Text, ColumnKind::Int, ColumnKind::Float, ColumnKind::Bool];

    /// The name in the canonical rows.
    pub fn name(self) -> &'static str {
        match self {
            ColumnKind::Text => "text",
            ColumnKind::Int => "i64",
            ColumnKind::Float => "f64",
            ColumnKind::Bool => "bool",
        }
    }

    /// The kind of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        ColumnKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A column's name and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name; no two columns of a table share one.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

impl Column {
    /// A column of that name and kind.
    pub fn new(name: impl Into<String>, kind: ColumnKind) -> Self {
        Column { name: name.into(), kind }
    }

    /// A column of texts.
    pub fn text(name: impl Into<String>) -> Self {
        Column::new(name, ColumnKind::Text)
    }

    /// A column of integers.
    pub fn int(name: impl Into<String>) -> Self {
        Column::new(name, ColumnKind::Int)
    }

    /// A column of floating-point numbers.
    pub fn float(name: impl Into<String>) -> Self {
        Column::new(name, ColumnKind::Float)
    }

    /// A column of truth values.
    pub fn bool(name: impl Into<String>) -> Self {
        Column::new(name, ColumnKind::Bool)
    }
}

/// One value.
#[derive(Debug, Clone)]
pub enum Cell {
    /// No value.
    Null,
    /// A text.
    Text(String),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A truth value.
    Bool(bool),
}

impl Cell {
    /// The kind; none for null.
    pub fn kind(&self) -> Option<ColumnKind> {
        match self {
            Cell::Null => None,
            Cell::Text(_) => Some(ColumnKind::Text),
            Cell::Int(_) => Some(ColumnKind::Int),
            Cell::Float(_) => Some(ColumnKind::Float),
            Cell::Bool(_) => Some(ColumnKind::Bool),
        }
    }

    /// The number, of either numeric kind.
    pub fn number(&self) -> Option<f64> {
        match self {
            Cell::Int(value) => Some(*value as f64),
            Cell::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Equal kind and value; NaN equals NaN, as in the canonical rows.
impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Cell::Null, Cell::Null) => true,
            (Cell::Text(a), Cell::Text(b)) => a == b,
            (Cell::Int(a), Cell::Int(b)) => a == b,
            (Cell::Float(a), Cell::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Cell::Bool(a), Cell::Bool(b)) => a == b,
            _ => false,
        }
    }
}

/// As in the canonical rows: `null`, a text, a number, `"NaN"`, `"inf"`, `"-inf"`, a truth value.
impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Null => serializer.serialize_none(),
            Cell::Text(text) => serializer.serialize_str(text),
            Cell::Int(value) => serializer.serialize_i64(*value),
            Cell::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Cell::Float(value) => serializer.collect_str(value),
            Cell::Bool(value) => serializer.serialize_bool(*value),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Cell::Int(value)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Cell::Float(value)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Cell::Bool(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, T::into)
    }
}
