//! From what nodes left to the sections of a page.
//!
//! Whoever makes a page hands over [`Source`]s: what each node left, with the labels of its cell. [`gather`] finds out what they
//! are by the names of their outputs, and makes the sections that they give.
//!
//! Invariants:
//! - nothing is measured or trained: tables, maps and pictures are read, and their figures are shown;
//! - the same sources give the same page. There is no clock, no path and no order of a hash map in it;
//! - nothing is left out in silence: what could not be shown is a note of the page, with the reason;
//! - an output is read when it is needed, and only the images that are shown are decoded.

mod bars;
mod choice;
mod claim;
mod columns;
mod confusion;
mod costs;
mod curves;
mod group;
mod images;
mod labels;
mod maps;
mod method;
mod pictures;
mod samples;
mod scatter;
mod sections;
mod source;
mod tables;
mod validation;

pub use claim::Claim;
pub use curves::LOSS;
pub use scatter::{Against, against};
pub use sections::{Wanted, courses, gather};
pub use source::{Fault, Files, Given, Source};
pub use tables::grid;
