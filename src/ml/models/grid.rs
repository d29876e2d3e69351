//! Where the logits of a network lie in its images.
//!
//! Only the layers with a stride move them: the stem, the max pool and the first block of group 3. All other layers are
//! centred on their outputs. At a size of 1 more than a multiple of the output stride, the first logit lies on the first
//! pixel and the last one on the last pixel, whatever the conventions. At other sizes `SAME` padding puts the first logit
//! further in, and symmetric padding leaves pixels behind the last one.

use super::architecture::Architecture;
use crate::ml::conventions::Geometry;
use crate::ml::geometry::{Axis, Padding};
use crate::ml::ops::pool::MaxPool;

/// The taps and the stride of the max pool.
const POOL: (usize, usize) = (3, 2);

/// The taps and the stride of the stem.
const STEM: (usize, usize) = (7, 2);

/// The layers of a network that have a stride.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    padding: Padding,
    pool: MaxPool,
    /// Taps and stride of the convolutions behind the pool.
    convs: Vec<(usize, usize)>,
}

/// The places of the logits along an axis of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Where the first one lies.
    pub first: usize,
    /// From one to the next.
    pub step: usize,
    /// How many there are.
    pub count: usize,
}

impl Grid {
    /// The grid of a network of this shape.
    pub(super) fn of(shape: &Architecture, geometry: &Geometry) -> Self {
        let blocks = shape.blocks(geometry);
        let convs = blocks.iter().flat_map(|block| &block.shape.path).filter(|conv| conv.op.stride > 1);
        let convs = convs.map(|conv| (conv.kernel, conv.op.stride)).collect();
        Grid { padding: geometry.padding, pool: geometry.pool, convs }
    }

    /// The places along an axis of `size` pixels, of which there is at least one.
    pub fn along(&self, size: usize) -> Places {
        let conv = |places: Places, (taps, stride): (usize, usize)| {
            places.behind((taps, stride), self.padding.along(places.count, taps, stride, 1))
        };
        let stem = conv(Places { first: 0, step: 1, count: size }, STEM);
        let pooled = stem.behind(POOL, self.pool.along(stem.count));
        self.convs.iter().fold(pooled, |places, &taps| conv(places, taps))
    }
}

impl Places {
    /// The places of the outputs of a layer over these, whose windows lie as `axis` says.
    fn behind(self, (taps, stride): (usize, usize), axis: Axis) -> Self {
        let centre = ((taps - 1) / 2).saturating_sub(axis.before);
        Places { first: self.first + centre * self.step, step: self.step * stride, count: axis.outputs }
    }

    /// Where the last one lies.
    pub fn last(&self) -> usize {
        self.first + self.count.saturating_sub(1) * self.step
    }
}

#[cfg(test)]
mod tests {
    use super::super::bottlenecks;
    use super::*;

    #[test]
    fn places_follow_from_the_padding() {
        let shape = bottlenecks(8, [16, 32, 64, 128], [1, 1, 2, 2]);
        let places = |geometry: &Geometry, size: usize| {
            let Places { first, step, count } = Grid::of(&shape, geometry).along(size);
            assert_eq!(step, 8);
            (first, count)
        };
        for geometry in [Geometry::TENSORFLOW, Geometry::CAFFE, Geometry::TORCHVISION] {
            for size in [1, 9, 97, 321, 505] {
                assert_eq!(places(&geometry, size), (0, size / 8 + 1), "{geometry:?} {size}");
            }
        }
        // Worked out by hand: 500 -> 250 at 1, 3, … -> 125 at 3, 7, … -> 63 at 3, 11, …
        assert_eq!(places(&Geometry::TENSORFLOW, 500), (3, 63));
        // 375 -> 188 at 0, 2, … -> 94 at 2, 6, … -> 47 at 2, 10, …
        assert_eq!(places(&Geometry::TENSORFLOW, 375), (2, 47));
        assert_eq!(places(&Geometry::CAFFE, 375), (0, 48));
        assert_eq!(places(&Geometry::TORCHVISION, 375), (0, 47));
        assert_eq!(places(&Geometry::CAFFE, 500), (0, 63));
    }
}
