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
mod star;
#[cfg(test)]
mod tests;

use std::ops::Range;

use candle_core::{Device, Tensor};

use super::error::Result;
use super::numerics::Numerics;
use super::ops::dispatch::choose;

pub use star::Star;

/// The ranks of a training, seen from one of them.
pub trait Ranks: std::fmt::Debug + Send {
    /// This rank, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// Replaces a flat tensor by the sum of those of all ranks, added in the order of ranks.
    fn sum(&mut self, flat: &Tensor) -> Result<()>;

    /// What each rank gives, in the order of ranks.
    fn gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>>;

    /// What rank 0 gives; of the others, nothing is asked.
    fn broadcast(&mut self, bytes: &[u8]) -> Result<Vec<u8>>;

    /// Tells all others why this rank ends.
    fn fail(&mut self, why: &str);
}

/// The ranks that `star` joins, of a training on `device` that computes as `numerics` say. All join at once.
pub fn joined(star: Star, device: &Device, numerics: Numerics) -> Result<Box<dyn Ranks>> {
    choose(device, on_processor as Join, on_gpus as Join)(star, device, numerics)
}

type Join = fn(Star, &Device, Numerics) -> Result<Box<dyn Ranks>>;

fn on_processor(star: Star, _: &Device, _: Numerics) -> Result<Box<dyn Ranks>> {
    Ok(Box::new(star))
}

#[cfg(feature = "cuda")]
use gpus::join as on_gpus;

/// A program built without CUDA opens no GPU.
#[cfg(not(feature = "cuda"))]
fn on_gpus(star: Star, _: &Device, _: Numerics) -> Result<Box<dyn Ranks>> {
    Ok(Box::new(star))
}

/// The one rank of a training by itself.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sum(&mut self, _: &Tensor) -> Result<()> {
        Ok(())
    }

    fn gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        Ok(vec![bytes.to_vec()])
    }

    fn broadcast(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(bytes.to_vec())
    }

    fn fail(&mut self, _: &str) {}
}

/// The samples of a batch that fall to a rank: neighbours, and at most one more than falls to any other.
pub fn share(batch: usize, rank: usize, size: usize) -> Range<usize> {
    batch * rank / size..batch * (rank + 1) / size
}

/// The sum of a count over all ranks.
pub fn count(ranks: &mut dyn Ranks, own: usize) -> Result<usize> {
    Ok(numbers(ranks, own as u64)?.into_iter().sum::<u64>() as usize)
}

/// The sum of a number over all ranks, in their order.
pub fn sum(ranks: &mut dyn Ranks, own: f64) -> Result<f64> {
    let all = numbers(ranks, own.to_bits())?.into_iter().map(f64::from_bits);
    Ok(all.reduce(|sum, part| sum + part).unwrap_or(own))
}

fn numbers(ranks: &mut dyn Ranks, own: u64) -> Result<Vec<u64>> {
    let all = ranks.gather(&own.to_le_bytes())?;
    let number = |bytes: Vec<u8>| bytes.try_into().map(u64::from_le_bytes);
    all.into_iter().map(number).collect::<std::result::Result<_, _>>().map_err(|_| star::out_of_step())
}
