//! What is done to the sums of products, in registers, before they are written to memory.

use super::shared::{Shared, extent};
use super::simd::{LANES, Lanes};
use super::vector::Vector;

/// What follows a sum, in the order of the fields; by default nothing does. Operands are those of the whole output.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::ml) struct Finish<'a> {
    pub scale: Option<&'a [f32]>,
    pub shift: Option<&'a [f32]>,
    pub add: Option<&'a [f32]>,
    pub relu: bool,
    pub mask: Option<&'a [f32]>,
}

impl Finish<'_> {
    /// Whether there are the operands of the first `channels` channels, and of the output's first `len` elements.
    fn has(&self, channels: usize, len: usize) -> bool {
        let long =
            |operands: [Option<&[f32]>; 2], len| operands.into_iter().flatten().all(|values| values.len() >= len);
        long([self.scale, self.shift], channels) && long([self.add, self.mask], len)
    }

    /// Finishes the sums `y` of channel `channel`, which begin at element `at` of the output.
    #[inline(always)]
    pub fn apply(&self, y: &mut [f32], channel: usize, at: usize) {
        let end = at.checked_add(y.len());
        assert!(end.is_some_and(|end| self.has(channel + 1, end)), "operands of channel {channel} are missing");
        for (y, at) in y.chunks_mut(LANES).zip((at..).step_by(LANES)) {
            let mut tile = [[Lanes::up_to(y)]];
            // SAFETY: these vectors are of every processor, and the operands are there, as was asserted.
            unsafe { self.tile(&mut tile, channel, |_| at, [y.len()]) };
            tile[0][0].write(y);
        }
    }

    /// Finishes rows of sums, the first of which is channel `channel`; row `r` begins at element `at(r)` of the output.
    ///
    /// # Safety
    /// As for [`Vector`]; there are the operands ([`Finish::has`]) of all rows, and of all elements that are not masked.
    #[inline(always)]
    unsafe fn tile<X: Vector, const R: usize, const V: usize>(
        &self,
        tile: &mut [[X; V]; R],
        channel: usize,
        at: impl Fn(usize) -> usize,
        masks: [X::Mask; V],
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            if let Some(scale) = self.scale {
                each(tile, |row, _, y| y.mul(X::splat(scale[channel + row])));
            }
            if let Some(shift) = self.shift {
                each(tile, |row, _, y| y.add(X::splat(shift[channel + row])));
            }
            if let Some(add) = self.add {
                let add = add.as_ptr();
                each(tile, |row, v, y| y.add(X::load(add.add(at(row) + v * X::WIDTH), masks[v])));
            }
            if self.relu {
                each(tile, |_, _, y| y.relu());
            }
            if let Some(mask) = self.mask {
                let mask = mask.as_ptr();
                each(tile, |row, v, y| y.where_positive(X::load(mask.add(at(row) + v * X::WIDTH), masks[v])));
            }
        }
    }
}

#[inline(always)]
fn each<X: Copy, const R: usize, const V: usize>(tile: &mut [[X; V]; R], of: impl Fn(usize, usize, X) -> X) {
    for (row, lanes) in tile.iter_mut().enumerate() {
        for (v, y) in lanes.iter_mut().enumerate() {
            *y = of(row, v, *y);
        }
    }
}

/// Where a block of terms stands among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ml) struct Block {
    /// Nothing has been stored before.
    pub first: bool,
    /// Nothing will be stored after.
    pub last: bool,
}

/// Adds up blocks of sums in rows of an output, and finishes them after the last: a row is a channel.
#[derive(Debug, Clone, Copy)]
pub(in crate::ml) struct Sums<'a> {
    /// The output.
    pub out: Shared<'a>,
    /// The element of the first row's first sum.
    pub start: usize,
    /// From a row to the next.
    pub pitch: usize,
    /// Whether the first block overwrites what is there.
    pub first: bool,
    /// What follows the last block.
    pub finish: Finish<'a>,
}

impl<'a> Sums<'a> {
    /// Sums from the output's start on, whose rows are multiplied by a factor each.
    pub fn scaled(out: Shared<'a>, pitch: usize, first: bool, scale: Option<&'a [f32]>) -> Self {
        Sums { out, start: 0, pitch, first, finish: Finish { scale, ..Finish::default() } }
    }

    /// Whether the first `columns` sums of the first `rows` rows have places in the output, each its own, and operands.
    pub fn has(&self, rows: usize, columns: usize) -> bool {
        let apart = rows <= 1 || columns <= self.pitch;
        let end = extent(rows, self.pitch, columns).and_then(|len| len.checked_add(self.start));
        apart && end.is_some_and(|end| end <= self.out.len() && self.finish.has(rows, end))
    }

    /// Fetches what taking `columns` sums of a row will touch.
    #[inline(always)]
    pub fn expect(&self, row: usize, column: usize, columns: usize, block: Block) {
        let at = self.start + row * self.pitch + column;
        prefetch(self.out.at(at), columns);
        if block.last {
            for operand in [self.finish.add, self.finish.mask].into_iter().flatten() {
                prefetch(operand.as_ptr().wrapping_add(at), columns);
            }
        }
    }

    /// Takes the sums of a block of terms: rows from `row` on, `columns` columns from `column` on, the others of the
    /// vectors being anything.
    ///
    /// # Safety
    /// As for [`Vector`]; there are the rows and columns ([`Sums::has`]), which nobody else reads or writes, and which were
    /// written before unless the block is the first and overwrites them.
    #[inline(always)]
    pub(super) unsafe fn take<X: Vector, const R: usize, const V: usize>(
        &self,
        mut tile: [[X; V]; R],
        [row, column, columns]: [usize; 3],
        block: Block,
    ) {
        let at = |r: usize| self.start + (row + r) * self.pitch + column;
        // SAFETY: promised by the caller.
        unsafe {
            let mut masks = [X::first(X::WIDTH); V];
            masks[V - 1] = X::first(columns - (V - 1) * X::WIDTH);
            if !(self.first && block.first) {
                each(&mut tile, |row, v, y| X::load(self.out.at(at(row) + v * X::WIDTH), masks[v]).add(y));
            }
            if block.last {
                self.finish.tile(&mut tile, row, at, masks);
            }
            for (row, lanes) in tile.iter().enumerate() {
                for (v, y) in lanes.iter().enumerate() {
                    y.store(self.out.at(at(row) + v * X::WIDTH), masks[v]);
                }
            }
        }
    }
}

/// Fetches the cache lines of `len` values ahead. The address may be any, also one where there are no values.
#[inline(always)]
pub(super) fn prefetch(values: *const f32, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: nothing is read that a program could see, whatever the address.
        let line = |at: usize| unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(values.wrapping_add(at).cast());
        };
        (0..len.div_ceil(16)).for_each(|at| line(at * 16));
        line(len.saturating_sub(1));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, len);
}
