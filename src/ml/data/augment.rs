//! From decoded pixels to what a network is fed, in the reference's order: channels and mean, random scale, random
//! mirror, padding at the bottom and right, random crop.
//!
//! The draws of a sample are a function of (seed, position in the stream). Each is drawn whether it is used or not, so
//! that switching mirroring off leaves scales and crops as they are.

use super::raster::{Image, Rgb};
use crate::ml::resample;
use crate::rng::Rng;

/// The order of the channels that a network is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// Blue, green, red, as Caffe's encoders were trained.
    Bgr,
    /// Red, green, blue, as slim's were.
    Rgb,
}

/// How 8-bit colours become the network's numbers: reordered, less a mean, over a deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalise {
    /// The order of the channels.
    pub channels: Channels,
    /// The mean of each channel in that order, in levels of 255.
    pub mean: [f32; 3],
    /// The deviation of each channel in that order, in levels of 255.
    pub deviation: [f32; 3],
}

impl Default for Normalise {
    /// The reference's: BGR, less the mean of its encoder's training images.
    fn default() -> Self {
        Normalise { channels: Channels::Bgr, mean: [104.006_99, 116.668_77, 122.678_92], deviation: [1.0; 3] }
    }
}

impl Normalise {
    /// The image as the network sees it.
    pub fn apply(&self, image: &Rgb) -> Image {
        image.map(|[r, g, b]| {
            let ordered = if self.channels == Channels::Bgr { [b, g, r] } else { [r, g, b] };
            std::array::from_fn(|c| self.level(c, ordered[c]))
        })
    }

    /// The number for a level of the channel `c` of the network's order. A deviation of 1 changes no bit.
    pub(super) fn level(&self, c: usize, level: u8) -> f32 {
        (f32::from(level) - self.mean[c]) / self.deviation[c]
    }
}

/// What is varied at random.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augment {
    /// The interval, without its end, from which the factor of height and width is drawn.
    pub scale: Option<(f32, f32)>,
    /// Whether half of the samples are mirrored.
    pub mirror: bool,
}

/// What was drawn for one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draws {
    /// The factor of height and width.
    pub scale: Option<f32>,
    /// Whether left and right are exchanged.
    pub mirrored: bool,
    /// Where the crop lies among the places where it fits: row and column, each as a fraction of 2^32.
    pub place: [u32; 2],
}

impl Augment {
    /// The draws for the sample at position `sample` of the stream.
    pub fn draws(&self, seed: u64, sample: u64) -> Draws {
        let mut rng = Rng::new(seed, "augment", sample);
        let (low, high) = self.scale.unwrap_or((1.0, 1.0));
        let factor = rng.range(low, high);
        let mirrored = mirrors(rng.uniform()) && self.mirror;
        Draws { scale: self.scale.map(|_| factor), mirrored, place: [rng.bits(), rng.bits()] }
    }
}

/// Whether a uniform draw from `[0, 1)` mirrors.
pub fn mirrors(draw: f32) -> bool {
    draw < 0.5
}

/// Where a crop of a size lies in an image of height and width `size` that draws have scaled: row and column.
pub(super) fn offset(draws: &Draws, size: (usize, usize), crop: (usize, usize)) -> (usize, usize) {
    let offset = |side: usize, crop: usize, place: u32| {
        let places = side.saturating_sub(crop) as u64 + 1;
        ((u64::from(place) * places) >> 32) as usize
    };
    (offset(size.0, crop.0, draws.place[0]), offset(size.1, crop.1, draws.place[1]))
}

/// Height and width of an image of this size that draws have scaled.
pub(super) fn scaled((height, width): (usize, usize), draws: &Draws) -> (usize, usize) {
    let side = |side| draws.scale.map_or(side, |factor| resample::scaled(side, factor));
    (side(height), side(width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::data::Labels;
    use crate::ml::data::steps::apply;

    #[test]
    fn channels_mean_and_deviation_are_free() {
        let rgb = Normalise { channels: Channels::Rgb, mean: [1.0, 2.0, 3.0], deviation: [1.0; 3] };
        let pixel = Rgb::new(1, 1, vec![[10, 20, 30]]).unwrap();
        assert_eq!(rgb.apply(&pixel).pixels(), [[9.0, 18.0, 27.0]]);
        assert_eq!(Normalise { channels: Channels::Bgr, ..rgb }.apply(&pixel).pixels(), [[29.0, 18.0, 7.0]]);
        let scaled = Normalise { deviation: [0.5, 2.0, 9.0], ..rgb };
        assert_eq!(scaled.apply(&pixel).pixels(), [[18.0, 9.0, 3.0]]);
    }

    #[test]
    fn draws_cover_what_they_may_and_do_not_hang_together() {
        let full = Augment { scale: Some((0.5, 1.5)), mirror: true };
        let draws: Vec<Draws> = (0..2000).map(|k| full.draws(7, k)).collect();
        let scales = || draws.iter().filter_map(|d| d.scale);
        assert!(scales().all(|s| (0.5..1.5).contains(&s)));
        assert!(scales().fold(2.0, f32::min) < 0.51 && scales().fold(0.0, f32::max) > 1.49);
        let mirrored = draws.iter().filter(|d| d.mirrored).count();
        assert!((900..1100).contains(&mirrored), "{mirrored}");
        let plain = Augment { scale: None, mirror: false }.draws(7, 3);
        assert_eq!((plain.scale, plain.mirrored, plain.place), (None, false, draws[3].place));
    }

    #[test]
    fn crops_reach_every_place_and_no_other() {
        let column = Labels::from_fn(9, 1, |y, _| y as u8);
        let picture = Image::from_fn(9, 1, |_, _| [0.0; 3]);
        let first = |place: u32| {
            let draws = Draws { scale: None, mirrored: false, place: [place, 0] };
            apply(picture.clone(), column.clone(), &draws, (4, 1), 255).1.at(0, 0)
        };
        assert_eq!((first(0), first(u32::MAX)), (0, 5));
        let padded =
            apply(picture.clone(), column.clone(), &Augment { scale: None, mirror: false }.draws(1, 1), (11, 2), 255).1;
        assert_eq!((padded.at(8, 0), padded.at(9, 0), padded.at(0, 1)), (8, 255, 255));
    }
}
