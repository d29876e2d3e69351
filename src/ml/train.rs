//! Training, one step at a time.

use candle_core::Tensor;

use super::error::{Error, Result};
use super::layers::Gradients;
use super::loss;
use super::models::Network;
use super::ops::{elementwise, loss::argmax, nchw};
use super::optim::{self, Momentum, Schedule, Sgd};

/// What training needs besides data and network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The optimiser.
    pub optimizer: Sgd,
    /// How the rate falls.
    pub schedule: Schedule,
    /// The step at which the schedule ends.
    pub horizon: u64,
}

/// A network in training: everything that the next step depends on.
#[derive(Debug)]
pub struct Trainer {
    /// The network; a step changes its parameters in place.
    pub network: Network,
    /// The optimiser's momentum.
    pub momentum: Momentum,
    /// The number of the next step, from 0, over all iterations.
    pub step: u64,
    gradients: Gradients,
}

/// What a step saw.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The step, from 0.
    pub step: u64,
    /// Cross entropy plus the L2 term, before the update.
    pub loss: f64,
    /// The mean cross entropy over the counted pixels; 0 where none counts.
    pub cross_entropy: f64,
    /// The pixels, at the resolution of the logits, whose label is a class. 0 means that the batch taught nothing.
    pub counted: usize,
    /// The base learning rate.
    pub rate: f32,
    /// The height and width of the logits.
    pub size: [usize; 2],
    /// The predicted classes at the resolution of the logits, `[N, h, w]`.
    pub predictions: Vec<u8>,
    /// The labels at the same resolution.
    pub targets: Vec<u8>,
}

impl Trainer {
    /// A network before its first step.
    pub fn new(network: Network) -> Result<Self> {
        let len = network.parameters().inventory().trainable_len();
        let momentum = Momentum::zeros(len, network.device())?;
        Self::resume(network, momentum, 0)
    }

    /// A network before step `step`.
    pub fn resume(network: Network, momentum: Momentum, step: u64) -> Result<Self> {
        let gradients = Gradients::zeros(network.parameters().inventory().clone(), network.device())?;
        Ok(Trainer { network, momentum, step, gradients })
    }

    /// One update on a batch. A loss that is not finite is an error and changes nothing; so is, after the fact, an
    /// update that leaves a weight not finite: no such state is ever stored.
    ///
    /// # Shapes
    /// `images` `[N, 3, H, W]`, `labels` `[N, H, W]`.
    pub fn step(&mut self, settings: &Settings, images: &Tensor, labels: &[u8]) -> Result<StepReport> {
        let [_, _, height, width] = nchw("The images of a batch", images)?;
        let network = &self.network;
        let rate = settings.schedule.rate(settings.optimizer.lr, self.step, settings.horizon);
        let tape = network.forward_train(images)?;
        let loss = loss::cross_entropy(&tape.logits, labels, [height, width])?;
        let total = loss.cross_entropy + optim::l2(network.parameters(), settings.optimizer.weight_decay)?;
        if !total.is_finite() {
            let tensor = match self.first_weight_not_finite()? {
                Some(name) => name,
                None => tape.first_not_finite(network)?.unwrap_or_else(|| "the loss".to_owned()),
            };
            return Err(Error::NonFinite { step: self.step, rate, loss: total, tensor });
        }
        let (predictions, [_, _, h, w]) = (argmax(&tape.logits)?, nchw("The logits", &tape.logits)?);
        self.gradients.clear()?;
        network.backward(tape, &loss.gradient, &self.gradients)?;
        optim::step(&settings.optimizer, rate, network.parameters(), &self.momentum, &self.gradients)?;
        if !elementwise::is_finite(network.parameters().trainable())? {
            let tensor = self.first_weight_not_finite()?.unwrap_or_else(|| "the weights".to_owned());
            return Err(Error::NonFinite { step: self.step, rate, loss: total, tensor });
        }
        self.step += 1;
        Ok(StepReport {
            step: self.step - 1,
            loss: total,
            cross_entropy: loss.cross_entropy,
            counted: loss.counted,
            rate,
            size: [h, w],
            predictions,
            targets: loss.targets,
        })
    }

