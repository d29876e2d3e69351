//! Training by several ranks at once, each a process with a device and a share of every batch.
//!
//! Invariants:
//! - all ranks start from the same state and make the same updates, so that their weights stay the same bits: what they
//!   exchange comes to every rank alike;
//! - a sum over ranks is added in the order of ranks, so that a training has the same bits whenever it is run with as many.
//!   With another number of ranks a gradient is another order of sums: equal up to rounding;
//! - a mean over pixels is over those of all ranks: their numbers are exchanged before the gradients are made;
//! - on GPUs a sum goes from one to another and not through the processor; everything else is the same on all devices;
//! - all ranks exchange the same things in the same order. One that fails says so, one that ends or stays silent is found
//!   out, and either is an error in all others.

#[cfg(feature = "cuda")]
mod gpus;
mod join;
mod ranks;
mod star;
#[cfg(test)]
mod tests;

pub use join::joined;
pub use ranks::{Alone, Ranks, count, share, sum};
pub use star::Star;
