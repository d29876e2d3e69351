//! The one file that asks on which device something happens. Every operation goes through [`launch`], or, where it makes its
//! output, through [`make`], which is the same over a new tensor.
//!
//! Invariants:
//! - an operation runs on the device of its output, and all of its operands are there;
//! - on the processor operands are contiguous 32-bit floats, and the operation's own body computes;
//! - on a GPU operands have no gaps in memory, and the operation's plan is carried out ([`crate::ml::gpu`]);
//! - no input shares memory with the output;
//! - what is read off a device, uploaded to it or made on it goes through the functions here too.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Storage, Tensor, WithDType};

#[cfg(test)]
use super::launched;
use crate::ml::error::{Error, Result};
#[cfg(test)]
use crate::ml::gpu::emulated;
use crate::ml::gpu::operands;
use crate::ml::gpu::plan::{Element, GpuPlan, Operands};
#[cfg(feature = "cuda")]
use crate::ml::gpu::upload::Upload;
#[cfg(feature = "cuda")]
use crate::ml::gpu::{
    counts,
    launch::{self, GpuMemory},
};
use crate::ml::layout::{Order, check_apart};

/// An operation that fills or updates one tensor from others.
///
/// # Safety
/// The plan touches no elements but those of the inputs and the output. Nothing on a GPU looks after it, so whoever makes the
/// operation has compared the shapes of the operands that it is launched with.
pub(super) unsafe trait Operation {
    /// The name in messages.
    const NAME: &'static str;
    /// The type of the output's elements.
    type Output: Value;

    /// The body for the processor. Slices are the tensors' elements in order.
    fn cpu(&self, inputs: &[&[f32]], output: &mut [Self::Output]);

    /// What a GPU does.
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_>;

    /// Why a GPU cannot do it, if so.
    fn lacks_on_gpu(&self) -> Option<String> {
        None
    }
}

/// An operation that makes its output. On the processor it writes to memory that nobody has written before.
///
/// # Safety
/// [`Make::fill`] writes every element of the output.
pub(super) unsafe trait Make: Operation<Output = f32> {
    /// The body for the processor.
    fn fill(&self, inputs: &[&[f32]], output: &mut [MaybeUninit<f32>]);
}

/// A type of elements that operations write.
pub(super) trait Value: Sized {
    /// The type's name in tensors.
    const DTYPE: DType;
    /// The elements of the processor's memory, where they are of this type.
    fn of(storage: &mut CpuStorage) -> Option<&mut [Self]>;
}

macro_rules! values {
    ($($value:ty: $name:ident),*) => {
        $(impl Value for $value {
            const DTYPE: DType = DType::$name;

            fn of(storage: &mut CpuStorage) -> Option<&mut [Self]> {
                if let CpuStorage::$name(values) = storage { Some(values) } else { None }
            }
        })*
    };
}

values!(f32: F32, f64: F64, u8: U8);

/// Where something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    Processor,
    Gpu,
    /// On the processor, by the plans for a GPU.
    #[cfg(test)]
    Emulated,
}

impl Backend {
    fn of(device: &Device) -> Self {
        #[cfg(test)]
        if emulated::active() && device.is_cpu() {
            return Backend::Emulated;
        }
        if device.is_cpu() { Backend::Processor } else { Backend::Gpu }
    }

    fn is_processor(self) -> bool {
        self == Backend::Processor
    }
}

/// Runs `operation` on the device of `output`, which it overwrites or updates.
///
/// # Errors
/// Operands that the device's bodies cannot take, see the head of this file. Nothing is written then.
pub(super) fn launch<O: Operation>(operation: &O, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    let plan = if Backend::of(output.device()).is_processor() {
        inputs.iter().try_for_each(|input| check_operand(O::NAME, input, DType::F32))?;
        check_operand(O::NAME, output, O::Output::DTYPE)?;
        check_apart(O::NAME, inputs, output)?;
        None
    } else {
        if let Some(why) = operation.lacks_on_gpu() {
            return Err(Error::Model(why));
        }
        let element = Element::among(inputs.iter().chain([&output]).map(|tensor| tensor.dtype()));
        let lens: Vec<usize> = inputs.iter().map(|input| input.elem_count()).collect();
        let plan = operation.gpu(Operands { inputs: &lens, output: output.elem_count(), element });
        operands::check(O::NAME, &plan, element, inputs, output)?;
        #[cfg(test)]
        launched::note(&plan);
        Some((plan, element))
    };
    let failed = |error| if output.device().is_cpu() { Error::Candle(error) } else { Error::gpu(O::NAME, &error) };
    output.inplace_op1(&Run { operation, plan, inputs }).map_err(failed)
}

