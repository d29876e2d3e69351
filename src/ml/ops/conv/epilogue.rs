//! What surrounds a convolution in the network and is folded into it.

use candle_core::Tensor;

use super::super::activation;
use super::super::shapes::check;
use crate::ml::cpu::epilogue::Finish;
use crate::ml::error::Result;

/// What happens to the sums of a convolution before they are written, in this order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Multiplies each output channel: `[O]`.
    pub scale: Option<&'a Tensor>,
    /// Is added to each output channel: `[O]`.
    pub shift: Option<&'a Tensor>,
    /// Is added: the shape of the output.
    pub add: Option<&'a Tensor>,
    /// Negative values become zero.
    pub relu: bool,
    /// Values become zero where this is not positive: the shape of the output.
    pub mask: Option<&'a Tensor>,
    /// Whether a sum must be zero where all of its products are. Tiles of fewer products leave a small rounding error there, so
    /// that they are not used then.
    pub exact: bool,
}

impl<'a> Epilogue<'a> {
    /// The operands of a kernel: the two given, then those of the epilogue that there are.
    pub(super) fn inputs(&self, x: &'a Tensor, weights: &'a Tensor) -> Vec<&'a Tensor> {
        [Some(x), Some(weights), self.scale, self.shift, self.add, self.mask].into_iter().flatten().collect()
    }

    /// An error unless the operands are those of an output of that shape.
    pub(super) fn check(&self, output: [usize; 4]) -> Result<()> {
        for tensor in self.scale.into_iter().chain(self.shift) {
            check("A factor or summand of channels", tensor, &[output[1]])?;
        }
        for tensor in self.add.into_iter().chain(self.mask) {
            activation::check("A summand or mask of a convolution", tensor, &output)?;
        }
        Ok(())
    }

    /// The same of slices, taken from `inputs` as far as there are operands, in the order of the fields.
    pub(super) fn finish<'s>(&self, inputs: &mut impl Iterator<Item = &'s [f32]>) -> Finish<'s> {
        let mut next = |there: bool| if there { inputs.next() } else { None };
        Finish {
            scale: next(self.scale.is_some()),
            shift: next(self.shift.is_some()),
            add: next(self.add.is_some()),
            relu: self.relu,
            mask: next(self.mask.is_some()),
        }
    }
}
