//! What a pipeline may state of a training.

use crate::ml::data::augment::{Channels, Normalise};
use crate::ml::numerics::{self, Numerics};
use crate::params;
use crate::stage::params::Ref;
use crate::stage::schema::SINGLE;

use super::network::Model;
use crate::stages::yields::{DATASET, WEIGHTS};

/// The name of the kind.
pub const KIND: &str = "Train";

params! {
    /// Trains a network. Each iteration is a node. It starts from the state of the one before (weights, momentum and
    /// step) and leaves a state, a log, a row for each update (loss, rate, running mean IoU and pixel accuracy of the
    /// iteration so far), and a row for each class. If a loss, a gradient or a weight is not finite, the training
    /// ends with exit code 7, and names the step, the rate and the first such tensor.
    pub struct TrainParams {
        /// The images, with labels.
        data: Ref, where to(&[DATASET]);
        /// What the network starts from: the encoder, and whatever else these weights were told to take. The other
        /// parameters of the head and the pre-filters start from their initialisers, as in the original code.
        weights: Ref, where to(&[WEIGHTS]);
        /// The network.
        model: Model;
        /// The step of the schedule that the training begins with: the rate and the batches are those of this step on. The
        /// schedule counts from step 0, so that it spans `first_step` + iterations x steps unless `horizon` is stated. Weights
        /// that are taken with `Training` bring their own step if their file says it; then state the `horizon` of the whole
        /// training.
        first_step: u64 = 0, where max(9007199254740991.0).unit("updates");
        /// How many times `steps` updates are made. Each time is a node with a state of its own.
        iterations: u32 = 1, where min(1.0).max(10_000.0).unit("iterations");
        /// The updates of an iteration.
        steps: u32, where min(1.0).unit("updates");
        /// The updates that the schedule spans, from step 0 on. `None`: `first_step` + iterations x steps.
        horizon: Option<u64> = None, where min(1.0).unit("updates");
        /// Whether iterations follow one another as in the original code. There each iteration makes one update more than
        /// it has steps: the step between two iterations is trained twice, and the very last step has rate 0. Each
        /// iteration also draws its batches from the start.
        reference: bool = false;
        /// The images of a batch.
        batch: u32, where min(1.0).unit("images");
        /// The batches of an update. Their gradients are averaged.
        accumulate: u32 = 1, where min(1.0).max(65536.0).unit("batches");
        /// The factors by which the crops are scaled. One network sees all of them. The logits of several scales are
        /// resized to those of the first, and fused by their maximum. The loss is the sum of the cross entropies of
        /// the fused logits and of each scale. The original multi-scale code has 1, 0.75 and 0.5, and a weight decay of
        /// 5e-4.
        scales: Vec<f64> = vec![1.0], where above(0.0).max(8.0).nonempty();
        /// The height and width that images are cropped or padded to.
        crop: (u32, u32), where min(1.0).max(8192.0).unit("pixels");
        /// How the weights are updated.
        optimizer: Optimizer = Optimizer::Sgd {
            lr: 2e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0
        };
        /// How the learning rate falls.
        schedule: Schedule = Schedule::Poly { power: 0.9 };
        /// Random changes of the images.
        augment: Augment = Augment { scale: Some((0.5, 1.5)), mirror: true };
        /// How the pixels of an image become numbers.
        input: Input = Input::default();
        /// The seed of the order of the images, of the augmentation, and of the initialisers of head and pre-filters.
        seed: u64 = 1234, where max(9007199254740991.0);
        /// The precision of products and sums. The processor computes `Fp32` alone.
        precision: Precision = Precision::Fp32 {};
        /// Whether the same training always gives the same bits. On the processor it always does, for either value, but
        /// the two values have different keys. A GPU may be faster with `false`.
        deterministic: bool = true;
        /// The number of processes that share each batch. On GPUs, each process has a GPU of its own. They are counted
        /// from the given one: with `--device cuda:2`, 3 ranks take `cuda:2`, `cuda:3` and `cuda:4`. These must be of
        /// one kind, and exchange gradients by NCCL. Gradients are added in a fixed order, unless `deterministic` is
        /// false on GPUs. With this order, the same number of ranks gives the same bits, and another number the same
        /// result up to rounding. On the processor the ranks divide its threads among them, and one rank is fastest.
        ranks: u32 = 1, where min(1.0).max(64.0).unit("processes");
        /// Activation checkpointing. The blocks of the encoder are taken in segments of so many blocks, and only the
        /// input of each segment is kept. The backward pass computes the activations again. This takes less memory and
        /// about a third more time, and gives the same bits. 0 keeps all activations. About the square root of the
        /// number of blocks needs the least memory: 6 for ResNet-101.
        recompute: u32 = 0, where max(1024.0).unit("blocks").unkeyed();
        /// CUDA graph capture and replay: whether a GPU captures the forward and the backward pass in the second step,
        /// and replays them in all later steps. This gives the same bits with less work for the processor. Batch norms
        /// that training changes cannot be captured, since the processor computes a part of them in each step.
        graph: bool = false, where unkeyed();
    }

    /// The precision of products and sums. The parameters, their momentum and the loss are 32-bit floats in each.
    pub enum Precision {
        /// 32-bit floats throughout.
        Fp32 {}
        /// The operands of products are rounded to TF32, which has 10 bits of mantissa.
        Tf32 {}
        /// Activations, their gradients, and the filters that convolutions read are bfloat16, which has 7 bits of
        /// mantissa. Sums, batch norms, and the loss from the logits on are 32-bit floats. Such a model is validated,
        /// and predicts, in 32-bit floats.
        Bf16 {}
    }

    /// An optimiser.
    pub enum Optimizer {
        /// Stochastic gradient descent with momentum in TensorFlow's form: v = m v + g, w = w - lr v. Weight decay
        /// applies to the weights of convolutions alone.
        Sgd {
            /// The base learning rate: that of the encoder and the pre-filters.
            lr: f64 = 2e-3, where above(0.0).max(SINGLE);
            /// The momentum m.
            momentum: f64 = 0.9, where min(0.0).below(1.0);
            /// The factor of sum(w^2)/2 in the loss.
            weight_decay: f64 = 1e-4, where min(0.0).max(SINGLE);
            /// The learning rate of the head's weights, as a multiple of the base rate.
            head_lr: f64 = 10.0, where min(0.0).max(SINGLE);
            /// The learning rate of the head's biases, as a multiple of the base rate.
            head_bias_lr: f64 = 20.0, where min(0.0).max(SINGLE);
        }
    }

    /// A schedule of the learning rate.
    pub enum Schedule {
        /// The rate is lr (1 - step/horizon)^power.
        Poly {
            /// The exponent.
            power: f64 = 0.9, where above(0.0).max(SINGLE);
        }
        /// The rate is always lr.
        Constant {}
    }

    /// Random changes of the training images, in the original code's order: scale, mirror, crop.
    pub struct Augment {
        /// The least and the greatest factor by which height and width are scaled. The factor is drawn uniformly.
        /// `None`: no scaling.
        scale: Option<(f64, f64)> = Some((0.5, 1.5)), where above(0.0).max(16.0);
        /// Whether half of the images are mirrored.
        mirror: bool = true;
    }

    /// How the pixels of an image become a network's input.
    pub struct Input {
        /// The order of the channels that the encoder was trained on.
        order: ChannelOrder = ChannelOrder::Bgr {};
        /// What is subtracted from each pixel: the mean of blue, of green and of red. It is stated in this order for
        /// either order of the channels.
        mean_bgr: (f64, f64, f64) = (104.00698793, 116.66876762, 122.67891434);
        /// What the difference is divided by: the deviation of blue, of green and of red, in levels of 255. torchvision
        /// has (57.375, 57.12, 58.395), with the mean (103.53, 116.28, 123.675).
        deviation_bgr: (f64, f64, f64) = (1.0, 1.0, 1.0), where above(0.0).max(SINGLE).since("0.1.0");
    }

    /// The order of colour channels.
    pub enum ChannelOrder {
        /// Blue, green, red, as encoders that come from Caffe.
        Bgr {}
        /// Red, green, blue, as slim's encoders.
        Rgb {}
    }
}