/// What `operation` makes of `inputs`: an activation of the first one's type, on its device.
///
/// # Errors
/// As [`launch`].
pub(super) fn make<O: Make>(operation: &O, inputs: &[&Tensor], shape: [usize; 4]) -> Result<Tensor> {
    let (device, dtype) = (inputs[0].device(), inputs[0].dtype());
    if !Backend::of(device).is_processor() {
        let output = activation(shape, dtype, device)?;
        launch(operation, inputs, &output)?;
        return Ok(output);
    }
    inputs.iter().try_for_each(|input| check_operand(O::NAME, input, DType::F32))?;
    let len = shape.iter().product();
    let mut data = Vec::with_capacity(len);
    with_elements(O::NAME, inputs, |inputs| operation.fill(inputs, &mut data.spare_capacity_mut()[..len]))?;
    // SAFETY: as many elements have room, and the operation promises that all were written.
    unsafe { data.set_len(len) };
    Ok(Tensor::from_vec(data, &shape, device)?)
}

fn check_operand(name: &str, tensor: &Tensor, dtype: DType) -> Result<()> {
    if tensor.is_contiguous() && tensor.dtype() == dtype {
        return Ok(());
    }
    Err(Error::Shape {
        what: format!("An operand of {name}"),
        found: tensor.dims().to_vec(),
        expected: match dtype {
            DType::F32 => "a contiguous tensor of 32-bit floats".to_owned(),
            other => format!("a contiguous tensor of {other:?}"),
        },
    })
}

/// An operation at work, as the tensor library calls it with the output's memory.
struct Run<'a, O> {
    operation: &'a O,
    /// Where it happens by a plan, that plan and the type of activations.
    plan: Option<(GpuPlan<'a>, Element)>,
    inputs: &'a [&'a Tensor],
}

impl<O: Operation> InplaceOp1 for Run<'_, O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        #[cfg(test)]
        if let Some((plan, element)) = &self.plan {
            return with_processor_memory(O::NAME, self.inputs, |inputs| {
                // SAFETY: the operands were checked in `launch`, and the rest is promised by the operation.
                unsafe { emulated::run(plan, *element, inputs, (storage, layout)) };
                Ok(())
            });
        }
        if self.plan.is_some() {
            candle_core::bail!("{} was planned for a GPU, and its output is on the processor", O::NAME);
        }
        let start = layout.start_offset();
        let Some(values) = O::Output::of(storage) else { candle_core::bail!("{} writes another type", O::NAME) };
        let output = &mut values[start..start + layout.shape().elem_count()];
        with_elements(O::NAME, self.inputs, |inputs| self.operation.cpu(inputs, output))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &mut candle_core::CudaStorage, layout: &Layout) -> candle_core::Result<()> {
        let Some((plan, element)) = &self.plan else { candle_core::bail!("{} has no plan for a GPU", O::NAME) };
        with_gpu_memory(O::NAME, self.inputs, |inputs| {
            // SAFETY: the operands were checked in `launch`, and the rest is promised by the operation.
            unsafe { launch::run(O::NAME, plan, *element, inputs, GpuMemory { storage, layout }) }
        })
    }
}

/// Gives `body` the processor's memory of tensors.
fn with_processor_memory<T>(
    name: &str,
    tensors: &[&Tensor],
    body: impl FnOnce(&[(&CpuStorage, &Layout)]) -> candle_core::Result<T>,
) -> candle_core::Result<T> {
    let guards: Vec<_> = tensors.iter().map(|tensor| tensor.storage_and_layout()).collect();
    let memory = guards.iter().map(|(guard, layout)| match &**guard {
        Storage::Cpu(storage) => Ok((storage, *layout)),
        _ => candle_core::bail!("{name} mixes devices"),
    });
    body(&memory.collect::<candle_core::Result<Vec<_>>>()?)
}

