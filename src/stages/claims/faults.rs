//! Faults of claims that a pipeline shows before anything runs.

use std::collections::BTreeSet;

use crate::stage::params::Ref;
use crate::stage::{Param, ParamFault, Peer, Peers, StageError, TypedKind, Value};
use crate::stages::params::claims::{Claim, ClaimsParams, Common, Metric};
use crate::stages::params::dataset::{self, DatasetParams, Source, Subset};
use crate::stages::validate::{Validate, ValidateParams};
use crate::syntax::{names, suggestion};

/// The path of a field of a claim.
pub fn at(name: &str, field: &str) -> String {
    format!("claims[{name:?}].{field}")
}

/// Faults between the fields of one stage.
pub fn of_fields(p: &ClaimsParams) -> Vec<ParamFault> {
    let mut faults = Vec::new();
    if p.claims.is_empty() {
        let hint = "State at least one, as `{\"helps\": Greater(that: \"A beats B\", metric: MeanIou, of: \"a\", than: \"b\")}`.";
        faults.push(ParamFault::new("claims", "There is no claim.", hint));
    }
    for (number, axis) in p.across.iter().enumerate().filter(|(number, axis)| p.across[..*number].contains(axis)) {
        let message = format!("The axis `{axis}` is stated twice.");
        faults.push(ParamFault::new(format!("across[{number}]"), message, "State each axis once."));
    }
    for (name, claim) in &p.claims {
        faults.extend(of_claim(claim).map(|(field, message, hint)| ParamFault::new(at(name, field), message, hint)));
    }
    faults
}

/// The faults of a claim: the field, what is wrong, and what to do.
fn of_claim(claim: &Claim) -> impl Iterator<Item = (&'static str, String, &'static str)> {
    let mut faults: Vec<(&'static str, String, &'static str)> = Vec::new();
    let Common { metric, of, than, .. } = claim.common();
    if than == Some(of) {
        let message = format!("`{of}` is compared with itself.");
        faults.push(("than", message, "Name the other stage, or another cell of this one."));
    }
    let figure = metric.in_words();
    match claim {
        Claim::Greater { by, factor, .. } | Claim::Less { by, factor, .. } => {
            if by.is_some() && factor.is_some() {
                let message = "`by` is a difference and `factor` a ratio: a claim states one of them.".to_owned();
                faults.push(("factor", message, "Leave one of them out."));
            } else if factor.is_some() && !metric.is_cost() {
                let message = format!("A `factor` compares costs, but {figure} is a figure in percent.");
                faults.push(("factor", message, "State the difference, as `by: 0.5`."));
            } else if by.is_some() && metric.is_cost() {
                let message = format!("`by` is a difference in percent points, but {figure} is a cost.");
                faults.push(("by", message, "State the ratio, as `factor: 1.03`."));
            }
        }
        Claim::Equals { than, published, source, .. } => {
            match (than, published) {
                (Some(_), Some(_)) => {
                    let message = "A claim compares either with a stage or with a published figure.".to_owned();
                    faults.push(("published", message, "Make two claims of it."));
                }
                (None, None) => {
                    let message = "The claim does not say what the figure equals.".to_owned();
                    faults.push(("of", message, "State `than`, a stage, or `published`, a figure, with its `source`."));
                }
                (None, Some(_)) if metric.is_cost() => {
                    let message = format!("A published figure of {figure} is of another machine.");
                    faults.push(("published", message, "Compare with measurements of this machine, by `than`."));
                }
                _ => {}
            }
            match (published, source) {
                (Some(_), None) => {
                    let message = "The published figure has no source.".to_owned();
                    faults.push((
                        "published",
                        message,
                        "Say where it was published, as `source: \"KDD 2018, table 1\"`.",
                    ));
                }
                (None, Some(_)) => {
                    let message = "There is a source, but no published figure.".to_owned();
                    faults.push(("source", message, "State the figure, as `published: 75.1`, or leave `source` out."));
                }
                _ => {}
            }
        }
    }
    faults.into_iter()
}

/// What the stages of a claim show of themselves.
#[derive(Default)]
struct Shown {
    /// What they yield.
    yields: BTreeSet<&'static str>,
    /// Their data sets.
    sets: Vec<DatasetParams>,
}

