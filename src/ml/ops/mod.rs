//! The operations that training needs and the tensor library lacks, each a [`Kernel`] with
//! a body for the processor, over `f32` tensors in NCHW, and a plan for a GPU (see [`cuda`] and [`activation`]).
//!
//! Invariants:
//! - a kernel writes every element of its output exactly as documented;
//! - the bits of a result depend on the inputs only: not on the threads, and not on the instruction set, since every
//!   product sum is a chain of fused multiply-adds in one fixed order (see [`gemm`]);
//! - the only `unsafe` code of the crate is here: vector instructions and disjoint parallel writes.

pub mod activation;
pub mod blend;
pub mod conv;
pub mod cuda;
pub mod depthwise;
pub mod elementwise;
mod epilogue;
pub mod fuse;
pub mod gemm;
#[cfg(test)]
mod gradients;
pub mod interaction;
pub mod loss;
pub mod memory;
pub mod peak;
pub mod phases;
pub mod pool;
pub mod resize;
mod scratch;
pub(in crate::ml) mod simd;
mod taps;
mod transpose;
pub mod update;
pub mod upsampled;
mod vector;
mod window;
mod winograd;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Storage, Tensor};

use crate::ml::error::{Error, Result};

use self::cuda::Plan;

pub use window::{Padding, same};

/// An operation that fills or updates one tensor from others.
pub trait Kernel {
    /// The name in messages.
    const NAME: &'static str;
    /// The body for the processor. Slices are the tensors' elements in order.
    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]);
}

/// An operation that runs on every device.
pub trait Portable: Kernel {
    /// What a GPU does, where the inputs and the output have these numbers of elements.
    fn cuda(&self, inputs: &[usize], output: usize) -> Plan<'_>;
}

/// Runs `kernel` on the device of `output`, which it overwrites or updates. No input may share memory with `output`.
pub fn launch<K: Portable>(kernel: &K, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    if !cuda::applies(output.device()) {
        return launch_on_cpu(kernel, inputs, output);
    }
    let sizes: Vec<usize> = inputs.iter().map(|tensor| tensor.elem_count()).collect();
    cuda::run(K::NAME, &kernel.cuda(&sizes, output.elem_count()), inputs, output)
}

/// Runs `kernel`, which has no other body, on the processor, otherwise as [`launch`].
pub fn launch_on_cpu<K: Kernel>(kernel: &K, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    check_operands(K::NAME, inputs, output)?;
    output.inplace_op1(&Launch { kernel, inputs })?;
    Ok(())
}

fn check_operands(name: &str, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    for tensor in inputs.iter().chain([&output]) {
        if !tensor.is_contiguous() || tensor.dtype() != DType::F32 {
            return Err(Error::Shape {
                what: format!("An operand of {name}"),
                found: tensor.dims().to_vec(),
                expected: "a contiguous tensor of 32-bit floats".to_owned(),
            });
        }
    }
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

/// A tensor for a kernel to fill: of zeros on the processor, of anything on a GPU.
pub fn blank(shape: &[usize], device: &Device) -> Result<Tensor> {
    if device.is_cpu() {
        return zeros(shape, device);
    }
    // SAFETY: numbers of any bits are numbers, and every kernel overwrites the tensors that are made for it.
    Ok(unsafe { Tensor::empty(shape, DType::F32, device)? })
}

/// A tensor whose every element a kernel is to write: until then they are anything.
fn undefined(shape: &[usize], device: &Device) -> Result<Tensor> {
    // SAFETY: numbers of any bits are numbers, and the kernels that get it overwrite them.
    Ok(unsafe { Tensor::empty(shape, DType::F32, device)? })
}

/// Gives `body` the elements of a tensor of 32-bit floats, in the order of its dimensions, in the processor's memory:
/// there they stay, from a GPU they are copied.
pub fn read<T>(what: &'static str, tensor: &Tensor, body: impl FnOnce(&[f32]) -> T) -> Result<T> {
    if !tensor.is_contiguous() {
        // An activation of a GPU, which has its memory for itself: the processor puts it in order.
        return Ok(body(&tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?));
    }
    if !tensor.device().is_cpu() {
        return Ok(body(&tensor.flatten_all()?.to_vec1::<f32>()?));
    }
    let (guard, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*guard else {
        return Err(candle_core::Error::Msg(format!("{what} found a tensor elsewhere than its device")).into());
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
#[derive(Debug, Clone, Copy)]
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
