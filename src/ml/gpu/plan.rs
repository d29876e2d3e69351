//! What a GPU does for an operation, as a value: launches of kernels and convolutions, one after another, with their arguments.
//!
//! Invariants:
//! - a [`GpuPlan`] is made on the processor and holds no address, so that tests can carry it out there;
//! - activations of a plan have one type, that of its operands; kernels and scratch buffers follow it;
//! - a kernel's grid has [`THREADS`] threads a block, and its sums are taken in an order that only sizes decide.

use candle_core::DType;

use super::kernels::Kernel;

/// Threads of a block, in the kernels' sources too.
pub const THREADS: usize = 256;

/// The channels that a block takes which sums over pixels, in the kernels' sources too.
pub const CHANNELS: usize = 32;

/// What an argument of a launch is.
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

/// A part of a plan: what the GPU is asked for at once.
#[derive(Debug, Clone, PartialEq)]
pub enum Launch<'a> {
    /// A kernel.
    Kernel {
        /// Which one.
        kernel: Kernel,
        /// The blocks of its grid.
        blocks: usize,
        /// Its arguments in order.
        arguments: Vec<Argument<'a>>,
    },
    /// A convolution, or a gradient of one.
    Convolution(Convolution),
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
    /// That of tensors of these types: bfloat16 where one of them is of it.
    pub fn among(mut types: impl Iterator<Item = DType>) -> Self {
        if types.any(|dtype| dtype == DType::BF16) { Element::Bf16 } else { Element::F32 }
    }

    /// The same as a type of tensors.
    pub fn dtype(self) -> DType {
        match self {
            Element::F32 => DType::F32,
            Element::Bf16 => DType::BF16,
        }
    }

    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Element::F32 => 4,
            Element::Bf16 => 2,
        }
    }

    /// The name under which `kernel` is compiled for them.
    pub fn name(self, kernel: Kernel) -> String {
        match self {
            Element::Bf16 if kernel.typed => format!("{}_bf16", kernel.name),
            _ => kernel.name.to_owned(),
        }
    }
}

/// The size of a scratch buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScratchSize {
    /// So many bytes.
    Bytes(usize),
    /// So many activations.
    Activations(usize),
}

impl ScratchSize {
    /// The same in bytes.
    pub fn bytes(self, element: Element) -> usize {
        match self {
            ScratchSize::Bytes(bytes) => bytes,
            ScratchSize::Activations(len) => len * element.size(),
        }
    }
}

/// What an operation has to know of its operands to make a plan.
#[derive(Debug, Clone, Copy)]
pub struct Operands<'a> {
    /// The number of elements of each input.
    pub inputs: &'a [usize],
    /// The number of elements of the output.
    pub output: usize,
    /// The type of the activations among them.
    pub element: Element,
}

/// The launches of an operation in order, and the scratch buffers that they share.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GpuPlan<'a> {
    /// The sizes of the buffers, whose contents are not defined at first.
    pub scratch: Vec<ScratchSize>,
    /// The launches.
    pub launches: Vec<Launch<'a>>,
}

impl<'a> GpuPlan<'a> {
    /// A plan of one launch.
    pub fn one(launch: Launch<'a>) -> Self {
        GpuPlan { scratch: Vec::new(), launches: vec![launch] }
    }

    /// A plan of one kernel with a thread for each of `items`, whose number is its last argument.
    pub fn each(kernel: Kernel, items: usize, arguments: impl Into<Vec<Argument<'a>>>) -> Self {
        Self::one(Launch::each(kernel, items, arguments))
    }
}

impl<'a> Launch<'a> {
    /// A kernel with a thread for each of `items`, whose number is its last argument.
    pub fn each(kernel: Kernel, items: usize, arguments: impl Into<Vec<Argument<'a>>>) -> Self {
        let mut arguments = arguments.into();
        arguments.push(Argument::Int(items));
        Launch::Kernel { kernel, blocks: items.div_ceil(THREADS), arguments }
    }

    /// A kernel with a block for each of `blocks`.
    pub fn blocks(kernel: Kernel, blocks: usize, arguments: impl Into<Vec<Argument<'a>>>) -> Self {
        Launch::Kernel { kernel, blocks, arguments: arguments.into() }
    }

    /// Its arguments.
    pub fn arguments(&self) -> &[Argument<'a>] {
        match self {
            Launch::Kernel { arguments, .. } => arguments,
            Launch::Convolution(convolution) => &convolution.operands,
        }
    }
}

/// What is computed of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From source and filter to output.
    Forward,
    /// From the output's gradient and the filter to the source's.
    Input,
    /// From the source and the output's gradient to the filter's.
    Weights,
}

/// The sizes of a convolution with equal padding before and behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Images of source and output.
    pub images: usize,
    /// Channels of the source.
    pub channels: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Height and width of the source.
    pub source: [usize; 2],
    /// Height and width of the output.
    pub grid: [usize; 2],
    /// Height and width of the filter.
    pub kernel: [usize; 2],
    /// Zeros before, and as many behind.
    pub pad: [usize; 2],
    /// The distance between outputs.
    pub stride: usize,
    /// The distance between taps.
    pub dilation: usize,
    /// Whether sums without a product that differs from zero are to be zero.
    pub exact: bool,
}

/// A convolution, or a gradient of one, over operands of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convolution {
    /// What is computed.
    pub direction: Direction,
    /// The sizes.
    pub shape: ConvShape,
    /// The source, the filter and the output, or in place of one of them the gradient by it: the one that is written.
    pub operands: [Argument<'static>; 3],
}
