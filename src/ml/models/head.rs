//! The head: dilated convolutions, whose sum is the logits. An atrous pyramid has several, DeepLab-LargeFOV has one.

use candle_core::Tensor;
use candle_nn::Module;

use crate::ml::error::{Error, Result};
use crate::ml::layers::{Gradients, Init, Inventory, Parameter, ParameterId, Parameters, Role};
use crate::ml::ops::conv::{Conv2d, Epilogue};
use crate::ml::ops::{elementwise, nchw};

/// The head, ready to run.
#[derive(Debug, Clone)]
pub struct Head(Vec<Branch>);

/// A convolution of the head with its place among the parameters.
#[derive(Debug, Clone)]
pub(super) struct PlannedBranch {
    op: Conv2d,
    weights: ParameterId,
    biases: ParameterId,
}

/// A convolution of the head, with views of its parameters.
#[derive(Debug, Clone)]
struct Branch {
    plan: PlannedBranch,
    weights: Tensor,
    biases: Tensor,
}

impl PlannedBranch {
    /// Adds the parameters of the convolution `name` of dilation `rate`.
    pub fn add(inventory: &mut Inventory, (name, rate): (String, usize), input: usize, classes: usize) -> Self {
        let name = format!("head/{name}");
        let weights = inventory.add(Parameter {
            name: format!("{name}/weights"),
            shape: vec![classes, input, 3, 3],
            role: Role::HeadWeights,
            trainable: true,
            init: Init::GlorotUniform { fan_in: input * 9, fan_out: classes * 9 },
        });
        // TensorFlow takes both fans of a vector to be its length.
        let biases = inventory.add(Parameter {
            name: format!("{name}/biases"),
            shape: vec![classes],
            role: Role::HeadBias,
            trainable: true,
            init: Init::GlorotUniform { fan_in: classes, fan_out: classes },
        });
        PlannedBranch { op: Conv2d { dilation: rate, ..Conv2d::default() }, weights, biases }
    }
}

/// The logits, for inference: no gradient of candle's goes through them.
impl Module for Head {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        Ok(self.forward(x)?)
    }
}

impl Head {
    /// The head of these convolutions.
    pub(super) fn new(plans: Vec<PlannedBranch>, parameters: &Parameters) -> Result<Self> {
        let branch = |plan: PlannedBranch| {
            let [weights, biases] = [plan.weights, plan.biases].map(|id| parameters.view(id));
            Ok(Branch { weights: weights?, biases: biases?, plan })
        };
        plans.into_iter().map(branch).collect::<Result<_>>().map(Head)
    }

    /// The logits, of the type of `x`.
    ///
    /// # Shapes
    /// `[N, C, H, W]` -> `[N, classes, H, W]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut sum = None;
        for Branch { plan, weights, biases } in &self.0 {
            let epilogue = Epilogue { shift: Some(biases), add: sum.as_ref(), ..Epilogue::default() };
            sum = Some(plan.op.forward(x, weights, epilogue)?);
        }
        sum.ok_or_else(empty)
    }

    /// The gradient by the input `x`, masked by it where `mask` asks for it. Those by the parameters go to `gradients`.
    pub(super) fn backward(&self, x: &Tensor, g: &Tensor, gradients: Option<&Gradients>, mask: bool) -> Result<Tensor> {
        let shape = nchw("The input of the head", x)?;
        let mut sum = None;
        for (left, Branch { plan, weights, .. }) in (0..self.0.len()).rev().zip(&self.0) {
            if let Some(gradients) = gradients {
                if let Some(slot) = gradients.slot(plan.weights)? {
                    plan.op.backward_weights(x, g, None, &slot)?;
                }
                if let Some(slot) = gradients.slot(plan.biases)? {
                    elementwise::sum_by_channel(g, &slot)?;
                }
            }
            let mask = (mask && left == 0).then_some(x);
            let epilogue = Epilogue { add: sum.as_ref(), mask, ..Epilogue::default() };
            sum = Some(plan.op.backward_input(shape, g, weights, None, epilogue)?);
        }
        sum.ok_or_else(empty)
    }

    /// The filters.
    pub(super) fn filters(&self) -> impl Iterator<Item = &Tensor> {
        self.0.iter().map(|branch| &branch.weights)
    }
}

fn empty() -> Error {
    Error::Model("The head has no convolution.".to_owned())
}
