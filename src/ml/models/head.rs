//! The head: convolutions whose sum is the logits. An atrous pyramid has several, DeepLab-LargeFOV has one. An FCN has one of
//! 1x1, behind another convolution with its batch norm and ReLU.

use candle_core::Tensor;
use candle_nn::Module;

use crate::ml::error::{Error, Result};
use crate::ml::layers::affine::NormStart;
use crate::ml::layers::conv::ConvSize;
use crate::ml::layers::{ConvNorm, Folded, Gradients, Init, Inventory, Parameter, ParameterId, Parameters, Role};
use crate::ml::ops::conv::{Conv2d, Epilogue};
use crate::ml::ops::{elementwise, nchw};
use crate::ml::spec::{HeadConv, HeadSpec};

/// The head, ready to run.
#[derive(Debug, Clone)]
pub struct Head {
    /// What the branches see in place of the encoder's output, behind its ReLU.
    inner: Option<Folded>,
    branches: Vec<Branch>,
}

/// The head before its parameters have values.
pub(super) struct PlannedHead {
    inner: Option<ConvNorm>,
    branches: Vec<PlannedBranch>,
}

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

impl PlannedHead {
    /// Adds the parameters of the head of an encoder's output of `input` channels.
    pub fn add(inventory: &mut Inventory, spec: &HeadSpec, (input, classes): (usize, usize), norm: NormStart) -> Self {
        let width = spec.inner(input);
        let inner = width.map(|output| {
            let size = ConvSize { input, output, kernel: 3, op: Conv2d::default() };
            ConvNorm::add(inventory, "head/inner", size, norm)
        });
        let input = width.unwrap_or(input);
        let branch = |conv| PlannedBranch::add(inventory, conv, input, classes);
        PlannedHead { inner, branches: spec.convolutions().into_iter().map(branch).collect() }
    }
}

impl PlannedBranch {
    /// Adds the parameters of a convolution.
    fn add(inventory: &mut Inventory, conv: HeadConv, input: usize, classes: usize) -> Self {
        let HeadConv { name, kernel, dilation } = conv;
        let taps = kernel * kernel;
        let weights = inventory.add(Parameter {
            name: format!("head/{name}/weights"),
            shape: vec![classes, input, kernel, kernel],
            role: Role::HeadWeights,
            trainable: true,
            init: Init::GlorotUniform { fan_in: input * taps, fan_out: classes * taps },
        });
        // TensorFlow takes both fans of a vector to be its length.
        let biases = inventory.add(Parameter {
            name: format!("head/{name}/biases"),
            shape: vec![classes],
            role: Role::HeadBias,
            trainable: true,
            init: Init::GlorotUniform { fan_in: classes, fan_out: classes },
        });
        PlannedBranch { op: Conv2d { dilation, ..Conv2d::default() }, weights, biases }
    }
}

/// The logits, for inference: no gradient of candle's goes through them.
impl Module for Head {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        Ok(self.forward(x)?)
    }
}

impl Head {
    /// The head with its values.
    pub(super) fn new(plan: PlannedHead, parameters: &Parameters) -> Result<Self> {
        let branch = |plan: PlannedBranch| {
            let [weights, biases] = [plan.weights, plan.biases].map(|id| parameters.view(id));
            Ok(Branch { weights: weights?, biases: biases?, plan })
        };
        Ok(Head {
            inner: plan.inner.map(|inner| inner.fold(parameters)).transpose()?,
            branches: plan.branches.into_iter().map(branch).collect::<Result<_>>()?,
        })
    }

    /// The logits, of the type of `x`.
    ///
    /// # Shapes
    /// `[N, C, H, W]` -> `[N, classes, H, W]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let inner = self.inside(x)?;
        let x = inner.as_ref().unwrap_or(x);
        let mut sum = None;
        for Branch { plan, weights, biases } in &self.branches {
            let epilogue = Epilogue { shift: Some(biases), add: sum.as_ref(), ..Epilogue::default() };
            sum = Some(plan.op.forward(x, weights, epilogue)?);
        }
        sum.ok_or_else(empty)
    }

    /// What the branches see, where it is not the encoder's output itself.
    fn inside(&self, x: &Tensor) -> Result<Option<Tensor>> {
        self.inner.as_ref().map(|inner| inner.forward(x, None, true)).transpose()
    }

    /// The gradient by the input `x`, masked by it where `mask` asks for it. Those by the parameters go to `gradients`. The
    /// output of the inner convolution is computed again.
    pub(super) fn backward(&self, x: &Tensor, g: &Tensor, gradients: Option<&Gradients>, mask: bool) -> Result<Tensor> {
        match (&self.inner, self.inside(x)?) {
            (Some(conv), Some(inner)) => {
                let g = self.branches_backward(&inner, g, gradients, true)?;
                conv.backward(x, &g, gradients, None, mask.then_some(x))
            }
            _ => self.branches_backward(x, g, gradients, mask),
        }
    }

    fn branches_backward(&self, x: &Tensor, g: &Tensor, gradients: Option<&Gradients>, mask: bool) -> Result<Tensor> {
        let shape = nchw("The input of the head", x)?;
        let mut sum = None;
        for (left, Branch { plan, weights, .. }) in (0..self.branches.len()).rev().zip(&self.branches) {
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

    /// The convolutions in order, with their filters.
    pub(super) fn convolutions(&self) -> impl Iterator<Item = (Conv2d, &Tensor)> {
        let inner = self.inner.iter().map(|inner| (inner.op, &inner.weights));
        inner.chain(self.branches.iter().map(|branch| (branch.plan.op, &branch.weights)))
    }
}

fn empty() -> Error {
    Error::Model("The head has no convolution.".to_owned())
}
