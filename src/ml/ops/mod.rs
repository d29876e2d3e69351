//! The operations that training needs and the tensor library lacks, each a [`Kernel`] with
//! a body for the processor, over `f32` tensors in NCHW, and a plan for a GPU (see [`cuda`] and [`activation`]).
//!
//! Invariants:
//! - a kernel writes every element of its output exactly as documented;
//! - the bits of a result depend on the inputs only: not on the threads, and not on the instruction set, since every
//!   product sum is a chain of fused multiply-adds in one fixed order (see [`gemm`]);
//! - an operation compares the shapes of its operands before it starts, and refuses those that do not belong together:
//!   nothing is written then, nor ever beside an output. `hostile` tries every operation, and finds one that it lacks;
//! - the only `unsafe` code of the crate is here: vector instructions, disjoint parallel writes, and what asks a GPU.

pub mod activation;
pub mod blend;
pub mod conv;
pub mod cuda;
pub mod depthwise;
pub mod elementwise;
mod epilogue;
pub mod fuse;
pub mod gemm;
#[cfg(test)]
mod gradients;
#[cfg(test)]
mod hostile;
pub mod interaction;
pub mod loss;
pub mod memory;
pub mod peak;
pub mod phases;
pub mod pool;
pub mod resize;
mod scratch;
pub(in crate::ml) mod simd;
mod taps;
mod transpose;
pub mod update;
pub mod upsampled;
mod vector;
mod window;
mod winograd;

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Storage, Tensor};

use crate::ml::error::{Error, Result};

use self::cuda::Plan;

pub use window::{Padding, same};

/// An operation that fills or updates one tensor from others.
trait Kernel {
    /// The name in messages.
    const NAME: &'static str;
    /// The body for the processor. Slices are the tensors' elements in order.
    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]);
}

/// An operation that runs on every device.
///
/// # Safety
/// The plan touches no elements but those of the inputs and the output. Nothing on a GPU looks after it, so that what
/// makes the kernel is to have compared the shapes of the operands that it is launched with.
unsafe trait Portable: Kernel {
    /// What a GPU does, where the inputs and the output have these numbers of elements.
    fn cuda(&self, inputs: &[usize], output: usize) -> Plan<'_>;
}

/// Runs `kernel` on the device of `output`, which it overwrites or updates. An input that shares memory with `output` is an
/// error.
fn launch<K: Portable>(kernel: &K, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    if !cuda::applies(output.device()) {
        return launch_on_cpu(kernel, inputs, output);
    }
    let sizes: Vec<usize> = inputs.iter().map(|tensor| tensor.elem_count()).collect();
    // SAFETY: promised by the kernel.
    unsafe { cuda::run(K::NAME, &kernel.cuda(&sizes, output.elem_count()), inputs, output) }
}

/// Runs `kernel`, which has no other body, on the processor, otherwise as [`launch`].
fn launch_on_cpu<K: Kernel>(kernel: &K, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    check_operands(K::NAME, inputs)?;
    check_operands(K::NAME, &[output])?;
    check_apart(K::NAME, inputs, output)?;
    output.inplace_op1(&Launch { kernel, inputs })?;
    Ok(())
}

fn check_operands(name: &str, operands: &[&Tensor]) -> Result<()> {
    for tensor in operands {
        if !tensor.is_contiguous() || tensor.dtype() != DType::F32 {
            return Err(Error::Shape {
                what: format!("An operand of {name}"),
                found: tensor.dims().to_vec(),
                expected: "a contiguous tensor of 32-bit floats".to_owned(),
            });
        }
    }
    Ok(())
}

/// An error where an input shares memory with the output: it would be read while that is written.
fn check_apart(name: &str, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    let memory = |tensor: &Tensor| std::ptr::from_ref::<Storage>(&tensor.storage_and_layout().0);
    let written = memory(output);
    if inputs.iter().any(|input| memory(input) == written) {
        return Err(Error::Model(format!("An input of {name} shares memory with its output.")));
    }
    Ok(())
}

