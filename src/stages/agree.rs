//! Whether stages fit each other, as far as their parameters alone show it. A fault is told before anything runs.
//!
//! A fault is something that must fail. Outputs of earlier runs and contents of files are not looked at here: the stage
//! that reads them checks them when it runs.

use crate::ml::spec::ModelSpec;
use crate::stage::params::Ref;
use crate::stage::{Param, ParamFault, Peers, StageError};

use super::params::dataset::{self, Classes, DatasetParams};
use super::params::model::{self, ModelParams};
use super::params::network;
use super::params::train::{self, TrainParams};
use super::params::weights::{self, Source, Take, WeightsParams};

/// The parameters of the stages of a kind that a reference leads to.
fn peers<P: Param>(reference: &Ref, kind: &str, peers: &Peers<'_>) -> Result<Vec<P>, StageError> {
    peers(&reference.0).iter().filter_map(|peer| peer.params_of(kind).transpose()).collect()
}

/// The data set `data` must have labels.
pub fn labelled(data: &Ref, stages: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
    let sets: Vec<DatasetParams> = peers(data, dataset::KIND, stages)?;
    let bare = sets.iter().filter(|set| !set.source.has_labels());
    let message = || format!("The data set `{}` has images only, but labels are needed here.", data.0);
    Ok(bare.map(|_| ParamFault::new("data", message(), "Use a data set with labels here.")).collect())
}

/// The data set `data` must have the classes that each of the `models` predicts: those of the data set that it is trained
/// on, or those that a stage `Model` states. Where that states no names, there must be as many classes.
pub fn same_classes(data: &Ref, models: &[Ref], stages: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
    let mut named: Vec<Vec<String>> = Vec::new();
    let mut unnamed: Vec<usize> = Vec::new();
    for model in models {
        for training in peers::<TrainParams>(model, train::KIND, stages)? {
            let sets = peers::<DatasetParams>(&training.data, dataset::KIND, stages)?;
            named.extend(sets.iter().map(|set| set.classes.names()));
        }
        for imported in peers::<ModelParams>(model, model::KIND, stages)? {
            match &imported.classes {
                Some(classes) => named.push(classes.names()),
                None => unnamed.push(imported.model.spec().classes),
            }
        }
    }
    let sets: Vec<DatasetParams> = peers(data, dataset::KIND, stages)?;
    let faults = sets.iter().map(|set| set.classes.names()).flat_map(|found| {
        let others = named.iter().filter_map(|classes| other_classes(&found, classes));
        others.chain(unnamed.iter().filter_map(|classes| unnamed_classes(&found, *classes))).collect::<Vec<_>>()
    });
    Ok(faults.collect())
}

/// A training's data must have labels and as many classes as its model, and its weights be made for its model.
pub fn training(p: &TrainParams, stages: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
    let model = p.model.spec();
    let mut faults = labelled(&p.data, stages)?;
    faults.extend(twice(&model));
    for set in peers::<DatasetParams>(&p.data, dataset::KIND, stages)? {
        faults.extend(other_count(&set.classes.names(), model.classes));
    }
    for weights in peers::<WeightsParams>(&p.weights, weights::KIND, stages)? {
        faults.extend(other_network(&p.weights.0, &weights, &model));
        faults.extend(other_training(p, &weights));
    }
    Ok(faults)
}

/// What is wrong with weights that bring the momentum and the step of a training, where another goes on from them.
fn other_training(p: &TrainParams, weights: &WeightsParams) -> Option<ParamFault> {
    let Source::Checkpoint { take: Take::Training { .. }, .. } = &weights.source else { return None };
    let (held, encoder) = (&weights.encoder.0, &p.model.spec().encoder);
    if held.name == encoder.name && held != encoder {
        let (held, own) = (network::in_words(held), network::in_words(encoder));
        let message = format!("`{}` was trained as {held}, but the model's encoder is {own}.", p.weights.0);
        return Some(ParamFault::new("weights", message, "State the same encoder in both."));
    }
    let message = "The weights bring the step of their training, so that the end of the schedule does not follow from \
                   iterations x steps.";
    let unstated = p.horizon.is_none() && p.first_step == 0;
    unstated.then(|| ParamFault::new("weights", message, "State the `horizon` of the whole training."))
}

/// A model of imported weights: they must hold the whole of it, and its classes have as many names as it has outputs.
pub fn imported(p: &ModelParams, stages: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
    let model = p.model.spec();
    let mut faults = Vec::from_iter(twice(&model));
    for weights in peers::<WeightsParams>(&p.weights, weights::KIND, stages)? {
        faults.extend(other_network(&p.weights.0, &weights, &model));
        faults.extend(no_head(&p.weights.0, &weights));
    }
    if let Some(names) = p.classes.as_ref().map(Classes::names).filter(|names| names.len() != model.classes) {
        let message = format!("The model has {} classes, but {} are named.", model.classes, names.len());
        faults.push(ParamFault::new("classes", message, "Name as many classes as the model has."));
    }
    Ok(faults)
}

