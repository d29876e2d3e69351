//! What a GPU does for an operation, as a value: kernels and convolutions, one after another, with their arguments.
//!
//! Invariants:
//! - a [`Plan`] is made on the processor and holds no address, so that tests can carry it out there: kernels are CUDA
//!   C++ that a host compiler takes too (`emulated`), and every operation is held against its processor's body;
//! - a plan does not say of which type activations are: that is the type of its operands, and kernels and scratch buffers
//!   follow it. How activations lie in memory, see [`super::activation`];
//! - a kernel's grid has [`THREADS`] threads a block, and its sums are taken in an order that only sizes decide;
//! - kernels round products and sums as the processor's bodies do; only transcendental functions differ.

pub mod conv;
#[cfg(feature = "cuda")]
pub mod device;
#[cfg(test)]
pub(super) mod emulated;
#[cfg(feature = "cuda")]
pub mod graph;
#[cfg(feature = "cuda")]
mod launch;
#[cfg(feature = "cuda")]
mod library;
#[cfg(feature = "cuda")]
pub mod nccl;
#[cfg(test)]
mod tests;
#[cfg(feature = "cuda")]
mod upload;

use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};

use super::activation::is_channels_last;
use crate::ml::error::{Error, Result};

/// Threads of a block, in the kernels' sources too.
pub const THREADS: usize = 256;

/// The channels that a block takes which sums over pixels, in the kernels' sources too.
pub const CHANNELS: usize = 32;

/// The most elements of an operand: kernels count threads, of whole blocks, in 32-bit integers.
const ELEMENTS: usize = i32::MAX as usize - THREADS + 1;

/// The most blocks that a sum over a whole tensor is cut into, and the least elements of a block.
const PARTS: usize = 512;
const PART: usize = 16 * THREADS;

/// What an argument of a step is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument<'a> {
    /// The first element of the input of that number, of 32-bit floats.
    Input(usize),
    /// The first element of the output, of 32-bit floats.
    Output,
    /// The first element of the output, of that type.
    Written(DType),
    /// The first element of the input of that number, of the type of activations.
    Activation(usize),
    /// The first element of the output, of the type of activations.
    ActivationOutput,
    /// The first byte of the plan's scratch buffer of that number.
    Scratch(usize),
    /// No address: an operand that is not there.
    Absent,
    /// The address of a copy of these bytes.
    Bytes(&'a [u8]),
    /// A size, a count or a switch.
    Int(usize),
    /// A factor.
    Float(f32),
}

/// A part of a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<'a> {
    /// A kernel of `kernels/`; one that takes activations is there for each type of them.
    Kernel {
        /// Its name.
        name: &'static str,
        /// The blocks of its grid.
        blocks: usize,
        /// Its arguments in order.
        arguments: Vec<Argument<'a>>,
    },
    /// A convolution, or a gradient of one.
    Conv(conv::Convolution),
}

/// The type of the activations of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
}

impl Element {
    /// That of a tensor of activations.
    pub fn of(tensor: &Tensor) -> Result<Self> {
        match tensor.dtype() {
            DType::F32 => Ok(Element::F32),
            DType::BF16 => Ok(Element::Bf16),
            other => Err(Error::Model(format!("Activations are 32-bit floats or bfloat16, not {other:?}."))),
        }
    }

    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Element::F32 => 4,
            Element::Bf16 => 2,
        }
    }

    /// The name of the kernel `name` that takes them.
    pub fn kernel(self, name: &str) -> String {
        match self {
            Element::F32 => name.to_owned(),
            Element::Bf16 => format!("{name}_bf16"),
        }
    }
}

/// The size of a scratch buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// So many bytes.
    Bytes(usize),
    /// So many activations.
    Activations(usize),
}

impl Room {
    /// The same in bytes.
    pub fn bytes(self, element: Element) -> usize {
        match self {
            Room::Bytes(bytes) => bytes,
            Room::Activations(len) => len * element.size(),
        }
    }
}

