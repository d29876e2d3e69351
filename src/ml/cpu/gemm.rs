//! Matrix products in one fixed order of summation.
//!
//! The one definition that every kernel here computes: with blocks of [`DEPTH`] terms,
//! `c[m, n] = ((s_0 + s_1) + s_2) + …`, where `s_b` starts at zero and takes the terms of block `b` in order by fused
//! multiply-adds. No element's sum depends on how rows and columns are divided, nor on the width of the vectors, so
//! all instruction sets and any number of threads give the same bits (tested below). A processor without fused
//! multiply-add instructions computes them in software: slow, but the same.
//!
//! The left operand is read where it lies, by rows or by columns. By rows, sixteen terms of a row share a cache line, and the
//! hardware fetches the next lines ahead. By columns, the rows of a register tile share a cache line. The right operand is
//! copied to a [`Panel`]: one block of terms, and as many columns as a register tile has. The panel stays in the first-level
//! cache while all rows of the left operand are multiplied with it. Sums are finished in registers ([`super::epilogue`]).
//!
//! One body ([`Tile::compute`]) is compiled for every instruction set, over its vectors ([`super::vector`]).

use std::ops::Range;

use super::epilogue::{Block, Sums, prefetch};
use super::isa::Isa;
use super::scratch::ScratchBuffer;
use super::shared::extent;
use super::simd::Lanes;
use super::transpose::transpose;
use super::vector::Vector;

/// Terms that are summed in registers before the sum goes to memory.
pub const DEPTH: usize = 256;

/// Columns of the widest register tile.
pub const COLUMNS: usize = Isa::Avx512.columns();

/// A left operand.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    data: &'a [f32],
    /// From a row to the next.
    pitch: usize,
    /// From a term to the next.
    step: usize,
    terms: usize,
}

impl<'a> Left<'a> {
    /// One whose rows of `terms` values lie at distance `pitch`.
    pub fn by_rows(data: &'a [f32], pitch: usize, terms: usize) -> Self {
        Left { data, pitch, step: 1, terms }
    }

    /// One whose `terms` columns lie at distance `pitch`.
    pub fn by_columns(data: &'a [f32], pitch: usize, terms: usize) -> Self {
        Left { data, pitch: 1, step: pitch, terms }
    }

    /// Whether the operand has the first `rows` rows.
    fn has(&self, rows: usize) -> bool {
        let row = extent(self.terms, self.step, 1);
        row.and_then(|row| extent(rows, self.pitch, row)).is_some_and(|len| len <= self.data.len())
    }
}

/// A right operand `[terms, columns]`.
pub trait Right {
    /// Writes its rows `terms` and its columns `columns` to `panel`, a row after another at distance `pitch`. What
    /// stands behind the columns of a row has no influence on any sum.
    fn fill(&self, terms: Range<usize>, columns: Range<usize>, panel: &mut [f32], pitch: usize);

    /// Its rows, where they lie in memory: then the panel is filled while the first register tile is computed.
    fn rows(&self) -> Option<ByRows<'_>> {
        None
    }
}

/// A right operand whose rows lie at distance `pitch`.
#[derive(Debug, Clone, Copy)]
pub struct ByRows<'a> {
    /// The values.
    pub data: &'a [f32],
    /// From the start of a row to that of the next.
    pub pitch: usize,
}

impl Right for ByRows<'_> {
    fn fill(&self, terms: Range<usize>, columns: Range<usize>, panel: &mut [f32], pitch: usize) {
        for (row, term) in panel.chunks_exact_mut(pitch).zip(terms) {
            row[..columns.len()].copy_from_slice(&self.data[term * self.pitch..][columns.clone()]);
        }
    }

    fn rows(&self) -> Option<ByRows<'_>> {
        Some(*self)
    }
}

/// A right operand whose columns lie at distance `pitch`.
#[derive(Debug, Clone, Copy)]
pub struct ByColumns<'a> {
    /// The values.
    pub data: &'a [f32],
    /// From the start of a column to that of the next.
    pub pitch: usize,
}

impl Right for ByColumns<'_> {
    fn fill(&self, terms: Range<usize>, columns: Range<usize>, panel: &mut [f32], pitch: usize) {
        let from = &self.data[columns.start * self.pitch + terms.start..];
        transpose(from, self.pitch, columns.len(), terms.len(), panel, pitch);
    }
}

/// A scratch buffer for a block of terms of a right operand.
#[derive(Debug)]
pub struct Panel(ScratchBuffer);

impl Default for Panel {
    fn default() -> Self {
        Panel(ScratchBuffer::new(DEPTH * COLUMNS))
    }
}

