//! The parts that networks are made of. Each knows its forward pass, its backward pass and its parameters.
//!
//! Invariants:
//! - a layer keeps nothing between calls: what its backward pass needs is returned by the forward pass;
//! - a gradient `g` that a layer is given is already zero wherever the output of the layer's own ReLU is zero. The argument
//!   `mask` makes the returned gradient zero in the same way for the layer below (a ReLU's gradient at 0 is 0);
//! - gradients by parameters are written into one flat buffer, and none is computed that nobody needs.

pub mod affine;
pub mod conv;
pub mod parameters;
pub mod prefilter;
pub mod smoothed_conv;

pub use affine::Affine;
pub use conv::{ConvNorm, Folded};
pub use parameters::{Gradients, Init, Inventory, Parameter, ParameterId, Parameters, Role, Views};
pub use smoothed_conv::SmoothedConv;
