//! Training, one step at a time.

use candle_core::Tensor;

use super::error::{Error, Result};
use super::layers::{Gradients, ParameterId};
use super::loss::{self, Joint};
use super::models::Network;
use super::numerics::Precision;
use super::ops::{activation, elementwise, nchw, update, upsampled};
use super::optim::{self, Momentum, Schedule, Sgd};
use super::parallel::{self, Alone, Ranks};
use super::replay::Replay;
use super::scales::at_scale;

/// How a network is trained, beside its data: all that a [`Trainer`] is told. Only the first four change bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The optimiser.
    pub optimizer: Sgd,
    /// How the rate falls.
    pub schedule: Schedule,
    /// The step at which the schedule ends.
    pub horizon: u64,
    /// The precision of steps; what the device makes of products is its own.
    pub precision: Precision,
    /// How many blocks are computed again together in the backward pass, see [`Network::forward_train`].
    pub recompute: usize,
    /// Whether a GPU captures the passes as CUDA graphs and replays them, see [`Replay`].
    pub graph: bool,
}

impl Settings {
    /// Training in 32-bit floats that keeps all activations and captures nothing.
    pub const fn new(optimizer: Sgd, schedule: Schedule, horizon: u64) -> Self {
        Settings { optimizer, schedule, horizon, precision: Precision::Fp32, recompute: 0, graph: false }
    }
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
    /// The ranks of the training, of which this is one; a trainer is alone until it joins others.
    ranks: Box<dyn Ranks>,
    gradients: Gradients,
    /// The gradients of one pass, where an update sums several.
    part: Option<Gradients>,
    /// The forward and backward pass at each scale.
    passes: Vec<Replay>,
}

/// What a step saw.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The step, from 0.
    pub step: u64,
    /// Cross entropy plus the L2 term, before the update; a mean over the batches of the update.
    pub loss: f64,
    /// The mean cross entropy over the counted pixels, 0 where none counts; a mean over the batches and, where there are
    /// several scales, the sum that [`loss::over_scales`] makes.
    pub cross_entropy: f64,
    /// The pixels, at the resolution of the logits, whose label is a class. 0 means that the batch taught nothing.
    pub counted: usize,
    /// The base learning rate.
    pub rate: f32,
    /// The predicted classes before the update, from the logits resized to the images, `[N, H, W]`, batch by batch.
    pub predictions: Vec<u8>,
    /// The labels of the same pixels.
    pub labels: Vec<u8>,
}

/// Images with their labels.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// `[N, 3, H, W]`.
    pub images: &'a Tensor,
    /// `[N, H, W]`.
    pub labels: &'a [u8],
}

