//! The dilated convolutions: plain ones, and those smoothed by a pre-filter.
//!
//! A dilated type is one file and one line in [`PREFILTERS`].

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
