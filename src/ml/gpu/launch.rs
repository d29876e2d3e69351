//! Plans carried out on an NVIDIA GPU, on the device's one stream.

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr, LaunchConfig, PushKernelArg};
use candle_core::{CpuStorage, CudaDevice, CudaStorage, DType, InplaceOp1, Layout, Storage, Tensor};
use half::bf16;

use super::library::Library;
use super::plan::{Argument, Element, Plan, Step, THREADS};
use crate::ml::error::Result;

/// The kernels, compiled by `build.rs`.
const KERNELS: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

/// Runs `plan` on the GPU of `output`; what was started may not have ended when this returns.
///
/// # Safety
/// The plan's steps touch no elements but those of the inputs, the output and the scratch buffers. The operands are of the
/// types that the steps take, and none shares memory with the output.
pub unsafe fn run(
    name: &'static str,
    plan: &Plan<'_>,
    element: Element,
    inputs: &[&Tensor],
    output: &Tensor,
) -> Result<()> {
    Ok(output.inplace_op1(&Run { name, plan, element, inputs })?)
}

struct Run<'a> {
    name: &'static str,
    plan: &'a Plan<'a>,
    element: Element,
    inputs: &'a [&'a Tensor],
}

impl InplaceOp1 for Run<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> candle_core::Result<()> {
        candle_core::bail!("{} was planned for a GPU, and its output is elsewhere", self.name)
    }

    fn cuda_fwd(&self, output: &mut CudaStorage, layout: &Layout) -> candle_core::Result<()> {
        let device = output.device.clone();
        let stream = device.cuda_stream();
        let inputs = self.inputs.iter().map(|tensor| {
            let (guard, layout) = tensor.storage_and_layout();
            match &*guard {
                Storage::Cuda(storage) if storage.device.id() == device.id() => address(storage, layout, &stream),
                _ => candle_core::bail!("{} mixes devices", self.name),
            }
        });
        let scratch = self.plan.scratch.iter().map(|room| {
            // SAFETY: a step writes to scratch before another reads it.
            unsafe { device.alloc::<u8>(room.bytes(self.element)) }
        });
        let mut operands = Operands {
            inputs: inputs.collect::<candle_core::Result<_>>()?,
            output: address(output, layout, &stream)?,
            scratch: scratch.collect::<candle_core::Result<_>>()?,
            uploads: Vec::new(),
        };
        for step in &self.plan.steps {
            match step {
                Step::Conv(conv) => {
                    let mut at = |argument| operands.address(argument, &device);
                    let (x, w, y) = (at(conv.x)?, at(conv.w)?, at(conv.y)?);
                    let mut library = Library::of(&device)?;
                    // SAFETY: the caller of `run` promises operands of the pass's sizes.
                    unsafe { library.run(conv.pass, &conv.geometry, self.element, x, w, y)? };
                }
                Step::Kernel { blocks: 0, .. } => {}
                Step::Kernel { name, blocks, arguments } => {
                    let name = self.plan.kernel(name, arguments, self.element);
                    // SAFETY: promised by the caller of `run`.
                    unsafe { operands.kernel(&device, &name, *blocks, arguments)? };
                }
            }
        }
        Ok(())
    }
}

/// The address of a tensor's first element.
pub(super) fn address(storage: &CudaStorage, layout: &Layout, stream: &CudaStream) -> candle_core::Result<u64> {
    let dtype = candle_core::backend::BackendStorage::dtype(storage);
    // With one stream and no events, the guards beside the addresses have nothing to do.
    let base = match dtype {
        DType::F32 => storage.as_cuda_slice::<f32>()?.device_ptr(stream).0,
        DType::BF16 => storage.as_cuda_slice::<bf16>()?.device_ptr(stream).0,
        DType::F64 => storage.as_cuda_slice::<f64>()?.device_ptr(stream).0,
        DType::U8 => storage.as_cuda_slice::<u8>()?.device_ptr(stream).0,
        other => candle_core::bail!("no kernel knows the type {other:?}"),
    };
    Ok(base + (layout.start_offset() * dtype.size_in_bytes()) as u64)
}

/// The memory of a plan that is being carried out. What it holds is freed behind the work that uses it.
struct Operands {
    inputs: Vec<u64>,
    output: u64,
    scratch: Vec<CudaSlice<u8>>,
    uploads: Vec<CudaSlice<u8>>,
}

/// An argument as a kernel takes it.
enum Value {
    Address(u64),
    Int(i32),
    Float(f32),
}

impl Operands {
    fn address(&mut self, argument: Argument<'_>, device: &CudaDevice) -> candle_core::Result<u64> {
        let stream = device.cuda_stream();
        Ok(match argument {
            Argument::Input(number) | Argument::Activation(number) => self.inputs[number],
            Argument::Output | Argument::Written(_) | Argument::ActivationOutput => self.output,
            Argument::Scratch(number) => self.scratch[number].device_ptr(&stream).0,
            Argument::Absent => 0,
            Argument::Bytes(bytes) => {
                let copy = device.clone_htod(bytes)?;
                let address = copy.device_ptr(&stream).0;
                self.uploads.push(copy);
                address
            }
            Argument::Int(_) | Argument::Float(_) => candle_core::bail!("a number stands where an operand belongs"),
        })
    }

    /// Starts a kernel.
    ///
    /// # Safety
    /// With these arguments, the kernel touches no elements but those of the operands.
    unsafe fn kernel(
        &mut self,
        device: &CudaDevice,
        name: &str,
        blocks: usize,
        arguments: &[Argument<'_>],
    ) -> candle_core::Result<()> {
        let value = |&argument: &Argument<'_>| {
            Ok(match argument {
                Argument::Int(value) => Value::Int(i32::try_from(value).map_err(candle_core::Error::wrap)?),
                Argument::Float(value) => Value::Float(value),
                operand => Value::Address(self.address(operand, device)?),
            })
        };
        let values = arguments.iter().map(value).collect::<candle_core::Result<Vec<_>>>()?;
        let function = device.get_or_load_custom_func(name, "repro", KERNELS)?;
        let mut builder = function.builder();
        for value in &values {
            match value {
                Value::Address(value) => builder.arg(value),
                Value::Int(value) => builder.arg(value),
                Value::Float(value) => builder.arg(value),
            };
        }
        let grid_dim = (u32::try_from(blocks).map_err(candle_core::Error::wrap)?, 1, 1);
        let config = LaunchConfig { grid_dim, block_dim: (THREADS as u32, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: tests hold the arguments of every plan against the kernel's signature; what it touches, the caller
        // promises.
        unsafe { builder.launch(config) }.map_err(candle_core::Error::wrap)?;
        Ok(())
    }
}
