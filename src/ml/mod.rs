//! Numerics, usable alone as a library, without any pipeline.
//!
//! Invariants:
//! - on the CPU every result has the same bits for any number of threads: work is cut into pieces whose size does
//!   not depend on the threads, and no sum crosses pieces in an order that does;
//! - random numbers come from [`rng`] only; transcendental functions from `libm` only;
//! - a requested device that is missing, and an operation that a device lacks, are errors.

#[cfg(test)]
mod checks;
#[forbid(unsafe_code)]
pub mod colors;
#[forbid(unsafe_code)]
pub mod data;
#[forbid(unsafe_code)]
pub mod device;
#[forbid(unsafe_code)]
pub mod erf;
#[forbid(unsafe_code)]
pub mod error;
#[cfg(test)]
mod golden;
#[forbid(unsafe_code)]
pub mod import;
#[forbid(unsafe_code)]
pub mod layers;
#[forbid(unsafe_code)]
pub mod loss;
#[forbid(unsafe_code)]
pub mod metrics;
#[forbid(unsafe_code)]
pub mod models;
pub mod ops;
#[forbid(unsafe_code)]
pub mod optim;
#[forbid(unsafe_code)]
pub mod rng;
#[forbid(unsafe_code)]
pub mod spec;
#[forbid(unsafe_code)]
pub mod state;
#[forbid(unsafe_code)]
pub mod train;
#[forbid(unsafe_code)]
pub mod weights;
