//! What a rank asks of the others.

use std::ops::Range;

use candle_core::Tensor;

use crate::ml::error::{Error, Result};

/// The ranks of a training, seen from one of them.
pub trait Ranks: std::fmt::Debug + Send {
    /// This rank, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// Replaces a flat tensor by the sum of those of all ranks, added in the order of ranks.
    fn sum(&mut self, flat: &Tensor) -> Result<()>;

    /// The bytes that each rank gives, in the order of ranks.
    fn gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>>;

    /// The bytes that rank 0 gives; those of the others are not used.
    fn broadcast(&mut self, bytes: &[u8]) -> Result<Vec<u8>>;

    /// Tells all others why this rank ends.
    fn fail(&mut self, why: &str);
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
    all.into_iter().map(number).collect::<std::result::Result<_, _>>().map_err(|_| out_of_step())
}

/// The error of a rank that was sent something else than it waits for.
pub(super) fn out_of_step() -> Error {
    Error::Model("The ranks of a training are out of step: one exchanges something else than the others.".to_owned())
}
