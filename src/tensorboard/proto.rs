//! The messages of an event file, as far as they are used: field numbers and types are those of tensorflow's
//! `event.proto`, `summary.proto`, `graph.proto`, `node_def.proto` and `attr_value.proto`.

use std::collections::BTreeMap;

/// Something that happened at a step.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// The step.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// What happened.
    #[prost(oneof = "event::What", tags = "3, 4, 5")]
    pub what: Option<event::What>,
}

/// The parts of an [`Event`].
pub mod event {
    /// What happened.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum What {
        /// A file begins, of this version.
        #[prost(string, tag = "3")]
        FileVersion(String),
        /// A graph, an encoded [`GraphDef`](super::GraphDef).
        #[prost(bytes, tag = "4")]
        GraphDef(Vec<u8>),
        /// Figures and pictures.
        #[prost(message, tag = "5")]
        Summary(super::Summary),
    }
}

/// Figures and pictures of one step.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    /// Each with its tag.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

/// A figure or picture.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    /// The name of the curve or row of pictures that it belongs to.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// What it is.
    #[prost(oneof = "value::Content", tags = "2, 4")]
    pub content: Option<value::Content>,
}

/// The parts of a [`Value`].
pub mod value {
    /// What a value is.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Content {
        /// A figure.
        #[prost(float, tag = "2")]
        SimpleValue(f32),
        /// A picture.
        #[prost(message, tag = "4")]
        Image(super::Image),
    }
}

/// A picture.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Image {
    /// The height in pixels.
    #[prost(int32, tag = "1")]
    pub height: i32,
    /// The width in pixels.
    #[prost(int32, tag = "2")]
    pub width: i32,
    /// The number of channels: 3 for RGB.
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    /// The PNG file.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_image_string: Vec<u8>,
}

/// A graph of operations.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GraphDef {
    /// The operations.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeDef>,
}

/// An operation of a graph. A `/` in its name makes it part of a group that TensorBoard folds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NodeDef {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it does.
    #[prost(string, tag = "2")]
    pub op: String,
    /// The names of those whose outputs it takes.
    #[prost(string, repeated, tag = "3")]
    pub input: Vec<String>,
    /// Its attributes.
    #[prost(btree_map = "string, message", tag = "5")]
    pub attr: BTreeMap<String, AttrValue>,
}

/// An attribute of an operation.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AttrValue {
    /// The value.
    #[prost(oneof = "attr_value::Content", tags = "2, 3")]
    pub content: Option<attr_value::Content>,
}

/// The parts of an [`AttrValue`].
pub mod attr_value {
    /// The value of an attribute.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Content {
        /// A text in UTF-8.
        #[prost(bytes, tag = "2")]
        S(Vec<u8>),
        /// An integer.
        #[prost(int64, tag = "3")]
        I(i64),
    }
}
