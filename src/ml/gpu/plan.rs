//! What a GPU does for an operation, as a value: kernels and convolutions, one after another, with their arguments.
//!
//! Invariants:
//! - a [`Plan`] is made on the processor and holds no address, so that tests can carry it out there;
//! - a plan does not say of which type activations are: that is the type of its operands, and kernels and scratch buffers
//!   follow it;
//! - a kernel's grid has [`THREADS`] threads a block, and its sums are taken in an order that only sizes decide.

use candle_core::{DType, Tensor};

use crate::ml::error::{Error, Result};

/// Threads of a block, in the kernels' sources too.
pub const THREADS: usize = 256;

/// The channels that a block takes which sums over pixels, in the kernels' sources too.
pub const CHANNELS: usize = 32;

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
    Conv(Convolution),
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
    pub fn element(&self, name: &'static str, inputs: &[&Tensor], output: &Tensor) -> Result<Element> {
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

/// Which of the three passes a convolution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// From source and filter to output.
    Forward,
    /// From the output's gradient and the filter to the source's.
    Input,
    /// From the source and the output's gradient to the filter's.
    Weights,
}

/// The sizes of a convolution with equal padding before and behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
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

/// One pass over operands of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convolution {
    /// The pass.
    pub pass: Pass,
    /// The sizes.
    pub geometry: Geometry,
    /// The source or its gradient.
    pub x: Argument<'static>,
    /// The filter or its gradient.
    pub w: Argument<'static>,
    /// The output or its gradient.
    pub y: Argument<'static>,
}