impl StepReport {
    /// The line of the reference's log: step, loss and running mean IoU.
    pub fn log_line(step: u64, loss: f64, mean_iou: f64) -> String {
        format!("{step}, {loss:.3}, {mean_iou:.3}")
    }
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
        Ok(Trainer { network, momentum, step, ranks: Box::new(Alone), gradients, part: None, passes: Vec::new() })
    }

    /// Joins the ranks that train together. From then on this one is given its share of every batch, and all make the same
    /// updates.
    pub fn join(&mut self, ranks: Box<dyn Ranks>) {
        self.ranks = ranks;
    }

    /// The gradients of the last update: of the mean cross entropy, without the L2 term.
    #[cfg(test)]
    pub fn gradients(&self) -> &Gradients {
        &self.gradients
    }

    /// [`Trainer::update`] on one batch at its own scale.
    pub fn step(&mut self, settings: &Settings, images: &Tensor, labels: &[u8]) -> Result<StepReport> {
        self.update(settings, &[1.0], &[Batch { images, labels }])
    }

    /// One update on the mean gradient of `batches`, each seen at all of `scales` (see [`loss::over_scales`]). A loss
    /// or a gradient that is not finite is an error and changes nothing; so is, after the fact, an update that leaves
    /// a weight not finite: no such state is ever stored.
    ///
    /// Where there are several ranks, `batches` are this one's shares, and the report is of the whole.
    ///
    /// The tapes of one batch at all scales are in memory together, since the fused loss needs all logits; each is
    /// released as its backward pass walks, one scale after the other.
    pub fn update(&mut self, settings: &Settings, scales: &[f64], batches: &[Batch<'_>]) -> Result<StepReport> {
        if scales.is_empty() || batches.is_empty() {
            return Err(Error::Model("An update needs at least one scale and one batch.".to_owned()));
        }
        let rate = settings.schedule.rate(settings.optimizer.lr, self.step, settings.horizon);
        let l2 = optim::l2(self.network.parameters(), settings.optimizer.weight_decay)?;
        let mut report = StepReport {
            step: self.step,
            loss: l2,
            cross_entropy: 0.0,
            counted: 0,
            rate,
            predictions: Vec::new(),
            labels: Vec::new(),
        };
        if scales.len() * batches.len() > 1 {
            self.gradients.clear()?;
        }
        for batch in batches {
            let joint = self.accumulate(settings, scales, batch, batches.len(), (rate, l2))?;
            let [_, _, height, width] = nchw("The images of a batch", batch.images)?;
            let cross_entropy = joint.cross_entropy / batches.len() as f64;
            report.loss += cross_entropy;
            report.cross_entropy += cross_entropy;
            report.counted += joint.counted;
            let predictions = upsampled::argmax(&joint.logits, height, width, self.network.spec().geometry.upsampling)?;
            report.predictions.extend(self.ranks.gather(&predictions)?.concat());
            report.labels.extend(self.ranks.gather(batch.labels)?.concat());
        }
        self.ranks.sum(self.gradients.flat())?;
        let not_finite = |tensor| Error::NonFinite { step: report.step, rate, loss: report.loss, tensor };
        if !elementwise::is_finite(self.gradients.flat())? {
            let name = self.first_not_finite(|id| self.gradients.slot(id))?;
            return Err(not_finite(name.map_or("the gradients".to_owned(), |name| format!("the gradient of {name}"))));
        }
        let network = &self.network;
        optim::step(&settings.optimizer, rate, network.parameters(), &self.momentum, &self.gradients)?;
        if !elementwise::is_finite(network.parameters().trainable())? {
            return Err(not_finite(self.first_weight_not_finite()?.unwrap_or_else(|| "the weights".to_owned())));
        }
        self.step += 1;
        Ok(report)
    }

    /// Adds the gradients of one of `count` batches, divided by their number.
    fn accumulate(
        &mut self,
        settings: &Settings,
        scales: &[f64],
        batch: &Batch<'_>,
        count: usize,
        (rate, l2): (f32, f64),
    ) -> Result<Joint> {
        let [_, _, height, width] = nchw("The images of a batch", batch.images)?;
        let network = &self.network;
        let sampling = network.spec().geometry.upsampling;
        let Settings { precision, recompute, graph, .. } = *settings;
        self.passes.resize_with(scales.len(), Replay::default);
        let forward = |(&scale, passes): (&f64, &mut Replay)| {
            passes.forward(network, &input(network, batch.images, scale, precision)?, recompute, graph)
        };
        let logits = scales.iter().zip(&mut self.passes).map(forward).collect::<Result<Vec<Tensor>>>()?;
        let ranks = self.ranks.as_mut();
        let mut total = |counted| parallel::count(ranks, counted);
        let mut joint = loss::over_scales(&logits, batch.labels, [height, width], sampling, &mut total)?;
        joint.cross_entropy = parallel::sum(ranks, joint.cross_entropy)?;
        let loss = joint.cross_entropy + l2;
        if !loss.is_finite() {
            let here = match self.first_weight_not_finite()? {
                Some(name) => name,
                None => first_activation_not_finite(network, scales, batch.images, precision)?.unwrap_or_default(),
            };
            // The same in all ranks: the first that any of them has.
            let found = self.ranks.gather(here.as_bytes())?.into_iter().find(|name| !name.is_empty());
            let tensor = String::from_utf8_lossy(&found.unwrap_or_else(|| b"the loss".to_vec())).into_owned();
            return Err(Error::NonFinite { step: self.step, rate, loss, tensor });
        }
        if scales.len() * count == 1 {
            // Alone, a pass writes to its place.
            for (passes, g) in self.passes.iter_mut().zip(&joint.gradients) {
                passes.backward(network, g, &self.gradients)?;
            }
            return Ok(joint);
        }
        let part = match self.part.take() {
            Some(part) => part,
            None => Gradients::zeros(network.parameters().inventory().clone(), network.device())?,
        };
        for (passes, g) in self.passes.iter_mut().zip(&joint.gradients) {
            passes.backward(network, g, &part)?;
            update::add_part(self.gradients.flat(), part.flat(), count as f32)?;
        }
        self.part = Some(part);
        Ok(joint)
    }

    fn first_weight_not_finite(&self) -> Result<Option<String>> {
        self.first_not_finite(|id| self.network.parameters().view(id).map(Some))
    }

    /// The name of the first parameter, in the order of the network, of which `tensor` gives one that is not finite.
    fn first_not_finite(&self, tensor: impl Fn(ParameterId) -> Result<Option<Tensor>>) -> Result<Option<String>> {
        for (id, parameter) in self.network.parameters().inventory().iter() {
            if let Some(tensor) = tensor(id)?
                && !elementwise::is_finite(&tensor)?
            {
                return Ok(Some(parameter.name.clone()));
            }
        }
        Ok(None)
    }
}

