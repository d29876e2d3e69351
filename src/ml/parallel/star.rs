//! Ranks of one machine, each joined to rank 0 by a socket.
//!
//! Every exchange goes the same way. Each rank sends its part to rank 0. Rank 0 combines the parts, in the order of ranks,
//! and sends the answer to all. A message is one byte, which says whether it is a part or the reason why a rank ends; then
//! its length in eight bytes; then its bytes.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use candle_core::Tensor;
use rayon::prelude::*;

use super::ranks::{Ranks, out_of_step};
use crate::ml::error::{Error, Result};
use crate::ml::ops::elementwise;

/// How long a rank waits for another, unless told otherwise: longer than any step or checkpoint takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// The values of a sum that are exchanged at a time: 16 MiB.
const PIECE: usize = 4 << 20;

/// What a message is.
const PART: u8 = 1;
const END: u8 = 2;

/// A rank among others on the same machine.
#[derive(Debug)]
pub struct Star {
    rank: usize,
    size: usize,
    /// In rank 0 the sockets to all others, in their order; in another rank the one to rank 0.
    links: Vec<UnixStream>,
    /// For each link the first byte of the next message, where it was read already.
    ahead: Vec<Cell<Option<u8>>>,
    patience: Duration,
}

impl Star {
    /// Rank 0, with the sockets to all others in their order.
    pub fn hub(links: Vec<UnixStream>) -> Result<Self> {
        Star::with(0, links.len() + 1, links)
    }

    /// Rank `rank` of `size`, with the socket to rank 0.
    pub fn spoke(rank: usize, size: usize, hub: UnixStream) -> Result<Self> {
        Star::with(rank, size, vec![hub])
    }

    fn with(rank: usize, size: usize, links: Vec<UnixStream>) -> Result<Self> {
        let ahead = links.iter().map(|_| Cell::default()).collect();
        Star { rank, size, links, ahead, patience: PATIENCE }.patient(PATIENCE)
    }

    /// The same, waiting for another rank no longer than `patience`.
    pub fn patient(self, patience: Duration) -> Result<Self> {
        // Rank 0 is to find out first who is silent, and to tell the others.
        let limit = Some(if self.rank == 0 { patience } else { 2 * patience });
        for link in &self.links {
            let set = link.set_read_timeout(limit).and_then(|()| link.set_write_timeout(limit));
            set.map_err(|error| broken(self.rank, format!("Its socket could not be set up: {error}.")))?;
        }
        Ok(Star { patience, ..self })
    }

    /// The rank behind a link.
    fn behind(&self, link: usize) -> usize {
        if self.rank == 0 { link + 1 } else { 0 }
    }

    /// The answer that `combine` makes of the parts of all ranks, in their order. It runs in rank 0 alone.
    fn exchange(&self, own: Vec<u8>, combine: impl FnOnce(Vec<Vec<u8>>) -> Vec<u8>) -> Result<Vec<u8>> {
        self.passed_on(self.exchanged(own, combine))
    }

    /// The result itself. Where rank 0 has found that another rank failed, it tells all the others.
    fn passed_on<T>(&self, result: Result<T>) -> Result<T> {
        if let (0, Err(Error::Rank { rank, why })) = (self.rank, &result) {
            self.tell(*rank, why);
        }
        result
    }

    /// Looks, without waiting, whether an exchange that began at `since` may still succeed.
    ///
    /// # Errors
    /// Another rank has said that it fails, or has ended, or the exchange takes too long.
    pub fn watch(&self, since: Instant) -> Result<()> {
        self.passed_on((0..self.links.len()).try_for_each(|link| self.looked_at(link)))?;
        // As when it reads: rank 0 is to find out first.
        let patience = if self.rank == 0 { self.patience } else { 2 * self.patience };
        if since.elapsed() <= patience {
            return Ok(());
        }
        let why = format!("What it exchanges has not come to an end for {} seconds.", patience.as_secs_f64());
        self.passed_on(Err(broken(self.rank, why)))
    }

    fn looked_at(&self, link: usize) -> Result<()> {
        let (mut stream, mut what) = (&self.links[link], [0]);
        if self.ahead[link].get().is_none() {
            let read = stream.set_nonblocking(true).and_then(|()| stream.read(&mut what));
            stream.set_nonblocking(false).map_err(|error| self.lost(link, &error))?;
            match read {
                Ok(0) => return Err(self.lost(link, &ErrorKind::UnexpectedEof.into())),
                Ok(_) => self.ahead[link].set(Some(what[0])),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(self.lost(link, &error)),
            }
        }
        // A part is for the exchange to come; an end is not.
        if self.ahead[link].get() == Some(END) { self.receive(link).map(drop) } else { Ok(()) }
    }

