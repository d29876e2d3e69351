//! The sign-flip test: whether two models could as well be swapped in each image.

use super::super::counts::{Counts, Figure};
use super::super::fault::Fault;
use super::bootstrap::{RESAMPLES, in_blocks};
use super::pair::{BLOCK, Lane, Pair, difference};
use crate::rng::Rng;

/// The two-sided p-value of the hypothesis that it does not matter which of the two models predicted an image: whole images
/// are swapped between them, and the differences of the figure over all images are compared with the one that was seen.
///
/// All ways to swap are gone through where they are no more than [`RESAMPLES`]; else so many are drawn, and `k` of them that
/// differ as much count as `(k + 1) / (RESAMPLES + 1)`.
///
/// # Errors
///
/// Where the counts are not of the same images and classes, or too few to say anything.
pub fn sign_flips(a: &Counts, b: &Counts, figure: Figure, seed: u64) -> Result<f64, Fault> {
    Ok(p(&Pair::new(a, b, figure)?, seed, RESAMPLES))
}

/// The p-value of the sign-flip test, from at most so many sets of images.
pub(super) fn p(pair: &Pair, seed: u64, resamples: usize) -> f64 {
    let images = pair.swaps().images();
    match u32::try_from(images).ok().and_then(|images| 1_usize.checked_shl(images)) {
        Some(all) if all <= resamples => {
            let as_much = flipped(pair, all, |pattern, swap| {
                (0..images).filter(|image| pattern >> image & 1 == 1).for_each(swap);
            });
            as_much as f64 / all as f64
        }
        _ => {
            let rng = Rng::new(seed, "images swapped", 0);
            let as_much = flipped(pair, resamples, |resample, swap| {
                let mut rng = rng.at(resample as u64);
                for first in (0..images).step_by(32) {
                    let bits = rng.bits();
                    (first..images.min(first + 32))
                        .filter(|image| bits >> (image - first) & 1 == 1)
                        .for_each(&mut *swap);
                }
            });
            (as_much as f64 + 1.0) / (resamples as f64 + 1.0)
        }
    }
}

/// In how many of the swapped sets the models differ at least as much as they do. Which images of those that differ are
/// swapped is what `swap` is told.
pub(super) fn flipped(pair: &Pair, sets: usize, swap: impl Fn(usize, &mut dyn FnMut(usize)) + Sync) -> usize {
    let swaps = pair.swaps();
    let seen = difference(pair.sums().iter().copied()).map_or(0.0, |it| it.effect.abs());
    let effects = in_blocks(sets, |block, count| {
        let mut weights: Vec<Lane> = vec![[0.0; BLOCK]; swaps.images()];
        (0..count).for_each(|at| swap(block + at, &mut |image| weights[image][at] = 1.0));
        swaps.swapped(&weights)
    });
    // Differences that are equal but for rounding are equal. A set without a figure counts against a difference.
    effects.iter().filter(|it| it.is_none_or(|it| it.effect.abs() >= seen - 1e-12)).count()
}
