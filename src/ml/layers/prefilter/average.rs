//! Average: a depthwise `k` x `k` filter, `k = d - 1`, before the dilated convolution (arXiv 1903.07992).
//!
//! It starts as the mean, `1 / k^2` everywhere. The reference's code trains it, a filter a channel, without weight
//! decay; its text describes a fixed one. With `d = 2` it is a factor for each channel.

use candle_core::Tensor;

use super::{DilatedConv, Entry, Extra, Layer, LayerGradients, LayerSize};
use crate::ml::error::Result;
use crate::ml::layers::parameters::Init;
use crate::ml::layers::prefilter::regular::Regular;
use crate::ml::ops::depthwise;
use crate::ml::spec::{Arg, ArgSpec};

pub(super) const ENTRY: Entry = Entry {
    name: "Average",
    doc: "Averages each channel over (d-1) x (d-1) pixels before the dilated convolution.",
    args: || {
        vec![ArgSpec {
            name: "learned",
            doc: "Whether the filters are trained from the mean on, as in the reference's code, or stay fixed, as in its text.",
            default: Arg::Bool(true),
        }]
    },
    build: |args| Ok(Box::new(Average { learned: args.get("learned") != Some(&Arg::Bool(false)) })),
};

/// The average pre-filter.
#[derive(Debug)]
struct Average {
    learned: bool,
}

impl DilatedConv for Average {
    fn layer_parameters(&self, size: LayerSize) -> Vec<Extra> {
        let k = (size.dilation - 1).max(1);
        vec![Extra {
            name: "weights",
            shape: vec![size.channels, 1, k, k],
            init: Init::Constant(1.0 / (k * k) as f32),
            trainable: self.learned,
        }]
    }

    fn forward(&self, layer: &Layer<'_>, x: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let smooth = depthwise::forward(x, &layer.own[0])?;
        Ok((Regular.forward(layer, &smooth)?.0, vec![smooth]))
    }

    fn backward(
        &self,
        layer: &Layer<'_>,
        x: &Tensor,
        saved: &[Tensor],
        g: &Tensor,
        gradients: &LayerGradients,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let g = Regular.backward(layer, &saved[0], &[], g, gradients, None)?;
        if let Some(slot) = gradients.own.first().and_then(Option::as_ref) {
            depthwise::backward_weights(x, &g, slot)?;
        }
        depthwise::backward_input(&g, &layer.own[0], mask)
    }
}
