//! Where a resized image reads.
//!
//! Photographs and labels are resized by TensorFlow's legacy sampling, tensors by any [`Sampling`]. Positions are computed in
//! 32-bit floats, as TensorFlow and PyTorch do, since they decide which pixels an output reads.

use serde::{Deserialize, Serialize};

/// Where the outputs of a bilinear resize stand among the pixels of the input, along each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Sampling {
    /// Output `i` stands at `i * (in / out)`: TensorFlow's legacy sampling. The first pixels lie on one another.
    #[default]
    Legacy,
    /// Output `i` stands at `(i + 0.5) * (in / out) - 0.5`, at least 0: the images lie on one another. PyTorch calls it
    /// `align_corners=False`.
    HalfPixel,
    /// Output `i` stands at `i * ((in - 1) / (out - 1))`: the first pixels lie on one another, and the last ones. A single output
    /// stands at 0.
    AlignCorners,
}

/// Where an output reads along one axis: two neighbours, and the weight of the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tap {
    /// The lower neighbour, with [`Sampling::Legacy`] also the nearest pixel.
    pub low: usize,
    /// The upper neighbour, the lower one at the end.
    pub high: usize,
    /// The weight of the upper neighbour.
    pub weight: f32,
}

impl Sampling {
    /// The taps of a bilinear resize along one axis, one an output.
    pub fn taps(self, from: usize, to: usize) -> Vec<Tap> {
        self.taps_at(self.scale(from, to), from, to)
    }

    /// As [`Sampling::taps`], with outputs `scale` pixels of the input apart.
    pub fn taps_at(self, scale: f32, from: usize, to: usize) -> Vec<Tap> {
        let centre = self.centre();
        let tap = |i: usize| {
            let at = ((i as f32 + centre) * scale - centre).max(0.0);
            let low = (at as usize).min(from.saturating_sub(1));
            Tap { low, high: (low + 1).min(from.saturating_sub(1)), weight: at - low as f32 }
        };
        (0..to).map(tap).collect()
    }

    /// The pixel that stands nearest to each output along one axis, the upper one of two; with [`Sampling::Legacy`] the lower
    /// neighbour, as TensorFlow has it.
    pub fn nearest(self, from: usize, to: usize) -> Vec<usize> {
        let (scale, centre) = (self.scale(from, to), self.centre());
        let up = if self == Sampling::Legacy { 0.0 } else { 0.5 };
        (0..to).map(|i| (((i as f32 + centre) * scale - centre + up) as usize).min(from.saturating_sub(1))).collect()
    }

    /// The distance between two outputs, in pixels of the input.
    pub fn scale(self, from: usize, to: usize) -> f32 {
        match self {
            Sampling::Legacy | Sampling::HalfPixel => from as f32 / to as f32,
            Sampling::AlignCorners if to > 1 => from.saturating_sub(1) as f32 / (to - 1) as f32,
            Sampling::AlignCorners => 0.0,
        }
    }

    /// Where in its pixel an output stands: output `i` at `(i + centre) * scale - centre`.
    pub fn centre(self) -> f32 {
        match self {
            Sampling::HalfPixel => 0.5,
            Sampling::Legacy | Sampling::AlignCorners => 0.0,
        }
    }
}

/// The taps of TensorFlow's legacy bilinear resize along one axis, one an output.
pub fn bilinear_taps(from: usize, to: usize) -> Vec<Tap> {
    Sampling::Legacy.taps(from, to)
}

/// The input index that each output of TensorFlow's legacy nearest-neighbour resize reads along one axis: the lower neighbour.
pub fn nearest_indices(from: usize, to: usize) -> Vec<usize> {
    Sampling::Legacy.nearest(from, to)
}

/// Labels brought to another size: each output has the label of the pixel that stands nearest to it.
///
/// # Shapes
/// `labels` `[N, H, W]` -> `[N, height, width]`.
pub fn nearest_labels(labels: &[u8], from: [usize; 2], to: [usize; 2], sampling: Sampling) -> Vec<u8> {
    let (rows, columns) = (sampling.nearest(from[0], to[0]), sampling.nearest(from[1], to[1]));
    let mut out = Vec::with_capacity(labels.len() / (from[0] * from[1]).max(1) * to[0] * to[1]);
    for image in labels.chunks_exact((from[0] * from[1]).max(1)) {
        for &y in &rows {
            let line = &image[y * from[1]..(y + 1) * from[1]];
            out.extend(columns.iter().map(|&x| line[x]));
        }
    }
    out
}

/// A side after scaling by `factor`: the product in 32-bit floats, truncated, at least 1.
pub fn scaled(side: usize, factor: f32) -> usize {
    ((side as f32 * factor) as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_truncated_single_precision_products() {
        assert_eq!(scaled(500, 0.73), 365);
        assert_eq!(scaled(1, 0.5), 1);
    }

    /// Against PIL's nearest neighbour (half-pixel centres) and by hand.
    #[test]
    fn the_nearest_pixel_is_that_of_the_sampling() {
        assert_eq!(Sampling::Legacy.nearest(16, 3), [0, 5, 10]);
        assert_eq!(Sampling::HalfPixel.nearest(16, 3), [2, 8, 13]);
        assert_eq!(Sampling::HalfPixel.nearest(321, 41)[..3], [3, 11, 19]);
        assert_eq!(Sampling::AlignCorners.nearest(321, 41)[38..], [304, 312, 320]);
        assert_eq!(Sampling::AlignCorners.nearest(6, 4), [0, 2, 3, 5]);
        for sampling in [Sampling::Legacy, Sampling::HalfPixel, Sampling::AlignCorners] {
            assert_eq!(sampling.nearest(5, 5), [0, 1, 2, 3, 4], "{sampling:?}");
        }
    }

    #[test]
    fn outputs_stand_where_their_sampling_says() {
        let positions = |sampling: Sampling, from, to| -> Vec<f32> {
            sampling.taps(from, to).iter().map(|tap| tap.low as f32 + tap.weight).collect()
        };
        // Behind the last pixel the two neighbours are one, so that the weight says nothing.
        assert_eq!(positions(Sampling::Legacy, 2, 4), [0.0, 0.5, 1.0, 1.5]);
        assert_eq!(positions(Sampling::HalfPixel, 2, 4), [0.0, 0.25, 0.75, 1.25]);
        assert_eq!(positions(Sampling::AlignCorners, 3, 5), [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(positions(Sampling::HalfPixel, 4, 2), [0.5, 2.5]);
        assert_eq!(positions(Sampling::AlignCorners, 4, 2), [0.0, 3.0]);
        assert_eq!(positions(Sampling::AlignCorners, 4, 1), [0.0]);
        assert_eq!(positions(Sampling::AlignCorners, 1, 3), [0.0, 0.0, 0.0]);
        for sampling in [Sampling::Legacy, Sampling::HalfPixel, Sampling::AlignCorners] {
            assert_eq!(positions(sampling, 5, 5), [0.0, 1.0, 2.0, 3.0, 4.0], "{sampling:?}");
            for (from, to) in [(3, 16), (16, 3), (1, 9), (41, 321), (41, 1)] {
                let taps = sampling.taps(from, to);
                assert!(taps.iter().all(|tap| tap.high < from && tap.low <= tap.high), "{sampling:?} {from} {to}");
            }
        }
    }
}
