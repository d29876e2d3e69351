//! What an NVIDIA GPU needs: its libraries, memory and kernels, and the plans that say what it does for an operation.
//!
//! Invariants:
//! - nothing here knows an operation: an operation makes a [`plan::GpuPlan`], and `launch` carries it out, once [`operands`] allows it;
//! - kernels are CUDA C++ that a host compiler takes too: tests carry out every plan on the processor (`emulated`), and hold
//!   every operation against its body there;
//! - kernels round products and sums as the processor's bodies do; only transcendental functions differ.

#[cfg(any(test, feature = "cuda"))]
mod algorithms;
pub mod chosen;
pub mod counts;
#[cfg(feature = "cuda")]
mod cudnn;
#[cfg(feature = "cuda")]
pub mod device;
#[cfg(test)]
pub(in crate::ml) mod emulated;
pub mod exclusive;
#[cfg(feature = "cuda")]
pub mod graph;
#[cfg(not(feature = "cuda"))]
#[path = "no_graph.rs"]
pub mod graph;
pub mod kernels;
#[cfg(feature = "cuda")]
pub mod launch;
#[cfg(feature = "cuda")]
mod libraries;
#[cfg(feature = "cuda")]
pub mod nccl;
pub mod operands;
pub mod plan;
#[cfg(feature = "cuda")]
mod pool;
#[cfg(feature = "cuda")]
pub mod upload;
