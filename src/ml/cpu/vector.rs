//! The vectors of each instruction set, as far as products of matrices need them.
//!
//! They are our own and not those of the crate `pulp`, which candle's own products use. A register tile is an array of vectors
//! whose number the compiler must know ([`Vector::WIDTH`]); here that is a constant of each instruction set, and there it
//! follows from a type that only the call tells. Every bit of a result also hangs on how a fused multiply-add is done where
//! the processor has none, which another version of a crate might change. The two were not measured against each other: our
//! inner loop runs at the peak of the processor (`benches/README.md`), so that a crate could at best be as fast.

use std::ops::{Add, Mul};

use super::simd::{LANES, Lanes};

/// A vector of 32-bit floats.
///
/// # Safety
/// Every function may be called only where the processor has the instruction set; with pointers, only where as many
/// values as are not masked lie there. All of them are inlined into functions that enable the instruction set.
pub(super) trait Vector: Copy {
    /// Values of a vector.
    const WIDTH: usize;
    /// Which values of a vector are meant.
    type Mask: Copy;

    /// The first `count` of them.
    unsafe fn first(count: usize) -> Self::Mask;
    unsafe fn splat(value: f32) -> Self;
    /// Values from memory, and zeros where they are masked.
    unsafe fn load(from: *const f32, mask: Self::Mask) -> Self;
    unsafe fn store(self, to: *mut f32, mask: Self::Mask);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * factor + sum`, rounded once.
    unsafe fn mul_add(self, factor: Self, sum: Self) -> Self;
    /// Zeros in place of negative values; what is not a number stays.
    unsafe fn relu(self) -> Self;
    /// Zeros where `other` is not positive.
    unsafe fn where_positive(self, other: Self) -> Self;
}

impl Vector for Lanes {
    const WIDTH: usize = LANES;
    type Mask = usize;

    #[inline(always)]
    unsafe fn first(count: usize) -> usize {
        count
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Lanes([value; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32, count: usize) -> Self {
        // SAFETY: promised by the caller.
        Lanes::up_to(unsafe { std::slice::from_raw_parts(from, count) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, count: usize) {
        // SAFETY: promised by the caller. What lies there may be no number yet, so that no reference to it is made.
        unsafe {
            match count {
                LANES.. => to.cast::<[f32; LANES]>().write_unaligned(self.0),
                _ => to.copy_from_nonoverlapping(self.0.as_ptr(), count),
            }
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Add::add(self, other)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, Mul::mul)
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, mut sum: Self) -> Self {
        for lane in 0..LANES {
            sum.0[lane] = self.0[lane].mul_add(factor.0[lane], sum.0[lane]);
        }
        sum
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        self.map(|value| if value < 0.0 { 0.0 } else { value })
    }

    #[inline(always)]
    unsafe fn where_positive(self, other: Self) -> Self {
        self.zip(other, |value, other| if other > 0.0 { value } else { 0.0 })
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use std::arch::x86_64::*;

    use super::Vector;

    /// A vector of AVX-512.
    #[derive(Clone, Copy)]
    pub struct Zmm(__m512);

    /// A vector of AVX2.
    #[derive(Clone, Copy)]
    pub struct Ymm(__m256);

    impl Vector for Zmm {
        const WIDTH: usize = 16;
        type Mask = __mmask16;

        #[inline(always)]
        unsafe fn first(count: usize) -> __mmask16 {
            ((1_u32 << count) - 1) as u16
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller promises the instruction set.
            Zmm(unsafe { _mm512_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32, mask: __mmask16) -> Self {
            // SAFETY: the caller promises the instruction set, and the values that are not masked.
            Zmm(unsafe { _mm512_maskz_loadu_ps(mask, from) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32, mask: __mmask16) {
            // SAFETY: the caller promises the instruction set, and the values that are not masked.
            unsafe { _mm512_mask_storeu_ps(to, mask, self.0) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: the caller promises the instruction set.
            Zmm(unsafe { _mm512_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: the caller promises the instruction set.
            Zmm(unsafe { _mm512_mul_ps(self.0, other.0) })
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
            // SAFETY: the caller promises the instruction set.
            Zmm(unsafe { _mm512_fmadd_ps(self.0, factor.0, sum.0) })
        }

        #[inline(always)]
        unsafe fn relu(self) -> Self {
            // The second operand is the result where one is not a number.
            // SAFETY: the caller promises the instruction set.
            Zmm(unsafe { _mm512_max_ps(_mm512_setzero_ps(), self.0) })
        }

        #[inline(always)]
        unsafe fn where_positive(self, other: Self) -> Self {
            // SAFETY: the caller promises the instruction set.
            unsafe {
                let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(other.0, _mm512_setzero_ps());
                Zmm(_mm512_maskz_mov_ps(mask, self.0))
            }
        }
    }

    impl Vector for Ymm {
        const WIDTH: usize = 8;
        type Mask = __m256i;

        #[inline(always)]
        unsafe fn first(count: usize) -> __m256i {
            // SAFETY: the caller promises the instruction set.
            unsafe {
                let places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
                _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), places)
            }
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller promises the instruction set.
            Ymm(unsafe { _mm256_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32, mask: __m256i) -> Self {
            // SAFETY: the caller promises the instruction set, and the values that are not masked.
            Ymm(unsafe { _mm256_maskload_ps(from, mask) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32, mask: __m256i) {
            // SAFETY: the caller promises the instruction set, and the values that are not masked.
            unsafe {
                // Some processors take many times as long with a mask.
                match _mm256_movemask_epi8(mask) {
                    -1 => _mm256_storeu_ps(to, self.0),
                    _ => _mm256_maskstore_ps(to, mask, self.0),
                }
            }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: the caller promises the instruction set.
            Ymm(unsafe { _mm256_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: the caller promises the instruction set.
            Ymm(unsafe { _mm256_mul_ps(self.0, other.0) })
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, sum: Self) -> Self {
            // SAFETY: the caller promises the instruction set.
            Ymm(unsafe { _mm256_fmadd_ps(self.0, factor.0, sum.0) })
        }

        #[inline(always)]
        unsafe fn relu(self) -> Self {
            // The second operand is the result where one is not a number.
            // SAFETY: the caller promises the instruction set.
            Ymm(unsafe { _mm256_max_ps(_mm256_setzero_ps(), self.0) })
        }

        #[inline(always)]
        unsafe fn where_positive(self, other: Self) -> Self {
            // SAFETY: the caller promises the instruction set.
            unsafe { Ymm(_mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(other.0, _mm256_setzero_ps()), self.0)) }
        }
    }
}
