//! The most that the processor's vector units compute: the whole of which a benchmark gives the share.

use std::hint::black_box;
use std::time::Instant;

use crate::ml::cpu::isa::Isa;
use crate::ml::cpu::simd::{LANES, Loop, vectorised};

/// Independent chains: enough to keep two units busy that take four or five cycles for a result.
const CHAINS: usize = 12;
/// Links of a chain in one run, about half a millisecond.
const LINKS: usize = 300_000;
/// Runs, of which the fastest counts: on a busy machine few have all cores to themselves.
const RUNS: usize = 32;

/// Floating-point operations a second, counted two a fused multiply-add of 32-bit floats, of all threads of the current
/// pool together where all operands are in registers.
pub fn measure() -> f64 {
    let run = |_| {
        let start = Instant::now();
        let threads = rayon::broadcast(|_| chains()).len();
        (threads * CHAINS * LINKS * LANES * 2) as f64 / start.elapsed().as_secs_f64()
    };
    (0..RUNS).map(run).fold(0.0, f64::max)
}

fn chains() {
    match Isa::detect() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the instruction set was detected.
        Isa::Avx512 => unsafe { avx512() },
        _ => vectorised(Chains),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_that_of_a_processor() {
        let peak = measure();
        assert!((1e7..1e15).contains(&peak), "{peak}");
    }
}
