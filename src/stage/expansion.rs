//! How a stage becomes nodes.

use std::collections::BTreeMap;

use super::name::StageName;
use super::schema::Type;
use super::value::{Record, Value};

/// A node of a stage: what it has beside the stage's parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeSpec {
    /// The iteration, from 1, where a stage has several.
    pub iteration: Option<u32>,
    /// Fields that are set for this node: in place of the stage's own, or beside them, as `first_step`.
    pub set: Vec<(&'static str, Value)>,
    /// Fields that say which nodes the stage has, as `iterations`. They enter no node's identity.
    pub left_out: Vec<&'static str>,
    /// The inputs by slot. A slot is the path of the field that named them: `data`, `from[0]`, `inputs["x"]`.
    pub inputs: Vec<(String, InputRef)>,
    /// Remarks on fields by name. Where a change of a field lets the node run, `repro plan` shows its remark: as that the
    /// `horizon` follows from the iterations.
    pub notes: BTreeMap<String, String>,
}

impl NodeSpec {
    /// The one node of a stage with these parameters, whose inputs are the references in them.
    pub fn only(params: &Value) -> Self {
        let inputs = references(params).into_iter().map(|(slot, name)| (slot, InputRef::Named(name))).collect();
        NodeSpec { inputs, ..NodeSpec::default() }
    }

    /// The node's parameters, from those of its stage.
    pub fn params(&self, stage: &Value) -> Value {
        let mut params = stage.clone();
        for (name, value) in &self.set {
            params.set_field(name, value.clone());
        }
        params
    }
}

/// What of a node's parameters enters its identity, where `ty` is the type of its stage's parameters, and the fields
/// `left_out` say which nodes the stage has.
pub fn identity(ty: &Type, params: &Value, left_out: &[String]) -> Value {
    match ty.identity(params) {
        Value::Struct(Record { name, mut fields }) => {
            fields.retain(|field, _| !left_out.contains(field));
            Value::Struct(Record { name, fields })
        }
        other => other,
    }
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputRef {
    /// A reference as written: `train`, `train[3]`, `run:NAME/STAGE`.
    Named(String),
    /// Node `index` (from 0) of the named stage.
    Node(String, usize),
    /// Node `index` (from 0) of the stage being expanded.
    Sibling(usize),
}

/// What an expansion may ask about other stages.
pub trait Extents {
    /// How many nodes the stage behind a reference stands for; an index names one.
    fn nodes(&self, reference: &str) -> usize;
    /// For each node that a reference means as an input, in their order, the stage in its cell of the matrix.
    fn cells(&self, reference: &str) -> Vec<StageName>;
}

/// Every reference in `params` with the path of its field, in the order of the fields.
pub fn references(params: &Value) -> Vec<(String, String)> {
    collect(params, &|value| if let Value::Ref(name) = value { Some(name.clone()) } else { None })
}

/// Every file in `params` with the path of its field.
pub fn files(params: &Value) -> Vec<(String, String)> {
    collect(params, &|value| if let Value::File(name) = value { Some(name.clone()) } else { None })
}

fn collect(value: &Value, pick: &dyn Fn(&Value) -> Option<String>) -> Vec<(String, String)> {
    fn walk(value: &Value, path: &str, pick: &dyn Fn(&Value) -> Option<String>, out: &mut Vec<(String, String)>) {
        out.extend(pick(value).map(|name| (path.trim_start_matches('.').to_owned(), name)));
        for (step, child) in value.children() {
            walk(child, &format!("{path}{step}"), pick, out);
        }
    }
    let mut out = Vec::new();
    walk(value, "", pick, &mut out);
    out
}
