//! The most that the processor's vector units compute: benchmarks state what share of it they reach.

use std::time::Instant;

use crate::ml::cpu::chains;

/// Runs, of which the fastest counts: on a busy machine few have all cores to themselves.
const RUNS: usize = 32;

/// Floating-point operations a second of all threads of the current pool together, counted two a fused multiply-add of
/// 32-bit floats, where all operands are in registers.
pub fn measure() -> f64 {
    let run = |_| {
        let start = Instant::now();
        let operations: usize = rayon::broadcast(|_| chains::run()).into_iter().sum();
        operations as f64 / start.elapsed().as_secs_f64()
    };
    (0..RUNS).map(run).fold(0.0, f64::max)
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
