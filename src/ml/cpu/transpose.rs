//! Transposition of matrices.

use std::mem::MaybeUninit;

use super::isa::Isa;
use super::shared::extent;

/// `to[c, r] = from[r, c]` for `rows` rows at distance `pitch` of `columns` values, written at distance `wide`.
pub fn transpose(from: &[f32], pitch: usize, rows: usize, columns: usize, to: &mut [f32], wide: usize) {
    // SAFETY: the elements are the same, and nothing but numbers is written to them.
    let to = unsafe { &mut *(std::ptr::from_mut(to) as *mut [MaybeUninit<f32>]) };
    transpose_to(from, pitch, rows, columns, to, wide);
}

/// As [`transpose`], to elements that may not be numbers yet.
pub fn transpose_to(from: &[f32], pitch: usize, rows: usize, columns: usize, to: &mut [MaybeUninit<f32>], wide: usize) {
    let fits = |room: usize, len: Option<usize>| len.is_some_and(|len| len <= room);
    assert!(fits(from.len(), extent(rows, pitch, columns)) && fits(to.len(), extent(columns, wide, rows)));
    #[cfg(target_arch = "x86_64")]
    if Isa::detect() == Isa::Avx512 {
        for (row, column) in (0..rows).step_by(16).flat_map(|row| (0..columns).step_by(16).map(move |c| (row, c))) {
            let size = [16.min(rows - row), 16.min(columns - column)];
            let (from, to) = (from[row * pitch + column..].as_ptr(), to[column * wide + row..].as_mut_ptr());
            // SAFETY: the instruction set was detected; the assertion bounds what is read and written.
            unsafe { x86::transpose_16(from, pitch, size, to.cast(), wide) };
        }
        return;
    }
    for row in 0..rows {
        for (column, value) in from[row * pitch..][..columns].iter().enumerate() {
            to[column * wide + row].write(*value);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// Transposes at most sixteen rows of at most sixteen values: pairs of values, then of pairs, then of fours, then of
    /// eights change places.
    ///
    /// # Safety
    /// The processor has the instruction set. There are the rows to read, at distance `pitch`, and the columns to write, at
    /// distance `wide`.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn transpose_16(from: *const f32, pitch: usize, [rows, columns]: [usize; 2], to: *mut f32, wide: usize) {
        let mask = |there: bool, count: usize| if there { ((1_u32 << count) - 1) as u16 } else { 0 };
        // SAFETY: the caller promises what is read and written; nothing is where a mask is 0.
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
