//! Chains of multiply-adds that keep the vector units busy and touch no memory: what the peak of a processor is
//! measured by.

use std::hint::black_box;

use crate::ml::cpu::isa::Isa;
use crate::ml::cpu::simd::{LANES, Loop, vectorised};

/// Independent chains: enough to keep two units busy that take four or five cycles for a result.
const CHAINS: usize = 12;
/// Links of a chain in one run: about half a millisecond.
const LINKS: usize = 300_000;

/// Runs chains of fused multiply-adds whose operands are all in registers, on the calling thread. Returns the number of
/// floating-point operations, two a multiply-add of 32-bit floats.
pub fn run() -> usize {
    match Isa::detect() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the instruction set was detected.
        Isa::Avx512 => unsafe { avx512() },
        _ => vectorised(Chains),
    }
    CHAINS * LINKS * LANES * 2
}

/// By hand: the compiler does not keep sixteen lanes in one register of its own accord.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512() {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_set1_ps, _mm512_setzero_ps};
    let (a, b) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(1.0)));
    let mut chains = [_mm512_setzero_ps(); CHAINS];
    for _ in 0..LINKS {
        for chain in &mut chains {
            *chain = _mm512_fmadd_ps(*chain, a, b);
        }
    }
    black_box(chains);
}

struct Chains;

impl Loop for Chains {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (a, b) = (black_box([0.5_f32; LANES]), black_box([1.0_f32; LANES]));
        let mut chains = [[0.0_f32; LANES]; CHAINS];
        for _ in 0..LINKS {
            for chain in &mut chains {
                for ((c, a), b) in chain.iter_mut().zip(&a).zip(&b) {
                    *c = c.mul_add(*a, *b);
                }
            }
        }
        black_box(chains);
    }
}
