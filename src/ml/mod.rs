//! Numerics, usable alone as a library, without any pipeline.
//!
//! A [`spec::ModelSpec`] names a network. [`weights::initialise`] makes it from a seed, [`import`] from a file of weights. A
//! [`train::Trainer`] trains it, [`inference::scores`] predicts with it, and [`metrics::Confusion`] counts what is right.
//! `examples/train_and_predict.rs` does all of this. A [`models::Network`] and its layers are also `candle_nn::Module`s,
//! for inference: see `examples/sequential.rs`.
//!
//! Invariants:
//! - on the CPU every result has the same bits for any number of threads: neither the size of the pieces that work is cut
//!   into, nor the order in which sums over several pieces are added, depends on the number of threads;
//! - random numbers come from [`crate::rng`] only; transcendental functions from `libm` only;
//! - a requested device that is missing, and an operation that a device lacks, are errors.
//!
//! # Layers
//!
//! From the lowest to the highest:
//! - [`conventions`], [`geometry`] and `layout` describe networks, convolutions and tensors;
//! - [`cpu`] has what the processor computes with, and [`gpu`] has what a GPU needs; neither knows an operation;
//! - [`ops`] has the operations; each, such as [`ops::conv`], is a file or a folder of its own;
//! - `layers` and [`models`] are made of operations.
//!
//! Only one file, `ops/dispatch.rs`, asks on which device something happens.
//!
//! # Gradients
//!
//! Training does not use candle's automatic differentiation. The blocks of a network have a backward pass of their own:
//! candle's tensors are the storage, [`ops`] are in-place operations on them, and [`models`] walks an explicit tape over
//! parameters in flat buffers.
//!
//! This is faster. The times are of one bottleneck block of ResNet-101, forward and backward, median on two AVX-512 cores
//! (`cargo bench --bench bottleneck`). In group 2 (256 channels, 81x81), stock candle takes 222 ms and this code 23 ms, 9.6
//! times less. In group 4 (1024 channels, 41x41, dilation 2), it is 263 ms and 30 ms, 8.7 times less. The reasons, and what
//! else is gained:
//! - a convolution, its frozen batch norm, the residual and the ReLU are one pass with one output. This output also serves
//!   as the mask of the ReLU's gradient (which is 0 at 0, as in TensorFlow; in candle it is 1 there);
//! - only the gradients that are needed are computed, and each is written once, to its place in the flat buffer;
//! - memory is released while the backward pass goes on;
//! - stock candle has no gradient for the max pool and the resize, and fails at stride 2 where height and width differ.

#[forbid(unsafe_code)]
pub mod boundary;
#[forbid(unsafe_code)]
pub mod checkpoint;
#[forbid(unsafe_code)]
pub mod colors;
#[forbid(unsafe_code)]
pub mod conventions;
pub mod cpu;
#[forbid(unsafe_code)]
pub mod crf;
#[forbid(unsafe_code)]
pub mod cycle;
#[forbid(unsafe_code)]
pub mod data;
#[forbid(unsafe_code)]
pub mod device;
#[forbid(unsafe_code)]
pub mod erf;
#[forbid(unsafe_code)]
pub mod error;
pub mod export;
#[forbid(unsafe_code)]
mod foreign;
#[forbid(unsafe_code)]
pub mod geometry;
#[cfg(test)]
#[path = "../../tests/golden/mod.rs"]
mod golden;
pub mod gpu;
#[forbid(unsafe_code)]
pub mod import;
#[forbid(unsafe_code)]
pub mod inference;
#[forbid(unsafe_code)]
pub mod layers;
#[forbid(unsafe_code)]
mod layout;
#[forbid(unsafe_code)]
pub mod loss;
#[forbid(unsafe_code)]
pub mod metrics;
#[forbid(unsafe_code)]
pub mod mirror;
#[forbid(unsafe_code)]
pub mod models;
#[forbid(unsafe_code)]
pub mod naming;
#[forbid(unsafe_code)]
pub mod numerics;
pub mod ops;
#[forbid(unsafe_code)]
pub mod optim;
#[cfg(test)]
mod oracle;
#[forbid(unsafe_code)]
pub mod parallel;
#[forbid(unsafe_code)]
mod replay;
#[forbid(unsafe_code)]
pub mod resample;
#[forbid(unsafe_code)]
pub mod scales;
#[forbid(unsafe_code)]
pub mod spec;
#[forbid(unsafe_code)]
pub mod state;
#[forbid(unsafe_code)]
pub mod train;
#[forbid(unsafe_code)]
pub mod weights;
