//! `Train`: iterations of stochastic gradient descent, each a node that goes on from the one before.

use crate::ml::device::look_for_ranks;
use crate::ml::numerics::{self, Numerics};
use crate::params;
use crate::stage::params::{Param, Ref};
use crate::stage::schema::{SINGLE, Structure};
use crate::stage::{
    DeviceSpec, Extents, Fault, InputRef, Job, Kind, Peers, Produced, Publication, StageError, Step, Value,
};

use super::agree;
use super::model::Model;
use super::support;

params! {
    /// Trains a network. Each of the iterations is a node: it starts from the state of the one before (weights,
    /// momentum, step) and leaves a state, a log, a row an update (loss, rate, running mean IoU and pixel accuracy of the
    /// iteration so far) and, at its end, a row a class. A loss, gradient or weight that is not finite ends it with
    /// exit code 7, naming the step, the rate and the first such tensor.
    pub struct TrainParams {
        /// The images.
        data: Ref, where to(&["dataset"]);
        /// What the network starts from: the encoder, and beside it what these weights were told to take. A head or
        /// pre-filter's parameter that they lack starts from its initialiser, as all of them do in the reference.
        weights: Ref, where to(&["weights"]);
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

impl Default for Input {
    fn default() -> Self {
        Input { order: ChannelOrder::Bgr {}, mean_bgr: (104.006_987_93, 116.668_767_62, 122.678_914_34) }
    }
}

/// A node's parameters with what expansion took out, so that they read as the stage's own.
pub fn complete(params: &Value) -> Value {
    let mut params = params.clone();
    params.set_field("iterations", 1_u32.write());
    params
}

/// The kind.
pub struct Train;

impl Kind for Train {
    fn name(&self) -> &'static str {
        "Train"
    }

    fn version(&self) -> u32 {
        4
    }

    fn schema(&self) -> Structure {
        support::structure(TrainParams::ty())
    }

    fn yields(&self) -> &'static str {
        "model"
    }

    fn computes(&self) -> bool {
        true
    }

    fn check(&self, params: &Value) -> Vec<Fault> {
        let Some(p) = TrainParams::read(params) else { return Vec::new() };
        let mut faults = Vec::new();
        let total = u64::from(p.iterations) * u64::from(p.steps);
        if let Some(horizon) = p.horizon.filter(|horizon| *horizon < total) {
            faults.push(Fault {
                field: "horizon".into(),
                message: format!(
                    "The schedule spans {horizon} updates, but {} x {} are trained.",
                    p.iterations, p.steps
                ),
                hint: format!("State a horizon of at least {total}, or leave it out."),
            });
        }
        if p.ranks > p.batch {
            faults.push(Fault {
                field: "ranks".into(),
                message: format!("{} processes cannot share a batch of {} images.", p.ranks, p.batch),
                hint: "State at most as many ranks as a batch has images.".into(),
            });
        }
        if let Some((low, high)) = p.augment.scale.filter(|(low, high)| low > high) {
            faults.push(Fault {
                field: "augment.scale".into(),
                message: format!("The scale's lower bound {low} is above its upper bound {high}."),
                hint: "Write the smaller bound first.".into(),
            });
        }
        faults
    }

    fn agrees(&self, params: &Value, peers: &Peers<'_>) -> Vec<Fault> {
        TrainParams::read(params).map_or_else(Vec::new, |p| agree::training(&p, peers))
    }

    fn count(&self, params: &Value, _extents: &dyn Extents) -> usize {
        TrainParams::read(params).map_or(1, |p| p.iterations as usize)
    }

    fn expand(&self, params: &Value, _extents: &dyn Extents) -> Result<Vec<Step>, Vec<Fault>> {
        let Some(p) = TrainParams::read(params) else { return Err(Vec::new()) };
        let stated = p.horizon.is_some();
        let horizon = p.horizon.unwrap_or(u64::from(p.iterations) * u64::from(p.steps));
        let mut node = params.clone();
        if let Value::Struct(record) = &mut node {
            record.fields.remove("iterations");
            record.fields.insert("horizon".into(), Some(horizon).write());
        }
        let note = "The horizon is not stated, so it follows from iterations x steps; state `horizon` to keep finished iterations.";
        let steps = (0..p.iterations).map(|i| {
            let mut params = node.clone();
            params.set_field("first_step", (u64::from(i) * u64::from(p.steps)).write());
            let mut inputs = vec![("data".to_owned(), InputRef::Named(p.data.0.clone()))];
            inputs.push(match i.checked_sub(1) {
                None => ("weights".to_owned(), InputRef::Named(p.weights.0.clone())),
                Some(before) => ("state".to_owned(), InputRef::Sibling(before as usize)),
            });
            let notes = (!stated).then(|| ("horizon".to_owned(), note.to_owned())).into_iter().collect();
            Step { iteration: (p.iterations > 1).then_some(i + 1), params, inputs, notes }
        });
        Ok(steps.collect())
    }

    fn runs_on(&self, params: &Value, device: &DeviceSpec) -> Result<(), StageError> {
        let p: TrainParams = support::read(&complete(params))?;
        let wrong = |error| support::ml_error(error, "precision");
        let (gpu, size) = (device.gpu(), p.ranks as usize);
        if p.graph && gpu.is_none() {
            let message = "`graph: true` was asked for, but the device `cpu` records no work.".to_owned();
            return Err(StageError::Device {
                message,
                hint: "Leave it out, or train on a GPU: `--device cuda`.".to_owned(),
            });
        }
        p.numerics().check(gpu).and_then(|()| look_for_ranks(gpu, size)).map_err(wrong)
    }

    fn publish(&self, _params: &Value) -> Vec<Publication> {
        vec![Publication::table("steps", &["Csv", "Parquet"]), Publication::table("classes", &["Csv", "Parquet"])]
    }

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        super::training::run(job)
    }
}
