//! Types of parameters: what a pipeline may say, with documentation, units, ranges and defaults.

use std::collections::BTreeMap;

use super::output::Yield;
use super::value::{Record, Value};

/// The type of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// An integer within inclusive bounds.
    Int {
        /// The smallest value allowed.
        min: i64,
        /// The largest value allowed.
        max: i64,
    },
    /// A finite number; integers are accepted.
    Float(Bounds),
    /// A text, not empty.
    Str,
    /// A reference to a stage whose kind has one of these yields, by name.
    Ref(Vec<&'static str>),
    /// A reference as in [`Type::Ref`] that means all cells of its stage. The value is a list of the one reference, as every
    /// reference in a list means all cells; a pipeline may leave the brackets out.
    Cells(Vec<&'static str>),
    /// A file whose content is an input.
    File,
    /// A list with at least `min` items.
    List {
        /// The type of an item.
        item: Box<Type>,
        /// The smallest length allowed.
        min: usize,
    },
    /// A tuple.
    Tuple(Vec<Type>),
    /// A map from text.
    Map(Box<Type>),
    /// `None`, `Some(x)` or plain `x`.
    Option(Box<Type>),
    /// A structure, written `(field: value)` with or without its name.
    Struct(Structure),
    /// One of several variants, written `Variant` or `Variant(field: value)`.
    Enum(Enumeration),
}

/// The bound of numbers that single precision, in which networks are computed, does not take for infinite.
pub const SINGLE: f64 = 1e38;

/// The bounds of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The lower bound.
    pub low: f64,
    /// Whether `low` itself is refused.
    pub above: bool,
    /// The upper bound.
    pub high: f64,
    /// Whether `high` itself is refused.
    pub below: bool,
}

impl Bounds {
    /// Any finite number.
    pub const ANY: Bounds = Bounds { low: f64::NEG_INFINITY, above: false, high: f64::INFINITY, below: false };

    /// Whether `value` is finite and within the bounds.
    pub fn contains(&self, value: f64) -> bool {
        let low = if self.above { value > self.low } else { value >= self.low };
        let high = if self.below { value < self.high } else { value <= self.high };
        value.is_finite() && low && high
    }
}

/// A structure.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    /// The name.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// The fields, in the order of the documentation.
    pub fields: Vec<Field>,
}

/// An enum.
#[derive(Debug, Clone, PartialEq)]
pub struct Enumeration {
    /// The name.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// The variants, in the order of the documentation.
    pub variants: Vec<Variant>,
}

impl Enumeration {
    /// The first field of the variant `name`, if it may be stated without its own name.
    pub fn first_unnamed(&self, name: &str) -> Option<&Field> {
        let variant = self.variants.iter().find(|variant| variant.name == name)?;
        variant.fields.first().filter(|field| field.unnamed)
    }
}

/// A variant of an enum.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// The name.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// The fields.
    pub fields: Vec<Field>,
}

/// A field of a structure or variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// The unit, or nothing.
    pub unit: &'static str,
    /// The type.
    pub ty: Type,
    /// The value where none is given; none: the field is required.
    pub default: Option<Value>,
    /// Whether the field enters the identity of the stage.
    pub keyed: bool,
    /// The version of the program that brought the field, where the kind was there before.
    pub since: Option<&'static str>,
    /// Whether a variant that has the field first may state it without its name, as `First(100)`.
    pub unnamed: bool,
}

impl Field {
    /// A required, keyed field.
    pub fn new(name: &'static str, doc: &'static str, ty: Type) -> Self {
        Field { name, doc: doc.trim(), unit: "", ty, default: None, keyed: true, since: None, unnamed: false }
    }

    /// Sets the default.
    pub fn default(mut self, value: Value) -> Self {
        self.default = Some(value);
        self
    }

    /// Sets the unit.
    pub fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Keeps the field out of every identity: it changes where or how fast, never what.
    pub fn unkeyed(mut self) -> Self {
        self.keyed = false;
        self
    }

    /// Lets the first field of a variant be stated without its name.
    pub fn unnamed(mut self) -> Self {
        self.unnamed = true;
        self
    }