/// Gives `body` the memory of tensors on a GPU.
#[cfg(feature = "cuda")]
pub(in crate::ml) fn with_gpu_memory<T, E: From<candle_core::Error>>(
    name: &str,
    tensors: &[&Tensor],
    body: impl FnOnce(&[GpuMemory<'_>]) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let guards: Vec<_> = tensors.iter().map(|tensor| tensor.storage_and_layout()).collect();
    let memory = guards.iter().map(|(guard, layout)| match &**guard {
        Storage::Cuda(storage) => Ok(GpuMemory { storage, layout }),
        _ => candle_core::bail!("{name} mixes devices"),
    });
    body(&memory.collect::<candle_core::Result<Vec<_>>>()?)
}

/// Gives `body` the elements of contiguous tensors of 32-bit floats in the processor's memory.
fn with_elements<T>(name: &str, tensors: &[&Tensor], body: impl FnOnce(&[&[f32]]) -> T) -> candle_core::Result<T> {
    with_processor_memory(name, tensors, |memory| {
        let slices = memory.iter().map(|(storage, layout)| {
            let start = layout.start_offset();
            Ok(&storage.as_slice::<f32>()?[start..start + layout.shape().elem_count()])
        });
        Ok(body(&slices.collect::<candle_core::Result<Vec<_>>>()?))
    })
}

/// Gives `body` the elements of a tensor of 32-bit floats, in the order of its dimensions, in the processor's memory. Those of
/// a GPU are copied there.
pub fn read<T>(what: &'static str, tensor: &Tensor, body: impl FnOnce(&[f32]) -> T) -> Result<T> {
    if !tensor.is_contiguous() || !tensor.device().is_cpu() {
        waits_for(tensor);
        // The processor puts an activation of a GPU in order.
        let tensor = if tensor.is_contiguous() { tensor.clone() } else { tensor.to_device(&Device::Cpu)? };
        return Ok(body(&tensor.flatten_all()?.to_vec1::<f32>()?));
    }
    Ok(with_elements(what, &[tensor], |values| body(values[0]))?)
}

/// The elements of a tensor without gaps, in order. For those of a GPU the processor waits.
pub(super) fn values<T: WithDType>(tensor: &Tensor) -> Result<Vec<T>> {
    waits_for(tensor);
    let values = tensor.flatten_all().and_then(|flat| flat.to_vec1());
    values
        .map_err(|error| if tensor.device().is_cpu() { Error::Candle(error) } else { Error::gpu("a reading", &error) })
}

/// Counts that the processor waits for a tensor, where a GPU has it.
#[cfg(feature = "cuda")]
fn waits_for(tensor: &Tensor) {
    if !tensor.device().is_cpu() {
        counts::waited();
    }
}

#[cfg(not(feature = "cuda"))]
fn waits_for(_: &Tensor) {}

/// A tensor of zeros.
pub fn zeros(shape: &[usize], device: &Device) -> Result<Tensor> {
    Ok(Tensor::zeros(shape, DType::F32, device)?)
}

/// A tensor of 32-bit floats for an operation to fill: of zeros on the processor, of anything on a GPU.
pub fn blank(shape: &[usize], device: &Device) -> Result<Tensor> {
    unwritten(shape, DType::F32, device)
}

/// A tensor for an operation to fill: of zeros on the processor, of anything on a GPU.
fn unwritten(shape: &[usize], dtype: DType, device: &Device) -> Result<Tensor> {
    match Backend::of(device) {
        Backend::Processor => Ok(Tensor::zeros(shape, dtype, device)?),
        // Whatever lies there at first must not matter.
        #[cfg(test)]
        Backend::Emulated => Ok(Tensor::full(f32::NAN, shape, device)?.to_dtype(dtype)?),
        // SAFETY: Rust never reads a GPU's memory as values, every pattern of bits is a number for a kernel, and every kernel
        // overwrites the tensors that are made for it.
        Backend::Gpu => unsafe { Tensor::empty(shape, dtype, device) }
            .map_err(|error| Error::gpu(&format!("a tensor of {shape:?}"), &error)),
    }
}

/// The order in which activations lie on a device.
pub(super) fn order(device: &Device) -> Order {
    if Backend::of(device).is_processor() { Order::ChannelsFirst } else { Order::ChannelsLast }
}

/// An activation for an operation to fill.
pub(super) fn activation(shape: [usize; 4], dtype: DType, device: &Device) -> Result<Tensor> {
    let order = order(device);
    order.activation(unwritten(&order.sizes(shape), dtype, device)?)
}

/// An error where a device has no activations of a type.
pub(super) fn check_type(dtype: DType, device: &Device) -> Result<()> {
    if !Backend::of(device).is_processor() || dtype == DType::F32 {
        return Ok(());
    }
    Err(Error::Device {
        message: format!("Activations of the type {dtype:?} were asked for on the processor."),
        hint: "The processor computes in 32-bit floats: `precision: Fp32`.".to_owned(),
    })
}

/// How many elements of several tensors are best updated together: on the processor as many as stay in a cache between two
/// updates, on a GPU all.
pub(super) fn together(device: &Device) -> usize {
    const CACHED: usize = 1 << 18;
    if Backend::of(device).is_processor() { CACHED } else { usize::MAX }
}

/// A copy of `x`, which is contiguous in the processor's memory, on `device`.
pub(super) fn upload(x: &Tensor, device: &Device) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if Backend::of(device) == Backend::Gpu {
        let copy = blank(x.dims(), device)?;
        read("an upload", x, |x| copy.inplace_op1(&Upload(x)))??;
        return Ok(copy);
    }
    Ok(x.to_device(device)?)
}

/// For what is no operation: of two ways the one for `device`.
pub(in crate::ml) fn choose<T>(device: &Device, on_processor: T, on_gpu: T) -> T {
    if device.is_cpu() { on_processor } else { on_gpu }
}
