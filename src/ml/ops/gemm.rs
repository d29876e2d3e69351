//! Matrix products in one fixed order of summation.
//!
//! The one definition that every kernel here computes: with blocks of [`DEPTH`] terms,
//! `c[m, n] = ((s_0 + s_1) + s_2) + …`, where `s_b` starts at zero and takes the terms of block `b` in order by fused
//! multiply-adds. No element's sum depends on how rows and columns are divided, nor on the width of the vectors, so
//! all instruction sets and any number of threads give the same bits (tested below). A processor without fused
//! multiply-add instructions computes them in software: slow, but the same.

use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

/// Terms that are summed in registers before the sum goes to memory.
pub const DEPTH: usize = 256;

/// The widest tile of columns: a block of `DEPTH` rows of it (224 KiB) fits a second-level cache, and 896 bytes
/// between rows spread the lines of 32 columns over all sets of a first-level cache.
pub const COLUMNS: usize = 224;

/// Room for the sums of the largest register tile.
const SUMS: usize = 12 * 32;

/// The register tile of an instruction set: `rows` rows of `a` times `columns` columns of `b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// 12 x 32, on AVX-512.
    Avx512,
    /// 6 x 16, on AVX2 with FMA.
    Avx2,
    /// 4 x 16, in portable code.
    Portable,
}

impl Isa {
    /// The best that this processor has.
    pub fn detect() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }

    /// Those that this processor has, best first.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                all.push(Isa::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Isa::Avx2);
            }
        }
        all.push(Isa::Portable);
        all
    }

    fn rows(self) -> usize {
        match self {
            Isa::Avx512 => 12,
            Isa::Avx2 => 6,
            Isa::Portable => 4,
        }
    }

    fn columns(self) -> usize {
        match self {
            Isa::Avx512 => 32,
            Isa::Avx2 | Isa::Portable => 16,
        }
    }
}

/// A left operand `[m, k]`, rearranged: by blocks of [`DEPTH`] columns, in each by panels of as many rows as a
/// register tile has, in each column by column. Missing rows of the last panel are zero.
pub struct Left {
    isa: Isa,
    m: usize,
    k: usize,
    data: Vec<f32>,
}

impl Left {
    /// Rearranges the matrix whose element in row `m` and column `k` is `element(m, k)`.
    pub fn pack(isa: Isa, m: usize, k: usize, element: impl Fn(usize, usize) -> f32 + Sync) -> Self {
        let rows = isa.rows();
        let height = m.div_ceil(rows) * rows;
        let mut data = vec![0.0; height * k];
        data.par_chunks_mut(height * DEPTH).enumerate().for_each(|(block, data)| {
            let first = block * DEPTH;
            let depth = DEPTH.min(k - first);
            data.par_chunks_mut(rows * depth).enumerate().for_each(|(panel, data)| {
                let rows_here = rows.min(m - panel * rows);
                for (at, column) in data.chunks_exact_mut(rows).enumerate() {
                    for (row, value) in column.iter_mut().enumerate().take(rows_here) {
                        *value = element(panel * rows + row, first + at);
                    }
                }
            });
        });
        Left { isa, m, k, data }
    }

    /// Blocks of [`DEPTH`] terms.
    pub fn blocks(&self) -> usize {
        self.k.div_ceil(DEPTH)
    }

    /// The terms of block `block`.
    pub fn terms(&self, block: usize) -> Range<usize> {
        block * DEPTH..self.k.min((block + 1) * DEPTH)
    }

    /// Divides the rows into at most `parts` ranges of whole panels, each of at least `least` rows where possible.
    pub fn divide(&self, parts: usize, least: usize) -> Vec<Range<usize>> {
        let rows = self.isa.rows();
        let panels = self.m.div_ceil(rows);
        let parts = parts.min(self.m / least.max(1)).max(1);
        let size = panels.div_ceil(parts) * rows;
        (0..self.m).step_by(size).map(|start| start..self.m.min(start + size)).collect()
    }
}

/// Takes sums: `sums` belong to row `row` and to the columns from `column` on.
pub trait Store {
    /// Takes one row of a register tile.
    fn store(&mut self, row: usize, column: usize, sums: &[f32]);