/// Multiplies the rows `rows` of `left` with the columns `columns` of `right`, and gives every sum to `sums`. A sum of no
/// terms is zero.
///
/// # Safety
/// While it runs, nobody else reads or writes these rows and columns of `sums`. They were written before, unless
/// [`Sums::first`] says that they are overwritten.
pub(in crate::ml) unsafe fn multiply(
    isa: Isa,
    left: Left<'_>,
    rows: Range<usize>,
    right: &impl Right,
    columns: Range<usize>,
    panel: &mut Panel,
    sums: &Sums<'_>,
) {
    assert!(isa.is_available(), "this processor lacks {isa:?}");
    assert!(left.has(rows.end), "the left operand has no {} rows", rows.end);
    assert!(sums.has(rows.end, columns.end), "the sums have no {} rows of {}", rows.end, columns.end);
    for first in (0..left.terms.max(1)).step_by(DEPTH) {
        let terms = first..left.terms.min(first + DEPTH);
        let block = Block { first: first == 0, last: terms.end == left.terms };
        for column in columns.clone().step_by(isa.columns()) {
            let here = column..columns.end.min(column + isa.columns());
            let panel = panel.0.as_mut_slice();
            let source = right.rows().filter(|_| !terms.is_empty()).map(|right| {
                let len = extent(terms.end, right.pitch, here.end);
                assert!(len.is_some_and(|len| len <= right.data.len()), "the right operand has no {} rows", terms.end);
                (right.data[first * right.pitch + column..].as_ptr(), right.pitch)
            });
            if source.is_none() && !terms.is_empty() {
                right.fill(terms.clone(), here.clone(), &mut panel[..terms.len() * isa.columns()], isa.columns());
            }
            let mut tile = Tile {
                depth: terms.len(),
                a: left.data.as_ptr().wrapping_add(rows.start * left.pitch + first * left.step),
                pitch: left.pitch,
                step: left.step,
                panel: panel.as_mut_ptr(),
                source,
                at: [rows.start, column, here.len()],
                sums,
                block,
            };
            while tile.at[0] < rows.end {
                let rest = rows.end - tile.at[0];
                // SAFETY: the instruction set, the rows and columns of the operands and those of the sums are there, as
                // asserted; the panel has the rows of a block, as wide as any tile. That the sums are nobody else's, and
                // were written where they are added to, the caller promises.
                let high = unsafe {
                    match isa {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx512 => x86::avx512(&tile, rest),
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx2 => x86::avx2(&tile, rest),
                        _ => portable(&tile, rest),
                    }
                };
                tile.a = tile.a.wrapping_add(high * tile.pitch);
                tile.at[0] += high;
                tile.source = None;
            }
        }
    }
}

/// What a register tile is computed from, and where it goes.
struct Tile<'a> {
    /// Terms.
    depth: usize,
    /// The first term of the first row.
    a: *const f32,
    /// From a row to the next.
    pitch: usize,
    /// From a term to the next.
    step: usize,
    /// As many rows of the right operand as there are terms, at the distance of a register tile's columns.
    panel: *mut f32,
    /// Where they are still to be copied to the panel: the first of them, and from one to the next.
    source: Option<(*const f32, usize)>,
    /// The first row and column, and the number of columns.
    at: [usize; 3],
    sums: &'a Sums<'a>,
    block: Block,
}

impl Tile<'_> {
    /// Computes `R` rows of `V` vectors of sums, where the widest tile of the instruction set has `wide` columns.
    ///
    /// # Safety
    /// As for [`Vector`]; there are the rows and columns, of the operands, of the panel and of the sums, for which the
    /// promises of [`Sums::take`] hold.
    #[inline(always)]
    unsafe fn compute<X: Vector, const R: usize, const V: usize>(&self, wide: usize) -> usize {
        let (mut a, mut panel, [row, column, columns]) = (self.a, self.panel, self.at);
        (row..row + R).for_each(|row| self.sums.expect(row, column, columns, self.block));
        // SAFETY: promised by the caller; of the source nothing beyond the columns is read.
        unsafe {
            let mut c = [[X::splat(0.0); V]; R];
            let all = X::first(X::WIDTH);
            if let Some((mut source, distance)) = self.source {
                let last = X::first(columns - (V - 1) * X::WIDTH);
                for _ in 0..self.depth {
                    let mut right = [X::splat(0.0); V];
                    for (v, right) in right.iter_mut().enumerate() {
                        *right = X::load(source.add(v * X::WIDTH), if v + 1 == V { last } else { all });
                        right.store(panel.add(v * X::WIDTH), all);
                    }
                    // The rows lie too far apart for the processor to foresee them.
                    prefetch(source.wrapping_add(8 * distance), columns);
                    add_term(&mut c, a, self.pitch, right);
                    a = a.wrapping_add(self.step);
                    (source, panel) = (source.wrapping_add(distance), panel.add(wide));
                }
            } else {
                for _ in 0..self.depth {
                    let mut right = [X::splat(0.0); V];
                    right.iter_mut().enumerate().for_each(|(v, right)| *right = X::load(panel.add(v * X::WIDTH), all));
                    add_term(&mut c, a, self.pitch, right);
                    a = a.wrapping_add(self.step);
                    panel = panel.add(wide);
                }
            }
            self.sums.take(c, self.at, self.block);
        }
        R
    }
}

