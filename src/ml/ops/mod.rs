//! The operations that training needs and the tensor library lacks, each a [`Kernel`] with
//! a body for the processor, over `f32` tensors in NCHW, and a plan for a GPU (see [`crate::ml::gpu`] and [`activation`]).
//!
//! Invariants:
//! - a kernel writes every element of its output exactly as documented;
//! - an operation compares the shapes of its operands before it starts, and refuses those that do not belong together:
//!   nothing is written then, nor ever beside an output. `hostile` tries every operation, and finds one that it lacks;
//! - the only `unsafe` code of the crate is here, in [`crate::ml::cpu`] and in [`crate::ml::gpu`]: vector instructions, disjoint
//!   parallel writes, and what asks a GPU.

pub mod activation;
pub mod blend;
pub mod conv;
pub mod depthwise;
pub(in crate::ml) mod dispatch;
pub mod elementwise;
pub mod fuse;
#[cfg(test)]
mod gradients;
#[cfg(test)]
mod hostile;
pub mod interaction;
pub mod loss;
pub mod phases;
pub mod pool;
pub mod resize;
mod shapes;
pub mod update;
pub mod upsampled;

pub use dispatch::{blank, read, zeros};
pub use shapes::{check, nchw};
