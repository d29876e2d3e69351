//! Dilated convolutions behind one small depthwise filter, whatever it is made from.
//!
//! A pre-filter that is linear in the image says how its filter follows from its parameters, and how the gradients by
//! those follow from the one by the filter ([`crate::ml::ops::blend`]); all passes over images are here.

use candle_core::Tensor;

use super::contract::{DilatedConv, DilatedLayer, Extra, LayerGradients, LayerSize};
use super::regular::Regular;
use crate::ml::error::Result;
use crate::ml::ops::{depthwise, zeros};

/// How a pre-filter's depthwise filter follows from its parameters.
pub(super) trait Filter: std::fmt::Debug + Send + Sync {
    /// As [`DilatedConv::layer_parameters`].
    fn layer_parameters(&self, size: LayerSize) -> Vec<Extra>;

    /// As [`DilatedConv::network_parameters`].
    fn network_parameters(&self) -> Vec<Extra> {
        Vec::new()
    }

    /// The taps along each axis of the filter of a layer.
    fn side(&self, dilation: usize) -> usize;

    /// The filter of a layer: `[C, 1, K, K]`, or `[1, 1, K, K]` for all channels.
    fn filter(&self, layer: &DilatedLayer<'_>) -> Result<Tensor>;

    /// Writes the gradients by the layer's own parameters and adds those by the network's, from the one by the filter.
    fn gradients(&self, layer: &DilatedLayer<'_>, filter: &Tensor, gradients: &LayerGradients) -> Result<()>;
}

/// A dilated convolution behind a filter.
#[derive(Debug)]
pub(super) struct Smoothed<F>(pub F);

impl<F: Filter> DilatedConv for Smoothed<F> {
    fn layer_parameters(&self, size: LayerSize) -> Vec<Extra> {
        self.0.layer_parameters(size)
    }

    fn network_parameters(&self) -> Vec<Extra> {
        self.0.network_parameters()
    }

    fn taps(&self, dilation: usize) -> usize {
        self.0.side(dilation).pow(2)
    }

    fn forward(&self, layer: &DilatedLayer<'_>, x: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let filter = self.0.filter(layer)?;
        let smooth = depthwise::forward(x, &filter)?;
        Ok((Regular.forward(layer, &smooth)?.0, vec![smooth, filter]))
    }

    fn backward(
        &self,
        layer: &DilatedLayer<'_>,
        x: &Tensor,
        saved: &[Tensor],
        g: &Tensor,
        gradients: &LayerGradients,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let [smooth, filter] = [&saved[0], &saved[1]];
        let g = Regular.backward(layer, smooth, &[], g, gradients, None)?;
        if gradients.own.iter().chain(&gradients.shared).any(Option::is_some) {
            let gradient = zeros(filter.dims(), filter.device())?;
            depthwise::backward_weights(x, &g, &gradient)?;
            self.0.gradients(layer, &gradient, gradients)?;
        }
        depthwise::backward_input(&g, filter, mask)
    }
}

/// The place of the gradient `at`, if anybody needs it.
pub(super) fn slot(slots: &[Option<Tensor>], at: usize) -> Option<&Tensor> {
    slots.get(at).and_then(Option::as_ref)
}
