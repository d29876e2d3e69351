//! The dilated convolutions of a network by themselves.
//!
//! Without the batch norm and the ReLU behind it, a dilated convolution is linear in its input, its pre-filter included:
//! what it does to gradients does not depend on any image.

use candle_core::Tensor;

use super::network::Network;
use crate::ml::error::{Error, Result};
use crate::ml::layers::prefilter::{DilatedConv, Layer, LayerGradients};
use crate::ml::ops::conv::Conv2d;
use crate::ml::ops::{activation, nchw};

/// The dilated 3x3 convolution of a block with its pre-filter.
#[derive(Debug)]
pub struct Dilated<'a> {
    kind: &'a dyn DilatedConv,
    op: Conv2d,
    weights: &'a Tensor,
    own: Vec<Tensor>,
    shared: Vec<Tensor>,
}

impl Network {
    /// The names of the blocks with a dilated convolution, as `group5/block1`.
    pub fn dilated_names(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().filter(|block| block.smoothed.is_some()).map(|block| block.name.as_str())
    }

    /// The dilated convolution of the block `name`.
    pub fn dilated(&self, name: &str) -> Result<Dilated<'_>> {
        let block = self.blocks.iter().find(|block| block.name == name);
        let found = block.and_then(|block| Some((block, block.smoothed.as_deref()?)));
        let (block, own) = found
            .ok_or_else(|| Error::Model(format!("The network has no block `{name}` with a dilated convolution.")))?;
        Ok(Dilated {
            kind: block.kind(self),
            op: block.middle.op,
            weights: &block.middle.weights,
            own: self.views(own)?,
            shared: self.views(&self.shared)?,
        })
    }
}

impl Dilated<'_> {
    /// The dilation.
    pub fn dilation(&self) -> usize {
        self.op.dilation
    }

    /// Channels of the output.
    pub fn outputs(&self) -> usize {
        self.weights.dims()[0]
    }

    /// The gradient by the input from the gradient `g` by the output.
    ///
    /// # Shapes
    /// `[N, O, H, W]` -> `[N, C, H, W]`.
    pub fn gradient(&self, g: &Tensor) -> Result<Tensor> {
        let Dilated { op, weights, own, shared, .. } = self;
        let layer = Layer { op: *op, weights, scale: None, shift: None, relu: false, own, shared };
        let [n, _, height, width] = nchw("The gradient by a dilated convolution", g)?;
        let x = activation::zeros([n, weights.dims()[1], height, width], g)?;
        let (_, saved) = self.kind.forward(&layer, &x)?;
        self.kind.backward(&layer, &x, &saved, g, &LayerGradients::none(), None)
    }
}
