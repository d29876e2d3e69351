//! Matrix products in one fixed order of summation.
//!
//! The one definition that every kernel here computes: with blocks of [`DEPTH`] terms,
//! `c[m, n] = ((s_0 + s_1) + s_2) + …`, where `s_b` starts at zero and takes the terms of block `b` in order by fused
//! multiply-adds. No element's sum depends on how rows and columns are divided, nor on the width of the vectors, so
//! all instruction sets and any number of threads give the same bits (tested below). A processor without fused
//! multiply-add instructions computes them in software: slow, but the same.
//!
//! The left operand is read where it lies, by rows: sixteen terms of a row share a cache line, and its prefetching is
//! what hardware does best. The right one comes through a [`Panel`] of one block of terms and as many columns as a
//! register tile has, which stays in the first-level cache while all rows pass.

use std::ops::Range;
use std::sync::OnceLock;

use super::scratch::Lines;

/// Terms that are summed in registers before the sum goes to memory.
pub const DEPTH: usize = 256;

/// Columns of the widest register tile.
pub const COLUMNS: usize = 48;

/// Room for the sums of the largest register tile.
const SUMS: usize = 8 * COLUMNS;

/// The register tile of an instruction set: `rows` rows of the left operand times `columns` columns of the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// 8 x 48, on AVX-512.
    Avx512,
    /// 4 x 24, on AVX2 with FMA.
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

    /// Columns of a register tile.
    pub fn columns(self) -> usize {
        match self {
            Isa::Avx512 => 48,
            Isa::Avx2 => 24,
            Isa::Portable => 16,
        }
    }
}

/// A left operand: rows of `terms` values, at distance `pitch`.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The values.
    pub data: &'a [f32],
    /// From the start of a row to that of the next.
    pub pitch: usize,
    /// Values of a row.
    pub terms: usize,
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

/// Takes sums: `sums` belong to row `row` and to the columns from `column` on.
pub trait Store {
    /// Takes one row of a register tile: the sums of one block of terms, which is the first or the last of all.
    fn store(&mut self, row: usize, column: usize, sums: &[f32], at: Block);

    /// Tells that a row of `columns` sums will come: what it is written to can be fetched while they are computed.
    fn expect(&self, row: usize, column: usize, columns: usize, at: Block);
}

/// Where a block of terms stands among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Nothing has been stored before.
    pub first: bool,
    /// Nothing will be stored after.
    pub last: bool,
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

/// Room for a block of terms of a right operand.
#[derive(Debug)]
pub struct Panel(Lines);

impl Default for Panel {
    fn default() -> Self {
        Panel(Lines::new(DEPTH * COLUMNS))
    }
}

/// Multiplies the rows `rows` of `left` with the columns `columns` of `right`, and gives every sum to `store`.
pub fn multiply(
    isa: Isa,
    left: Rows<'_>,
    rows: Range<usize>,
    right: &impl Right,
    columns: Range<usize>,
    panel: &mut Panel,
    store: &mut impl Store,
) {
    assert!(rows.is_empty() || left.data.len() >= (rows.end - 1) * left.pitch + left.terms);
    let panel = panel.0.as_mut_slice();
    // SAFETY: the instruction set is there; the assertion bounds what is read of the left operand.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::multiply_avx512(left, rows, right, columns, panel, store),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::multiply_avx2(left, rows, right, columns, panel, store),
            _ => multiply_by((isa.columns(), false), portable, left, rows, right, columns, panel, store),
        }
    }
}

/// The operands of a register tile: `depth` terms of at least `rows` rows at distance `pitch`, and as many rows of
/// `columns` columns of the right operand in a panel, or, where they are still to be copied there, at `source`.
#[derive(Clone, Copy)]
struct Operands {
    depth: usize,
    a: *const f32,
    pitch: usize,
    rows: usize,
    columns: usize,
    panel: *mut f32,
    source: Option<(*const f32, usize)>,
}