struct Launch<'a, K> {
    kernel: &'a K,
    inputs: &'a [&'a Tensor],
}

impl<K: Kernel> InplaceOp1 for Launch<'_, K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let CpuStorage::F32(data) = storage else { candle_core::bail!("{} needs 32-bit floats", K::NAME) };
        let start = layout.start_offset();
        let output = &mut data[start..start + layout.shape().elem_count()];
        with_elements(K::NAME, self.inputs, |inputs| self.kernel.cpu(inputs, output))
    }
}

/// A tensor of zeros.
pub fn zeros(shape: &[usize], device: &Device) -> Result<Tensor> {
    Ok(Tensor::zeros(shape, DType::F32, device)?)
}

/// A tensor for a kernel to fill: of zeros on the processor, of anything on a GPU.
pub fn blank(shape: &[usize], device: &Device) -> Result<Tensor> {
    if device.is_cpu() {
        return zeros(shape, device);
    }
    // SAFETY: a GPU's memory is none of this program's values; numbers of any bits are numbers there, and every kernel
    // overwrites the tensors that are made for it.
    Ok(unsafe { Tensor::empty(shape, DType::F32, device)? })
}

/// The tensor of shape `shape` in the processor's memory that `fill` makes of the elements of `inputs`.
///
/// # Safety
/// `fill` writes every element that it is given.
unsafe fn made(
    name: &'static str,
    inputs: &[&Tensor],
    shape: &[usize],
    fill: impl FnOnce(&[&[f32]], &mut [MaybeUninit<f32>]),
) -> Result<Tensor> {
    check_operands(name, inputs)?;
    let len = shape.iter().product();
    let mut data = Vec::with_capacity(len);
    with_elements(name, inputs, |inputs| fill(inputs, &mut data.spare_capacity_mut()[..len]))?;
    // SAFETY: as many elements have room, and the caller promises that all were written.
    unsafe { data.set_len(len) };
    Ok(Tensor::from_vec(data, shape, &Device::Cpu)?)
}

/// Gives `body` the elements of tensors in the processor's memory, which are contiguous.
fn with_elements<T>(name: &str, tensors: &[&Tensor], body: impl FnOnce(&[&[f32]]) -> T) -> candle_core::Result<T> {
    let guards: Vec<_> = tensors.iter().map(|tensor| tensor.storage_and_layout()).collect();
    let mut slices = Vec::with_capacity(guards.len());
    for (guard, layout) in &guards {
        let Storage::Cpu(storage) = &**guard else { candle_core::bail!("{name} mixes devices") };
        let start = layout.start_offset();
        slices.push(&storage.as_slice::<f32>()?[start..start + layout.shape().elem_count()]);
    }
    Ok(body(&slices))
}

