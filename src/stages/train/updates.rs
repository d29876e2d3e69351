//! The updates of a node. Every rank of a training makes the same ones.

use std::ops::Range;

use candle_core::{Device, Tensor};

use crate::ml::conventions::Geometry;
use crate::ml::cycle::{Cycle, Iteration};
use crate::ml::data;
use crate::ml::data::augment;
use crate::ml::data::source::Batching;
use crate::ml::models;
use crate::ml::ops::activation;
use crate::ml::optim::{Schedule, Sgd};
use crate::ml::parallel;
use crate::ml::train::{Batch, Settings, StepReport, Trainer};
use crate::stage::{DataFault, StageError};
use crate::stages::params::train::{self, Augment, Optimizer, TrainParams};
use crate::stages::support;

/// How the node trains.
pub fn settings(p: &TrainParams) -> Result<Settings, StageError> {
    let Optimizer::Sgd { lr, momentum, weight_decay, head_lr, head_bias_lr } = p.optimizer.clone();
    let schedule = match p.schedule {
        train::Schedule::Poly { power } => Schedule::Poly { power },
        train::Schedule::Constant {} => Schedule::Constant,
    };
    let horizon = p.horizon.ok_or_else(|| StageError::Bug("A training node has no horizon.".into()))?;
    Ok(Settings {
        optimizer: Sgd { lr, momentum, weight_decay, head_lr, head_bias_lr },
        schedule,
        horizon,
        precision: p.numerics().precision,
        recompute: p.recompute as usize,
        graph: p.graph,
    })
}

/// The updates of a node, of which `p.first_step` is the first: expansion sets it in each node.
pub fn iteration(p: &TrainParams) -> Iteration {
    let cycle = if p.reference { Cycle::Reference } else { Cycle::Plain };
    cycle.iteration(p.first_step, u64::from(p.steps))
}

/// The parameters of a node that begins at the step `first`, which weights may say that expansion did not see.
///
/// # Errors
/// The schedule ends before the node does.
pub fn beginning_at(p: &TrainParams, first: u64) -> Result<TrainParams, StageError> {
    let end = first.saturating_add(u64::from(p.steps));
    match p.horizon {
        Some(horizon) if end > horizon => {
            let message =
                format!("The schedule spans {horizon} updates, but this training goes from step {first} to {end}.");
            Err(DataFault::new("horizon", message, "State the `horizon` of the whole training, from step 0 on.").into())
        }
        _ => Ok(TrainParams { first_step: first, ..p.clone() }),
    }
}

/// The numbers of the batches that are still to come, in the stream of all.
pub fn numbers(p: &TrainParams, iteration: &Iteration, trainer: &Trainer) -> Range<u64> {
    let batch = |update: u64| (iteration.stream + update) * u64::from(p.accumulate);
    batch(iteration.done(trainer))..batch(iteration.updates)
}

/// The samples of each batch that a rank computes.
pub fn share(p: &TrainParams, rank: usize) -> Range<usize> {
    parallel::share(p.batch as usize, rank, p.ranks as usize)
}

/// How the batches are made.
pub fn batching(p: &TrainParams, ignore: u8) -> Batching {
    let Augment { scale, mirror } = p.augment;
    Batching {
        seed: p.seed,
        batch: p.batch as usize,
        crop: (p.crop.0 as usize, p.crop.1 as usize),
        normalise: p.input.normalise(),
        augment: augment::Augment { scale: scale.map(|(low, high)| (low as f32, high as f32)), mirror },
        ignore,
    }
}

/// What the user should know of crops that are smaller than the stride of the network: one position of the output stands for
/// all of such a crop, and for what was filled in around it.
pub fn small_crop(p: &TrainParams) -> Result<Option<String>, StageError> {
    let shape = models::architecture(&p.model.spec().encoder).map_err(|error| support::ml_error(error, "model"))?;
    let stride = (1..).take_while(|&side| shape.output_size(side, &Geometry::TENSORFLOW) == 1).count() as f64;
    let scale = p.scales.iter().copied().fold(f64::INFINITY, f64::min);
    let side = f64::from(p.crop.0.min(p.crop.1)) * scale;
    let scaled = if scale < 1.0 { format!(" at the scale {scale}") } else { String::new() };
    Ok((side < stride).then(|| {
        format!(
            "The crop of {} x {} pixels{scaled} is smaller than the stride of the network, {stride} pixels: the output has \
             one position along such a side. Take a larger `crop`, as (321, 321).",
            p.crop.0, p.crop.1
        )
    }))
}

/// The batches of an update. They are waited for outside the pool, which makes them.
pub fn take(
    p: &TrainParams,
    batches: &mut dyn Iterator<Item = Result<(Tensor, Tensor), data::Error>>,
    device: &Device,
) -> Result<Vec<(Tensor, Vec<u8>)>, StageError> {
    let tensor = |error: candle_core::Error| StageError::Bug(format!("A batch could not be moved: {error}."));
    let mut taken = Vec::with_capacity(p.accumulate as usize);
    for _ in 0..p.accumulate {
        let batch = batches.next().ok_or_else(|| StageError::Bug("The batches ended before the steps.".into()))?;
        let (images, labels) = batch.map_err(support::data_error)?;
        let labels = labels.flatten_all().and_then(|labels| labels.to_vec1::<u8>()).map_err(tensor)?;
        let images = activation::enter(&images, device).map_err(|error| support::ml_error(error, "the batch"))?;
        taken.push((images, labels));
    }
    Ok(taken)
}

/// Makes an update of the batches that were taken for it.
pub fn update(
    trainer: &mut Trainer,
    p: &TrainParams,
    settings: &Settings,
    taken: &[(Tensor, Vec<u8>)],
) -> Result<StepReport, StageError> {
    let batches: Vec<Batch<'_>> = taken.iter().map(|(images, labels)| Batch { images, labels }).collect();
    trainer.update(settings, &p.scales, &batches).map_err(|error| support::ml_error(error, "the batch"))
}
