//! Loops for the widest vectors that a processor has.

use super::gemm::Isa;

/// Floats that inner loops take at a time: a vector of AVX-512, two of AVX2.
pub(super) const LANES: usize = 16;

/// Runs `body`, compiled for the widest vectors that this processor has. The compiler neither reorders sums nor fuses
/// products into them, so that the bits are the same for all. What `body` calls must be `#[inline(always)]`.
#[inline(always)]
pub(super) fn vectorised<R>(body: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn avx512<R>(body: impl FnOnce() -> R) -> R {
            body()
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<R>(body: impl FnOnce() -> R) -> R {
            body()
        }
        // SAFETY: the instruction set was detected.
        match Isa::detect() {
            Isa::Avx512 => return unsafe { avx512(body) },
            Isa::Avx2 => return unsafe { avx2(body) },
            Isa::Portable => {}
        }
    }
    body()
}

/// The sum of products, in sixteen interleaved chains that are then added in order.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut chains = [0.0; LANES];
    let whole = a.len() / LANES * LANES;
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        chains.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
    }
    chains.iter_mut().zip(&a[whole..]).zip(&b[whole..]).for_each(|((sum, a), b)| *sum += a * b);
    chains.iter().sum()
}