/// The steps of an operation, and the scratch buffers that they share.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan<'a> {
    /// The sizes of the buffers, whose contents are not defined at first.
    pub scratch: Vec<Room>,
    /// The steps.
    pub steps: Vec<Step<'a>>,
}

impl<'a> Plan<'a> {
    /// A plan of one kernel with a thread for each of `items`, whose number is its last argument.
    pub fn each(name: &'static str, items: usize, arguments: impl Into<Vec<Argument<'a>>>) -> Self {
        Plan { scratch: Vec::new(), steps: vec![Step::each(name, items, arguments)] }
    }

    /// The name of the kernel `name` with these arguments, where activations are of the type `element`.
    pub fn kernel(&self, name: &str, arguments: &[Argument<'_>], element: Element) -> String {
        let typed = arguments.iter().any(|argument| match *argument {
            Argument::Activation(_) | Argument::ActivationOutput => true,
            Argument::Scratch(number) => matches!(self.scratch[number], Room::Activations(_)),
            _ => false,
        });
        if typed { element.kernel(name) } else { name.to_owned() }
    }

    /// The type of the activations, of which all are; an error where they are not, or another operand is not of its own.
    fn element(&self, name: &'static str, inputs: &[&Tensor], output: &Tensor) -> Result<Element> {
        let arguments = self.steps.iter().flat_map(|step| match step {
            Step::Kernel { arguments, .. } => arguments.clone(),
            Step::Conv(conv) => vec![conv.x, conv.w, conv.y],
        });
        let (mut activations, mut others): (Vec<&Tensor>, Vec<(&Tensor, DType)>) = Default::default();
        for argument in arguments {
            match argument {
                Argument::Activation(number) => activations.push(inputs[number]),
                Argument::ActivationOutput => activations.push(output),
                Argument::Input(number) => others.push((inputs[number], DType::F32)),
                Argument::Output => others.push((output, DType::F32)),
                Argument::Written(dtype) => others.push((output, dtype)),
                _ => {}
            }
        }
        let element = activations.first().map_or(Ok(Element::F32), |first| Element::of(first))?;
        let mixed = activations.iter().any(|tensor| Element::of(tensor).ok() != Some(element));
        if mixed || others.iter().any(|(tensor, dtype)| tensor.dtype() != *dtype) {
            let types: Vec<_> = inputs.iter().chain([&output]).map(|tensor| tensor.dtype()).collect();
            return Err(Error::Model(format!("The operation {name} takes no operands of the types {types:?}.")));
        }
        Ok(element)
    }
}

impl<'a> Step<'a> {
    /// A kernel with a thread for each of `items`, whose number is its last argument.
    pub fn each(name: &'static str, items: usize, arguments: impl Into<Vec<Argument<'a>>>) -> Self {
        let mut arguments = arguments.into();
        arguments.push(Argument::Int(items));
        Step::Kernel { name, blocks: items.div_ceil(THREADS), arguments }
    }

    /// A kernel with a block for each of `blocks`.
    pub fn blocks(name: &'static str, blocks: usize, arguments: impl Into<Vec<Argument<'a>>>) -> Self {
        Step::Kernel { name, blocks, arguments: arguments.into() }
    }
}

/// What is added up over a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// The elements.
    Value = 0,
    /// Their squares.
    Square = 1,
    /// One for each that is not finite.
    NotFinite = 2,
}

/// The sum of a term over each of `tensors`, in 64-bit arithmetic; they are read once all are summed.
pub(super) fn sums(tensors: &[Tensor], term: Term) -> Result<Vec<f64>> {
    let Some(first) = tensors.first() else { return Ok(Vec::new()) };
    let parts = Tensor::zeros((tensors.len(), PARTS), DType::F64, first.device())?;
    for (at, tensor) in tensors.iter().enumerate() {
        let len = tensor.elem_count();
        let [from, to] = [Argument::Activation(0), Argument::Written(DType::F64)];
        let arguments = [from, to, Argument::Int(term as usize), Argument::Int(len)];
        let steps = vec![Step::blocks("sum", len.div_ceil(PART).min(PARTS), arguments)];
        let plan = Plan { scratch: Vec::new(), steps };
        // SAFETY: the kernel stops at the tensor's length, and has no more blocks than there are parts.
        unsafe { run("a sum", &plan, &[tensor], &parts.narrow(0, at, 1)?)? };
    }
    Ok(parts.to_vec2::<f64>()?.iter().map(|parts| parts.iter().sum()).collect())
}

