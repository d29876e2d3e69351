//! Random numbers as a function of (seed, purpose, index): no state is shared, saved or advanced.
//!
//! The generator is Philox 4x32 with ten rounds (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
//! 1, 2, 3", SC 2011). The key is made from seed and purpose, the upper half of the counter is the index, the lower
//! half counts the blocks drawn for it. The same draw gives the same bits on every machine and in every order.

/// The random numbers for one index of one purpose.
#[derive(Debug, Clone)]
pub struct Rng {
    key: [u32; 2],
    index: u64,
    block: u64,
    buffer: [u32; 4],
    used: usize,
}

impl Rng {
    /// The numbers for `index` (a step, a sample, an element) of `purpose` (as `"augment"` or a parameter's name).
    pub fn new(seed: u64, purpose: &str, index: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(purpose.as_bytes());
        let hash = hasher.finalize();
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| hash.as_bytes()[at + i]));
        Rng { key: [word(0), word(4)], index, block: 0, buffer: [0; 4], used: 4 }
    }

    /// The numbers for another index of the same seed and purpose.
    pub fn at(&self, index: u64) -> Self {
        Rng { index, block: 0, used: 4, ..*self }
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            let (block, index) = (self.block, self.index);
            let counter = [block as u32, (block >> 32) as u32, index as u32, (index >> 32) as u32];
            self.buffer = philox(counter, self.key);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.buffer[self.used - 1]
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24: every value is exact in `f32`.
    pub fn uniform(&mut self) -> f32 {
        (self.bits() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in `[low, high)`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        // Rounding may give `high` itself where the interval is narrow.
        let value = low + (high - low) * self.uniform();
        if value < high { value } else { low }
    }

    /// Uniform among `0..n`, without bias (Lemire's multiply-and-reject). `n` is at least 1.
    pub fn below(&mut self, n: u32) -> u32 {
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.bits()) * u64::from(n);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }

    /// Standard normal, by Box and Muller with this crate's own logarithm and cosine, equal on every machine.
    pub fn normal(&mut self) -> f32 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - f64::from(self.uniform())));
        let angle = std::f64::consts::TAU * f64::from(self.uniform());
        (radius * libm::cos(angle)) as f32
    }

    /// A permutation of `0..n` (Fisher and Yates).
    pub fn permutation(&mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i as usize, self.below(i + 1) as usize);
        }
        order
    }
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that come with the authors' library Random123 (file `kat_vectors`).
    #[test]
    fn philox_gives_the_known_answers() {
        let zero = philox([0; 4], [0; 2]);
        assert_eq!(zero, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = philox([u32::MAX; 4], [u32::MAX; 2]);
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn seed_purpose_and_index_each_matter_and_nothing_else_does() {
        let draw = |seed, purpose, index| Rng::new(seed, purpose, index).bits();
        assert_eq!(draw(1, "a", 2), draw(1, "a", 2));
        assert_ne!(draw(1, "a", 2), draw(2, "a", 2));
        assert_ne!(draw(1, "a", 2), draw(1, "b", 2));
        assert_ne!(draw(1, "a", 2), draw(1, "a", 3));
        let mut other = Rng::new(1, "a", 9);
        other.bits();
        assert_eq!(other.at(3).bits(), draw(1, "a", 3));
    }

    #[test]
    fn moments_and_ranges_are_right() {
        let mut rng = Rng::new(1, "test", 0);
        let n = 20_000;
        let normals: Vec<f64> = (0..n).map(|_| f64::from(rng.normal())).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let variance = normals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert!((0..1000).all(|_| (0.5..1.5).contains(&rng.range(0.5, 1.5))));
        let mut seen = [0; 3];
        (0..3000).for_each(|_| seen[rng.below(3) as usize] += 1);
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        let mut order = rng.permutation(100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
