//! Average: a depthwise `k` x `k` filter, `k = d - 1`, before the dilated convolution (arXiv 1903.07992).
//!
//! It starts as the mean, `1 / k^2` everywhere. The reference's code trains it, a filter a channel, without weight
//! decay; its text describes a fixed one. With `d = 2` it is a factor for each channel.

use candle_core::Tensor;

use super::contract::{DilatedLayer, Entry, Extra, LayerGradients, LayerSize};
use super::kernel;
use super::smoothed::{Filter, Smoothed, slot};
use crate::ml::error::Result;
use crate::ml::layers::parameters::Init;
use crate::ml::ops::elementwise;
use crate::ml::spec::{Arg, ArgSpec};

pub(super) const ENTRY: Entry = Entry {
    name: "Average",
    doc: "Averages each channel over (d-1) x (d-1) pixels before the dilated convolution.",
    args: || {
        vec![ArgSpec::new(
            "learned",
            "Whether training changes the filters, which begin as the mean. In the reference's code, it does. With \
             `false` they stay the mean, as in the paper's text.",
            Arg::Bool(true),
        )]
    },
    build: |args| Ok(Box::new(Smoothed(Average { learned: args.get("learned") != Some(&Arg::Bool(false)) }))),
};

/// The average pre-filter.
#[derive(Debug)]
struct Average {
    learned: bool,
}

/// The mean's parameter, a filter for each channel.
pub(super) fn mean(name: &'static str, size: LayerSize, trainable: bool) -> Extra {
    let k = kernel::side(size.dilation);
    Extra { name, shape: vec![size.channels, 1, k, k], init: Init::Constant(1.0 / (k * k) as f32), trainable }
}

impl Filter for Average {
    fn layer_parameters(&self, size: LayerSize) -> Vec<Extra> {
        vec![mean("weights", size, self.learned)]
    }

    fn side(&self, dilation: usize) -> usize {
        kernel::side(dilation)
    }

    fn filter(&self, layer: &DilatedLayer<'_>) -> Result<Tensor> {
        Ok(layer.own[0].clone())
    }

    fn gradients(&self, _: &DilatedLayer<'_>, filter: &Tensor, gradients: &LayerGradients) -> Result<()> {
        slot(&gradients.own, 0).map_or(Ok(()), |slot| elementwise::copy(filter, slot))
    }
}
