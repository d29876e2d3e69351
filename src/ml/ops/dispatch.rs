//! The one place that knows where an operation runs: [`launch`] runs it on the device of its output.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Storage, Tensor};

use crate::ml::error::{Error, Result};
#[cfg(test)]
use crate::ml::gpu::emulated;
use crate::ml::gpu::plan::Plan;
use crate::ml::gpu::run::run;
#[cfg(feature = "cuda")]
use crate::ml::gpu::upload;
use crate::ml::layout::check_apart;

/// An operation that fills or updates one tensor from others.
pub(super) trait Kernel {
    /// The name in messages.
    const NAME: &'static str;
    /// The body for the processor. Slices are the tensors' elements in order.
    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]);
}

/// An operation that runs on every device.
///
/// # Safety
/// The plan touches no elements but those of the inputs and the output. Nothing on a GPU looks after it, so that what
/// makes the kernel is to have compared the shapes of the operands that it is launched with.
pub(super) unsafe trait Portable: Kernel {
    /// What a GPU does, where the inputs and the output have these numbers of elements.
    fn cuda(&self, inputs: &[usize], output: usize) -> Plan<'_>;
}

/// Runs `kernel` on the device of `output`, which it overwrites or updates. An input that shares memory with `output` is an
/// error.
pub(super) fn launch<K: Portable>(kernel: &K, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    if !applies(output.device()) {
        return launch_on_cpu(kernel, inputs, output);
    }
    let sizes: Vec<usize> = inputs.iter().map(|tensor| tensor.elem_count()).collect();
    // SAFETY: promised by the kernel.
    unsafe { run(K::NAME, &kernel.cuda(&sizes, output.elem_count()), inputs, output) }
}

/// Runs `kernel`, which has no other body, on the processor, otherwise as [`launch`].
pub(super) fn launch_on_cpu<K: Kernel>(kernel: &K, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    check_operands(K::NAME, inputs)?;
    check_operands(K::NAME, &[output])?;
    check_apart(K::NAME, inputs, output)?;
    output.inplace_op1(&Launch { kernel, inputs })?;
    Ok(())
}

fn check_operands(name: &str, operands: &[&Tensor]) -> Result<()> {
    for tensor in operands {
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
        with_elements(K::NAME, self.inputs, |inputs| self.kernel.cpu(inputs, output))
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
    // SAFETY: a GPU's memory is none of this program's values; numbers of any bits are numbers there, and every kernel
    // overwrites the tensors that are made for it.
    Ok(unsafe { Tensor::empty(shape, DType::F32, device)? })
}

/// The tensor of shape `shape` in the processor's memory that `fill` makes of the elements of `inputs`.
///
/// # Safety
/// `fill` writes every element that it is given.
pub(super) unsafe fn made(
    name: &'static str,
    inputs: &[&Tensor],
    shape: &[usize],
    fill: impl FnOnce(&[&[f32]], &mut [MaybeUninit<f32>]),
) -> Result<Tensor> {
    check_operands(name, inputs)?;
    let len = shape.iter().product();
    let mut data = Vec::with_capacity(len);
    with_elements(name, inputs, |inputs| fill(inputs, &mut data.spare_capacity_mut()[..len]))?;
    // SAFETY: as many elements have room, and the caller promises that all were written.
    unsafe { data.set_len(len) };
    Ok(Tensor::from_vec(data, shape, &Device::Cpu)?)
}

/// Gives `body` the elements of tensors in the processor's memory, which are contiguous.
fn with_elements<T>(name: &str, tensors: &[&Tensor], body: impl FnOnce(&[&[f32]]) -> T) -> candle_core::Result<T> {
    let guards: Vec<_> = tensors.iter().map(|tensor| tensor.storage_and_layout()).collect();
    let mut slices = Vec::with_capacity(guards.len());
    for (guard, layout) in &guards {
        let Storage::Cpu(storage) = &**guard else { candle_core::bail!("{name} mixes devices") };
        let start = layout.start_offset();
        slices.push(&storage.as_slice::<f32>()?[start..start + layout.shape().elem_count()]);
    }
    Ok(body(&slices))
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

/// Whether what happens on `device` happens by plans.
pub(in crate::ml) fn applies(device: &Device) -> bool {
    #[cfg(test)]
    if emulated::active() {
        return true;
    }
    !device.is_cpu()
}

/// A copy of `x`, which is contiguous in the processor's memory, on `device`.
pub(super) fn upload(x: &Tensor, device: &Device) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if !device.is_cpu() {
        let copy = blank(x.dims(), device)?;
        read("an upload", &x.contiguous()?, |x| copy.inplace_op1(&upload::Upload(x)))??;
        return Ok(copy);
    }
    Ok(x.to_device(device)?)
}
