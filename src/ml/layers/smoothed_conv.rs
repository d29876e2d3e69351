//! A dilated convolution with its pre-filter and the batch norm behind it, ready to run.
//!
//! Without the batch norm and the ReLU behind it, a dilated convolution is linear in its input, its pre-filter included:
//! what it does to gradients does not depend on any image.

use std::sync::Arc;

use candle_core::Tensor;
use candle_nn::Module;

use super::affine::Affine;
use super::conv::Folded;
use super::parameters::{Gradients, Views};
use super::prefilter::{DilatedConv, DilatedLayer, LayerGradients};
use crate::ml::error::Result;
use crate::ml::ops::{activation, elementwise, nchw};

/// A dilated convolution of any type with its batch norm, ready to run.
#[derive(Debug, Clone)]
pub struct SmoothedConv {
    /// The convolution and the batch norm.
    pub conv: Folded,
    /// The type.
    pub kind: Arc<dyn DilatedConv>,
    /// The type's own parameters of this layer, as it listed them.
    pub own: Views,
    /// The type's parameters of the network, as it listed them.
    pub shared: Views,
}

/// The pre-filter, the convolution and the batch norm, without a ReLU. For inference: no gradient of candle's goes through
/// it.
impl Module for SmoothedConv {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        Ok(self.forward(x, None, false)?.0)
    }
}

impl SmoothedConv {
    /// The convolution, the batch norm, then the sum with `add` and the ReLU where asked for, and what
    /// [`SmoothedConv::backward`] needs besides the input.
    ///
    /// # Shapes
    /// `x` `[N, C, H, W]` -> `[N, O, H, W]`.
    pub fn forward(&self, x: &Tensor, add: Option<&Tensor>, relu: bool) -> Result<(Tensor, Vec<Tensor>)> {
        let Affine { scale, shift } = self.conv.norm.affine()?;
        let at_once = relu && add.is_none();
        let layer = DilatedLayer { scale: Some(&scale), shift: Some(&shift), relu: at_once, ..self.linear() };
        let (output, saved) = self.kind.forward(&layer, x)?;
        let Some(add) = add else { return Ok((output, saved)) };
        let sum = elementwise::add(&output, add)?;
        // Masked by itself is a ReLU.
        Ok((if relu { elementwise::masked(&sum, &sum)? } else { sum }, saved))
    }

    /// The gradient by the input `x`, plus `add`, masked by `mask`, from the gradient `g` by the output before its ReLU.
    /// Those by the parameters go to `gradients`.
    pub fn backward(
        &self,
        x: &Tensor,
        saved: &[Tensor],
        g: &Tensor,
        gradients: Option<&Gradients>,
        add: Option<&Tensor>,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let Affine { scale, shift } = self.conv.norm.affine()?;
        let layer = DilatedLayer { scale: Some(&scale), shift: Some(&shift), relu: true, ..self.linear() };
        let slots = self.slots(gradients)?;
        let at_once = mask.filter(|_| add.is_none());
        let below = self.kind.backward(&layer, x, saved, g, &slots, at_once)?;
        if let (Some(gradients), Some(by_weights)) = (gradients, &slots.weights) {
            self.conv.norm.backward(g, &self.conv.weights, by_weights, gradients)?;
        }
        let Some(add) = add else { return Ok(below) };
        let sum = elementwise::add(&below, add)?;
        mask.map_or_else(|| Ok(sum.clone()), |mask| elementwise::masked(&sum, mask))
    }

    /// The gradient by the input of the convolution without its batch norm and its ReLU, from the gradient `g` by the
    /// output. It does not depend on the input.
    ///
    /// # Shapes
    /// `[N, O, H, W]` -> `[N, C, H, W]`.
    pub fn linear_gradient(&self, g: &Tensor) -> Result<Tensor> {
        let layer = self.linear();
        let [n, _, height, width] = nchw("The gradient by a dilated convolution", g)?;
        let x = activation::zeros([n, layer.weights.dims()[1], height, width], g)?;
        let (_, saved) = self.kind.forward(&layer, &x)?;
        self.kind.backward(&layer, &x, &saved, g, &LayerGradients::none(), None)
    }

    /// The dilation.
    pub fn dilation(&self) -> usize {
        self.conv.op.dilation
    }

    /// Channels of the output.
    pub fn outputs(&self) -> usize {
        self.conv.weights.dims()[0]
    }

    /// How many values of its own input the pre-filter takes for each of its outputs.
    pub fn taps(&self) -> usize {
        self.kind.taps(self.dilation())
    }

    /// The layer without its batch norm and its ReLU.
    fn linear(&self) -> DilatedLayer<'_> {
        let (own, shared) = (self.own.values(), self.shared.values());
        let Folded { op, weights, .. } = &self.conv;
        DilatedLayer { op: *op, weights, scale: None, shift: None, relu: false, own, shared }
    }

    /// Where the gradients go.
    fn slots(&self, gradients: Option<&Gradients>) -> Result<LayerGradients> {
        let Some(gradients) = gradients else { return Ok(LayerGradients::none()) };
        Ok(LayerGradients {
            exact: false,
            weights: gradients.slot(self.conv.id)?,
            own: self.own.slots(gradients)?,
            shared: self.shared.slots(gradients)?,
        })
    }
}