    fn exchanged(&self, own: Vec<u8>, combine: impl FnOnce(Vec<Vec<u8>>) -> Vec<u8>) -> Result<Vec<u8>> {
        if self.rank != 0 {
            // Where sending fails, what rank 0 said before it ended is still to be read.
            let sent = self.send(0, PART, &own);
            return self.receive(0).and_then(|answer| sent.map(|()| answer));
        }
        let mut parts = vec![own];
        for link in 0..self.links.len() {
            parts.push(self.receive(link)?);
        }
        let answer = combine(parts);
        (0..self.links.len()).try_for_each(|link| self.send(link, PART, &answer))?;
        Ok(answer)
    }

    fn send(&self, link: usize, what: u8, bytes: &[u8]) -> Result<()> {
        let mut head = vec![what];
        head.extend((bytes.len() as u64).to_le_bytes());
        let mut stream = &self.links[link];
        let sent = stream.write_all(&head).and_then(|()| stream.write_all(bytes));
        sent.map_err(|error| self.lost(link, &error))
    }

    fn receive(&self, link: usize) -> Result<Vec<u8>> {
        let mut stream = &self.links[link];
        let (mut head, ahead) = ([0; 9], self.ahead[link].take());
        head[0] = ahead.unwrap_or_default();
        stream.read_exact(&mut head[usize::from(ahead.is_some())..]).map_err(|error| self.lost(link, &error))?;
        let [what, length @ ..] = head;
        let mut bytes = vec![0; u64::from_le_bytes(length) as usize];
        stream.read_exact(&mut bytes).map_err(|error| self.lost(link, &error))?;
        match (what, bytes.split_at_checked(8)) {
            (PART, _) => Ok(bytes),
            (END, Some((rank, why))) => {
                let rank = rank.iter().rev().fold(0, |rank, &byte| rank << 8 | usize::from(byte));
                Err(Error::Rank { rank, why: String::from_utf8_lossy(why).into_owned() })
            }
            _ => Err(out_of_step()),
        }
    }

    fn lost(&self, link: usize, error: &std::io::Error) -> Error {
        let why = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("It has said nothing for {} seconds.", self.patience.as_secs_f64())
            }
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
                "It ended early.".to_owned()
            }
            _ => format!("It could not be reached: {error}."),
        };
        broken(self.behind(link), why)
    }

    /// Tells every rank that can be reached, but the one it is about, why that one ended.
    fn tell(&self, rank: usize, why: &str) {
        let text = [(rank as u64).to_le_bytes().as_slice(), why.as_bytes()].concat();
        for link in (0..self.links.len()).filter(|&link| self.behind(link) != rank) {
            // One that has ended too need not be told.
            let _ = self.send(link, END, &text);
        }
    }
}

impl Ranks for Star {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn sum(&mut self, flat: &Tensor) -> Result<()> {
        let len = flat.elem_count();
        for start in (0..len).step_by(PIECE) {
            let piece = flat.narrow(0, start, PIECE.min(len - start))?;
            let own: Vec<f32> = piece.to_vec1()?;
            let sums = self.exchange(own.iter().flat_map(|value| value.to_le_bytes()).collect(), added)?;
            if sums.len() != own.len() * 4 {
                return Err(out_of_step());
            }
            let sums: Vec<f32> = floats(&sums).collect();
            elementwise::copy(&Tensor::from_vec(sums, piece.dims(), piece.device())?, &piece)?;
        }
        Ok(())
    }

    fn gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        let with_length = |part: Vec<u8>| [(part.len() as u64).to_le_bytes().as_slice(), &part].concat();
        let all = self.exchange(bytes.to_vec(), |parts| parts.into_iter().flat_map(with_length).collect())?;
        let (mut rest, mut parts) = (all.as_slice(), Vec::with_capacity(self.size));
        while let Some((length, more)) = rest.split_first_chunk::<8>() {
            let (part, more) = more.split_at_checked(u64::from_le_bytes(*length) as usize).ok_or_else(out_of_step)?;
            parts.push(part.to_vec());
            rest = more;
        }
        Ok(parts)
    }

    fn broadcast(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let own = if self.rank == 0 { bytes.to_vec() } else { Vec::new() };
        self.exchange(own, |parts| parts.into_iter().next().unwrap_or_default())
    }

    fn fail(&mut self, why: &str) {
        self.tell(self.rank, why);
    }
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value))
}

/// The sums of the ranks' values, in the order of ranks. Where ranks have different numbers of values the answer is empty,
/// which every rank refuses.
fn added(parts: Vec<Vec<u8>>) -> Vec<u8> {
    let mut parts = parts.into_iter();
    let mut sums = parts.next().unwrap_or_default();
    for part in parts {
        if part.len() != sums.len() {
            return Vec::new();
        }
        sums.par_chunks_mut(1 << 16).zip(part.par_chunks(1 << 16)).for_each(|(sums, part)| {
            for (sum, value) in sums.as_chunks_mut().0.iter_mut().zip(floats(part)) {
                *sum = (f32::from_le_bytes(*sum) + value).to_le_bytes();
            }
        });
    }
    sums
}

fn broken(rank: usize, why: String) -> Error {
    Error::Rank { rank, why }
}