impl TrainParams {
    /// The step behind the last update.
    pub fn end(&self) -> u64 {
        self.first_step.saturating_add(u64::from(self.iterations) * u64::from(self.steps))
    }

    /// How the device computes.
    pub fn numerics(&self) -> Numerics {
        Numerics { precision: self.precision.spec(), deterministic: self.deterministic }
    }
}

impl Precision {
    /// The precision for `ml`.
    pub fn spec(&self) -> numerics::Precision {
        match self {
            Precision::Fp32 {} => numerics::Precision::Fp32,
            Precision::Tf32 {} => numerics::Precision::Tf32,
            Precision::Bf16 {} => numerics::Precision::Bf16,
        }
    }
}

impl Input {
    /// How pixels become numbers.
    pub fn normalise(&self) -> Normalise {
        let channels = if matches!(self.order, ChannelOrder::Bgr {}) { Channels::Bgr } else { Channels::Rgb };
        let ordered = |(b, g, r): (f64, f64, f64)| match channels {
            Channels::Bgr => [b as f32, g as f32, r as f32],
            Channels::Rgb => [r as f32, g as f32, b as f32],
        };
        Normalise { channels, mean: ordered(self.mean_bgr), deviation: ordered(self.deviation_bgr) }
    }
}

impl Default for Input {
    fn default() -> Self {
        Input {
            order: ChannelOrder::Bgr {},
            mean_bgr: (104.006_987_93, 116.668_767_62, 122.678_914_34),
            deviation_bgr: (1.0, 1.0, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_go_with_the_order_of_the_channels() {
        let input = |order| Input { order, mean_bgr: (1.0, 2.0, 3.5), deviation_bgr: (4.0, 5.0, 6.0) };
        let bgr = Normalise { channels: Channels::Bgr, mean: [1.0, 2.0, 3.5], deviation: [4.0, 5.0, 6.0] };
        let rgb = Normalise { channels: Channels::Rgb, mean: [3.5, 2.0, 1.0], deviation: [6.0, 5.0, 4.0] };
        assert_eq!([ChannelOrder::Bgr {}, ChannelOrder::Rgb {}].map(|order| input(order).normalise()), [bgr, rgb]);
        assert_eq!(Input::default().normalise(), Normalise::default());
    }
}
