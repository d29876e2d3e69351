//! Work to measure: a network with random weights trains on random images, or predicts them.

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::ml::error::Result;
use crate::ml::models::{Cost, Network};
use crate::ml::numerics::Precision;
use crate::ml::ops::{activation, upsampled};
use crate::ml::optim::{Schedule, Sgd};
use crate::ml::resample::Sampling;
use crate::ml::spec::ModelSpec;
use crate::ml::train::{Settings, Trainer};
use crate::ml::weights::{Scheme, initialise};
use crate::rng::Rng;

/// The kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// A training step: forward and backward pass, and the update.
    Training,
    /// A prediction: the forward pass, and the classes of the pixels from the logits at the size of the images.
    Prediction,
}

/// Describes a [`Workload`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadSpec {
    /// The network.
    pub model: ModelSpec,
    /// What is done over and over.
    pub work: Work,
    /// Images at a time.
    pub batch: usize,
    /// Their height and width.
    pub size: [usize; 2],
    /// How many blocks the backward pass computes again together; 0 keeps all activations.
    pub recompute: usize,
    /// Whether a training on a GPU captures its passes as CUDA graphs.
    pub graph: bool,
    /// The precision of training; predictions are made in 32-bit floats.
    pub precision: Precision,
}

/// Network and images, ready to be worked on.
#[derive(Debug)]
pub struct Workload {
    spec: WorkloadSpec,
    subject: Subject,
    images: Tensor,
    labels: Vec<u8>,
}

/// A prediction needs neither gradients nor momentum, so that it has no trainer.
#[derive(Debug)]
enum Subject {
    Trainer(Box<Trainer>, Settings),
    Network(Box<Network>),
}

/// A rate at which nothing diverges.
const SETTINGS: Settings = Settings::new(
    Sgd { lr: 1e-6, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
    Schedule::Constant,
    1,
);

impl Workload {
    /// Makes network and images.
    pub fn new(spec: WorkloadSpec, device: &Device) -> Result<Self> {
        let WorkloadSpec { model, batch, size: [height, width], recompute, graph, precision, .. } = &spec;
        let mut rng = Rng::new(1, "pixels", 0);
        let pixels: Vec<f32> = (0..batch * 3 * height * width).map(|_| rng.range(-110.0, 140.0)).collect();
        let images = Tensor::from_vec(pixels, (*batch, 3, *height, *width), &Device::Cpu)?;
        let images = activation::enter(&images, device)?;
        let labels = (0..batch * height * width).map(|i| (i / 50 % model.classes) as u8).collect();
        let network = initialise(model, device, Scheme::Stable, 1)?;
        let subject = match spec.work {
            Work::Prediction => Subject::Network(Box::new(network)),
            Work::Training => {
                let settings = Settings { recompute: *recompute, graph: *graph, precision: *precision, ..SETTINGS };
                Subject::Trainer(Box::new(Trainer::new(network)?), settings)
            }
        };
        Ok(Workload { subject, images, labels, spec })
    }

    /// The trainer, where the work is training.
    pub fn trainer(&self) -> Option<&Trainer> {
        match &self.subject {
            Subject::Trainer(trainer, _) => Some(trainer),
            Subject::Network(_) => None,
        }
    }

    /// Makes one step or one prediction. Returns a figure that depends on all of it: the loss, or the sum of all classes.
    pub fn run(&mut self) -> Result<f64> {
        let [height, width] = self.spec.size;
        Ok(match &mut self.subject {
            Subject::Trainer(trainer, settings) => trainer.step(settings, &self.images, &self.labels)?.loss,
            Subject::Network(network) => {
                upsampled::argmax(&network.forward(&self.images)?, height, width, Sampling::Legacy)?
                    .into_iter()
                    .map(f64::from)
                    .sum()
            }
        })
    }

    /// The floating-point operations of one [`Workload::run`], see [`Cost`].
    pub fn operations(&self) -> u64 {
        let Cost { forward, training } = self.network().cost(self.spec.batch, self.spec.size);
        match self.spec.work {
            Work::Training => training,
            Work::Prediction => forward,
        }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        match &self.subject {
            Subject::Trainer(trainer, _) => &trainer.network,
            Subject::Network(network) => network,
        }
    }
}
