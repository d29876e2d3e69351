//! The matrix: axes, their values, and the cells that these make.
//!
//! Invariants:
//! - a value is placed into a stage's tree as a profile's or a `--set`'s is, so that it passes the same check and its
//!   faults are told at the value;
//! - the cells are in the order of the file: the first axis changes slowest, included cells come last;
//! - axes, what they set, and cells are as many as [`limits`](super::limits) allow: the product is taken before a cell is
//!   made.

mod axis;
mod cross;
mod form;
mod label;
mod whole;

pub(super) use form::{labelled, normal};
pub(super) use label::near;
pub(super) use whole::{Matrix, Projection, read};