/// Whether what happens on `device` happens by plans.
pub fn applies(device: &Device) -> bool {
    #[cfg(test)]
    if emulated::active() {
        return true;
    }
    !device.is_cpu()
}

/// Calls `body` while no other thread does so. A GPU has one stream: what any thread copied or freed there while another
/// one records its work would become a part of that record. So all that records does so in turn with all that asks something
/// of a GPU from beside the thread that trains there.
pub fn in_turn<T>(body: impl FnOnce() -> T) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    body()
}

/// A copy of `x`, which is contiguous in the processor's memory, on `device`.
pub(super) fn upload(x: &Tensor, device: &Device) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if !device.is_cpu() {
        let copy = super::blank(x.dims(), device)?;
        super::read("an upload", &x.contiguous()?, |x| copy.inplace_op1(&upload::Upload(x)))??;
        return Ok(copy);
    }
    Ok(x.to_device(device)?)
}

/// Carries out `plan` on the device of `output`. Operands have all of their memory in use: they are contiguous, or
/// activations; an input that shares memory with the output is an error.
///
/// # Safety
/// The plan's steps touch no elements but those of the inputs, the output and the scratch buffers.
pub(super) unsafe fn run(name: &'static str, plan: &Plan<'_>, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    for tensor in inputs.iter().chain([&output]) {
        if !(tensor.is_contiguous() || is_channels_last(tensor)) || tensor.elem_count() > ELEMENTS {
            return Err(Error::Shape {
                what: format!("An operand of {name} on a GPU"),
                found: tensor.dims().to_vec(),
                expected: format!("a tensor without gaps of at most {ELEMENTS} elements"),
            });
        }
    }
    let long = |step: &&Step<'_>| matches!(step, Step::Kernel { blocks, .. } if *blocks > ELEMENTS / THREADS);
    if let Some(step) = plan.steps.iter().find(long) {
        return Err(Error::Model(format!("The operation {name} is too large for a GPU: {step:?}.")));
    }
    let element = plan.element(name, inputs, output)?;
    super::check_apart(name, inputs, output)?;
    #[cfg(test)]
    if output.device().is_cpu() {
        // SAFETY: the types were compared, and the rest is promised by the caller.
        return unsafe { emulated::run(plan, element, inputs, output) };
    }
    // SAFETY: as above.
    unsafe { launch::run(name, plan, element, inputs, output) }
}

#[cfg(not(feature = "cuda"))]
pub mod graph {
    //! A program built without CUDA records nothing.

    use candle_core::Device;

    use super::{Error, Result};

    /// Recorded work, of which there is none.
    #[derive(Debug)]
    pub enum Graph {}

    impl Graph {
        /// Asks for the work again.
        pub fn run(&self) -> Result<()> {
            match *self {}
        }
    }

    /// Says that nothing can be recorded.
    pub fn record<T>(_: &Device, _: impl FnOnce() -> Result<T>) -> Result<(T, Graph)> {
        Err(Error::Device {
            message: "The passes of a step can be recorded on a GPU alone.".to_owned(),
            hint: "Train without `graph`.".to_owned(),
        })
    }
}

#[cfg(not(feature = "cuda"))]
mod launch {
    //! A program built without CUDA opens no device that plans are for, and says so if it is given one.

    use super::{Element, Error, Plan, Result, Tensor};

    /// # Safety
    /// None is needed: nothing is done.
    pub unsafe fn run(name: &'static str, _: &Plan<'_>, _: Element, _: &[&Tensor], _: &Tensor) -> Result<()> {
        Err(Error::Device {
            message: format!("The operation {name} has no body for the device of its output."),
            hint: "Compute on the processor: `--device cpu`.".to_owned(),
        })
    }
}
