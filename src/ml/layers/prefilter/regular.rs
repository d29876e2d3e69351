//! The plain dilated convolution.

use candle_core::Tensor;

use super::{DilatedConv, Entry, Extra, Layer, LayerGradients, LayerSize};
use crate::ml::error::Result;
use crate::ml::ops::conv::Epilogue;
use crate::ml::ops::nchw;

pub(super) const ENTRY: Entry = Entry {
    name: "Regular",
    doc: "The dilated convolution as it is, without a pre-filter.",
    args: Vec::new,
    build: |_| Ok(Box::new(Regular)),
};

/// No pre-filter.
#[derive(Debug)]
pub(crate) struct Regular;

impl DilatedConv for Regular {
    fn layer_parameters(&self, _: LayerSize) -> Vec<Extra> {
        Vec::new()
    }

    fn forward(&self, layer: &Layer<'_>, x: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let Layer { scale, shift, relu, .. } = *layer;
        Ok((layer.op.forward(x, layer.weights, Epilogue { scale, shift, relu, ..Epilogue::default() })?, Vec::new()))
    }

    fn backward(
        &self,
        layer: &Layer<'_>,
        x: &Tensor,
        _: &[Tensor],
        g: &Tensor,
        gradients: &LayerGradients,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        if let Some(slot) = &gradients.weights {
            layer.op.backward_weights(x, g, layer.scale, slot)?;
        }
        let shape = nchw("The input of a dilated convolution", x)?;
        layer.op.backward_input(shape, g, layer.weights, layer.scale, Epilogue { mask, ..Epilogue::default() })
    }
}
