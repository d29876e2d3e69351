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
    /// Trains a network. Each of the iterations is a node: it starts from the state of the one before (weights,
    /// momentum, step) and leaves a state, a log, a row an update (loss, rate, running mean IoU and pixel accuracy of the
    /// iteration so far) and, at its end, a row a class. A loss, gradient or weight that is not finite ends it with
    /// exit code 7, naming the step, the rate and the first such tensor.
    pub struct TrainParams {
        /// The images.
        data: Ref, where to(&[DATASET]);
        /// What the network starts from: the encoder, and beside it what these weights were told to take. A head or
        /// pre-filter's parameter that they lack starts from its initialiser, as all of them do in the reference.
        weights: Ref, where to(&[WEIGHTS]);
        /// The network.
        model: Model;
        /// How many times to train for `steps` updates, each a node with a state of its own.
        iterations: u32 = 1, where min(1.0).max(10_000.0).unit("iterations");
        /// Updates in an iteration.
        steps: u32, where min(1.0).unit("updates");
        /// Updates that the schedule spans; iterations x steps if not stated.
        horizon: Option<u64> = None, where min(1.0).unit("updates");
        /// Whether iterations follow one another as in the reference: each makes one update more than it has steps, so
        /// that the step between two is trained twice and the very last has rate 0, and each seeds its batches anew.
        reference: bool = false;
        /// Images in a batch.
        batch: u32, where min(1.0).unit("images");
        /// Batches in an update, whose gradients are averaged.
        accumulate: u32 = 1, where min(1.0).max(65536.0).unit("batches");
        /// The factors by which the crops are scaled, all seen by the one network. With several, their logits are brought
        /// to the size of the first's and fused by their maximum, and the cross entropies of the fused logits and of each
        /// scale's are summed. The multi-scale reference has 1, 0.75 and 0.5, and a weight decay of 5e-4.
        scales: Vec<f64> = vec![1.0], where above(0.0).max(8.0).nonempty();
        /// Height and width that images are cropped or padded to.
        crop: (u32, u32), where min(1.0).max(8192.0).unit("pixels");
        /// How the weights are updated.
        optimizer: Optimizer = Optimizer::Sgd {
            lr: 2e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0
        };
        /// How the rate falls.
        schedule: Schedule = Schedule::Poly { power: 0.9 };
        /// Random changes of the images.
        augment: Augment = Augment { scale: Some((0.5, 1.5)), mirror: true };
        /// How pixels become numbers.
        input: Input = Input::default();
        /// Where the order of the images, the augmentation, the head and the pre-filters start.
        seed: u64 = 1234, where max(9007199254740991.0);
        /// The precision of products and sums. The processor has `Fp32` alone.
        precision: Precision = Precision::Fp32 {};
        /// Whether the same training always gives the same bits. On the processor it does in any case, though the key
        /// differs; a GPU may be faster without.
        deterministic: bool = true;
        /// How many processes share each batch, on GPUs one each, counted from the given one on: with `--device cuda:2`,
        /// 3 ranks take `cuda:2`, `cuda:3` and `cuda:4`, which must be of one kind, and exchange gradients by NCCL. These
        /// are added in one order, on GPUs unless `deterministic` is false: the same number of ranks gives the same bits,
        /// another number the same up to rounding. On the processor they divide the threads among them, and one is
        /// fastest.
        ranks: u32 = 1, where min(1.0).max(64.0).unit("processes");
        /// How many blocks of the encoder are computed again together in the backward pass, so that only the input of the
        /// first of them is kept: less memory, about a third more time, the same bits. 0 keeps all activations; about
        /// the root of the number of blocks, 6 for ResNet-101, needs the least memory.
        recompute: u32 = 0, where max(1024.0).unit("blocks").unkeyed();
        /// Whether, on a GPU, the forward and the backward pass are recorded in the second step and asked for as a whole in
        /// all later ones, in place of kernel by kernel: the same bits, less work for the processor. Norms that training
        /// changes, of which the processor makes something in each step, cannot be recorded.
        graph: bool = false, where unkeyed();
    }

    /// The precision of products and sums. The parameters, their momentum and the loss are 32-bit floats in each.
    pub enum Precision {
        /// 32-bit floats throughout.
        Fp32 {}
        /// The operands of products are rounded to TF32, which has 10 bits of mantissa.
        Tf32 {}
        /// Activations and their gradients are bfloat16, which has 7 bits of mantissa, and so are the filters as
        /// convolutions read them. Sums, batch norms and the loss from the logits on are 32-bit floats. What is trained so
        /// is validated, and predicts, in 32-bit floats.
        Bf16 {}
    }

    /// An optimiser.
    pub enum Optimizer {
        /// Stochastic gradient descent with momentum in TensorFlow's form, v = m v + g, w = w - lr v, and
        /// weight decay on the convolutions' weights alone.
        Sgd {
            /// The base learning rate, of the encoder and the pre-filters.
            lr: f64 = 2e-3, where above(0.0).max(SINGLE);
            /// The momentum m.
            momentum: f64 = 0.9, where min(0.0).below(1.0);
            /// The factor of sum(w^2)/2 in the loss.
            weight_decay: f64 = 1e-4, where min(0.0).max(SINGLE);
            /// The head's weights learn at this multiple of the rate.
            head_lr: f64 = 10.0, where min(0.0).max(SINGLE);
            /// The head's biases learn at this multiple of the rate.
            head_bias_lr: f64 = 20.0, where min(0.0).max(SINGLE);
        }
    }

    /// A schedule of the learning rate.
    pub enum Schedule {
        /// lr (1 - step/horizon)^power.
        Poly {
            /// The exponent.
            power: f64 = 0.9, where above(0.0).max(SINGLE);
        }
        /// The base rate throughout.
        Constant {}
    }

    /// Random changes of the training images, in the reference's order: scale, mirror, crop.
    pub struct Augment {
        /// The bounds between which height and width are scaled, uniformly; `None`: no scaling.
        scale: Option<(f64, f64)> = Some((0.5, 1.5)), where above(0.0).max(16.0);
        /// Whether half of the images are mirrored.
        mirror: bool = true;
    }

    /// How the pixels of an image become a network's input.
    pub struct Input {
        /// The order of the channels that the encoder was trained on.
        order: ChannelOrder = ChannelOrder::Bgr {};
        /// What is subtracted: the mean of blue, green and red, whatever the order of the channels.
        mean_bgr: (f64, f64, f64) = (104.00698793, 116.66876762, 122.67891434);
    }

    /// The order of colour channels.
    pub enum ChannelOrder {
        /// Blue, green, red: encoders that come from Caffe.
        Bgr {}
        /// Red, green, blue: slim's encoders.
        Rgb {}
    }
}

