//! Loops for the widest vectors that a processor has.

use super::gemm::Isa;

/// Floats that inner loops take at a time: a vector of AVX-512, two of AVX2.
pub(super) const LANES: usize = 16;

/// A loop over slices. What it calls must be `#[inline(always)]`, as must [`Loop::run`] itself, so that all of it is
/// compiled anew for each instruction set.
pub(in crate::ml) trait Loop {
    /// The loop.
    fn run(self);
}

/// Runs `body`, compiled for the widest vectors that this processor has. The compiler neither reorders sums nor fuses
/// products into them, so that the bits are the same for all.
#[inline(always)]
pub(in crate::ml) fn vectorised(body: impl Loop) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn avx512(body: impl Loop) {
            body.run();
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2(body: impl Loop) {
            body.run();
        }
        match Isa::detect() {
            // SAFETY: the instruction set was detected.
            Isa::Avx512 => return unsafe { avx512(body) },
            // SAFETY: the instruction set was detected.
            Isa::Avx2 => return unsafe { avx2(body) },
            Isa::Portable => {}
        }
    }
    body.run();
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