/// Adds the products of the values that lie at distance `pitch` with a row of the right operand.
///
/// # Safety
/// As for [`Vector`]; there are `R` values.
#[inline(always)]
unsafe fn add_term<X: Vector, const R: usize, const V: usize>(
    c: &mut [[X; V]; R],
    a: *const f32,
    pitch: usize,
    right: [X; V],
) {
    for (row, c) in c.iter_mut().enumerate() {
        // SAFETY: promised by the caller.
        unsafe {
            let x = X::splat(*a.add(row * pitch));
            c.iter_mut().zip(right).for_each(|(c, right)| *c = x.mul_add(right, *c));
        }
    }
}

/// # Safety
/// As for [`Tile::compute`], with `rows` rows at least.
unsafe fn portable(tile: &Tile<'_>, rows: usize) -> usize {
    // SAFETY: promised by the caller.
    unsafe {
        match rows {
            4.. => tile.compute::<Lanes, 4, 1>(Isa::Portable.columns()),
            _ => tile.compute::<Lanes, 1, 1>(Isa::Portable.columns()),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::isa::Isa;
    use super::super::vector::x86::{Ymm, Zmm};
    use super::Tile;

    /// # Safety
    /// As for [`Tile::compute`], with `rows` rows at least.
    pub unsafe fn avx512(tile: &Tile<'_>, rows: usize) -> usize {
        let by_rows = match rows {
            8.. => [zmm::<8, 1>, zmm::<8, 2>, zmm::<8, 3>],
            4.. => [zmm::<4, 1>, zmm::<4, 2>, zmm::<4, 3>],
            2.. => [zmm::<2, 1>, zmm::<2, 2>, zmm::<2, 3>],
            _ => [zmm::<1, 1>, zmm::<1, 2>, zmm::<1, 3>],
        };
        // SAFETY: promised by the caller.
        unsafe { by_rows[tile.at[2].div_ceil(16) - 1](tile) }
    }

    /// # Safety
    /// As for [`Tile::compute`], with `rows` rows at least.
    pub unsafe fn avx2(tile: &Tile<'_>, rows: usize) -> usize {
        let by_rows = match rows {
            4.. => [ymm::<4, 1>, ymm::<4, 2>, ymm::<4, 3>],
            _ => [ymm::<1, 1>, ymm::<1, 2>, ymm::<1, 3>],
        };
        // SAFETY: promised by the caller.
        unsafe { by_rows[tile.at[2].div_ceil(8) - 1](tile) }
    }

    #[target_feature(enable = "avx512f,avx2,fma")]
    unsafe fn zmm<const R: usize, const V: usize>(tile: &Tile<'_>) -> usize {
        // SAFETY: promised by the caller.
        unsafe { tile.compute::<Zmm, R, V>(Isa::Avx512.columns()) }
    }

    #[target_feature(enable = "avx2,fma")]
    unsafe fn ymm<const R: usize, const V: usize>(tile: &Tile<'_>) -> usize {
        // SAFETY: promised by the caller.
        unsafe { tile.compute::<Ymm, R, V>(Isa::Avx2.columns()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::epilogue::Finish;
    use super::super::shared::Shared;
    use super::*;
    use crate::rng::Rng;

    /// The product of `rows` by `terms` with `terms` by `columns` ones, in rows at distance `pitch` of `output`.
    fn product(isa: Isa, [rows, terms, columns]: [usize; 3], pitch: usize, output: &mut [f32], shift: Option<&[f32]>) {
        let ones = vec![1.0; terms * rows.max(columns)];
        let finish = Finish { shift, ..Finish::default() };
        let sums = Sums { out: Shared::of(output), start: 2, pitch, first: true, finish };
        let (left, right) = (Left::by_rows(&ones, terms, terms), ByRows { data: &ones, pitch: columns });
        // SAFETY: there is but this task, and the sums are overwritten.
        unsafe { multiply(isa, left, 0..rows, &right, 0..columns, &mut Panel::default(), &sums) };
    }

    #[test]
    fn sums_of_no_terms_are_zero_and_finished_as_others() {
        for isa in Isa::available() {
            let mut output = vec![f32::NAN; 2 + 5 * 60];
            product(isa, [5, 0, 57], 60, &mut output, None);
            assert!(output[2..].chunks(60).all(|row| row[..57].iter().all(|sum| sum.to_bits() == 0)), "{isa:?}");
            assert!(output[..2].iter().chain(output[2..].chunks(60).flat_map(|row| &row[57..])).all(|v| v.is_nan()));
            product(isa, [5, 0, 57], 60, &mut output, Some(&[1.0, 2.0, 3.0, 4.0, 5.0]));
            assert_eq!(output[2 + 3 * 60..][..57], [4.0; 57], "{isa:?}");
        }
    }

    /// One element fewer than the sums, the operands or the factors need, and rows that lie in one another.
    #[test]
    fn what_has_no_room_is_never_begun() {
        for isa in Isa::available() {
            let (size, whole) = ([9, 300, 50], 2 + 8 * 50 + 50);
            let refused = |pitch: usize, len: usize, shift: Option<&[f32]>| {
                let mut output = vec![7.0; len];
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    product(isa, size, pitch, &mut output, shift);
                }));
                let untouched = output.iter().all(|value| *value == 7.0);
                assert!(result.is_ok() || untouched, "{isa:?} has written before it refused");
                result.is_err()
            };
            assert!(!refused(50, whole, Some(&[1.0; 9])));
            assert!(refused(50, whole - 1, None) && refused(49, whole, None) && refused(50, whole, Some(&[1.0; 8])));
            assert!(refused(usize::MAX / 2, whole, None));
        }
        let (values, short) = ([0.0; 99], [0.0; 98]);
        assert!(Left::by_rows(&values, 10, 9).has(10) && !Left::by_rows(&short, 10, 9).has(10));
        assert!(Left::by_columns(&values, 10, 10).has(9) && !Left::by_columns(&short, 10, 10).has(9));
        assert!(!Left::by_rows(&values, usize::MAX, 9).has(3) && Left::by_rows(&[], 10, 0).has(1000));
    }

    #[test]
    fn every_instruction_set_gives_the_bits_of_the_definition_from_rows_and_columns() {
        let (m, k, n) = (31, 600, 77);
        let mut rng = Rng::new(1, "gemm", 0);
        let a: Vec<f32> = (0..m * k).map(|_| rng.normal()).collect();
        let b: Vec<f32> = (0..k * n).map(|_| rng.normal()).collect();
        let mut expected = vec![0.0_f32; m * n];
        for (i, c) in expected.iter_mut().enumerate() {
            for block in (0..k).step_by(DEPTH) {
                let terms = block..k.min(block + DEPTH);
                *c += terms.fold(0.0, |s, t| a[i / n * k + t].mul_add(b[t * n + i % n], s));
            }
        }
        let (mut a_transposed, mut b_transposed) = (vec![0.0; m * k], vec![0.0; k * n]);
        transpose(&a, k, m, k, &mut a_transposed, m);
        transpose(&b, n, k, n, &mut b_transposed, k);
        for isa in Isa::available() {
            let mut all = [(); 3].map(|()| vec![f32::NAN; m * n]);
            let mut panel = Panel::default();
            for (rows, columns) in [(0..16, 0..77), (16..31, 0..60), (16..31, 60..77)] {
                let out = all.each_mut().map(|all| Sums::scaled(Shared::of(all), n, true, None));
                let (here, left, right) = (columns.clone(), Left::by_rows(&a, k, k), ByRows { data: &b, pitch: n });
                let transposed = (Left::by_columns(&a_transposed, m, k), ByColumns { data: &b_transposed, pitch: k });
                // SAFETY: there is but this task, and the sums are overwritten.
                unsafe {
                    multiply(isa, left, rows.clone(), &right, here.clone(), &mut panel, &out[0]);
                    multiply(isa, transposed.0, rows.clone(), &right, here, &mut panel, &out[1]);
                    multiply(isa, left, rows, &transposed.1, columns, &mut panel, &out[2]);
                }
            }
            for c in all {
                assert!(c.iter().zip(&expected).all(|(c, e)| c.to_bits() == e.to_bits()), "{isa:?}");
            }
        }
    }
}