impl TrainParams {
    /// How the device computes.
    pub fn numerics(&self) -> Numerics {
        let precision = match self.precision {
            Precision::Fp32 {} => numerics::Precision::Fp32,
            Precision::Tf32 {} => numerics::Precision::Tf32,
            Precision::Bf16 {} => numerics::Precision::Bf16,
        };
        Numerics { precision, deterministic: self.deterministic }
    }
}

impl Input {
    /// How pixels become numbers.
    pub fn normalise(&self) -> Normalise {
        let (b, g, r) = self.mean_bgr;
        match self.order {
            ChannelOrder::Bgr {} => Normalise { channels: Channels::Bgr, mean: [b as f32, g as f32, r as f32] },
            ChannelOrder::Rgb {} => Normalise { channels: Channels::Rgb, mean: [r as f32, g as f32, b as f32] },
        }
    }
}

impl Default for Input {
    fn default() -> Self {
        Input { order: ChannelOrder::Bgr {}, mean_bgr: (104.006_987_93, 116.668_767_62, 122.678_914_34) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_goes_with_the_order_of_the_channels() {
        let input = |order| Input { order, mean_bgr: (1.0, 2.0, 3.5) };
        let bgr = Normalise { channels: Channels::Bgr, mean: [1.0, 2.0, 3.5] };
        let rgb = Normalise { channels: Channels::Rgb, mean: [3.5, 2.0, 1.0] };
        assert_eq!([ChannelOrder::Bgr {}, ChannelOrder::Rgb {}].map(|order| input(order).normalise()), [bgr, rgb]);
        assert_eq!(Input::default().normalise(), Normalise::default());
    }
}
