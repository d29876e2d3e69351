//! What the operands of a plan must be. A GPU reads and writes whatever it is told, so that this is checked before.

use candle_core::{DType, Tensor};

use super::plan::{Argument, Element, GpuPlan, Launch, ScratchSize, THREADS};
use crate::ml::error::{Error, Result};
use crate::ml::layout::{check_apart, is_channels_last};

/// The most elements of an operand or of a buffer between launches: kernels count threads, of whole blocks, in 32-bit integers.
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
    let vast = |size: &&ScratchSize| match **size {
        ScratchSize::Activations(len) => len > ELEMENTS,
        ScratchSize::Bytes(bytes) => bytes / size_of::<f32>() > ELEMENTS,
    };
    if let Some(size) = plan.scratch.iter().find(vast) {
        return Err(Error::Model(format!(
            "The operation {name} is too large for a GPU: it needs a buffer of {size:?}."
        )));
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

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::ml::gpu::kernels;

    /// A kernel's thread has a 32-bit number, and the last block may have threads beyond the items.
    #[test]
    fn what_32_bit_indices_do_not_reach_is_refused() {
        let x = Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap();
        let refused = |plan: GpuPlan<'_>| check("a trial", &plan, Element::F32, &[], &x).err().map(|e| e.to_string());
        let launch = |items| GpuPlan::each(kernels::COPY, items, [Argument::ActivationOutput]);
        assert_eq!(refused(launch(ELEMENTS)), None);
        for items in [ELEMENTS + 1, i32::MAX as usize, 1 << 31, 1 << 40] {
            let error = refused(launch(items)).unwrap();
            assert!(error.contains("too large for a GPU"), "{error}");
            for size in [ScratchSize::Activations(items), ScratchSize::Bytes(4 * items)] {
                let error = refused(GpuPlan { scratch: vec![size], launches: Vec::new() }).unwrap();
                assert!(error.contains("a buffer of"), "{error}");
            }
        }
        let most = vec![ScratchSize::Activations(ELEMENTS), ScratchSize::Bytes(4 * ELEMENTS)];
        assert_eq!(refused(GpuPlan { scratch: most, launches: Vec::new() }), None);
    }
}