/// What a network is given of images.
fn input(network: &Network, images: &Tensor, scale: f64, precision: Precision) -> Result<Tensor> {
    activation::cast(&at_scale(images, scale, network.spec().geometry.upsampling)?, precision.activations())
}

/// The name of the first activation that is not finite, with its scale where there are several.
fn first_activation_not_finite(
    network: &Network,
    scales: &[f64],
    images: &Tensor,
    precision: Precision,
) -> Result<Option<String>> {
    for &scale in scales {
        if let Some(name) = network.first_not_finite(&input(network, images, scale, precision)?)? {
            return Ok(Some(if scales.len() == 1 { name } else { format!("{name} at scale {scale}") }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::Device;

    use super::*;
    use crate::ml::spec::{Choice, ModelSpec};
    use crate::ml::state::State;
    use crate::ml::weights::{Scheme, initialise};
    use crate::rng::Rng;

    const SETTINGS: Settings = Settings::new(
        Sgd { lr: 5e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
        Schedule::Poly { power: 0.9 },
        60,
    );

    fn tiny(prefilter: &str) -> Network {
        let spec = ModelSpec::new(Choice::new("Tiny"), 4, Choice::new(prefilter));
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
    /// The last block sees huge values and lets none through, and the head magnifies: the loss is finite, but not the
    /// gradient by the weights between.
    #[test]
    fn a_gradient_that_is_not_finite_is_named_and_changes_nothing() {
        let spec = ModelSpec::new(Choice::new("Tiny"), 4, Choice::new("Regular"));
        let value = |parameter: &crate::ml::layers::Parameter| {
            let len = parameter.len();
            Ok(match parameter.name.as_str() {
                "group5/block2/middle/norm/beta" => vec![1e30; len],
                "group5/block2/expand/weights" => vec![0.0; len],
                name if name.starts_with("head/") && name.ends_with("/weights") => {
                    (0..len).map(|i| 1e10 * (i * 4 / len) as f32).collect()
                }
                _ => crate::ml::weights::initial(Scheme::Stable, 7, parameter),
            })
        };
        let mut trainer = Trainer::new(Network::build(&spec, &Device::Cpu, value).unwrap()).unwrap();
        let before = State::write(&trainer, &BTreeMap::new()).unwrap();
        let (images, labels) = batch(1, 33, 1);
        let error = trainer.step(&SETTINGS, &images, &labels).unwrap_err().to_string();
        assert!(error.contains("`the gradient of group5/block2/expand/weights`"), "{error}");
        assert_eq!(State::write(&trainer, &BTreeMap::new()).unwrap(), before);
        let bad = [Batch { images: &(&images * f64::INFINITY).unwrap(), labels: &labels }];
        let error = trainer.update(&SETTINGS, &[1.0, 0.5], &bad).unwrap_err().to_string();
        assert!(error.contains("`images at scale 1`"), "{error}");
        let error = trainer.update(&SETTINGS, &[], &bad).unwrap_err().to_string();
        assert!(error.contains("at least one scale"), "{error}");
    }
}