/// Gives `body` the elements of a tensor of 32-bit floats, in the order of its dimensions, in the processor's memory:
/// there they stay, from a GPU they are copied.
pub fn read<T>(what: &'static str, tensor: &Tensor, body: impl FnOnce(&[f32]) -> T) -> Result<T> {
    if !tensor.is_contiguous() {
        // An activation of a GPU, which has its memory for itself: the processor puts it in order.
        return Ok(body(&tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?));
    }
    if !tensor.device().is_cpu() {
        return Ok(body(&tensor.flatten_all()?.to_vec1::<f32>()?));
    }
    let (guard, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*guard else {
        return Err(candle_core::Error::Msg(format!("{what} found a tensor elsewhere than its device")).into());
    };
    let start = layout.start_offset();
    Ok(body(&storage.as_slice::<f32>()?[start..start + layout.shape().elem_count()]))
}

/// An error unless the length of `labels` is that of a tensor of the shape `shape`.
fn check_labels(labels: &[u8], shape: [usize; 3]) -> Result<()> {
    if labels.len() == shape.iter().product::<usize>() {
        return Ok(());
    }
    let expected = format!("the labels of {shape:?}");
    Err(Error::Shape { what: "The labels of a batch".to_owned(), found: vec![labels.len()], expected })
}

/// An error unless images of `size` have pixels.
fn check_size(what: &str, size: [usize; 2]) -> Result<()> {
    if !size.contains(&0) {
        return Ok(());
    }
    Err(Error::Shape { what: what.to_owned(), found: size.to_vec(), expected: "a height and a width".to_owned() })
}

/// The four sizes of a tensor in NCHW, none of which is 0.
fn filled(what: &str, tensor: &Tensor) -> Result<[usize; 4]> {
    let sizes = nchw(what, tensor)?;
    if !sizes.contains(&0) {
        return Ok(sizes);
    }
    Err(Error::Shape {
        what: what.to_owned(),
        found: sizes.to_vec(),
        expected: "a tensor that has elements".to_owned(),
    })
}

/// The four sizes of a tensor in NCHW.
pub fn nchw(what: &str, tensor: &Tensor) -> Result<[usize; 4]> {
    tensor.dims().try_into().map_err(|_| Error::Shape {
        what: what.to_owned(),
        found: tensor.dims().to_vec(),
        expected: "a tensor [images, channels, height, width]".to_owned(),
    })
}

/// An error unless `tensor` has the shape `shape`.
pub fn check(what: &str, tensor: &Tensor, shape: &[usize]) -> Result<()> {
    if tensor.dims() == shape {
        return Ok(());
    }
    Err(Error::Shape { what: what.to_owned(), found: tensor.dims().to_vec(), expected: format!("{shape:?}") })
}

/// Elements that parallel tasks write, each of them such as no other task touches. Those that none has written may be
/// anything.
#[derive(Debug, Clone, Copy)]
struct Shared<'a> {
    first: *mut f32,
    len: usize,
    memory: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

// SAFETY: it stands for an exclusive reference to floats; whoever reads or writes through it promises that no other task
// touches the same elements.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Elements that nobody else has, and that may not be numbers yet.
    fn new(memory: &'a mut [MaybeUninit<f32>]) -> Self {
        Shared { first: memory.as_mut_ptr().cast(), len: memory.len(), memory: PhantomData }
    }

    /// Elements that are numbers, and stay numbers.
    fn of(values: &'a mut [f32]) -> Self {
        Shared { first: values.as_mut_ptr(), len: values.len(), memory: PhantomData }
    }

    /// How many elements there are.
    fn len(self) -> usize {
        self.len
    }

    /// The elements from `start` on.
    fn from(self, start: usize) -> Self {
        assert!(start <= self.len, "element {start} of {}", self.len);
        Shared { first: self.first.wrapping_add(start), len: self.len - start, memory: PhantomData }
    }

    /// The address of an element; of one that is not there, an address that may only be fetched ahead.
    fn at(self, index: usize) -> *mut f32 {
        self.first.wrapping_add(index)
    }

    /// The elements `start..start + len`.
    ///
    /// # Safety
    /// As long as the reference lives, no other one to any of them does. Only numbers are written to them.
    unsafe fn slice(self, start: usize, len: usize) -> &'a mut [MaybeUninit<f32>] {
        assert!(start <= self.len && len <= self.len - start, "{len} elements from {start} on, of {}", self.len);
        // SAFETY: they lie within the elements that it was made of; that nobody else has them, the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(start).cast(), len) }
    }
}

/// Makes all elements zeros.
fn zeroed(elements: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    elements.fill(MaybeUninit::new(0.0));
    // SAFETY: all of them were just written.
    unsafe { elements.assume_init_mut() }
}

/// How many elements `rows` rows of `columns` elements take that lie at distance `pitch`; none where no number tells it.
fn extent(rows: usize, pitch: usize, columns: usize) -> Option<usize> {
    if rows == 0 || columns == 0 {
        return Some(0);
    }
    (rows - 1).checked_mul(pitch)?.checked_add(columns)
}
