//! Numerics, usable alone as a library, without any pipeline.
//!
//! Invariants:
//! - on the CPU every result has the same bits for any number of threads: work is cut into pieces whose size does
//!   not depend on the threads, and no sum crosses pieces in an order that does;
//! - random numbers come from [`rng`] only; transcendental functions from `libm` only;
//! - a requested device that is missing, and an operation that a device lacks, are errors.

pub mod colors;
pub mod data;
pub mod metrics;
pub mod rng;