/// The body of [`multiply`], compiled once for every instruction set. `tile` computes the sums of as many rows as it
/// can, in rows of `wide` sums after another, and returns their number. It copies to the panel if it `packs`.
///
/// # Safety
/// `tile` may be called on this processor; the left operand has the rows.
#[inline(always)]
unsafe fn multiply_by(
    (wide, packs): (usize, bool),
    tile: impl Fn(Operands, &mut [f32; SUMS]) -> usize,
    left: Rows<'_>,
    rows: Range<usize>,
    right: &impl Right,
    columns: Range<usize>,
    panel: &mut [f32],
    store: &mut impl Store,
) {
    let mut sums = [0.0; SUMS];
    for first in (0..left.terms).step_by(DEPTH) {
        let terms = first..left.terms.min(first + DEPTH);
        let at = Block { first: first == 0, last: terms.end == left.terms };
        for column in columns.clone().step_by(wide) {
            let here = column..columns.end.min(column + wide);
            let mut source = right.rows().filter(|_| packs).map(|right| {
                assert!(right.data.len() >= (terms.end - 1) * right.pitch + here.end);
                (right.data[first * right.pitch + column..].as_ptr(), right.pitch)
            });
            if source.is_none() {
                right.fill(terms.clone(), here.clone(), &mut panel[..terms.len() * wide], wide);
            }
            let mut row = rows.start;
            while row < rows.end {
                let a = left.data[row * left.pitch + first..].as_ptr();
                let (rows, columns, panel) = (rows.end - row, here.len(), panel.as_mut_ptr());
                (row..row + rows.min(8)).for_each(|row| store.expect(row, column, columns, at));
                let operands = Operands { depth: terms.len(), a, pitch: left.pitch, rows, columns, panel, source };
                let high = tile(operands, &mut sums);
                for (row, sums) in (row..row + high).zip(sums.chunks_exact(wide)) {
                    // Twice the same: once for a length that the compiler knows.
                    match columns == wide {
                        true => store.store(row, column, &sums[..wide], at),
                        false => store.store(row, column, &sums[..columns], at),
                    }
                }
                (row, source) = (row + high, None);
            }
        }
    }
}

fn portable(operands: Operands, sums: &mut [f32; SUMS]) -> usize {
    let Operands { depth, a, pitch, rows, panel, .. } = operands;
    let rows = rows.min(4);
    let mut c = [[0.0_f32; 16]; 4];
    for k in 0..depth {
        // SAFETY: there are `rows` rows of `depth` terms at the given distance; the panel holds `depth` rows of 16.
        let b = unsafe { std::slice::from_raw_parts(panel.add(k * 16), 16) };
        for (row, c) in c.iter_mut().enumerate().take(rows) {
            // SAFETY: as above.
            let a = unsafe { *a.add(row * pitch + k) };
            c.iter_mut().zip(b).for_each(|(c, &b)| *c = a.mul_add(b, *c));
        }
    }
    sums[..64].copy_from_slice(c.as_flattened());
    rows
}

