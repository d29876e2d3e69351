//! Plans carried out where their output is, once their operands are seen to be such as kernels take.

use candle_core::Tensor;

#[cfg(test)]
use super::emulated;
#[cfg(feature = "cuda")]
use super::launch;
use super::plan::{Plan, Step, THREADS};
use crate::ml::error::{Error, Result};
use crate::ml::layout::{check_apart, is_channels_last};

/// The most elements of an operand: kernels count threads, of whole blocks, in 32-bit integers.
const ELEMENTS: usize = i32::MAX as usize - THREADS + 1;

/// Carries out `plan` on the device of `output`. Operands have all of their memory in use: they are contiguous, or
/// activations; an input that shares memory with the output is an error.
///
/// # Safety
/// The plan's steps touch no elements but those of the inputs, the output and the scratch buffers.
pub unsafe fn run(name: &'static str, plan: &Plan<'_>, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
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
    check_apart(name, inputs, output)?;
    #[cfg(test)]
    if output.device().is_cpu() {
        // SAFETY: the types were compared, and the rest is promised by the caller.
        return unsafe { emulated::run(plan, element, inputs, output) };
    }
    // SAFETY: as above.
    unsafe { launch::run(name, plan, element, inputs, output) }
}

#[cfg(not(feature = "cuda"))]
mod launch {
    //! A program built without CUDA opens no device that plans are for, and says so if it is given one.

    use candle_core::Tensor;

    use crate::ml::error::{Error, Result};
    use crate::ml::gpu::plan::{Element, Plan};

    /// # Safety
    /// None is needed: nothing is done.
    pub unsafe fn run(name: &'static str, _: &Plan<'_>, _: Element, _: &[&Tensor], _: &Tensor) -> Result<()> {
        Err(Error::Device {
            message: format!("The operation {name} has no body for the device of its output."),
            hint: "Compute on the processor: `--device cpu`.".to_owned(),
        })
    }
}
