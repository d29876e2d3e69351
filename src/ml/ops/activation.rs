//! Activations and their gradients: tensors `[N, C, H, W]`, and how they lie in memory.
//!
//! Invariants:
//! - on the processor they are contiguous 32-bit floats;
//! - on a GPU the elements lie in the order `N, H, W, C`, as its library for convolutions wants them. Their strides say
//!   so: `dims()` are `[N, C, H, W]` there too, and the tensor library reads every element at its place;
//! - on a GPU they are 32-bit floats or, where training asked for it, bfloat16; filters and all other tensors are
//!   contiguous 32-bit floats everywhere;
//! - activations are made here alone, and operations refuse one that lies otherwise.

use candle_core::{DType, Device, Tensor};

use super::dispatch::{self, Operation, launch, order};
use super::shapes::{self, filled};
use crate::ml::error::{Error, Result};
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{Activation, ActivationOutput, Input, Int, Output};
use crate::ml::gpu::plan::{GpuPlan, Operands};
use crate::ml::layout::Order;

/// One for an operation to fill, of the type of `like` and where it is.
pub fn blank(shape: [usize; 4], like: &Tensor) -> Result<Tensor> {
    typed(shape, like.dtype(), like.device())
}

/// One for an operation to fill.
pub fn typed(shape: [usize; 4], dtype: DType, device: &Device) -> Result<Tensor> {
    dispatch::activation(shape, dtype, device)
}

/// One of zeros, of the type of `like` and where it is.
pub fn zeros(shape: [usize; 4], like: &Tensor) -> Result<Tensor> {
    let order = order(like.device());
    order.activation(Tensor::zeros(&order.sizes(shape), like.dtype(), like.device())?)
}

/// The four sizes of one, none of which is 0.
///
/// # Errors
/// A tensor that has no elements, or does not lie as activations do.
pub fn sizes(what: &str, tensor: &Tensor) -> Result<[usize; 4]> {
    let (sizes, order) = (filled(what, tensor)?, order(tensor.device()));
    if order.is_of(tensor) {
        return Ok(sizes);
    }
    let expected = order.in_words().to_owned();
    Err(Error::Shape { what: what.to_owned(), found: sizes.to_vec(), expected })
}

/// An error unless `tensor` is one of the shape `shape`.
pub fn check(what: &str, tensor: &Tensor, shape: &[usize]) -> Result<()> {
    shapes::check(what, tensor, shape)?;
    sizes(what, tensor).map(drop)
}

/// Images `x`, contiguous in the processor's memory, as an activation on `device`.
///
/// # Shapes
/// `[N, C, H, W]` -> `[N, C, H, W]`.
pub fn enter(x: &Tensor, device: &Device) -> Result<Tensor> {
    if order(device) == Order::ChannelsFirst {
        return Ok(x.clone());
    }
    let shape = filled("Images", x)?;
    let out = typed(shape, DType::F32, device)?;
    let [_, channels, height, width] = shape;
    launch(&Enter { channels, area: height * width }, &[&dispatch::upload(&x.contiguous()?, device)?], &out)?;
    Ok(out)
}

/// `x` as `dtype`, 32-bit floats or bfloat16: itself, where that is its type.
///
/// # Errors
/// bfloat16 on the processor, and an `x` that is no activation.
pub fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype {
        return Ok(x.clone());
    }
    dispatch::check_type(dtype, x.device())?;
    let out = typed(sizes("An activation", x)?, dtype, x.device())?;
    launch(&Cast { to: dtype }, &[x], &out)?;
    Ok(out)
}

/// Images on their way to a device whose activations lie channels last.
struct Enter {
    channels: usize,
    area: usize,
}

// SAFETY: `enter` makes the output of the images' shape.
unsafe impl Operation for Enter {
    const NAME: &'static str = "the way of images to a GPU";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        output.copy_from_slice(inputs[0]);
    }

    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let arguments = [Input(0), Output, Int(self.channels), Int(self.area)];
        GpuPlan::each(kernels::CHANNELS_LAST, operands.output, arguments)
    }
}

/// On the processor there is one type only.
struct Cast {
    to: DType,
}

// SAFETY: `cast` makes the output of the input's shape.
unsafe impl Operation for Cast {
    const NAME: &'static str = "a change of type";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        output.copy_from_slice(inputs[0]);
    }

    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        match self.to {
            DType::F32 => GpuPlan::each(kernels::WIDENED, operands.output, [Activation(0), Output]),
            _ => GpuPlan::each(kernels::ROUNDED, operands.output, [Input(0), ActivationOutput]),
        }
    }
}
