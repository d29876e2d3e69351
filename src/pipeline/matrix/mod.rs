//! The matrix: axes, their values, and the cells that these make.
//!
//! Invariants:
//! - a value is set in a stage's tree in the same way as a value of a profile or a `--set`, so that it passes the same
//!   check, and its faults are told at the value;
//! - the cells are in the order of the file: the first axis changes slowest, included cells come last;
//! - axes, the fields that they set, and cells are not more than [`limits`](super::limits) allow: cells are counted before
//!   they are made.

mod axis;
mod cross;
mod form;
mod label;
mod whole;

pub(super) use form::{labelled, normal};
pub(super) use label::near;
pub(super) use whole::{Matrix, Projection, read};
