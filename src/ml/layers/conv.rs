//! A convolution followed by frozen batch norm.

use candle_core::Tensor;
use candle_nn::Module;

use super::affine::{Affine, FoldedNorm, Norm, NormStart};
use super::parameters::{Gradients, Init, Inventory, Parameter, ParameterId, Parameters, Role};
use crate::ml::error::Result;
use crate::ml::ops::conv::{Conv2d, Epilogue};
use crate::ml::ops::nchw;

/// A convolution without bias, and the batch norm behind it.
#[derive(Debug, Clone, Copy)]
pub struct ConvNorm {
    /// The geometry.
    pub op: Conv2d,
    /// The filter, `[O, C, K, K]`.
    pub weights: ParameterId,
    /// The batch norm.
    pub norm: Norm,
}

/// The size of a convolution.
#[derive(Debug, Clone, Copy)]
pub struct ConvSize {
    /// Channels of the input.
    pub input: usize,
    /// Channels of the output.
    pub output: usize,
    /// Taps along each axis.
    pub kernel: usize,
    /// The geometry.
    pub op: Conv2d,
}

impl ConvNorm {
    /// Adds the parameters below `name`, those of the norm beside a last `conv`. The weights are an encoder's or a head's, as
    /// the norm.
    pub fn add(inventory: &mut Inventory, name: &str, size: ConvSize, norm: NormStart) -> Self {
        let weights = inventory.add(Parameter {
            name: format!("{name}/weights"),
            shape: vec![size.output, size.input, size.kernel, size.kernel],
            role: if norm.role == Role::HeadNorm { Role::HeadWeights } else { Role::Conv },
            trainable: true,
            init: Init::HeNormal { fan_in: size.input * size.kernel * size.kernel },
        });
        let place = name.strip_suffix("/conv").unwrap_or(name);
        ConvNorm { op: size.op, weights, norm: Norm::add(inventory, place, size.output, norm) }
    }

    /// The filter and the folded batch norm.
    pub fn fold(&self, parameters: &Parameters) -> Result<Folded> {
        Ok(Folded {
            op: self.op,
            id: self.weights,
            weights: parameters.view(self.weights)?,
            norm: self.norm.fold(parameters)?,
        })
    }
}

/// A convolution ready to run: its filter, a view of the parameters, and its folded batch norm.
#[derive(Debug, Clone)]
pub struct Folded {
    /// The geometry.
    pub op: Conv2d,
    /// The filter's place.
    pub id: ParameterId,
    /// The filter.
    pub weights: Tensor,
    /// The batch norm.
    pub norm: FoldedNorm,
}

/// The convolution and the batch norm, without a ReLU. For inference: no gradient of candle's goes through it.
impl Module for Folded {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        Ok(self.forward(x, None, false)?)
    }
}

impl Folded {
    /// The convolution, the batch norm, then the sum with `add` and the ReLU where asked for.
    ///
    /// # Shapes
    /// As [`Conv2d::forward`].
    pub fn forward(&self, x: &Tensor, add: Option<&Tensor>, relu: bool) -> Result<Tensor> {
        let Affine { scale, shift } = self.norm.affine()?;
        self.op.forward(
            x,
            &self.weights,
            Epilogue { scale: Some(&scale), shift: Some(&shift), add, relu, ..Epilogue::default() },
        )
    }

    /// The gradient by the input `x`, plus `add`, masked by `mask`. Those by the parameters go to `gradients`.
    pub fn backward(
        &self,
        x: &Tensor,
        g: &Tensor,
        gradients: Option<&Gradients>,
        add: Option<&Tensor>,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        self.backward_weights(x, g, gradients)?;
        let scale = self.norm.affine()?.scale;
        let shape = nchw("The input of a convolution", x)?;
        let epilogue = Epilogue { add, mask, exact: gradients.is_none(), ..Epilogue::default() };
        self.op.backward_input(shape, g, &self.weights, Some(&scale), epilogue)
    }

    /// The gradients by the parameters alone.
    pub fn backward_weights(&self, x: &Tensor, g: &Tensor, gradients: Option<&Gradients>) -> Result<()> {
        let Some(gradients) = gradients else { return Ok(()) };
        let Some(slot) = gradients.slot(self.id)? else { return Ok(()) };
        self.op.backward_weights(x, g, Some(&self.norm.affine()?.scale), &slot)?;
        self.norm.backward(g, &self.weights, &slot, gradients)
    }
}
