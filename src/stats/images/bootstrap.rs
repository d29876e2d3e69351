//! The paired bootstrap over images: images are drawn with replacement, the same for both models.

use rayon::prelude::*;

use super::pair::{BLOCK, Difference, Lane, Pair, difference};
use crate::rng::Rng;

/// How many times images are drawn, or swapped.
pub const RESAMPLES: usize = 10_000;

/// The differences of resamples, in the order of their indices: none where a resample lost every class of the figure.
pub(super) fn bootstrap(pair: &Pair, seed: u64, resamples: usize) -> Vec<Option<Difference>> {
    let rng = Rng::new(seed, "bootstrap over images", 0);
    let images = pair.images();
    drawn(pair, resamples, |resample, draw| {
        let mut rng = rng.at(resample as u64);
        (0..images).for_each(|_| draw(rng.below(images as u32) as usize));
    })
}

/// The differences of resamples whose images `draw` names, each by its place among the images with counted pixels.
pub(super) fn drawn(
    pair: &Pair,
    resamples: usize,
    draw: impl Fn(usize, &mut dyn FnMut(usize)) + Sync,
) -> Vec<Option<Difference>> {
    in_blocks(resamples, |block, count| {
        let mut weights: Vec<Lane> = vec![[0.0; BLOCK]; pair.images()];
        (0..count).for_each(|at| draw(block + at, &mut |image| weights[image][at] += 1.0));
        pair.weighted(&weights)
    })
}

/// The differences of so many resamples, in their order. The sums of a block of them are asked for by its first index and its
/// length.
pub(super) fn in_blocks(resamples: usize, sums: impl Fn(usize, usize) -> Vec<Lane> + Sync) -> Vec<Option<Difference>> {
    (0..resamples.div_ceil(BLOCK))
        .into_par_iter()
        .flat_map_iter(|block| {
            let first = block * BLOCK;
            let count = BLOCK.min(resamples - first);
            let sums = sums(first, count);
            (0..count).map(move |at| difference(sums.iter().map(|lane| lane[at]))).collect::<Vec<_>>()
        })
        .collect()
}
