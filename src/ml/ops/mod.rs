//! The operations that training needs and the tensor library lacks, each a [`Kernel`] over `f32` tensors in NCHW.
//!
//! Invariants:
//! - tensors are contiguous `f32`; a kernel writes every element of its output exactly as documented;
//! - the bits of a result depend on the inputs only: not on the threads, and not on the instruction set, since every
//!   product sum is a chain of fused multiply-adds in one fixed order (see [`gemm`]);
//! - the only `unsafe` code of the crate is here: vector instructions and disjoint parallel writes.

pub mod conv;
pub mod depthwise;
pub mod elementwise;
pub mod fuse;
pub mod gemm;
#[cfg(test)]
mod gradients;
pub mod loss;
pub mod memory;
pub mod peak;
pub mod phases;
pub mod pool;
pub mod resize;
mod scratch;
pub(in crate::ml) mod simd;
mod taps;
pub mod update;
pub mod upsampled;
mod window;
mod winograd;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Storage, Tensor};

use crate::ml::error::{Error, Result};

pub use window::{Padding, same};

/// An operation that fills or updates one tensor from others.
pub trait Kernel {
    /// The name in messages.
    const NAME: &'static str;
    /// The body for the processor. Slices are the tensors' elements in order.
    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]);
}

/// Runs `kernel` on the device of `output`, which it overwrites or updates. No input may share memory with `output`.
pub fn launch<K: Kernel>(kernel: &K, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    for tensor in inputs.iter().chain([&output]) {
        if !tensor.is_contiguous() || tensor.dtype() != DType::F32 {
            return Err(Error::Shape {
                what: format!("An operand of {}", K::NAME),
                found: tensor.dims().to_vec(),
                expected: "a contiguous tensor of 32-bit floats".to_owned(),
            });
        }
    }
    if !output.device().is_cpu() {
        let message = format!("The operation {} has no CUDA body yet.", K::NAME);
        return Err(Error::Device { message, hint: "Compute on the processor: `--device cpu`.".to_owned() });
    }
    output.inplace_op1(&Launch { kernel, inputs })?;
    Ok(())
}

struct Launch<'a, K> {
    kernel: &'a K,
    inputs: &'a [&'a Tensor],
}

impl<K: Kernel> InplaceOp1 for Launch<'_, K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let CpuStorage::F32(data) = storage else { candle_core::bail!("{} needs 32-bit floats", K::NAME) };
        let start = layout.start_offset();
        let output = &mut data[start..start + layout.shape().elem_count()];
        let guards: Vec<_> = self.inputs.iter().map(|tensor| tensor.storage_and_layout()).collect();
        let mut slices = Vec::with_capacity(guards.len());
        for (guard, layout) in &guards {
            let Storage::Cpu(storage) = &**guard else { candle_core::bail!("{} mixes devices", K::NAME) };
            let start = layout.start_offset();
            slices.push(&storage.as_slice::<f32>()?[start..start + layout.shape().elem_count()]);
        }
        self.kernel.cpu(&slices, output);
        Ok(())
    }
}

/// A tensor of zeros.
pub fn zeros(shape: &[usize], device: &Device) -> Result<Tensor> {
    Ok(Tensor::zeros(shape, DType::F32, device)?)
}

/// A tensor whose every element a kernel is to write: until then they are anything.
fn blank(shape: &[usize], device: &Device) -> Result<Tensor> {
    // SAFETY: any bits are a number, and the kernels that get it overwrite them.
    Ok(unsafe { Tensor::empty(shape, DType::F32, device) }?)
}

/// Gives `body` the elements of a tensor in the processor's memory.
pub fn read<T>(what: &'static str, tensor: &Tensor, body: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let (guard, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*guard else {
        return Err(candle_core::Error::Msg(format!("the operation {what} has no CUDA body yet")).into());
    };
    let start = layout.start_offset();
    Ok(body(&storage.as_slice::<f32>()?[start..start + layout.shape().elem_count()]))
}

/// The four sizes of a tensor in NCHW.
pub fn nchw(what: &str, tensor: &Tensor) -> Result<[usize; 4]> {
    tensor.dims().try_into().map_err(|_| Error::Shape {
        what: what.to_owned(),
        found: tensor.dims().to_vec(),
        expected: "a tensor [images, channels, height, width]".to_owned(),
    })
}

/// An error unless `tensor` has the shape `shape`.
pub fn check(what: &str, tensor: &Tensor, shape: &[usize]) -> Result<()> {
    if tensor.dims() == shape {
        return Ok(());
    }
    Err(Error::Shape { what: what.to_owned(), found: tensor.dims().to_vec(), expected: format!("{shape:?}") })
}

/// A pointer that parallel tasks share to write elements that no other task touches.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: every user writes through it to ranges that are disjoint between tasks.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The elements from `start` on.
    fn from(self, start: usize) -> Self {
        Shared(self.0.wrapping_add(start))
    }

    /// The address of an element, for prefetching.
    fn at(self, index: usize) -> *const f32 {
        self.0.wrapping_add(index)
    }

    /// The elements `start..start + len`.
    ///
    /// # Safety
    /// The range lies in the tensor, and no other reference to any of it is alive.
    unsafe fn slice<'a>(self, start: usize, len: usize) -> &'a mut [f32] {
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}
