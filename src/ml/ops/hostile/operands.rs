//! What an operand of an operation is, and the sizes that the operands of one operation share.

use super::super::conv::Conv2d;

/// The sizes that the operands of an operation follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub images: usize,
    pub channels: usize,
    pub outputs: usize,
    pub height: usize,
    pub width: usize,
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
}

impl Sizes {
    pub fn op(&self) -> Conv2d {
        Conv2d { stride: self.stride, dilation: self.dilation, ..Conv2d::default() }
    }

    pub fn image(&self, channels: usize) -> Vec<usize> {
        vec![self.images, channels, self.height, self.width]
    }

    pub fn small(&self) -> Vec<usize> {
        vec![self.images, self.outputs, self.height.div_ceil(self.stride), self.width.div_ceil(self.stride)]
    }

    pub fn whole(&self, size: usize) -> usize {
        size.next_multiple_of(self.dilation)
    }

    pub fn cells(&self, channels: usize) -> Vec<usize> {
        vec![self.images, channels, self.whole(self.height), self.whole(self.width)]
    }

    pub fn filter(&self) -> Vec<usize> {
        vec![self.outputs, self.channels, self.kernel, self.kernel]
    }

    pub fn phases(&self) -> Vec<usize> {
        vec![self.dilation.pow(2); 2]
    }
}

/// What an operand is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Role {
    /// An activation, which lies as the device wants it.
    Activation,
    /// A contiguous tensor.
    Plain,
    /// A contiguous tensor of which the length counts alone.
    Row,
    /// Labels, of which the length counts alone.
    Labels,
    /// A shape, given by a tensor that has it.
    Shape,
}
pub(super) use Role::{Activation, Labels, Plain, Row, Shape};

/// An operand of an operation.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub role: Role,
    pub shape: Vec<usize>,
    /// Whether the operation writes it.
    pub written: bool,
    /// The axes whose sizes no other operand decides.
    pub free: &'static [usize],
}

pub(super) fn given(role: Role, shape: Vec<usize>, free: &'static [usize]) -> Operand {
    Operand { role, shape, written: false, free }
}

pub(super) fn written(role: Role, shape: Vec<usize>) -> Operand {
    Operand { role, shape, written: true, free: &[] }
}
