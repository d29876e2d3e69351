//! Plans carried out on an NVIDIA GPU, on the device's one stream.

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr, LaunchConfig, PushKernelArg};
use candle_core::{CudaDevice, CudaStorage, DType, Device, Layout, Tensor};
use half::bf16;

use super::counts;
use super::cudnn::{ConvKey, Library};
use super::kernels;
use super::plan::{Argument, Convolution, Element, GpuPlan, Launch, THREADS};

/// The kernels, compiled by `build.rs`.
const KERNELS: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

/// Loads every kernel, and those of the tensor library that this program uses. The driver may load a kernel when it is first
/// asked for, and a stream that is captured meanwhile would be lost.
pub fn load_kernels(device: &Device) -> candle_core::Result<()> {
    let cuda = device.as_cuda_device()?;
    for kernel in kernels::ALL {
        for element in [Element::F32, Element::Bf16] {
            cuda.get_or_load_custom_func(&element.name(*kernel), "repro", KERNELS)?;
        }
    }
    // Constants and zeros; each type has a kernel of its own.
    Tensor::full(1.0_f32, 1, device)?;
    Ok(())
}

/// A tensor's memory on a GPU.
#[derive(Debug, Clone, Copy)]
pub struct GpuMemory<'a> {
    /// Where it lies.
    pub storage: &'a CudaStorage,
    /// Which part of that it is.
    pub layout: &'a Layout,
}

/// Carries out `plan` on the GPU of `output`; what was started may not have ended when this returns.
///
/// # Safety
/// The plan's launches touch no elements but those of the inputs, the output and the scratch buffers. The operands are of the
/// types that the launches take ([`super::operands::check`]).
pub unsafe fn run(
    name: &'static str,
    plan: &GpuPlan<'_>,
    element: Element,
    inputs: &[GpuMemory<'_>],
    output: GpuMemory<'_>,
) -> candle_core::Result<()> {
    let device = output.storage.device.clone();
    let stream = device.cuda_stream();
    if inputs.iter().any(|input| input.storage.device.id() != device.id()) {
        candle_core::bail!("{name} mixes devices");
    }
    let scratch = plan.scratch.iter().map(|size| {
        // SAFETY: a launch writes to scratch before another reads it.
        unsafe { device.alloc::<u8>(size.bytes(element)) }
    });
    let mut operands = Addresses {
        inputs: inputs.iter().map(|input| address(*input, &stream)).collect::<candle_core::Result<_>>()?,
        output: address(output, &stream)?,
        scratch: scratch.collect::<candle_core::Result<_>>()?,
        uploads: Vec::new(),
    };
    let lens: Vec<u64> = inputs.iter().map(|input| bytes(*input)).collect();
    let len = |argument: &Argument<'_>| match *argument {
        Argument::Input(number) | Argument::Activation(number) => lens[number],
        Argument::Output | Argument::Written(_) | Argument::ActivationOutput => bytes(output),
        Argument::Scratch(number) => plan.scratch[number].bytes(element) as u64,
        Argument::Bytes(bytes) => bytes.len() as u64,
        Argument::Absent | Argument::Int(_) | Argument::Float(_) => 0,
    };
    for launch in &plan.launches {
        counts::launched(launch.arguments().iter().map(len).sum());
        match launch {
            Launch::Convolution(Convolution { direction, shape, operands: [x, w, y] }) => {
                let mut at = |argument| operands.address(argument, &device);
                let key = ConvKey { direction: *direction, shape: *shape, element };
                let addresses = [at(*x)?, at(*w)?, at(*y)?];
                let mut library = Library::of(&device)?;
                // SAFETY: the caller promises operands of the convolution's sizes.
                unsafe { library.run(key, addresses)? };
            }
            Launch::Kernel { blocks: 0, .. } => {}
            Launch::Kernel { kernel, blocks, arguments } => {
                // SAFETY: promised by the caller.
                unsafe { operands.kernel(&device, &element.name(*kernel), *blocks, arguments)? };
            }
        }
    }
    Ok(())
}

/// The bytes of a tensor.
fn bytes(GpuMemory { storage, layout }: GpuMemory<'_>) -> u64 {
    (layout.shape().elem_count() * candle_core::backend::BackendStorage::dtype(storage).size_in_bytes()) as u64
}

/// The address of the first element.
pub fn address(memory: GpuMemory<'_>, stream: &CudaStream) -> candle_core::Result<u64> {
    let GpuMemory { storage, layout } = memory;
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

/// Where the operands of a plan that is being carried out lie. What it holds is freed behind the work that uses it.
struct Addresses {
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

impl Addresses {
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
