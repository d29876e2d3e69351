//! What a GPU does for an operation, as a value: kernels and convolutions, one after another, with their arguments.
//!
//! Invariants:
//! - a [`Plan`] is made on the processor and holds no address, so that tests can carry it out there: kernels are CUDA
//!   C++ that a host compiler takes too (`emulated`), and every operation is held against its processor's body;
//! - a kernel's grid has [`THREADS`] threads a block, and its sums are taken in an order that only sizes decide;
//! - kernels round products and sums as the processor's bodies do; only transcendental functions differ.

pub mod conv;
#[cfg(feature = "cuda")]
pub mod device;
#[cfg(test)]
mod emulated;
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

use candle_core::{DType, Device, Tensor};

use crate::ml::error::{Error, Result};

/// Threads of a block, in the kernels' sources too.
pub const THREADS: usize = 256;

/// The most blocks that a sum over a whole tensor is cut into, and the least elements of a block.
const PARTS: usize = 512;
const PART: usize = 16 * THREADS;

/// What an argument of a step is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument<'a> {
    /// The first element of the input of that number.
    Input(usize),
    /// The first element of the output.
    Output,
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
    /// A kernel of `kernels/`.
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

/// The steps of an operation, and the bytes of each scratch buffer that they share.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan<'a> {
    /// Bytes of each buffer, whose contents are not defined at first.
    pub scratch: Vec<usize>,
    /// The steps.
    pub steps: Vec<Step<'a>>,
}

impl<'a> Plan<'a> {
    /// A plan of one kernel with a thread for each of `items`, whose number is its last argument.
    pub fn each(name: &'static str, items: usize, arguments: impl Into<Vec<Argument<'a>>>) -> Self {
        Plan { scratch: Vec::new(), steps: vec![Step::each(name, items, arguments)] }
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
pub fn sums(tensors: &[Tensor], term: Term) -> Result<Vec<f64>> {
    let Some(first) = tensors.first() else { return Ok(Vec::new()) };
    let parts = Tensor::zeros((tensors.len(), PARTS), DType::F64, first.device())?;
    for (at, tensor) in tensors.iter().enumerate() {
        let len = tensor.elem_count();
        let arguments = [Argument::Input(0), Argument::Output, Argument::Int(term as usize), Argument::Int(len)];
        let steps = vec![Step::blocks("sum", len.div_ceil(PART).min(PARTS), arguments)];
        let plan = Plan { scratch: Vec::new(), steps };
        run("a sum", &plan, &[tensor], &parts.narrow(0, at, 1)?)?;
    }
    Ok(parts.to_vec2::<f64>()?.iter().map(|parts| parts.iter().sum()).collect())
}

/// Whether what happens to `tensor` happens by plans.
pub fn applies(tensor: &Tensor) -> bool {
    #[cfg(test)]
    if emulated::active() {
        return true;
    }
    !tensor.device().is_cpu()
}

/// A copy of `x`, which is in the processor's memory, on `device`.
pub fn upload(x: &Tensor, device: &Device) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if !device.is_cpu() {
        let copy = super::blank(x.dims(), device)?;
        super::read("an upload", &x.contiguous()?, |x| copy.inplace_op1(&upload::Upload(x)))??;
        return Ok(copy);
    }
    Ok(x.to_device(device)?)
}

/// Carries out `plan` on the device of `output`.
pub fn run(name: &'static str, plan: &Plan<'_>, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    for tensor in inputs.iter().chain([&output]) {
        if !tensor.is_contiguous() || tensor.elem_count() > i32::MAX as usize {
            return Err(Error::Shape {
                what: format!("An operand of {name} on a GPU"),
                found: tensor.dims().to_vec(),
                expected: format!("a contiguous tensor of at most {} elements", i32::MAX),
            });
        }
    }
    #[cfg(test)]
    if output.device().is_cpu() {
        return emulated::run(plan, inputs, output);
    }
    launch::run(name, plan, inputs, output)
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

    use super::{Error, Plan, Result, Tensor};

    pub fn run(name: &'static str, _: &Plan<'_>, _: &[&Tensor], _: &Tensor) -> Result<()> {
        Err(Error::Device {
            message: format!("The operation {name} has no body for the device of its output."),
            hint: "Compute on the processor: `--device cpu`.".to_owned(),
        })
    }
}