/// Faults between claims and the stages that they name.
pub fn between_stages(p: &ClaimsParams, peers: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
    let mut faults = Vec::new();
    for (name, claim) in &p.claims {
        let Common { metric, of, than, .. } = claim.common();
        let sides = [("of", Some(of)), ("than", than)];
        let mut shown: Vec<(&'static str, &str, Shown)> = Vec::new();
        for (field, reference) in sides.into_iter().filter_map(|(field, reference)| Some((field, reference?))) {
            shown.push((field, reference, Shown::of(reference, peers)?));
        }
        for (field, reference, side) in &shown {
            if let Some(other) = side.yields.iter().find(|yields| **yields != metric.yields()) {
                let message = format!("`{reference}` gives {other}, which has no {}.", metric.in_words());
                let hint = format!("Name a stage that gives {}, or compare another figure.", metric.yields());
                faults.push(ParamFault::new(at(name, field), message, hint));
            }
        }
        if let Metric::Iou { class } = metric {
            faults.extend(
                unknown_class(class, &shown)
                    .map(|(message, hint)| ParamFault::new(at(name, "metric.class"), message, hint)),
            );
        }
        faults
            .extend(other_images(&shown).map(|(field, message, hint)| ParamFault::new(at(name, field), message, hint)));
    }
    Ok(faults)
}

impl Shown {
    fn of(reference: &str, peers: &Peers<'_>) -> Result<Self, StageError> {
        let mut shown = Shown::default();
        for peer in peers(reference) {
            shown.yields.insert(peer.kind.yields().name);
            let Some(validation) = peer.params_of::<ValidateParams>(Validate::NAME)? else { continue };
            for set in sets(&validation.data, peers)? {
                if !shown.sets.contains(&set) {
                    shown.sets.push(set);
                }
            }
        }
        Ok(shown)
    }
}

fn sets(data: &Ref, peers: &Peers<'_>) -> Result<Vec<DatasetParams>, StageError> {
    peers(&data.0).iter().filter_map(|peer: &Peer<'_>| peer.params_of(dataset::KIND).transpose()).collect()
}

/// What is wrong with a class that a data set lacks.
fn unknown_class(class: &str, shown: &[(&'static str, &str, Shown)]) -> Option<(String, String)> {
    let sets = shown.iter().flat_map(|(_, _, side)| &side.sets);
    let classes = sets.map(|set| set.classes.names()).find(|names| names.iter().all(|name| name != class))?;
    let near = suggestion(class, classes.iter().map(String::as_str));
    let message = format!("The data set has no class `{class}`{near}");
    Some((message, format!("The classes are {}.", names(classes.iter().map(String::as_str)))))
}

/// What is wrong with the data sets of the two sides of a claim: they are not the same.
fn other_images(shown: &[(&'static str, &str, Shown)]) -> Option<(&'static str, String, String)> {
    let all: Vec<(&'static str, &str, &DatasetParams)> = shown
        .iter()
        .flat_map(|(field, reference, side)| side.sets.iter().map(move |set| (*field, *reference, set)))
        .collect();
    let &(_, first_name, first) = all.first()?;
    if let Some((field, name, _)) = all.iter().find(|(_, _, set)| is_one_image(set)) {
        let message = format!("`{name}` is validated on one image, which has no spread.");
        return Some((field, message, "Validate on several images.".to_owned()));
    }
    let &(field, name, other) = all.iter().find(|(_, _, set)| identity(set) != identity(first))?;
    let (classes, others) = (first.classes.names(), other.classes.names());
    let message = match (name == first_name, classes == others) {
        (true, _) => format!("`{name}` is validated on several data sets."),
        (false, true) => format!("`{first_name}` and `{name}` are validated on different data sets."),
        (false, false) => format!(
            "`{first_name}` is validated on the classes {}, but `{name}` on {}.",
            classes.join(", "),
            others.join(", ")
        ),
    };
    Some((field, message, "Two figures can be compared on the same images with the same labels alone.".to_owned()))
}

/// Whether a data set says of itself that it has one image.
fn is_one_image(set: &DatasetParams) -> bool {
    matches!(set.source, Source::Shapes { images: 1, .. }) || matches!(set.take, Subset::First { count: 1 })
}

/// What of a data set says which images and labels it has.
fn identity(set: &DatasetParams) -> Value {
    DatasetParams::ty().identity(&set.write())
}
