//! The operations that training needs and the tensor library lacks. An operation is a file or a folder here: what it asks of
//! its operands, its body for the processor, its plan for a GPU ([`crate::ml::gpu`]) and a check of its gradient.
//!
//! Invariants:
//! - an operation writes every element of its output exactly as documented;
//! - an operation compares the shapes of its operands before it starts. It refuses those that do not belong together, and
//!   then writes nothing. It never writes beside an output. The tests `hostile` try every operation, and fail where they
//!   lack one;
//! - every operation goes through [`dispatch`], the one file that asks on which device it runs;
//! - the tests `agreement` hold the plan of every operation against its body for the processor;
//! - the only `unsafe` code of the crate is here, in [`crate::ml::cpu`] and in [`crate::ml::gpu`]: vector instructions, disjoint
//!   parallel writes, and what asks a GPU.

pub mod activation;
#[cfg(test)]
mod agreement;
pub mod blend;
pub mod conv;
pub mod depthwise;
#[cfg(test)]
mod differences;
pub(in crate::ml) mod dispatch;
pub mod elementwise;
pub mod fuse;
#[cfg(test)]
mod hostile;
pub mod interaction;
#[cfg(test)]
mod launched;
pub mod loss;
pub mod norm;
pub mod phases;
pub mod pool;
pub mod resize;
mod shapes;
pub mod update;
pub mod upsampled;

pub use dispatch::{blank, read, zeros};
pub use shapes::{check, nchw};
