//! The kind `Train`.

use super::run;
use super::updates::small_crop;
use crate::stage::{
    DeviceSpec, Extents, InputRef, Job, NodeSpec, Output, Param, ParamFault, Peers, Produced, StageError, Supplier,
    TypedKind, Yield,
};
use crate::stages::params::train::{KIND, TrainParams};
use crate::stages::weights::head;
use crate::stages::yields::{LOG, MODEL, STATE, STEPS, TRAINING_CLASSES};
use crate::stages::{agree, support};

/// The kind.
pub struct Train;

impl TypedKind for Train {
    type Params = TrainParams;
    const NAME: &'static str = KIND;
    const VERSION: u32 = 4;
    const YIELDS: Yield = MODEL;
    const OUTPUTS: &'static [Output] = &[STATE, STEPS, TRAINING_CLASSES, LOG];
    const EXAMPLE: &'static str = r#""train": Train(
    data: "train_set", weights: "start",
    model: DeepLabV2(encoder: ResNet101, classes: 5, prefilter: Average()),
    iterations: 10, steps: 2000, batch: 10, crop: (321, 321),
    optimizer: (lr: 2e-3), augment: (scale: (0.5, 1.5)), seed: 1,
),"#;
    const COMPUTES: bool = true;
    const TRAINS: bool = true;

    fn check(&self, p: &TrainParams) -> Vec<ParamFault> {
        let mut faults = Vec::new();
        let total = p.end();
        if let Some(horizon) = p.horizon.filter(|horizon| *horizon < total) {
            let before = if p.first_step > 0 { format!("{} + ", p.first_step) } else { String::new() };
            faults.push(ParamFault {
                field: "horizon".into(),
                message: format!(
                    "The schedule spans {horizon} updates, but {before}{} x {} are trained.",
                    p.iterations, p.steps
                ),
                hint: format!("State a horizon of at least {total}, or leave it out."),
            });
        }
        if p.ranks > p.batch {
            faults.push(ParamFault {
                field: "ranks".into(),
                message: format!("{} processes cannot share a batch of {} images.", p.ranks, p.batch),
                hint: "State at most as many ranks as a batch has images.".into(),
            });
        }
        if let Some((low, high)) = p.augment.scale.filter(|(low, high)| low > high) {
            faults.push(ParamFault {
                field: "augment.scale".into(),
                message: format!("The scale's lower bound {low} is above its upper bound {high}."),
                hint: "Write the smaller bound first.".into(),
            });
        }
        faults
    }

    fn agrees(&self, p: &TrainParams, peers: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
        agree::training(p, peers)
    }

    fn suits(&self, p: &TrainParams, suppliers: &[(&str, Supplier<'_>)]) -> Result<(), StageError> {
        head::same_classes(suppliers, p.model.spec().classes)
    }

    fn count(&self, p: &TrainParams, _extents: &dyn Extents) -> usize {
        p.iterations as usize
    }

    fn expand(&self, p: &TrainParams, _extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        let stated = p.horizon.is_some();
        let horizon = p.horizon.unwrap_or_else(|| p.end());
        let note = "The horizon is not stated, so it follows from iterations x steps; state `horizon` to keep finished iterations.";
        let steps = (0..p.iterations).map(|i| {
            let first_step = p.first_step + u64::from(i) * u64::from(p.steps);
            let mut inputs = vec![("data".to_owned(), InputRef::Named(p.data.0.clone()))];
            inputs.push(match i.checked_sub(1) {
                None => ("weights".to_owned(), InputRef::Named(p.weights.0.clone())),
                Some(before) => ("state".to_owned(), InputRef::Sibling(before as usize)),
            });
            let notes = (!stated).then(|| ("horizon".to_owned(), note.to_owned())).into_iter().collect();
            NodeSpec {
                iteration: (p.iterations > 1).then_some(i + 1),
                set: vec![("horizon", Some(horizon).write()), ("first_step", first_step.write())],
                left_out: vec!["iterations"],
                inputs,
                notes,
            }
        });
        Ok(steps.collect())
    }

    fn runs_on(&self, p: &TrainParams, device: &DeviceSpec) -> Result<(), StageError> {
        support::trains_on(device, p.numerics(), p.graph, p.ranks as usize)
    }

    fn warnings(&self, p: &TrainParams) -> Vec<String> {
        // An encoder that there is not is a fault of the parameters.
        small_crop(p).ok().flatten().into_iter().collect()
    }

    fn run(&self, p: &TrainParams, job: &Job<'_>) -> Result<Produced, StageError> {
        run::run(p, job)
    }
}
