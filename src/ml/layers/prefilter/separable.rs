//! SeparableShared: a learned `s` x `s` filter, `s = 2d - 1`, that all channels share, before the dilated convolution
//! (Wang and Ji, KDD 2018, section 3.3, "separable and shared convolution").
//!
//! The parameter starts at zero; one is added at its centre, so that the layer starts as the regular one.

use candle_core::Tensor;

use super::contract::{DilatedLayer, Entry, Extra, LayerGradients, LayerSize};
use super::smoothed::{Filter, Smoothed, slot};
use crate::ml::error::Result;
use crate::ml::layers::parameters::Init;
use crate::ml::ops::blend::{Blend, Part, Term};
use crate::ml::ops::elementwise;

pub(super) const ENTRY: Entry = Entry {
    name: "SeparableShared",
    doc: "Smooths by a learned filter of (2d-1) x (2d-1) pixels, one for all channels of a layer, \
          before the dilated convolution.",
    args: Vec::new,
    build: |_| Ok(Box::new(Smoothed(SeparableShared))),
};

/// The separable and shared pre-filter.
#[derive(Debug)]
pub(super) struct SeparableShared;

impl Filter for SeparableShared {
    fn layer_parameters(&self, size: LayerSize) -> Vec<Extra> {
        let s = 2 * size.dilation - 1;
        vec![Extra { name: "shared", shape: vec![1, 1, s, s], init: Init::Constant(0.0), trainable: true }]
    }

    fn side(&self, dilation: usize) -> usize {
        2 * dilation - 1
    }

    fn filter(&self, layer: &DilatedLayer<'_>) -> Result<Tensor> {
        let terms = [Part::Filter(&layer.own[0]), Part::Centre].map(|part| Term { part, factors: &[] });
        let blend = Blend { side: self.side(layer.op.dilation), factors: None, terms: terms.into() };
        blend.filter(layer.weights.device())
    }

    fn gradients(&self, _: &DilatedLayer<'_>, filter: &Tensor, gradients: &LayerGradients) -> Result<()> {
        slot(&gradients.own, 0).map_or(Ok(()), |slot| elementwise::copy(filter, slot))
    }
}