    /// Tells that a row of `columns` sums will come: what it is written to can be fetched while they are computed.
    fn expect(&self, row: usize, column: usize, columns: usize);
}

/// Asks for the cache lines of `len` values, which need not be anybody's.
#[inline(always)]
pub fn prefetch(values: *const f32, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..len + 15).step_by(16) {
        // SAFETY: nothing is read that a program could see, whatever the address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(values.wrapping_add(at.min(len.saturating_sub(1))).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, len);
}

/// Multiplies the rows `rows` (as [`Left::divide`] gives them) of block `block` of `a` with `b`, the rows of that block at distance `ld`,
/// of which `columns` columns count. `b` must have room to read up to `COLUMNS` columns of each row.
pub fn multiply(
    a: &Left,
    rows: Range<usize>,
    block: usize,
    b: &[f32],
    ld: usize,
    columns: usize,
    store: &mut impl Store,
) {
    let depth = a.terms(block).len();
    assert!(columns <= COLUMNS && ld >= COLUMNS && b.len() >= depth * ld && rows.start.is_multiple_of(a.isa.rows()));
    // SAFETY: the instruction set was detected when `a` was packed, and the assertion bounds what is read.
    unsafe {
        match a.isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::multiply_avx512(a, rows, block, b, ld, columns, store),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::multiply_avx2(a, rows, block, b, ld, columns, store),
            _ => multiply_by(portable, a, rows, block, b, ld, columns, store),
        }
    }
}

/// The body of [`multiply`], compiled once for every instruction set. `tile` computes the sums of one register tile
/// over `depth` terms, rows of `isa.columns()` sums after another.
///
/// # Safety
/// `tile` may be called on this processor; the operands are as [`multiply`] asserts.
#[inline(always)]
unsafe fn multiply_by(
    tile: impl Fn(usize, *const f32, *const f32, usize, &mut [f32; SUMS]),
    a: &Left,
    rows: Range<usize>,
    block: usize,
    b: &[f32],
    ld: usize,
    columns: usize,
    store: &mut impl Store,
) {
    let (high, wide) = (a.isa.rows(), a.isa.columns());
    let depth = a.terms(block).len();
    let height = a.m.div_ceil(high) * high;
    let left = &a.data[block * DEPTH * height..][..depth * height];
    let mut sums = [0.0; SUMS];
    for column in (0..columns).step_by(wide) {
        for row in rows.clone().step_by(high) {
            let panel = &left[row * depth..(row + high) * depth];
            (0..high.min(rows.end - row)).for_each(|i| store.expect(row + i, column, wide.min(columns - column)));
            tile(depth, panel.as_ptr(), b[column..].as_ptr(), ld, &mut sums);
            for i in 0..high.min(rows.end - row) {
                store.store(row + i, column, &sums[i * wide..i * wide + wide.min(columns - column)]);
            }
        }
    }
}

