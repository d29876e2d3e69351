//! Trains a small network on made scenes and predicts others, with `repro::ml` alone: no pipeline and no store.

use std::ops::Range;

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
const STEPS: u64 = 10;

/// The middles of some scenes, as the network sees them, with the class of each pixel.
fn samples(scenes: Range<u64>) -> Result<(Tensor, Vec<u8>)> {
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for made in scenes.map(|index| scene(7, index, &Shapes::default())) {
        let image = Normalise::default().apply(&made.image);
        images.push(image.window((12, 32), (65, 65), [0.0; 3]).to_tensor()?);
        labels.extend_from_slice(made.labels.window((12, 32), (65, 65), IGNORE).pixels());
    }
    Ok((Tensor::stack(&images, 0)?, labels))
}

/// The loss of each step of the training, and the share of pixels of new scenes that are predicted right.
pub fn run() -> Result<(Vec<f64>, f64)> {
    let spec = ModelSpec::new(Choice::new("Tiny"), 6, Choice::new("Average"));
    let optimizer = Sgd { lr: 2e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 };
    let settings = Settings::new(optimizer, Schedule::Poly { power: 0.9 }, STEPS);
    let mut trainer = Trainer::new(initialise(&spec, &Device::Cpu, Scheme::Stable, 1)?)?;
    let (images, labels) = samples(0..2)?;
    let step = |_| Ok(trainer.step(&settings, &images, &labels)?.loss);
    let losses = (0..STEPS).map(step).collect::<Result<_>>()?;
    let (images, labels) = samples(2..4)?;
    let mut confusion = Confusion::new(6);
    confusion.add(&labels, &scores(&trainer.network, &images, &Inference::default())?.classes()?)?;
    Ok((losses, confusion.pixel_accuracy().unwrap_or_default()))
}

/// Prints what `run` gives.
#[cfg(not(test))]
#[expect(clippy::print_stdout, reason = "an example shows what it made")]
fn main() -> Result<()> {
    let (losses, accuracy) = run()?;
    println!("losses {losses:.2?}; {:.0} % of new scenes' pixels are right", 100.0 * accuracy);
    Ok(())
}
