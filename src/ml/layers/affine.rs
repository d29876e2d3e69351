//! Frozen batch norm as one factor and one summand for each channel.

use candle_core::Tensor;

use super::parameters::{Init, Inventory, Parameter, ParameterId, Parameters, Role};
use crate::ml::error::Result;

/// Added to the variance, as in the reference.
pub const EPSILON: f32 = 1e-3;

/// `y = x * scale + shift`, a channel each: `scale = gamma / sqrt(variance + EPSILON)`, `shift = beta - mean * scale`.
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
}

impl Norm {
    /// Adds the parameters below `name`. `gamma` and `variance` are those of the stable initialisation.
    pub fn add(inventory: &mut Inventory, name: &str, channels: usize, gamma: f32, variance: f32) -> Self {
        let mut add = |part: &str, plain: f32, stable: f32| {
            inventory.add(Parameter {
                name: format!("{name}/norm/{part}"),
                shape: vec![channels],
                role: Role::Norm,
                trainable: false,
                init: Init::Norm { plain, stable },
            })
        };
        Norm {
            gamma: add("gamma", 1.0, gamma),
            beta: add("beta", 0.0, 0.0),
            mean: add("mean", 0.0, 0.0),
            variance: add("variance", 1.0, variance),
        }
    }

    /// The factor and the summand.
    pub fn fold(&self, parameters: &Parameters) -> Result<Affine> {
        let values = |id| -> Result<Vec<f32>> { Ok(parameters.view(id)?.to_vec1()?) };
        let (gamma, beta) = (values(self.gamma)?, values(self.beta)?);
        let (mean, variance) = (values(self.mean)?, values(self.variance)?);
        let scale: Vec<f32> = gamma.iter().zip(&variance).map(|(g, v)| 1.0 / (v + EPSILON).sqrt() * g).collect();
        let shift: Vec<f32> = (0..beta.len()).map(|c| beta[c] - mean[c] * scale[c]).collect();
        let device = parameters.trainable().device();
        let tensor = |data: Vec<f32>| Tensor::new(data.as_slice(), device);
        Ok(Affine { scale: tensor(scale)?, shift: tensor(shift)? })
    }
}