/// `to[c, r] = from[r, c]` for `rows` rows at distance `pitch` of `columns` values, written at distance `wide`.
pub fn transpose(from: &[f32], pitch: usize, rows: usize, columns: usize, to: &mut [f32], wide: usize) {
    assert!(rows == 0 || columns == 0 || from.len() >= (rows - 1) * pitch + columns);
    assert!(rows == 0 || columns == 0 || to.len() >= (columns - 1) * wide + rows);
    #[cfg(target_arch = "x86_64")]
    if Isa::detect() == Isa::Avx512 {
        for (row, column) in (0..rows).step_by(16).flat_map(|row| (0..columns).step_by(16).map(move |c| (row, c))) {
            let size = [16.min(rows - row), 16.min(columns - column)];
            // SAFETY: the instruction set was detected; the assertions bound what is read and written.
            unsafe {
                let (from, to) = (from[row * pitch + column..].as_ptr(), to[column * wide + row..].as_mut_ptr());
                x86::transpose_16(from, pitch, size, to, wide);
            }
        }
        return;
    }
    for row in 0..rows {
        for (column, value) in from[row * pitch..][..columns].iter().enumerate() {
            to[column * wide + row] = *value;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::ops::Range;

    use super::{Operands, Right, Rows, SUMS, Store, multiply_by};

    #[target_feature(enable = "avx512f,avx2,fma")]
    pub unsafe fn multiply_avx512(
        left: Rows<'_>,
        rows: Range<usize>,
        right: &impl Right,
        columns: Range<usize>,
        panel: &mut [f32],
        store: &mut impl Store,
    ) {
        // SAFETY: the features are on here; the operands are the caller's.
        unsafe {
            multiply_by((48, true), |o, sums| tile_avx512(o, sums), left, rows, right, columns, panel, store);
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn multiply_avx2(
        left: Rows<'_>,
        rows: Range<usize>,
        right: &impl Right,
        columns: Range<usize>,
        panel: &mut [f32],
        store: &mut impl Store,
    ) {
        // SAFETY: the features are on here; the operands are the caller's.
        unsafe { multiply_by((24, false), |o, sums| tile_avx2(o, sums), left, rows, right, columns, panel, store) }
    }

    #[target_feature(enable = "avx512f,avx2,fma")]
    unsafe fn tile_avx512(operands: Operands, sums: &mut [f32; SUMS]) -> usize {
        let by_rows = match operands.rows {
            8.. => [avx512::<8, 1>, avx512::<8, 2>, avx512::<8, 3>],
            4.. => [avx512::<4, 1>, avx512::<4, 2>, avx512::<4, 3>],
            2.. => [avx512::<2, 1>, avx512::<2, 2>, avx512::<2, 3>],
            _ => [avx512::<1, 1>, avx512::<1, 2>, avx512::<1, 3>],
        };
        // SAFETY: the operands are the caller's.
        unsafe { by_rows[operands.columns.div_ceil(16) - 1](operands, sums) }
    }

    #[target_feature(enable = "avx2,fma")]
    unsafe fn tile_avx2(operands: Operands, sums: &mut [f32; SUMS]) -> usize {
        let by_rows = match operands.rows {
            4.. => [avx2::<4, 1>, avx2::<4, 2>, avx2::<4, 3>],
            _ => [avx2::<1, 1>, avx2::<1, 2>, avx2::<1, 3>],
        };
        // SAFETY: the operands are the caller's.
        unsafe { by_rows[operands.columns.div_ceil(8) - 1](operands, sums) }
    }

    /// The sums of `R` rows and `V` vectors.
    #[target_feature(enable = "avx512f,avx2,fma")]
    unsafe fn avx512<const R: usize, const V: usize>(operands: Operands, sums: &mut [f32; SUMS]) -> usize {
        let Operands { depth, mut a, pitch, columns, mut panel, source, .. } = operands;
        // SAFETY: there are `R` rows of `depth` terms at the given distance, `depth` rows of 48 columns in the panel, and
        // `columns` of them at the source; nothing else is read there.
        unsafe {
            let mut c = [[_mm512_setzero_ps(); V]; R];
            let mut term = |right: [__m512; V]| {
                for (row, c) in c.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*a.add(row * pitch));
                    c.iter_mut().zip(right).for_each(|(c, right)| *c = _mm512_fmadd_ps(x, right, *c));
                }
                a = a.add(1);
            };
            if let Some((mut source, distance)) = source {
                let last = u16::MAX >> (V * 16 - columns);
                for _ in 0..depth {
                    let mut right = [_mm512_setzero_ps(); V];
                    for (v, right) in right.iter_mut().enumerate() {
                        let mask = if v + 1 == V { last } else { u16::MAX };
                        *right = _mm512_maskz_loadu_ps(mask, source.add(v * 16));
                        _mm512_storeu_ps(panel.add(v * 16), *right);
                        // The rows lie too far apart for the processor to foresee them.
                        _mm_prefetch::<_MM_HINT_T0>(source.wrapping_add(8 * distance + v * 16).cast());
                    }
                    _mm_prefetch::<_MM_HINT_T0>(source.wrapping_add(8 * distance + columns - 1).cast());
                    term(right);
                    (source, panel) = (source.wrapping_add(distance), panel.add(48));
                }
            } else {
                for _ in 0..depth {
                    let mut right = [_mm512_setzero_ps(); V];
                    right.iter_mut().enumerate().for_each(|(v, right)| *right = _mm512_loadu_ps(panel.add(v * 16)));
                    term(right);
                    panel = panel.add(48);
                }
            }
            for (row, c) in c.iter().enumerate() {
                let sums = sums.as_mut_ptr().add(row * 48);
                c.iter().enumerate().for_each(|(v, c)| _mm512_storeu_ps(sums.add(v * 16), *c));
            }
        }
        R
    }

    /// The sums of `R` rows and `V` vectors.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<const R: usize, const V: usize>(operands: Operands, sums: &mut [f32; SUMS]) -> usize {
        let Operands { depth, mut a, pitch, mut panel, .. } = operands;
        // SAFETY: there are `R` rows of `depth` terms at the given distance, and `depth` rows of 24 in the panel.
        unsafe {
            let mut c = [[_mm256_setzero_ps(); V]; R];
            for _ in 0..depth {
                let mut right = [_mm256_setzero_ps(); V];
                right.iter_mut().enumerate().for_each(|(v, right)| *right = _mm256_loadu_ps(panel.add(v * 8)));
                for (row, c) in c.iter_mut().enumerate() {
                    let x = _mm256_set1_ps(*a.add(row * pitch));
                    c.iter_mut().zip(right).for_each(|(c, right)| *c = _mm256_fmadd_ps(x, right, *c));
                }
                a = a.add(1);
                panel = panel.add(24);
            }
            for (row, c) in c.iter().enumerate() {
                let sums = sums.as_mut_ptr().add(row * 24);
                c.iter().enumerate().for_each(|(v, c)| _mm256_storeu_ps(sums.add(v * 8), *c));
            }
        }
        R
    }

    /// Transposes at most sixteen rows of at most sixteen values: pairs of values, then of pairs, then of fours, then of
    /// eights change places.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn transpose_16(from: *const f32, pitch: usize, [rows, columns]: [usize; 2], to: *mut f32, wide: usize) {
        let mask = |there: bool, count: usize| if there { ((1_u32 << count) - 1) as u16 } else { 0 };
        // SAFETY: the caller's rows have the room; nothing is read or written where a mask is 0.
        unsafe {
            let mut r = [_mm512_setzero_ps(); 16];
            for (i, r) in r.iter_mut().enumerate() {
                *r = _mm512_maskz_loadu_ps(mask(i < rows, columns), from.wrapping_add(i * pitch));
            }
            let mut t = r;
            for i in (0..16).step_by(2) {
                (t[i], t[i + 1]) = (_mm512_unpacklo_ps(r[i], r[i + 1]), _mm512_unpackhi_ps(r[i], r[i + 1]));
            }
            for i in (0..16).step_by(4) {
                let [a, b, c, d] = [t[i], t[i + 1], t[i + 2], t[i + 3]].map(|v| _mm512_castps_pd(v));
                let fours = [
                    _mm512_unpacklo_pd(a, c),
                    _mm512_unpackhi_pd(a, c),
                    _mm512_unpacklo_pd(b, d),
                    _mm512_unpackhi_pd(b, d),
                ];
                fours.into_iter().enumerate().for_each(|(j, v)| r[i + j] = _mm512_castpd_ps(v));
            }
            for i in 0..4 {
                t[i] = _mm512_shuffle_f32x4::<0x88>(r[i], r[4 + i]);
                t[4 + i] = _mm512_shuffle_f32x4::<0xdd>(r[i], r[4 + i]);
                t[8 + i] = _mm512_shuffle_f32x4::<0x88>(r[8 + i], r[12 + i]);
                t[12 + i] = _mm512_shuffle_f32x4::<0xdd>(r[8 + i], r[12 + i]);
            }
            for i in 0..4 {
                r[i] = _mm512_shuffle_f32x4::<0x88>(t[i], t[8 + i]);
                r[8 + i] = _mm512_shuffle_f32x4::<0xdd>(t[i], t[8 + i]);
                r[4 + i] = _mm512_shuffle_f32x4::<0x88>(t[4 + i], t[12 + i]);
                r[12 + i] = _mm512_shuffle_f32x4::<0xdd>(t[4 + i], t[12 + i]);
            }
            for (i, r) in r.iter().enumerate() {
                _mm512_mask_storeu_ps(to.wrapping_add(i * wide), mask(i < columns, rows), *r);
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
        fn store(&mut self, row: usize, column: usize, sums: &[f32], at: Block) {
            let out = &mut self.0[row * self.1 + column..][..sums.len()];
            match at.first {
                true => out.copy_from_slice(sums),
                false => out.iter_mut().zip(sums).for_each(|(c, s)| *c += s),
            }
        }

        fn expect(&self, row: usize, column: usize, columns: usize, _: Block) {
            prefetch(&self.0[row * self.1 + column], columns);
        }
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
        let mut turned = vec![0.0; k * n];
        transpose(&b, n, k, n, &mut turned, k);
        let left = Rows { data: &a, pitch: k, terms: k };
        for isa in Isa::available() {
            let mut all = [vec![f32::NAN; m * n], vec![f32::NAN; m * n]];
            let mut panel = Panel::default();
            for (rows, columns) in [(0..16, 0..77), (16..31, 0..60), (16..31, 60..77)] {
                let right = ByRows { data: &b, pitch: n };
                let mut into = Into(&mut all[0], n);
                multiply(isa, left, rows.clone(), &right, columns.clone(), &mut panel, &mut into);
                let right = ByColumns { data: &turned, pitch: k };
                multiply(isa, left, rows, &right, columns, &mut panel, &mut Into(&mut all[1], n));
            }
            for c in all {
                assert!(c.iter().zip(&expected).all(|(c, e)| c.to_bits() == e.to_bits()), "{isa:?}");
            }
        }
    }

    #[test]
    fn transposing_twice_changes_nothing() {
        let (rows, columns) = (37, 50);
        let from: Vec<f32> = (0..rows * columns).map(|v| v as f32).collect();
        let (mut there, mut back) = (vec![0.0; columns * 40], vec![0.0; rows * columns]);
        transpose(&from, columns, rows, columns, &mut there, 40);
        assert_eq!((there[3 * 40 + 2], there[49 * 40 + 36]), (from[2 * columns + 3], from[36 * columns + 49]));
        transpose(&there, 40, columns, rows, &mut back, columns);
        assert_eq!(back, from);
    }
}
