//! The parameters that name a network. They are made from `ml`'s registries: a new encoder or pre-filter needs no line here.

use std::collections::BTreeMap;

use crate::ml::layers::prefilter;
use crate::ml::models;
use crate::ml::spec::{Arg, ArgSpec, Choice, ModelSpec};
use crate::params;
use crate::stage::params::Param;
use crate::stage::schema::{Bounds, Enumeration, SINGLE};
use crate::stage::value::Record;
use crate::stage::{Field, Type, Value, Variant};

params! {
    /// A segmentation network.
    pub enum Model {
        /// DeepLab-v2 (Chen et al., arXiv 1606.00915): a residual encoder at output stride 8, dilated by 2 in group 4
        /// and by 4 in group 5. Its head is four convolutions with the dilations 6, 12, 18 and 24. Their sum is the
        /// logits.
        DeepLabV2 {
            /// The encoder.
            encoder: Encoder;
            /// The number of classes of the data.
            classes: u32, where min(2.0).max(255.0);
            /// The type of dilated convolution: what smooths the input of the dilated 3x3 convolutions of groups 4
            /// and 5.
            prefilter: Prefilter = Prefilter::regular();
        }
    }
}

impl Model {
    /// The network's description for `ml`.
    pub fn spec(&self) -> ModelSpec {
        let Model::DeepLabV2 { encoder, classes, prefilter } = self;
        ModelSpec { encoder: encoder.0.clone(), classes: *classes as usize, prefilter: prefilter.0.clone() }
    }
}

/// An encoder by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoder(pub Choice);

/// A dilated type by name, with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Prefilter(pub Choice);

impl Prefilter {
    fn regular() -> Self {
        Prefilter(Choice::new("Regular"))
    }
}

impl Param for Encoder {
    fn ty() -> Type {
        let entries = models::ENCODERS.iter().map(|e| (e.name, e.doc, (e.args)()));
        enumeration("Encoder", "A residual encoder.", entries)
    }
    fn read(value: &Value) -> Option<Self> {
        choice(value).map(Encoder)
    }
    fn write(&self) -> Value {
        record(&self.0)
    }
}

impl Param for Prefilter {
    fn ty() -> Type {
        let entries = prefilter::PREFILTERS.iter().map(|e| (e.name, e.doc, (e.args)()));
        enumeration("Prefilter", "A type of dilated convolution.", entries)
    }
    fn read(value: &Value) -> Option<Self> {
        choice(value).map(Prefilter)
    }
    fn write(&self) -> Value {
        record(&self.0)
    }
}

fn enumeration(
    name: &'static str,
    doc: &'static str,
    entries: impl Iterator<Item = (&'static str, &'static str, Vec<ArgSpec>)>,
) -> Type {
    let variants =
        entries.map(|(name, doc, args)| Variant { name, doc, fields: args.iter().map(field).collect() }).collect();
    Type::Enum(Enumeration { name, doc, variants })
}

fn field(arg: &ArgSpec) -> Field {
    let ty = match &arg.default {
        Arg::Bool(_) => Type::Bool,
        Arg::Int(_) => Type::Int { min: 0, max: i64::from(u32::MAX) },
        Arg::Float(_) => Type::Float(Bounds { low: 0.0, above: true, high: SINGLE, below: false }),
        Arg::Ints(_) => Type::List { item: Box::new(Type::Int { min: 1, max: i64::from(u32::MAX) }), min: 1 },
        Arg::Text(_) => Type::Str,
        Arg::Name(_) => enumeration(arg.name, arg.doc, arg.names.iter().map(|&(name, doc)| (name, doc, Vec::new()))),
    };
    Field::new(arg.name, arg.doc, ty).default(value(&arg.default))
}

fn value(arg: &Arg) -> Value {
    match arg {
        Arg::Bool(value) => Value::Bool(*value),
        Arg::Int(value) => Value::Int(*value),
        Arg::Float(value) => Value::Float(*value),
        Arg::Text(value) => Value::Str(value.clone()),
        Arg::Ints(values) => Value::List(values.iter().map(|value| Value::Int(*value)).collect()),
        Arg::Name(name) => Value::Struct(Record { name: name.clone(), fields: BTreeMap::new() }),
    }
}

fn argument(value: &Value) -> Option<Arg> {
    Some(match value {
        Value::Bool(value) => Arg::Bool(*value),
        Value::Int(value) => Arg::Int(*value),
        Value::Float(value) => Arg::Float(*value),
        Value::Str(value) => Arg::Text(value.clone()),
        Value::Struct(Record { name, .. }) => Arg::Name(name.clone()),
        Value::List(items) => {
            let ints = items.iter().map(|item| if let Value::Int(n) = item { Some(*n) } else { None });
            Arg::Ints(ints.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn choice(value: &Value) -> Option<Choice> {
    let Value::Struct(Record { name, fields }) = value else { return None };
    let args = fields.iter().map(|(key, value)| Some((key.clone(), argument(value)?)));
    Some(Choice { name: name.clone(), args: args.collect::<Option<_>>()? })
}

fn record(choice: &Choice) -> Value {
    let fields = choice.args.iter().map(|(key, arg)| (key.clone(), value(arg))).collect();
    Value::Struct(Record { name: choice.name.clone(), fields })
}

/// An encoder or a pre-filter as a pipeline would state it, without the arguments that have their defaults.
pub fn in_words(choice: &Choice) -> String {
    let encoder = models::ENCODERS.iter().find(|entry| entry.name == choice.name).map(|entry| (entry.args)());
    let prefilter = || {
        let entry = prefilter::PREFILTERS.iter().find(|entry| entry.name == choice.name);
        entry.map(|entry| (entry.args)())
    };
    choice.in_words(&encoder.or_else(prefilter).unwrap_or_default())
}
