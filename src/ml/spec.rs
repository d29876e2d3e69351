//! Plain descriptions of models and of their parts: what a checked pipeline is turned into.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An argument of a choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Arg {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list of integers.
    Ints(Vec<i64>),
}

/// Arguments by name.
pub type Args = BTreeMap<String, Arg>;

/// What an entry of a registry says of one of its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct ArgSpec {
    /// The name.
    pub name: &'static str,
    /// What it does, as a sentence.
    pub doc: &'static str,
    /// The value where none is given; also fixes the type.
    pub default: Arg,
}

/// An entry of a registry, chosen by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The entry's name, as `Average`.
    pub name: String,
    /// The arguments that are given; others have their defaults.
    pub args: Args,
}

impl Choice {
    /// The entry `name` with default arguments.
    pub fn new(name: &str) -> Self {
        Choice { name: name.to_owned(), args: Args::new() }
    }

    /// The same with the argument `name` set.
    pub fn with(mut self, name: &str, arg: Arg) -> Self {
        self.args.insert(name.to_owned(), arg);
        self
    }
}

/// A segmentation network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The encoder: an entry of [`crate::ml::models::ENCODERS`].
    pub encoder: Choice,
    /// The number of classes; labels from there on are ignored.
    pub classes: usize,
    /// The dilated convolution of groups 4 and 5: an entry of [`crate::ml::layers::prefilter::PREFILTERS`].
    pub prefilter: Choice,
}

/// The arguments `given` completed by defaults; every unknown name and wrong type is named in the error.
pub fn complete(owner: &str, specs: &[ArgSpec], given: &Args) -> Result<Args, String> {
    let mut faults = Vec::new();
    for (name, value) in given {
        match specs.iter().find(|spec| spec.name == name) {
            None => faults.push(format!("`{owner}` has no argument `{name}`.")),
            Some(spec) if std::mem::discriminant(&spec.default) != std::mem::discriminant(value) => {
                faults.push(format!("The argument `{name}` of `{owner}` is like {:?}, not {value:?}.", spec.default));
            }
            Some(_) => {}
        }
    }
    if !faults.is_empty() {
        return Err(faults.join(" "));
    }
    let value = |spec: &ArgSpec| given.get(spec.name).unwrap_or(&spec.default).clone();
    Ok(specs.iter().map(|spec| (spec.name.to_owned(), value(spec))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_completed_and_checked_all_at_once() {
        let specs = [ArgSpec { name: "learned", doc: "", default: Arg::Bool(true) }];
        assert_eq!(complete("Average", &specs, &Args::new()).unwrap()["learned"], Arg::Bool(true));
        let wrong = Choice::new("Average").with("lerned", Arg::Bool(true)).with("learned", Arg::Int(1));
        let error = complete("Average", &specs, &wrong.args).unwrap_err();
        assert!(error.contains("no argument `lerned`") && error.contains("`learned`"), "{error}");
    }
}
