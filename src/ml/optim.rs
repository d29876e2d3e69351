//! Stochastic gradient descent with momentum, in TensorFlow's form, and its learning rate.
//!
//! For each parameter: `v = m v + g + decay w`, `w = w - rate multiplier v`, where decay is 0 for biases and pre-filters. All
//! gradients are computed before any parameter changes.

use std::ops::Range;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::error::Result;
use super::layers::{Gradients, Inventory, Parameters, Role};
use super::ops::{elementwise, update, zeros};

/// The settings of gradient descent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// The base learning rate.
    pub lr: f64,
    /// The part of the last step that is kept.
    pub momentum: f64,
    /// The factor of `sum(w^2) / 2` in the loss.
    pub weight_decay: f64,
    /// Multiplies the rate of the head's weights.
    pub head_lr: f64,
    /// Multiplies the rate of the head's biases.
    pub head_bias_lr: f64,
}

impl Sgd {
    /// The factor of a parameter's rate.
    pub fn multiplier(&self, role: Role) -> f64 {
        match role {
            Role::HeadWeights => self.head_lr,
            Role::HeadBias => self.head_bias_lr,
            Role::Conv | Role::Norm | Role::HeadNorm | Role::Prefilter => 1.0,
        }
    }
}

/// How the learning rate falls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    /// `lr (1 - step / horizon)^power`.
    Poly {
        /// The power.
        power: f64,
    },
    /// The base rate throughout.
    Constant,
}

impl Schedule {
    /// The rate at `step` of `horizon` steps, in 32-bit arithmetic as in the reference; 0 from the horizon on.
    pub fn rate(&self, lr: f64, step: u64, horizon: u64) -> f32 {
        match *self {
            Schedule::Constant => lr as f32,
            Schedule::Poly { power } => {
                let left = (1.0 - step as f32 / horizon.max(1) as f32).max(0.0);
                lr as f32 * libm::powf(left, power as f32)
            }
        }
    }
}

/// The momentum of all trainable parameters, in one flat buffer; the inventory says what lies where.
#[derive(Debug, Clone)]
pub struct Momentum(pub(super) Tensor);

impl Momentum {
    /// At rest.
    pub fn zeros(len: usize, device: &Device) -> Result<Self> {
        Ok(Momentum(zeros(&[len], device)?))
    }

    /// The flat buffer.
    pub fn flat(&self) -> &Tensor {
        &self.0
    }
}

/// The L2 term of the loss: `decay * sum(w^2) / 2` over the decayed parameters.
pub fn l2(parameters: &Parameters, decay: f64) -> Result<f64> {
    let decayed = parameters.inventory().iter().filter(|(_, parameter)| parameter.decayed());
    let weights = decayed.map(|(id, _)| parameters.view(id)).collect::<Result<Vec<_>>>()?;
    Ok(decay * elementwise::sum_of_all_squares(&weights)? / 2.0)
}

/// One update of all trainable parameters at the base rate `rate`.
pub fn step(sgd: &Sgd, rate: f32, parameters: &Parameters, momentum: &Momentum, gradients: &Gradients) -> Result<()> {
    for (run, [decay, rate]) in runs(sgd, rate, parameters.inventory()) {
        let part = |flat: &Tensor| flat.narrow(0, run.start, run.len());
        let (v, g, w) = (part(momentum.flat())?, part(gradients.flat())?, part(parameters.trainable())?);
        update::step(&w, &v, &g, [sgd.momentum as f32, decay, rate])?;
    }
    Ok(())
}

/// The parts of the flat buffers with the decay and the rate of each. Neighbouring sections that are treated alike are one.
fn runs(sgd: &Sgd, rate: f32, inventory: &Inventory) -> Vec<(Range<usize>, [f32; 2])> {
    let mut runs: Vec<(Range<usize>, [f32; 2])> = Vec::new();
    for (role, section) in inventory.sections().filter(|(_, section)| !section.is_empty()) {
        let decay = if role.decayed() { sgd.weight_decay as f32 } else { 0.0 };
        let factors = [decay, rate * sgd.multiplier(role) as f32];
        match runs.last_mut() {
            Some((run, same)) if *same == factors && run.end == section.start => run.end = section.end,
            _ => runs.push((section, factors)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::layers::prefilter::variants;
    use crate::ml::spec::{Arg, Choice, ModelSpec};
    use crate::ml::weights::{Scheme, initialise};

    #[test]
    fn each_parameter_has_its_own_factors_and_few_updates_do() {
        let sgd = Sgd { lr: 1e-3, momentum: 0.9, weight_decay: 0.1, head_lr: 10.0, head_bias_lr: 20.0 };
        for prefilter in variants() {
            for norm in [false, true] {
                let encoder = Choice::new("Tiny").with("trainable_norm", Arg::Bool(norm));
                let spec = ModelSpec::new(encoder, 5, prefilter.clone());
                let network = initialise(&spec, &Device::Cpu, Scheme::Plain, 1).unwrap();
                let inventory = network.parameters().inventory();
                let runs = runs(&sgd, 2.0, inventory);
                assert!(runs.len() <= 4, "{prefilter:?}: {runs:?}");
                let mut covered = 0;
                for (id, parameter) in inventory.iter().filter(|(_, parameter)| parameter.trainable) {
                    let range = inventory.range(id);
                    let holds = |run: &Range<usize>| run.start <= range.start && range.end <= run.end;
                    let own: Vec<[f32; 2]> = runs.iter().filter(|(run, _)| holds(run)).map(|(_, own)| *own).collect();
                    let decay = if parameter.decayed() { 0.1 } else { 0.0 };
                    let rate = match parameter.role {
                        Role::HeadWeights => 20.0,
                        Role::HeadBias => 40.0,
                        _ => 2.0,
                    };
                    assert_eq!(own, [[decay, rate]], "{prefilter:?}: {}", parameter.name);
                    covered += range.len();
                }
                assert_eq!(covered, inventory.trainable_len(), "{prefilter:?}");
            }
        }
    }
}
