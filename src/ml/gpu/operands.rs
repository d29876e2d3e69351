//! What the operands of a plan must be. A GPU reads and writes whatever it is told, so that this is checked before.

use candle_core::{DType, Tensor};

use super::plan::{Argument, Element, GpuPlan, Launch, THREADS};
use crate::ml::error::{Error, Result};
use crate::ml::layout::{check_apart, is_channels_last};

/// The most elements of an operand: kernels count threads, of whole blocks, in 32-bit integers.
const ELEMENTS: usize = i32::MAX as usize - THREADS + 1;

/// An error unless a GPU may carry out `plan`, that of the operation `name`, over these operands.
///
/// # Errors
/// An operand with gaps in its memory, one that is too large, one of another type than its launch takes, and an input that
/// shares memory with the output.
pub fn check(
    name: &'static str,
    plan: &GpuPlan<'_>,
    element: Element,
    inputs: &[&Tensor],
    output: &Tensor,
) -> Result<()> {
    for tensor in inputs.iter().chain([&output]) {
        if !(tensor.is_contiguous() || is_channels_last(tensor)) || tensor.elem_count() > ELEMENTS {
            return Err(Error::Shape {
                what: format!("An operand of {name} on a GPU"),
                found: tensor.dims().to_vec(),
                expected: format!("a tensor without gaps of at most {ELEMENTS} elements"),
            });
        }
    }
    let long = |launch: &&Launch<'_>| matches!(launch, Launch::Kernel { blocks, .. } if *blocks > ELEMENTS / THREADS);
    if let Some(launch) = plan.launches.iter().find(long) {
        return Err(Error::Model(format!("The operation {name} is too large for a GPU: {launch:?}.")));
    }
    let fits = |argument: &Argument<'_>| match *argument {
        Argument::Activation(number) => inputs[number].dtype() == element.dtype(),
        Argument::ActivationOutput => output.dtype() == element.dtype(),
        Argument::Input(number) => inputs[number].dtype() == DType::F32,
        Argument::Output => output.dtype() == DType::F32,
        Argument::Written(dtype) => output.dtype() == dtype,
        _ => true,
    };
    let arguments = || plan.launches.iter().flat_map(|launch| launch.arguments());
    // An input that no launch reads decides no type. It must be what the processor takes too.
    let is_read = |number: usize| {
        let reads =
            |argument: &Argument<'_>| matches!(*argument, Argument::Input(n) | Argument::Activation(n) if n == number);
        arguments().any(reads)
    };
    let unread = |(number, input): (usize, &&Tensor)| input.dtype() == DType::F32 || is_read(number);
    if !arguments().all(fits) || !inputs.iter().enumerate().all(unread) {
        let types: Vec<_> = inputs.iter().chain([&output]).map(|tensor| tensor.dtype()).collect();
        return Err(Error::Model(format!("The operation {name} takes no operands of the types {types:?}.")));
    }
    check_apart(name, inputs, output)
}
