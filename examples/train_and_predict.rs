//! Trains a small network on made scenes and predicts another one, with `repro::ml` alone: no pipeline and no store.

use candle_core::{Device, Tensor};
use repro::ml::data::augment::Normalise;
use repro::ml::data::shapes::{IGNORE, Shapes, scene};
use repro::ml::error::Result;
use repro::ml::inference::{Inference, scores};
use repro::ml::metrics::Confusion;
use repro::ml::optim::{Schedule, Sgd};
use repro::ml::spec::{Choice, ModelSpec};
use repro::ml::train::{Settings, Trainer};
use repro::ml::weights::{Scheme, initialise};

/// Updates of the weights.
const STEPS: u64 = 12;

/// The middle of scene `index`, as the network sees it, with the class of each pixel.
fn sample(index: u64) -> Result<(Tensor, Vec<u8>)> {
    let made = scene(7, index, &Shapes::default());
    let image = Normalise::default().apply(&made.image).window((20, 40), (49, 49), [0.0; 3]);
    let labels = made.labels.window((20, 40), (49, 49), IGNORE);
    Ok((image.to_tensor()?.unsqueeze(0)?, labels.pixels().to_vec()))
}

/// The losses of the training, and the share of pixels of a new scene that are predicted right.
pub fn run() -> Result<(Vec<f64>, f64)> {
    let spec = ModelSpec { encoder: Choice::new("Tiny"), classes: 6, prefilter: Choice::new("Average") };
    let optimizer = Sgd { lr: 2e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 };
    let settings = Settings { optimizer, schedule: Schedule::Poly { power: 0.9 }, horizon: STEPS };
    let mut trainer = Trainer::new(initialise(&spec, &Device::Cpu, Scheme::Stable, 1)?)?;
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let (image, labels) = sample(step)?;
        losses.push(trainer.step(&settings, &image, &labels)?.loss);
    }
    let (image, labels) = sample(STEPS)?;
    let mut confusion = Confusion::new(6);
    confusion.add(&labels, &scores(&trainer.network, &image, &Inference::default())?.classes()?);
    Ok((losses, confusion.pixel_accuracy().unwrap_or_default()))
}

/// Prints what `run` gives.
#[cfg(not(test))]
#[expect(clippy::print_stdout, reason = "an example shows what it made")]
fn main() -> Result<()> {
    let (losses, accuracy) = run()?;
    println!("losses {losses:.2?}; {:.0} % of a new scene's pixels are right", 100.0 * accuracy);
    Ok(())
}