    /// Says which version of the program brought the field to a kind that was there before. At its default such a field
    /// enters no identity, so that all that was made before is still found.
    pub fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    /// Whether the field enters an identity, in which its value would be `identity`.
    fn enters(&self, identity: &Value) -> bool {
        let is_default = || self.default.as_ref().is_some_and(|default| self.ty.identity(default) == *identity);
        self.keyed && !(self.since.is_some() && is_default())
    }

    /// Refuses numbers below `min`.
    pub fn min(mut self, min: f64) -> Self {
        self.ty.bound(&|b| b.low = min);
        self
    }

    /// Refuses numbers up to and including `low`.
    pub fn above(mut self, low: f64) -> Self {
        self.ty.bound(&|b| {
            b.low = low;
            b.above = true;
        });
        self
    }

    /// Refuses numbers over `max`.
    pub fn max(mut self, max: f64) -> Self {
        self.ty.bound(&|b| b.high = max);
        self
    }

    /// Refuses numbers from `high` on.
    pub fn below(mut self, high: f64) -> Self {
        self.ty.bound(&|b| {
            b.high = high;
            b.below = true;
        });
        self
    }

    /// Refuses an empty list.
    pub fn nonempty(mut self) -> Self {
        if let Type::List { min, .. } = &mut self.ty {
            *min = 1;
        }
        self
    }

    /// Says what a stage that is referred to must yield: one of these.
    pub fn to(mut self, yields: &[Yield]) -> Self {
        self.ty.refer(&yields.iter().map(|one| one.name).collect::<Vec<_>>());
        self
    }
}

impl Type {
    /// Applies a change of bounds to every number inside. Integer bounds are whole numbers.
    fn bound(&mut self, change: &dyn Fn(&mut Bounds)) {
        match self {
            Type::Float(bounds) => change(bounds),
            Type::Int { min, max } => {
                let mut bounds = Bounds { low: *min as f64, above: false, high: *max as f64, below: false };
                let before = bounds;
                change(&mut bounds);
                if bounds.low != before.low || bounds.above {
                    *min = bounds.low as i64 + i64::from(bounds.above);
                }
                if bounds.high != before.high || bounds.below {
                    *max = bounds.high as i64 - i64::from(bounds.below);
                }
            }
            Type::List { item, .. } | Type::Map(item) | Type::Option(item) => item.bound(change),
            Type::Tuple(items) => items.iter_mut().for_each(|item| item.bound(change)),
            _ => {}
        }
    }