/// What is wrong with weights under the name `name` that have no head, where a whole model is needed.
fn no_head(name: &str, weights: &WeightsParams) -> Option<ParamFault> {
    let advice = match &weights.source {
        Source::Seeded { classes: None, .. } => "State the `classes` of a head that is drawn as well.",
        Source::Safetensors { .. } | Source::Checkpoint { take: Take::Encoder {}, .. } => {
            "Write `source: Checkpoint(file: …, take: EncoderAndHead)` there."
        }
        Source::Seeded { .. } | Source::Checkpoint { .. } => return None,
    };
    Some(ParamFault::new("weights", format!("`{name}` takes the encoder alone, but a model needs a head."), advice))
}

/// What is wrong with a data set that has the classes `found`, where a model was `trained` on others.
pub fn other_classes(found: &[String], trained: &[String]) -> Option<ParamFault> {
    let message = || {
        let (found, trained) = (found.join(", "), trained.join(", "));
        format!("The model was trained on the classes {trained}; the data set has {found}.")
    };
    (found != trained)
        .then(|| ParamFault::new("data", message(), "Use a data set with the same classes in the same order."))
}

/// What is wrong with a data set that has the classes `found`, where a model has so many `classes` without names.
pub fn unnamed_classes(found: &[String], classes: usize) -> Option<ParamFault> {
    let count = found.len();
    let message = || format!("The model has {classes} classes, the data set {count} ({}).", found.join(", "));
    (count != classes).then(|| ParamFault::new("data", message(), format!("Use a data set of {classes} classes.")))
}

/// What is wrong with a model of so many `classes`, where the data set has the classes `found`.
pub fn other_count(found: &[String], classes: usize) -> Option<ParamFault> {
    let count = found.len();
    let message = || format!("The model has {classes} classes, the data set {count} ({}).", found.join(", "));
    (count != classes).then(|| ParamFault::new("model.classes", message(), format!("Write `classes: {count}`.")))
}

/// What is wrong with a head: two convolutions with the same dilation.
pub fn twice(model: &ModelSpec) -> Option<ParamFault> {
    let message = model.head.check().err()?;
    Some(ParamFault::new("model.head", message, "State each dilation once."))
}

/// What is wrong with weights under the name `name` for a model.
fn other_network(name: &str, weights: &WeightsParams, model: &ModelSpec) -> Option<ParamFault> {
    // What an encoder is trained like, which its arguments say, is no matter of its weights.
    let (held, encoder) = (&weights.encoder.0.name, &model.encoder.name);
    if held != encoder {
        let message = format!("`{name}` is for {held}, but the model's encoder is {encoder}.");
        return Some(ParamFault::new("weights", message, "State the same encoder in both."));
    }
    if let Source::Seeded { classes: Some(classes), .. } = &weights.source
        && *classes as usize != model.classes
    {
        let message = format!("`{name}` draws a head of {classes} classes, but the model has {}.", model.classes);
        return Some(ParamFault::new("weights", message, "State the same number of classes in both."));
    }
    if let Some(fault) = other_head(name, weights, model).or_else(|| other_geometry(name, weights, model)) {
        return Some(fault);
    }
    let Source::Checkpoint { take, .. } = &weights.source else { return None };
    let prefilter = take.prefilter()?;
    let message = || {
        let (held, own) = (network::in_words(&prefilter.0), network::in_words(&model.prefilter));
        format!("`{name}` takes the pre-filter {held}, but the model's is {own}.")
    };
    (prefilter.0 != model.prefilter)
        .then(|| ParamFault::new("weights", message(), "State the same pre-filter in both."))
}

/// What is wrong with weights under the name `name` that have another head than a model.
fn other_head(name: &str, weights: &WeightsParams, model: &ModelSpec) -> Option<ParamFault> {
    let headless = match &weights.source {
        Source::Seeded { classes, .. } => classes.is_none(),
        Source::Checkpoint { take, .. } => matches!(take, Take::Encoder {}),
        Source::Safetensors { .. } => true,
    };
    let held = weights.head.spec();
    let message = || {
        let (held, own) = (held.in_words(), model.head.in_words());
        format!("`{name}` has the head {held}, but the model's is {own}.")
    };
    (!headless && held != model.head).then(|| ParamFault::new("weights", message(), "State the same head in both."))
}

/// What is wrong with weights of a file under the name `name` that are stored for another epsilon than a model's, or with
/// pre-filters of other dilations.
fn other_geometry(name: &str, weights: &WeightsParams, model: &ModelSpec) -> Option<ParamFault> {
    let (held, own) = (weights.geometry.spec(), &model.geometry);
    let filters = matches!(&weights.source, Source::Checkpoint { take, .. } if take.prefilter().is_some());
    let differs = held.epsilon != own.epsilon || filters && held.first_dilation != own.first_dilation;
    let message = || {
        let (held, own) = (held.in_words(), own.in_words());
        format!("`{name}` is read for the geometry {held}, but the model's is {own}.")
    };
    (!matches!(weights.source, Source::Seeded { .. }) && differs)
        .then(|| ParamFault::new("weights", message(), "State the same geometry in both."))
}
