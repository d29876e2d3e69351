//! Ranks that have a GPU each. Sums go from GPU to GPU, everything else as between ranks that share the processor.
//!
//! Invariants:
//! - where the same bits are wanted every time, a sum is added in the order of ranks, with the same bits as by the
//!   processor: each rank gets its slice of every rank's tensor, adds the slices, and sends the sum to all. Each value
//!   goes over the links twice, as in the library's own sums;
//! - otherwise the library adds, in an order that it does not promise;
//! - no rank goes on from a sum before all have it, and none waits for one that has ended.

use std::time::Instant;

use candle_core::{Device, Tensor};

use super::ranks::{Ranks, out_of_step};
use super::star::Star;
use crate::ml::error::Result;
use crate::ml::gpu::nccl::{self, Comm, Transfer};
use crate::ml::numerics::Numerics;
use crate::ml::ops::dispatch::with_gpu_memory;
use crate::ml::ops::{blank, elementwise, update};

/// The values of a sum that are exchanged at a time, for which a GPU keeps as much memory: 64 MiB.
const PIECE: usize = 16 << 20;

/// What is sent, in messages.
const WHAT: &str = "a sum of ranks";

/// Slices start at multiples of so many values, so that their addresses are aligned.
const ALIGNED: usize = 64;

/// A rank with a GPU, among others on the same machine.
#[derive(Debug)]
pub struct Gpus {
    star: Star,
    comm: Comm,
    numerics: Numerics,
}

/// The rank of `star`, on the GPU `device`.
pub fn join(mut star: Star, device: &Device, numerics: Numerics) -> Result<Box<dyn Ranks>> {
    let own = if star.rank() == 0 { nccl::id()?.to_vec() } else { Vec::new() };
    let id = star.broadcast(&own)?.try_into().map_err(|_| out_of_step())?;
    let since = Instant::now();
    let comm = Comm::join(device, id, (star.rank(), star.size()), &mut || star.watch(since))?;
    Ok(Box::new(Gpus { star, comm, numerics }))
}

impl Gpus {
    /// Adds a piece in the order of ranks.
    fn add_in_order(&self, piece: &Tensor, watch: nccl::Watch<'_>) -> Result<()> {
        let (rank, size) = (self.rank(), self.size());
        let slices = (0..size).map(|rank| slice(piece, rank, size)).collect::<Result<Vec<_>>>()?;
        let own = &slices[rank];
        // A short piece has no values for the last ranks, and a GPU no place for none.
        let part = |_| if own.elem_count() == 0 { Ok(own.clone()) } else { blank(own.dims(), own.device()) };
        let parts = (0..size).map(part).collect::<Result<Vec<_>>>()?;
        let others = || (0..size).filter(|&peer| peer != rank);
        self.exchange(others().map(|peer| (peer, &slices[peer], &parts[peer])), watch)?;
        if own.elem_count() > 0 {
            elementwise::copy(own, &parts[rank])?;
            // A division by one changes no bit.
            parts[1..].iter().try_for_each(|part| update::add_part(&parts[0], part, 1.0))?;
            elementwise::copy(&parts[0], own)?;
        }
        self.exchange(others().map(|peer| (peer, own, &slices[peer])), watch)
    }

    /// Sends each peer a tensor, and overwrites another by what it sends.
    fn exchange<'a>(
        &self,
        transfers: impl Iterator<Item = (usize, &'a Tensor, &'a Tensor)>,
        watch: nccl::Watch<'_>,
    ) -> Result<()> {
        let (peers, tensors): (Vec<usize>, Vec<[&Tensor; 2]>) =
            transfers.map(|(peer, send, receive)| (peer, [send, receive])).unzip();
        with_gpu_memory(WHAT, tensors.as_flattened(), |memory| {
            let pairs = peers.iter().zip(memory.as_chunks().0);
            let transfers = pairs.map(|(&peer, &[send, receive])| Transfer { peer, send, receive });
            self.comm.exchange(&transfers.collect::<Vec<_>>(), watch)
        })
    }
}

/// The part of a piece that rank `rank` of `size` adds.
fn slice(piece: &Tensor, rank: usize, size: usize) -> Result<Tensor> {
    let len = piece.elem_count();
    let width = len.div_ceil(size).next_multiple_of(ALIGNED);
    let start = (rank * width).min(len);
    Ok(piece.narrow(0, start, width.min(len - start))?)
}

impl Ranks for Gpus {
    fn rank(&self) -> usize {
        self.star.rank()
    }

    fn size(&self) -> usize {
        self.star.size()
    }

    fn sum(&mut self, flat: &Tensor) -> Result<()> {
        let (since, len) = (Instant::now(), flat.elem_count());
        let watch = &mut || self.star.watch(since);
        if self.numerics.deterministic {
            for start in (0..len).step_by(PIECE) {
                self.add_in_order(&flat.narrow(0, start, PIECE.min(len - start))?, watch)?;
            }
        } else {
            with_gpu_memory(WHAT, &[flat], |memory| self.comm.add(memory[0], watch))?;
        }
        self.comm.finish(watch)?;
        self.star.gather(&[]).map(drop)
    }

    fn gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.star.gather(bytes)
    }

    fn broadcast(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.star.broadcast(bytes)
    }

    fn fail(&mut self, why: &str) {
        self.star.fail(why);
    }
}
