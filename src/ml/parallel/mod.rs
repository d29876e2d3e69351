//! Training by several ranks at once, each a process with a device and a share of every batch.
//!
//! Invariants:
//! - all ranks start from the same state and make the same updates, so that their weights keep the same bits. Every rank
//!   receives the same of what they exchange;
//! - a sum over ranks is added in the order of ranks, so that a training with the same number of ranks has the same bits
//!   every time. With another number of ranks, gradients are summed in another order: they are equal up to rounding;
//! - a mean over pixels is over the pixels of all ranks: their counts are exchanged before the gradients are computed;
//! - on GPUs a sum goes from one to another and not through the processor. Everything else is the same on all devices;
//! - all ranks exchange the same things in the same order. A rank that fails tells the others why. A rank that ends, or
//!   stays silent for too long, is noticed. Either is an error in all others.

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
