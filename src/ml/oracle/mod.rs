//! The oracle of the tests: operations, dilated types, networks and their loss in 64-bit arithmetic, by their definitions.
//!
//! The definitions are written loop by loop and share no code with what they check. Their gradients follow from the
//! chain rule ([`tape`]). They are checked on values that are made here, so that these tests run everywhere; the tests
//! of recorded numbers (`tests/golden`) use the oracle too.

mod array;
mod compare;
mod layers;
mod network;
mod operations;
mod tape;

pub use array::{Array, Values};
pub use compare::{Worst, compare, compare_gradient, difference, like, values};
pub use layers::parameter;
pub use network::{logits, variables};
pub use operations::{cross_entropy, dilated, relu, resized};
pub use tape::{Num, Tape};
