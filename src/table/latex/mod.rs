//! Tables in LaTeX.

mod escape;
mod fit;
mod metrics;
mod paper;
mod plain;
#[cfg(test)]
mod tests;

pub use paper::paper;
pub use plain::{fits, plain};