fn portable(depth: usize, a: *const f32, b: *const f32, ld: usize, sums: &mut [f32; SUMS]) {
    let mut c = [[0.0_f32; 16]; 4];
    for k in 0..depth {
        // SAFETY: the panel holds `depth` columns of 4 rows; `b` holds `depth` rows with room for 16 columns.
        let (a, b) =
            unsafe { (std::slice::from_raw_parts(a.add(k * 4), 4), std::slice::from_raw_parts(b.add(k * ld), 16)) };
        for (c, &a) in c.iter_mut().zip(a) {
            for (c, &b) in c.iter_mut().zip(b) {
                *c = a.mul_add(b, *c);
            }
        }
    }
    sums[..64].copy_from_slice(c.as_flattened());
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::ops::Range;

    use super::{Left, SUMS, Store, multiply_by};

    #[target_feature(enable = "avx512f,avx2,fma")]
    pub unsafe fn multiply_avx512(
        a: &Left,
        rows: Range<usize>,
        block: usize,
        b: &[f32],
        ld: usize,
        columns: usize,
        store: &mut impl Store,
    ) {
        // SAFETY: the features are on here; the operands are the caller's.
        unsafe {
            let tile = |depth, a, b, ld, sums: &mut _| tile_avx512(depth, a, b, ld, sums);
            multiply_by(tile, a, rows, block, b, ld, columns, store);
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn multiply_avx2(
        a: &Left,
        rows: Range<usize>,
        block: usize,
        b: &[f32],
        ld: usize,
        columns: usize,
        store: &mut impl Store,
    ) {
        // SAFETY: the features are on here; the operands are the caller's.
        unsafe {
            let tile = |depth, a, b, ld, sums: &mut _| tile_avx2(depth, a, b, ld, sums);
            multiply_by(tile, a, rows, block, b, ld, columns, store);
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx2,fma")]
    unsafe fn tile_avx512(depth: usize, mut a: *const f32, mut b: *const f32, ld: usize, sums: &mut [f32; SUMS]) {
        // SAFETY: the panel holds `depth` columns of 12 rows; `b` holds `depth` rows with room for 32 columns.
        unsafe {
            let mut c = [[_mm512_setzero_ps(); 2]; 12];
            for _ in 0..depth {
                let (b0, b1) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
                for (i, c) in c.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*a.add(i));
                    *c = [_mm512_fmadd_ps(x, b0, c[0]), _mm512_fmadd_ps(x, b1, c[1])];
                }
                a = a.add(12);
                b = b.add(ld);
            }
            for (i, c) in c.iter().enumerate() {
                _mm512_storeu_ps(sums.as_mut_ptr().add(i * 32), c[0]);
                _mm512_storeu_ps(sums.as_mut_ptr().add(i * 32 + 16), c[1]);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn tile_avx2(depth: usize, mut a: *const f32, mut b: *const f32, ld: usize, sums: &mut [f32; SUMS]) {
        // SAFETY: the panel holds `depth` columns of 6 rows; `b` holds `depth` rows with room for 16 columns.
        unsafe {
            let mut c = [[_mm256_setzero_ps(); 2]; 6];
            for _ in 0..depth {
                let (b0, b1) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
                for (i, c) in c.iter_mut().enumerate() {
                    let x = _mm256_set1_ps(*a.add(i));
                    *c = [_mm256_fmadd_ps(x, b0, c[0]), _mm256_fmadd_ps(x, b1, c[1])];
                }
                a = a.add(6);
                b = b.add(ld);
            }
            for (i, c) in c.iter().enumerate() {
                _mm256_storeu_ps(sums.as_mut_ptr().add(i * 16), c[0]);
                _mm256_storeu_ps(sums.as_mut_ptr().add(i * 16 + 8), c[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::rng::Rng;

    struct Into<'a>(&'a mut [f32], usize);

    impl Store for Into<'_> {
        fn store(&mut self, row: usize, column: usize, sums: &[f32]) {
            let at = row * self.1 + column;
            self.0[at..at + sums.len()].iter_mut().zip(sums).for_each(|(c, s)| *c += s);
        }

        fn expect(&self, row: usize, column: usize, columns: usize) {
            prefetch(&self.0[row * self.1 + column], columns);
        }
    }

    #[test]
    fn every_instruction_set_gives_the_bits_of_the_definition() {
        let (m, k, n) = (29, 600, 77);
        let mut rng = Rng::new(1, "gemm", 0);
        let a: Vec<f32> = (0..m * k).map(|_| rng.normal()).collect();
        let b: Vec<f32> = (0..k * COLUMNS).map(|_| rng.normal()).collect();
        let mut expected = vec![0.0_f32; m * n];
        for (i, c) in expected.iter_mut().enumerate() {
            for block in (0..k).step_by(DEPTH) {
                let terms = block..k.min(block + DEPTH);
                *c += terms.fold(0.0, |s, t| a[i / n * k + t].mul_add(b[t * COLUMNS + i % n], s));
            }
        }
        for isa in Isa::available() {
            let left = Left::pack(isa, m, k, |row, t| a[row * k + t]);
            let mut c = vec![0.0; m * n];
            for block in 0..left.blocks() {
                for rows in left.divide(2, 8) {
                    let b = &b[left.terms(block).start * COLUMNS..];
                    multiply(&left, rows, block, b, COLUMNS, n, &mut Into(&mut c, n));
                }
            }
            assert!(c.iter().zip(&expected).all(|(c, e)| c.to_bits() == e.to_bits()), "{isa:?}");
        }
    }
}
