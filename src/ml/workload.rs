//! Made work for measurements: a network with random weights on random images.

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::error::Result;
use super::models::{Cost, Network};
use super::numerics::Precision;
use super::ops::{activation, upsampled};
use super::optim::{Schedule, Sgd};
use super::rng::Rng;
use super::spec::ModelSpec;
use super::train::{Settings, Trainer};
use super::weights::{Scheme, initialise};

/// What is done over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// A training step: forward and backward pass, and the update.
    Training,
    /// A prediction: the forward pass, and the classes of the pixels from the logits at the size of the images.
    Prediction,
}

/// A description of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The network.
    pub spec: ModelSpec,
    /// What is done.
    pub work: Work,
    /// Images at a time.
    pub batch: usize,
    /// Their height and width.
    pub size: [usize; 2],
    /// Blocks that are computed again together in the backward pass.
    pub recompute: usize,
    /// Whether the passes of a training are recorded, on a GPU.
    pub graph: bool,
    /// The precision of training; predictions are made in 32-bit floats.
    pub precision: Precision,
}

/// Work that can begin.
#[derive(Debug)]
pub struct Workload {
    plan: Plan,
    worker: Worker,
    images: Tensor,
    labels: Vec<u8>,
}

/// What works: a prediction needs neither gradients nor momentum.
#[derive(Debug)]
enum Worker {
    Trainer(Box<Trainer>),
    Network(Box<Network>),
}

/// A rate at which nothing diverges.
const SETTINGS: Settings = Settings {
    optimizer: Sgd { lr: 1e-6, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
    schedule: Schedule::Constant,
    horizon: 1,
};

impl Workload {
    /// Makes network and images.
    pub fn new(plan: Plan, device: &Device) -> Result<Self> {
        let Plan { spec, batch, size: [height, width], recompute, graph, precision, .. } = &plan;
        let mut rng = Rng::new(1, "pixels", 0);
        let pixels: Vec<f32> = (0..batch * 3 * height * width).map(|_| rng.range(-110.0, 140.0)).collect();
        let images = Tensor::from_vec(pixels, (*batch, 3, *height, *width), &Device::Cpu)?;
        let images = activation::enter(&images, device)?;
        let labels = (0..batch * height * width).map(|i| (i / 50 % spec.classes) as u8).collect();
        let network = initialise(spec, device, Scheme::Stable, 1)?;
        let worker = match plan.work {
            Work::Prediction => Worker::Network(Box::new(network)),
            Work::Training => {
                let mut trainer = Trainer::new(network)?;
                (trainer.recompute, trainer.graph, trainer.precision) = (*recompute, *graph, *precision);
                Worker::Trainer(Box::new(trainer))
            }
        };
        Ok(Workload { worker, images, labels, plan })
    }

    /// What trains, where that is the work.
    pub fn trainer(&self) -> Option<&Trainer> {
        match &self.worker {
            Worker::Trainer(trainer) => Some(trainer),
            Worker::Network(_) => None,
        }
    }

    /// Does it once. Returns a figure that depends on all of it: the loss, or the sum of all classes.
    pub fn run(&mut self) -> Result<f64> {
        let [height, width] = self.plan.size;
        Ok(match &mut self.worker {
            Worker::Trainer(trainer) => trainer.step(&SETTINGS, &self.images, &self.labels)?.loss,
            Worker::Network(network) => {
                upsampled::argmax(&network.forward(&self.images)?, height, width)?.into_iter().map(f64::from).sum()
            }
        })
    }

    /// The floating-point operations of doing it once, see [`Cost`].
    pub fn operations(&self) -> u64 {
        let Cost { forward, training } = self.network().cost(self.plan.batch, self.plan.size);
        match self.plan.work {
            Work::Training => training,
            Work::Prediction => forward,
        }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        match &self.worker {
            Worker::Trainer(trainer) => &trainer.network,
            Worker::Network(network) => network,
        }
    }
}