    fn first_weight_not_finite(&self) -> Result<Option<String>> {
        let parameters = self.network.parameters();
        for (id, parameter) in parameters.inventory().iter() {
            if !elementwise::is_finite(&parameters.view(id)?)? {
                return Ok(Some(parameter.name.clone()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::Device;

    use super::*;
    use crate::ml::rng::Rng;
    use crate::ml::spec::{Choice, ModelSpec};
    use crate::ml::state::State;
    use crate::ml::weights::{Scheme, initialise};

    const SETTINGS: Settings = Settings {
        optimizer: Sgd { lr: 5e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
        schedule: Schedule::Poly { power: 0.9 },
        horizon: 60,
    };

    fn tiny(prefilter: &str) -> Network {
        let spec = ModelSpec { encoder: Choice::new("Tiny"), classes: 4, prefilter: Choice::new(prefilter) };
        initialise(&spec, &Device::Cpu, Scheme::Stable, 7).unwrap()
    }

    /// Squares of three colours on noise; one row of every image is ignored.
    fn batch(images: usize, size: usize, seed: u64) -> (Tensor, Vec<u8>) {
        let mut pixels = vec![0.0; images * 3 * size * size];
        let mut labels = vec![0; images * size * size];
        for image in 0..images {
            let mut rng = Rng::new(seed, "scene", image as u64);
            pixels[image * 3 * size * size..(image + 1) * 3 * size * size].fill_with(|| rng.range(-40.0, 40.0));
            for class in 1..4_u8 {
                let side = size / 3;
                let (y0, x0) = (rng.below((size - side) as u32) as usize, rng.below((size - side) as u32) as usize);
                for y in y0..y0 + side {
                    for x in x0..x0 + side {
                        labels[(image * size + y) * size + x] = class;
                        for channel in 0..3 {
                            let at = ((image * 3 + channel) * size + y) * size + x;
                            pixels[at] += if channel == usize::from(class) - 1 { 120.0 } else { -30.0 };
                        }
                    }
                }
            }
            labels[image * size * size..image * size * size + size].fill(255);
        }
        let shape = (images, 3, size, size);
        (Tensor::from_vec(pixels, shape, &Device::Cpu).unwrap(), labels)
    }

    #[test]
    fn the_tiny_network_learns_two_images() {
        for prefilter in ["Regular", "Average"] {
            let mut trainer = Trainer::new(tiny(prefilter)).unwrap();
            let (images, labels) = batch(2, 65, 3);
            let start = std::time::Instant::now();
            let losses: Vec<f64> =
                (0..60).map(|_| trainer.step(&SETTINGS, &images, &labels).unwrap().cross_entropy).collect();
            eprintln!("{prefilter}: {} -> {}, {:?} a step", losses[0], losses[59], start.elapsed() / 60);
            assert!(losses[59] < losses[0] / 2.0, "{prefilter}: {losses:?}");
        }
    }

    #[test]
    fn a_stored_state_goes_on_with_the_same_bits_on_any_number_of_threads() {
        let (images, labels) = batch(2, 49, 4);
        let run = |threads: usize, stop: bool| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut trainer = Trainer::new(tiny("Average")).unwrap();
                let mut reports = Vec::new();
                for step in 0..4 {
                    if stop && step == 2 {
                        let bytes = State::write(&trainer, &BTreeMap::new()).unwrap();
                        trainer = State::read(&bytes).unwrap().trainer(&Device::Cpu).unwrap();
                    }
                    reports.push(trainer.step(&SETTINGS, &images, &labels).unwrap());
                }
                (reports, State::write(&trainer, &BTreeMap::new()).unwrap())
            })
        };
        let expected = run(1, false);
        assert_eq!(run(2, false), expected);
        assert_eq!(run(3, true), expected);
    }

    #[test]
    fn a_batch_without_labels_counts_as_zero() {
        let mut trainer = Trainer::new(tiny("Regular")).unwrap();
        let (images, labels) = batch(1, 33, 1);
        let report = trainer.step(&SETTINGS, &images, &vec![255; labels.len()]).unwrap();
        assert_eq!((report.counted, report.cross_entropy), (0, 0.0));
        assert!(report.loss > 0.0 && report.loss.is_finite());
    }

    #[test]
    fn a_loss_that_is_not_finite_names_the_first_tensor_at_fault() {
        let (images, labels) = batch(1, 33, 1);
        let mut trainer = Trainer::new(tiny("Regular")).unwrap();
        let bad = (&images * f64::INFINITY).unwrap();
        let before = State::write(&trainer, &BTreeMap::new()).unwrap();
        let error = trainer.step(&SETTINGS, &bad, &labels).unwrap_err().to_string();
        assert!(error.contains("step 0") && error.contains("`images`"), "{error}");
        assert_eq!(State::write(&trainer, &BTreeMap::new()).unwrap(), before);
        trainer.step(&SETTINGS, &images, &labels).unwrap();
        let mut steep = SETTINGS;
        (steep.optimizer.lr, steep.optimizer.head_lr) = (1e37, 1e6);
        let error = trainer.step(&steep, &images, &labels).unwrap_err().to_string();
        assert!(error.contains("step 1") && error.contains("`head/aspp6/weights`"), "{error}");
        let mut trainer = Trainer::new(tiny("Regular")).unwrap();
        (steep.optimizer.lr, steep.optimizer.head_lr) = (1e30, 10.0);
        let error = (0..5).find_map(|_| trainer.step(&steep, &images, &labels).err()).unwrap().to_string();
        assert!(error.contains("`group2/block1/"), "{error}");
    }
}
