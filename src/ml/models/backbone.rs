//! What an encoder is made of: the convolutions of its blocks.
//!
//! A [`Backbone`] says it for each block in plain numbers. Everything else follows: the names of parameters and of places
//! in the network, the forward and the backward pass, where pre-filters go, and what a pass costs.

use std::fmt::Debug;

use crate::ml::conventions::Geometry;
use crate::ml::ops::conv::Conv2d;

/// A kind of residual blocks, of which an encoder is built.
pub trait Backbone: Debug + Send + Sync {
    /// The convolutions of block `number` of a group, from 0, whose input has `input` channels.
    fn block(&self, group: &Group, number: usize, input: usize, geometry: &Geometry) -> BlockShape;
}

/// A group of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Channels of the output.
    pub channels: usize,
    /// Blocks.
    pub blocks: usize,
    /// The stride of the first block.
    pub stride: usize,
    /// The dilation of the 3x3 convolutions.
    pub dilation: usize,
}

impl Group {
    /// The stride of block `number`, from 0.
    pub fn stride_of(&self, number: usize) -> usize {
        if number == 0 { self.stride } else { 1 }
    }
}

/// A residual block: `relu(path(x) + shortcut(x))`. Batch norm is behind each convolution, and a ReLU between those of the
/// path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockShape {
    /// The convolutions of the path, in order; at least one. One of them has the stride of the block.
    pub path: Vec<ConvShape>,
    /// The convolution of the shortcut; `None` where the shortcut is the input itself.
    pub shortcut: Option<ConvShape>,
}

/// A convolution of a block. One that is dilated is of the network's dilated type, with its pre-filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// The name within the block.
    pub part: &'static str,
    /// Channels of the input.
    pub input: usize,
    /// Channels of the output.
    pub output: usize,
    /// Taps along each axis.
    pub kernel: usize,
    /// Stride and dilation.
    pub op: Conv2d,
}

impl ConvShape {
    /// A 1x1 convolution.
    pub fn pointwise(part: &'static str, input: usize, output: usize, stride: usize) -> Self {
        ConvShape { part, input, output, kernel: 1, op: Conv2d { stride, ..Conv2d::default() } }
    }

    /// Whether it is dilated.
    pub fn is_dilated(&self) -> bool {
        self.op.dilation > 1
    }
}
