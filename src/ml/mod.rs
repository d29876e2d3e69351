//! Numerics, usable alone as a library, without any pipeline.
//!
//! Invariants:
//! - on the CPU every result has the same bits for any number of threads: work is cut into pieces whose size does
//!   not depend on the threads, and no sum crosses pieces in an order that does;
//! - random numbers come from [`rng`] only; transcendental functions from `libm` only;
//! - a requested device that is missing, and an operation that a device lacks, are errors.
//!
//! Training does not run through candle's autograd per operation, but through fused blocks with a backward pass of
//! their own over an explicit tape ([`models`]): candle's tensors hold the values, the kernels of [`ops`] work on
//! them. A convolution, its frozen batch norm, the residual sum and the ReLU become one pass with one output, which is
//! also the mask of its gradient; no gradient is computed that nobody needs, and those of parameters go to one flat
//! buffer. Besides, autograd lacks or misjudges what these networks need (max pool and bilinear resize have no
//! gradient, a ReLU's at 0 is 1). Measured, forward and backward of one bottleneck block, median of seven runs on two
//! busy AVX-512 cores (`cargo bench --bench bottleneck`): 256 channels at 81x81 take 445 ms with autograd and 57 ms
//! here (7.9 times), 1024 channels at 41x41 with dilation 2 take 740 ms and 132 ms (5.6 times).

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
