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
    /// A finite number above 0.
    Float(f64),
    /// A text.
    Text(String),
    /// A list of integers.
    Ints(Vec<i64>),
    /// One of the alternatives that the argument's [`ArgSpec`] lists.
    Name(String),
}

impl Arg {
    /// The alternative `name`.
    pub fn name(name: &str) -> Self {
        Arg::Name(name.to_owned())
    }
}

/// Arguments by name.
pub type Args = BTreeMap<String, Arg>;

/// The alternative that the argument `name` names; nothing where it is no [`Arg::Name`].
pub fn chosen<'a>(args: &'a Args, name: &str) -> &'a str {
    if let Some(Arg::Name(chosen)) = args.get(name) { chosen } else { "" }
}

/// What an entry of a registry says of one of its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct ArgSpec {
    /// The name.
    pub name: &'static str,
    /// What it does, as a sentence.
    pub doc: &'static str,
    /// The value where none is given; also fixes the type.
    pub default: Arg,
    /// Where the default is an [`Arg::Name`]: the names to choose from, each with what it means as a sentence.
    pub names: &'static [(&'static str, &'static str)],
}

impl ArgSpec {
    /// An argument that is no name.
    pub fn new(name: &'static str, doc: &'static str, default: Arg) -> Self {
        ArgSpec { name, doc, default, names: &[] }
    }

    /// An argument that is one of `names`, the first where none is given.
    pub fn choice(name: &'static str, doc: &'static str, names: &'static [(&'static str, &'static str)]) -> Self {
        let default = names.first().map_or(Arg::Bool(false), |(name, _)| Arg::name(name));
        ArgSpec { name, doc, default, names }
    }
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

    /// The choice as a pipeline would state it, without the arguments that have their default in `specs`.
    pub fn in_words(&self, specs: &[ArgSpec]) -> String {
        let stated = |name: &str, arg: &Arg| specs.iter().all(|spec| spec.name != name || spec.default != *arg);
        let arg = |arg: &Arg| match arg {
            Arg::Bool(value) => value.to_string(),
            Arg::Int(value) => value.to_string(),
            Arg::Float(value) => format!("{value:?}"),
            Arg::Text(value) => format!("{value:?}"),
            Arg::Name(name) => name.clone(),
            Arg::Ints(values) => format!("{values:?}"),
        };
        let args = self.args.iter().filter(|(key, value)| stated(key, value));
        let args: Vec<String> = args.map(|(key, value)| format!("{key}: {}", arg(value))).collect();
        if args.is_empty() { self.name.clone() } else { format!("{}({})", self.name, args.join(", ")) }
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
            Some(spec) => faults.extend(value_fault(owner, spec, value)),
        }
    }
    if !faults.is_empty() {
        return Err(faults.join(" "));
    }
    let value = |spec: &ArgSpec| given.get(spec.name).unwrap_or(&spec.default).clone();
    Ok(specs.iter().map(|spec| (spec.name.to_owned(), value(spec))).collect())
}

/// What is wrong with a value of the right type.
fn value_fault(owner: &str, spec: &ArgSpec, value: &Arg) -> Option<String> {
    let rule = match value {
        Arg::Float(value) if !(value.is_finite() && *value > 0.0) => "a finite number above 0".to_owned(),
        Arg::Name(value) if spec.names.iter().all(|(name, _)| name != value) => {
            format!("one of {}", spec.names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))
        }
        Arg::Ints(values) if values.is_empty() || values.iter().any(|&value| value < 1) => {
            "a list of at least one integer from 1 on".to_owned()
        }
        _ => return None,
    };
    Some(format!("The argument `{}` of `{owner}` is {rule}, not {value:?}.", spec.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_completed_and_checked_all_at_once() {
        let specs = [ArgSpec::new("learned", "", Arg::Bool(true))];
        assert_eq!(complete("Average", &specs, &Args::new()).unwrap()["learned"], Arg::Bool(true));
        let wrong = Choice::new("Average").with("lerned", Arg::Bool(true)).with("learned", Arg::Int(1));
        let error = complete("Average", &specs, &wrong.args).unwrap_err();
        assert!(error.contains("no argument `lerned`") && error.contains("`learned`"), "{error}");
    }

    #[test]
    fn values_are_checked_as_well_as_types() {
        let names = &[("Code", ""), ("Paper", "")];
        let specs = [
            ArgSpec::choice("form", "", names),
            ArgSpec::new("sigma", "", Arg::Float(1.0)),
            ArgSpec::new("rates", "", Arg::Ints(vec![1])),
        ];
        let complete = |choice: &Choice| complete("Any", &specs, &choice.args);
        assert_eq!(complete(&Choice::new("Any")).unwrap()["form"], Arg::name("Code"));
        let wrong = Choice::new("Any").with("form", Arg::name("Text"));
        let wrong = wrong.with("sigma", Arg::Float(0.0)).with("rates", Arg::Ints(vec![1, 0]));
        let error = complete(&wrong).unwrap_err();
        assert!(["one of Code, Paper", "above 0", "integer from 1 on"].iter().all(|w| error.contains(w)), "{error}");
    }
}
