//! Which networks the stages of a pipeline run, over how many images of which size. Nothing is run for it.

use super::params::inference::Inference;
use super::params::model::{self, ModelParams};
use super::params::train::{self, TrainParams};
use super::predict::{Predict, PredictParams};
use super::validate::{Validate, ValidateParams};
use crate::ml::scales::size_at;
use crate::ml::spec::ModelSpec;
use crate::stage::{Param, TypedKind, Value};

/// Passes of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Passes {
    /// The network.
    pub model: ModelSpec,
    /// The images that it sees at a time.
    pub images: usize,
    /// Their heights and widths, one for each scale.
    pub sizes: Vec<[usize; 2]>,
}

impl Passes {
    fn new(model: ModelSpec, images: usize, size: [usize; 2], scales: &[f64]) -> Self {
        let sampling = model.geometry.upsampling;
        let sizes = scales.iter().map(|&scale| size_at(size, scale, sampling)).collect();
        Passes { model, images, sizes }
    }
}

/// The passes of a training by one process, from the kind of a stage and its parameters. None if it is no training.
pub fn trains(kind: &str, params: &Value) -> Option<Passes> {
    let p = of_kind::<TrainParams>(train::KIND, kind, params)?;
    let crop = [p.crop.0 as usize, p.crop.1 as usize];
    Some(Passes::new(p.model.spec(), p.batch as usize, crop, &p.scales))
}

/// The network of a stage that others take as their model. None if it is no such stage.
pub fn network(kind: &str, params: &Value) -> Option<ModelSpec> {
    let trained = of_kind::<TrainParams>(train::KIND, kind, params).map(|p| p.model.spec());
    trained.or_else(|| of_kind::<ModelParams>(model::KIND, kind, params).map(|p| p.model.spec()))
}

/// The passes of a validation or of predictions over images of that height and width. `model` is the network of the stage
/// that it takes as its model. None if it is neither. Mirrored images have the same size.
pub fn predicts(kind: &str, params: &Value, model: &ModelSpec, size: [usize; 2]) -> Option<Passes> {
    let validated = of_kind::<ValidateParams>(Validate::NAME, kind, params).map(|p| p.inference);
    let predicted = || of_kind::<PredictParams>(Predict::NAME, kind, params).map(|p| p.inference);
    let Inference { scales, .. } = validated.or_else(predicted)?;
    Some(Passes::new(model.clone(), 1, size, &scales))
}

fn of_kind<P: Param>(wanted: &str, kind: &str, params: &Value) -> Option<P> {
    if kind == wanted { P::read(params) } else { None }
}
