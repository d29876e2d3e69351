//! Which image is the `k`-th of a training run: a function of (seed, k), with nothing to save.

use crate::rng::Rng;

/// The endless stream of samples: each epoch is a permutation of all images, drawn anew.
#[derive(Debug, Clone)]
pub struct Sampler {
    seed: u64,
    images: u32,
    /// The epoch at hand and its permutation: a cache, never a state.
    epoch: Option<(u64, Vec<u32>)>,
}

impl Sampler {
    /// The stream over `images` images; there must be at least one.
    pub fn new(seed: u64, images: u32) -> Self {
        assert!(images > 0, "a sampler needs at least one image");
        Sampler { seed, images, epoch: None }
    }

    /// The image at position `k` of the stream.
    pub fn at(&mut self, k: u64) -> usize {
        let (epoch, within) = (k / u64::from(self.images), k % u64::from(self.images));
        let order = match self.epoch.take() {
            Some((cached, order)) if cached == epoch => order,
            _ => Rng::new(self.seed, "order", epoch).permutation(self.images),
        };
        let image = order[within as usize];
        self.epoch = Some((epoch, order));
        image as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_epoch_holds_every_image_once_in_an_order_of_its_own() {
        let mut sampler = Sampler::new(3, 20);
        let epochs: Vec<Vec<usize>> = (0..3).map(|e| (0..20).map(|i| sampler.at(e * 20 + i)).collect()).collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        }
        assert_ne!(epochs[0], epochs[1]);
        assert_ne!(epochs[0], (0..20).map(|k| Sampler::new(4, 20).at(k)).collect::<Vec<_>>());
    }

    #[test]
    fn any_position_can_be_asked_for_at_any_time() {
        let mut straight = Sampler::new(9, 7);
        let forward: Vec<usize> = (0..40).map(|k| straight.at(k)).collect();
        let mut jumping = Sampler::new(9, 7);
        assert!((0..40).rev().all(|k| jumping.at(k) == forward[k as usize]));
    }
}
