//! Activations and their gradients: tensors `[N, C, H, W]`, and how they lie in memory.
//!
//! Invariants:
//! - on the processor they are contiguous 32-bit floats;
//! - on a GPU the elements lie in the order `N, H, W, C`, as its library for convolutions wants them. Their strides say
//!   so: `dims()` are `[N, C, H, W]` there too, and the tensor library reads every element at its place;
//! - on a GPU they are 32-bit floats or, where training asked for it, bfloat16; filters and all other tensors are
//!   contiguous 32-bit floats everywhere;
//! - here alone activations are made, and operations refuse one that lies otherwise.

use candle_core::{DType, Device, Tensor};

use super::dispatch::{self, applies, upload};
use super::shapes::{self, filled};
use crate::ml::error::{Error, Result};
use crate::ml::gpu::plan::Argument::{Activation, ActivationOutput, Input, Int, Output};
use crate::ml::gpu::plan::Plan;
use crate::ml::gpu::run::run;
use crate::ml::layout::is_channels_last;

/// One for a kernel to fill, of the type of `like` and where it is.
pub fn blank(shape: [usize; 4], like: &Tensor) -> Result<Tensor> {
    typed(shape, like.dtype(), like.device())
}

/// One for a kernel to fill.
pub fn typed(shape: [usize; 4], dtype: DType, device: &Device) -> Result<Tensor> {
    if !applies(device) {
        return dispatch::blank(&shape, device);
    }
    let [n, c, h, w] = shape;
    #[cfg(test)]
    if device.is_cpu() {
        // Where a GPU is emulated, whatever lies there at first must not matter.
        let blank = Tensor::full(f32::NAN, (n, h, w, c), device)?.to_dtype(dtype)?;
        return Ok(blank.permute((0, 3, 1, 2))?);
    }
    // SAFETY: a GPU's memory is none of this program's values; numbers of any bits are numbers there, and every kernel
    // overwrites the tensors that are made for it.
    Ok(unsafe { Tensor::empty((n, h, w, c), dtype, device)? }.permute((0, 3, 1, 2))?)
}

/// One of zeros, of the type of `like` and where it is.
pub fn zeros(shape: [usize; 4], like: &Tensor) -> Result<Tensor> {
    if !applies(like.device()) {
        return Ok(Tensor::zeros(&shape, like.dtype(), like.device())?);
    }
    let [n, c, h, w] = shape;
    Ok(Tensor::zeros((n, h, w, c), like.dtype(), like.device())?.permute((0, 3, 1, 2))?)
}

/// The four sizes of one, none of which is 0; an error where it does not lie as activations do.
pub fn sizes(what: &str, tensor: &Tensor) -> Result<[usize; 4]> {
    let sizes = filled(what, tensor)?;
    let expected = match applies(tensor.device()) {
        true if is_channels_last(tensor) => return Ok(sizes),
        true => "an activation, its channels last in memory",
        false if tensor.is_contiguous() => return Ok(sizes),
        false => "a contiguous tensor",
    };
    Err(Error::Shape { what: what.to_owned(), found: sizes.to_vec(), expected: expected.to_owned() })
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
    if !applies(device) {
        return Ok(x.clone());
    }
    let [n, c, h, w] = filled("Images", x)?;
    let out = typed([n, c, h, w], DType::F32, device)?;
    let plan = Plan::each("channels_last", out.elem_count(), [Input(0), Output, Int(c), Int(h * w)]);
    // SAFETY: the kernel has a thread for each element, of as many in the images as in the activation.
    unsafe { run("the way of images to a GPU", &plan, &[&upload(&x.contiguous()?, device)?], &out)? };
    Ok(out)
}

/// `x` as `dtype`, 32-bit floats or bfloat16: itself, where that is its type.
pub fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype {
        return Ok(x.clone());
    }
    let device = x.device();
    if !applies(device) {
        return Err(Error::Device {
            message: format!("Activations of the type {dtype:?} were asked for on the processor."),
            hint: "The processor computes in 32-bit floats: `precision: Fp32`.".to_owned(),
        });
    }
    let out = typed(sizes("An activation", x)?, dtype, device)?;
    let (name, arguments) = match dtype {
        DType::F32 => ("widened", [Activation(0), Output]),
        _ => ("rounded", [Input(0), ActivationOutput]),
    };
    // SAFETY: the kernel has a thread for each element, of which both have as many.
    unsafe { run("a change of type", &Plan::each(name, out.elem_count(), arguments), &[x], &out)? };
    Ok(out)
}
