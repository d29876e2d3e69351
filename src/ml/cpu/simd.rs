//! Loops that are compiled for the widest vectors that a processor has.

use std::ops::{Add, Mul, Sub};

use super::isa::Isa;

/// Floats that inner loops take at a time: a vector of AVX-512, two of AVX2.
pub(in crate::ml) const LANES: usize = 16;

/// Sixteen values: arithmetic of whole vectors, which the compiler keeps in registers.
#[derive(Debug, Clone, Copy)]
pub(in crate::ml) struct Lanes(pub [f32; LANES]);

impl Lanes {
    /// The first sixteen of `values`.
    #[inline(always)]
    pub fn of(values: &[f32]) -> Self {
        let mut lanes = Lanes([0.0; LANES]);
        lanes.0.copy_from_slice(&values[..LANES]);
        lanes
    }

    /// The first sixteen of `values`, or fewer and then zeros.
    #[inline(always)]
    pub fn up_to(values: &[f32]) -> Self {
        if values.len() >= LANES {
            return Self::of(values);
        }
        let mut lanes = Lanes([0.0; LANES]);
        lanes.0.iter_mut().zip(values).for_each(|(lane, value)| *lane = *value);
        lanes
    }

    /// Writes as many of them as there is room for.
    #[inline(always)]
    pub fn write(self, to: &mut [f32]) {
        match to.first_chunk_mut() {
            Some(all) => *all = self.0,
            None => to.iter_mut().zip(self.0).for_each(|(to, lane)| *to = lane),
        }
    }

    #[inline(always)]
    pub fn map(self, of: impl Fn(f32) -> f32) -> Self {
        self.zip(self, |a, _| of(a))
    }

    #[inline(always)]
    pub fn zip(mut self, other: Self, of: impl Fn(f32, f32) -> f32) -> Self {
        for lane in 0..LANES {
            self.0[lane] = of(self.0[lane], other.0[lane]);
        }
        self
    }
}

impl Add for Lanes {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Lanes {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul<f32> for Lanes {
    type Output = Self;

    #[inline(always)]
    fn mul(self, factor: f32) -> Self {
        self.map(|a| a * factor)
    }
}

/// A loop over slices. What it calls must be `#[inline(always)]`, as must [`Loop::run`] itself, so that all of it is
/// compiled anew for each instruction set.
pub(in crate::ml) trait Loop {
    /// What comes of it.
    type Output;

    /// The loop.
    fn run(self) -> Self::Output;
}

/// Runs `body`, compiled for the widest vectors that this processor has. The compiler neither reorders sums nor fuses
/// products into them, so that the bits are the same for all.
#[inline(always)]
pub(in crate::ml) fn vectorised<L: Loop>(body: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn avx512<L: Loop>(body: L) -> L::Output {
            body.run()
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<L: Loop>(body: L) -> L::Output {
            body.run()
        }
        match Isa::detect() {
            // SAFETY: the instruction set was detected.
            Isa::Avx512 => return unsafe { avx512(body) },
            // SAFETY: the instruction set was detected.
            Isa::Avx2 => return unsafe { avx2(body) },
            Isa::Portable => {}
        }
    }
    body.run()
}

/// The sum of products, in sixteen interleaved chains that are then added in order.
#[inline(always)]
pub(in crate::ml) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut chains = [0.0; LANES];
    let whole = a.len() / LANES * LANES;
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        chains.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
    }
    chains.iter_mut().zip(&a[whole..]).zip(&b[whole..]).for_each(|((sum, a), b)| *sum += a * b);
    chains.iter().sum()
}
