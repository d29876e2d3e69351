//! Plain descriptions of models and of their parts: what a checked pipeline is turned into.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::conventions::Geometry;

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

/// The last layer of a network: what makes logits of the encoder's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeadSpec {
    /// An atrous pyramid: convolutions of 3x3 with these dilations, whose sum is the logits (DeepLab-v2).
    Aspp {
        /// The dilations, each another.
        rates: Vec<usize>,
    },
    /// One convolution of 3x3 with this dilation (DeepLab-LargeFOV).
    LargeFov {
        /// The dilation.
        rate: usize,
    },
    /// A convolution of 3x3 to a quarter of the channels with its batch norm and ReLU, then one of 1x1 (torchvision's FCN).
    Fcn,
}

/// A convolution of a head, with its bias. The sum of all of them is the logits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadConv {
    /// The name below `head/`.
    pub name: String,
    /// Taps along each axis.
    pub kernel: usize,
    /// The distance between taps.
    pub dilation: usize,
}

impl HeadSpec {
    /// Whether this is the reference's, which stands in no file.
    pub fn is_default(&self) -> bool {
        *self == HeadSpec::default()
    }

    /// An error where there is no convolution, or where two have the same dilation: parameters are named by it.
    pub fn check(&self) -> Result<(), String> {
        let HeadSpec::Aspp { rates } = self else { return Ok(()) };
        match rates.iter().enumerate().find(|(at, rate)| rates[..*at].contains(rate)) {
            Some((_, rate)) => Err(format!("The head has the dilation {rate} twice; each convolution has another.")),
            None if rates.is_empty() => Err("The head has no convolution.".to_owned()),
            None => Ok(()),
        }
    }

    /// The convolutions whose sum is the logits.
    pub fn convolutions(&self) -> Vec<HeadConv> {
        let conv = |name: String, kernel, dilation| HeadConv { name, kernel, dilation };
        match self {
            HeadSpec::Aspp { rates } => rates.iter().map(|&rate| conv(format!("aspp{rate}"), 3, rate)).collect(),
            HeadSpec::LargeFov { rate } => vec![conv("largefov".to_owned(), 3, *rate)],
            HeadSpec::Fcn => vec![conv("outer".to_owned(), 1, 1)],
        }
    }

    /// The channels of a convolution `head/inner` of 3x3 before these, with its batch norm and ReLU, where there is one. The
    /// encoder's output has `input` channels.
    pub fn inner(&self, input: usize) -> Option<usize> {
        matches!(self, HeadSpec::Fcn).then_some(input / 4)
    }

    /// As a pipeline would state it.
    pub fn in_words(&self) -> String {
        match self {
            HeadSpec::Aspp { rates } => format!("Aspp(rates: {rates:?})"),
            HeadSpec::LargeFov { rate } => format!("LargeFov(rate: {rate})"),
            HeadSpec::Fcn => "Fcn".to_owned(),
        }
    }
}

impl Default for HeadSpec {
    fn default() -> Self {
        HeadSpec::Aspp { rates: vec![6, 12, 18, 24] }
    }
}

/// A segmentation network. What has its default is not stored: files of before have no such entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The encoder: an entry of [`crate::ml::models::ENCODERS`].
    pub encoder: Choice,
    /// The number of classes; labels from there on are ignored.
    pub classes: usize,
    /// The dilated convolution of groups 4 and 5: an entry of [`crate::ml::layers::prefilter::PREFILTERS`].
    pub prefilter: Choice,
    /// The last layer.
    #[serde(default, skip_serializing_if = "HeadSpec::is_default")]
    pub head: HeadSpec,
    /// The conventions.
    #[serde(default, skip_serializing_if = "Geometry::is_default")]
    pub geometry: Geometry,
}

impl ModelSpec {
    /// A network with the reference's head and conventions.
    pub fn new(encoder: Choice, classes: usize, prefilter: Choice) -> Self {
        ModelSpec { encoder, classes, prefilter, head: HeadSpec::default(), geometry: Geometry::default() }
    }
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
    fn what_has_its_default_is_not_stored() {
        let spec = ModelSpec::new(Choice::new("Tiny"), 3, Choice::new("Average"));
        let of_before = r#"{"encoder":{"name":"Tiny","args":{}},"classes":3,"prefilter":{"name":"Average","args":{}}}"#;
        assert_eq!(serde_json::to_string(&spec).unwrap(), of_before);
        assert_eq!(serde_json::from_str::<ModelSpec>(of_before).unwrap(), spec);
        let other = ModelSpec { head: HeadSpec::LargeFov { rate: 12 }, geometry: Geometry::CAFFE, ..spec };
        let text = serde_json::to_string(&other).unwrap();
        assert_eq!(serde_json::from_str::<ModelSpec>(&text).unwrap(), other);
    }

    #[test]
    fn a_head_has_no_dilation_twice() {
        let check = |rates: &[usize]| HeadSpec::Aspp { rates: rates.to_vec() }.check();
        assert_eq!(check(&[6, 12]), Ok(()));
        assert!(check(&[6, 12, 6]).unwrap_err().contains("the dilation 6 twice"));
        assert!(check(&[]).unwrap_err().contains("no convolution"));
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
