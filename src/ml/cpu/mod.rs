//! What the processor computes with: vectors of each instruction set, matrix products over them, and the memory and tasks of
//! many threads. Nothing here knows an operation or a tensor.
//!
//! Invariant: the bits of a result depend on the inputs only: not on the threads, and not on the instruction set, since every
//! product sum is a chain of fused multiply-adds in one fixed order (see [`gemm`]).

pub mod chains;
pub(in crate::ml) mod epilogue;
pub mod gemm;
pub mod isa;
pub mod memory;
pub(in crate::ml) mod scratch;
pub(in crate::ml) mod shared;
pub(in crate::ml) mod simd;
pub(in crate::ml) mod taps;
pub(in crate::ml) mod tasks;
mod tiles;
pub(in crate::ml) mod transpose;
mod vector;
pub(in crate::ml) mod winograd;
