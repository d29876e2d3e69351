//! Batch norm with frozen statistics: one factor and one summand for each channel.
//!
//! Where training leaves `gamma` and `beta` alone, they are folded into these once. Where it changes them, they are
//! folded before every pass, on the device that has them. Their gradients then follow from what the convolution's backward
//! pass leaves ([`norm::by_gamma`]).

use candle_core::Tensor;

use super::parameters::{Gradients, Init, Inventory, Parameter, ParameterId, Parameters, Role};
use crate::ml::error::Result;
use crate::ml::ops::elementwise;
use crate::ml::ops::norm::{self, Statistics};

/// Stands for a factor of exactly zero that training may change. The gradient by the factor is computed from the
/// filter's by a division, which a factor of zero would not allow. What so small a factor adds is lost in rounding.
const NEXT_TO_NOTHING: f32 = 1e-12;

/// `y = x * scale + shift`, a channel each: `scale = gamma / sqrt(variance + epsilon)`, `shift = beta - mean * scale`.
#[derive(Debug, Clone)]
pub struct Affine {
    /// `[C]`.
    pub scale: Tensor,
    /// `[C]`.
    pub shift: Tensor,
}

/// The parameters of a batch norm.
#[derive(Debug, Clone, Copy)]
pub struct Norm {
    gamma: ParameterId,
    beta: ParameterId,
    mean: ParameterId,
    variance: ParameterId,
    epsilon: f32,
}

/// How a batch norm starts, and whether training changes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormStart {
    /// `gamma` in the stable initialisation.
    pub gamma: f32,
    /// The variance in the stable initialisation.
    pub variance: f32,
    /// Whether training changes `gamma` and `beta`. The statistics are always frozen.
    pub trainable: bool,
    /// Added to the variance.
    pub epsilon: f32,
    /// The role of all of it.
    pub role: Role,
}

impl Norm {
    /// Adds the parameters below `name`.
    pub fn add(inventory: &mut Inventory, name: &str, channels: usize, start: NormStart) -> Self {
        let mut add = |part: &str, plain: f32, stable: f32, trainable: bool| {
            inventory.add(Parameter {
                name: format!("{name}/norm/{part}"),
                shape: vec![channels],
                role: start.role,
                trainable,
                init: Init::Norm { plain, stable },
            })
        };
        Norm {
            gamma: add("gamma", 1.0, start.gamma, start.trainable),
            beta: add("beta", 0.0, 0.0, start.trainable),
            mean: add("mean", 0.0, 0.0, false),
            variance: add("variance", 1.0, start.variance, false),
            epsilon: start.epsilon,
        }
    }

    /// The batch norm ready to run: with its factor and summand, or with views of what training changes.
    pub fn fold(&self, parameters: &Parameters) -> Result<FoldedNorm> {
        let variance = parameters.constant(self.variance)?;
        let rate: Vec<f32> = variance.iter().map(|v| 1.0 / (v + self.epsilon).sqrt()).collect();
        let norm = TrainedNorm {
            ids: [self.gamma, self.beta],
            gamma: parameters.view(self.gamma)?,
            beta: parameters.view(self.beta)?,
            mean: parameters.view(self.mean)?,
            rate: Tensor::new(rate, parameters.trainable().device())?,
        };
        let trainable = parameters.inventory().get(self.gamma).trainable;
        Ok(if trainable { FoldedNorm::Trained(norm) } else { FoldedNorm::Fixed(norm.affine(0.0)?) })
    }
}

/// A batch norm ready to run.
#[derive(Debug, Clone)]
pub enum FoldedNorm {
    /// Nothing changes it.
    Fixed(Affine),
    /// Training changes gamma and beta.
    Trained(TrainedNorm),
}

/// A batch norm whose gamma and beta training changes.
#[derive(Debug, Clone)]
pub struct TrainedNorm {
    ids: [ParameterId; 2],
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    /// One over the deviation.
    rate: Tensor,
}

impl FoldedNorm {
    /// The factor and the summand as they are now.
    pub fn affine(&self) -> Result<Affine> {
        match self {
            FoldedNorm::Fixed(affine) => Ok(affine.clone()),
            FoldedNorm::Trained(norm) => norm.affine(NEXT_TO_NOTHING),
        }
    }

    /// Writes the gradients by gamma and beta, if training changes them. It needs the gradient `g` by the output before
    /// the ReLU, and the filter with its gradient.
    ///
    /// # Shapes
    /// `g` `[N, O, H, W]`; `weights` and `by_weights` `[O, …]`.
    pub fn backward(&self, g: &Tensor, weights: &Tensor, by_weights: &Tensor, gradients: &Gradients) -> Result<()> {
        let FoldedNorm::Trained(trained) = self else { return Ok(()) };
        let [by_gamma, by_beta] = trained.ids.map(|id| gradients.slot(id));
        let (Some(by_gamma), Some(by_beta)) = (by_gamma?, by_beta?) else { return Ok(()) };
        elementwise::sum_by_channel(g, &by_beta)?;
        let scale = trained.affine(NEXT_TO_NOTHING)?.scale;
        let gradient = norm::by_gamma([weights, by_weights], &scale, &by_beta, trained.statistics())?;
        elementwise::copy(&gradient, &by_gamma)
    }
}

impl TrainedNorm {
    /// The factor and the summand; a factor of exactly zero becomes `nothing`.
    fn affine(&self, nothing: f32) -> Result<Affine> {
        let folded = norm::fold(&self.gamma, &self.beta, self.statistics(), nothing)?;
        Ok(Affine { scale: folded.get(0)?, shift: folded.get(1)? })
    }

    fn statistics(&self) -> Statistics<'_> {
        Statistics { mean: &self.mean, rate: &self.rate }
    }
}