    fn refer(&mut self, yields: &[&'static str]) {
        match self {
            Type::Ref(allowed) | Type::Cells(allowed) => *allowed = yields.to_vec(),
            Type::List { item, .. } | Type::Map(item) | Type::Option(item) => item.refer(yields),
            Type::Tuple(items) => items.iter_mut().for_each(|item| item.refer(yields)),
            _ => {}
        }
    }

    /// The fields that a value of this type has under the variant `name`.
    pub fn fields_of(&self, name: &str) -> Option<&[Field]> {
        match self {
            Type::Struct(structure) => Some(&structure.fields),
            Type::Enum(e) => e.variants.iter().find(|v| v.name == name).map(|v| v.fields.as_slice()),
            _ => None,
        }
    }

    /// `value` without the fields that enter no identity: those that are not keyed, and those that a later version brought
    /// and that have their default. `value` must have passed the check.
    pub fn identity(&self, value: &Value) -> Value {
        match (self, value) {
            (Type::List { item, .. }, Value::List(items)) => {
                Value::List(items.iter().map(|value| item.identity(value)).collect())
            }
            (Type::Tuple(types), Value::Tuple(items)) => {
                Value::Tuple(types.iter().zip(items).map(|(ty, value)| ty.identity(value)).collect())
            }
            (Type::Map(item), Value::Map(map)) => {
                Value::Map(map.iter().map(|(key, value)| (key.clone(), item.identity(value))).collect())
            }
            (Type::Option(item), Value::Option(Some(value))) => Value::Option(Some(Box::new(item.identity(value)))),
            (Type::Struct(_) | Type::Enum(_), Value::Struct(record)) => {
                let types = self.fields_of(&record.name).unwrap_or_default();
                let mut fields: BTreeMap<String, Value> = BTreeMap::new();
                for (key, value) in &record.fields {
                    let field = types.iter().find(|field| field.name == key);
                    // A field without a type only expansion adds, as a training node's first step.
                    let value = field.map_or_else(|| value.clone(), |field| field.ty.identity(value));
                    if field.is_none_or(|field| field.enters(&value)) {
                        fields.insert(key.clone(), value);
                    }
                }
                Value::Struct(Record { name: record.name.clone(), fields })
            }
            _ => value.clone(),
        }
    }

    /// `value` with the default of every field that it lacks and that has one.
    pub fn complete(&self, value: &Value) -> Value {
        match (self, value) {
            (Type::List { item, .. }, Value::List(items)) => {
                Value::List(items.iter().map(|value| item.complete(value)).collect())
            }
            (Type::Tuple(types), Value::Tuple(items)) => {
                Value::Tuple(types.iter().zip(items).map(|(ty, value)| ty.complete(value)).collect())
            }
            (Type::Map(item), Value::Map(map)) => {
                Value::Map(map.iter().map(|(key, value)| (key.clone(), item.complete(value))).collect())
            }
            (Type::Option(item), Value::Option(Some(value))) => Value::Option(Some(Box::new(item.complete(value)))),
            (Type::Struct(_) | Type::Enum(_), Value::Struct(record)) => {
                let mut record = record.clone();
                for field in self.fields_of(&record.name).unwrap_or_default() {
                    match (record.fields.get_mut(field.name), &field.default) {
                        (Some(value), _) => *value = field.ty.complete(value),
                        (None, Some(default)) => drop(record.fields.insert(field.name.to_owned(), default.clone())),
                        (None, None) => {}
                    }
                }
                Value::Struct(record)
            }
            _ => value.clone(),
        }
    }

    /// The type in words, for messages: "an integer of at least 1".
    pub fn describe(&self) -> String {
        match self {
            Type::Bool => "`true` or `false`".to_owned(),
            Type::Int { min: i64::MIN, max: i64::MAX } => "an integer".to_owned(),
            Type::Int { min, max: i64::MAX } => format!("an integer of at least {min}"),
            Type::Int { min: i64::MIN, max } => format!("an integer of at most {max}"),
            Type::Int { min, max } => format!("an integer from {min} to {max}"),
            Type::Float(bounds) => {
                let low = match (bounds.low, bounds.above) {
                    (f64::NEG_INFINITY, _) => None,
                    (low, true) => Some(format!("above {}", short(low))),
                    (low, false) => Some(format!("of at least {}", short(low))),
                };
                let high = match (bounds.high, bounds.below) {
                    (f64::INFINITY, _) => None,
                    (high, true) => Some(format!("below {}", short(high))),
                    (high, false) => Some(format!("at most {}", short(high))),
                };
                match (low, high) {
                    (None, None) => "a finite number".to_owned(),
                    (Some(one), None) | (None, Some(one)) => format!("a finite number {one}"),
                    (Some(low), Some(high)) => format!("a number {low} and {high}"),
                }
            }
            Type::Str => "a text in quotes".to_owned(),
            Type::Ref(yields) => format!("the name of a stage that gives {}", yields.join(" or ")),
            Type::Cells(yields) => {
                format!("the name of a stage that gives {}, which means all its cells", yields.join(" or "))
            }
            Type::File => "the path of a file in quotes".to_owned(),
            Type::List { item, min: 0 } => format!("a list, each {}", item.describe()),
            Type::List { item, .. } => format!("a list with at least one item, each {}", item.describe()),
            Type::Tuple(items) => {
                let items: Vec<String> = items.iter().map(Type::describe).collect();
                format!("a tuple ({})", items.join(", "))
            }
            Type::Map(item) => format!("a map from text, each value {}", item.describe()),
            Type::Option(item) => format!("`None` or {}", item.describe()),
            Type::Struct(structure) => format!("a structure `{}(…)`", structure.name),
            Type::Enum(e) => {
                let names: Vec<String> = e.variants.iter().map(|v| format!("`{}`", v.name)).collect();
                format!("one of {}", names.join(", "))
            }
        }
    }
}

/// A bound in few digits: a large one by its exponent.
fn short(bound: f64) -> String {
    if bound.abs() < 1e16 { bound.to_string() } else { format!("{bound:e}") }
}
