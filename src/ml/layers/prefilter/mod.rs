//! The dilated convolutions: plain ones, and those smoothed by a pre-filter.
//!
//! A new pre-filter takes:
//! - a file here with its `ENTRY` (see [`Entry`]), and a `mod` line below;
//! - a line in [`PREFILTERS`], in `registry.rs`;
//! - its definition in 64-bit arithmetic, in `ml/oracle/operations.rs` (`dilated`);
//! - its row in `tests/golden/erf.rs` (`gaps`): how many positions it leaves without influence.
//!
//! The other tests take the types from the registry, and the reference in `pipelines/README.md` is printed from it. A
//! pre-filter that is a depthwise filter before the convolution implements `Filter` of `smoothed.rs`. `kernel.rs` is the
//! mathematics of the Gaussian, which two types share.

mod aggregation;
mod average;
mod contract;
mod decompose;
mod gaussian;
mod interaction;
mod kernel;
mod multigrid;
mod registry;
mod regular;
mod separable;
mod smoothed;

pub use contract::{DilatedConv, DilatedLayer, Entry, Extra, LayerGradients, LayerSize};
#[cfg(test)]
pub(crate) use registry::variants;
pub use registry::{PREFILTERS, build};
