//! The convolutions of a network over images of one size. The walk to them is written once, for all who count or list them
//! without computing anything.

use candle_core::Tensor;

use super::block::Unit;
use super::network::Network;
use crate::ml::error::Result;
use crate::ml::gpu::plan::ConvShape;
use crate::ml::ops::conv::Conv2d;

/// A convolution of a network, over planes of a known size.
pub(super) struct SizedConv<'a> {
    /// The geometry.
    op: Conv2d,
    /// The filter.
    pub weights: &'a Tensor,
    /// Height and width of the input.
    source: [usize; 2],
    /// Height and width of the output, without what goes beyond it up to whole cells.
    pub grid: [usize; 2],
    /// How many values of its own input the pre-filter takes for each of its outputs.
    pub taps: usize,
    /// Whether it gives whole cells of outputs.
    whole: bool,
}

impl<'a> SizedConv<'a> {
    /// One without a pre-filter.
    fn plain(op: Conv2d, weights: &'a Tensor, source: [usize; 2]) -> Self {
        let grid = [0, 1].map(|axis| op.outputs(source[axis], weights.dims()[2 + axis]));
        SizedConv { op, weights, source, grid, taps: 0, whole: false }
    }

    /// One of a path.
    fn of_path(unit: &'a Unit, source: [usize; 2]) -> Self {
        let conv = unit.conv();
        let plain = SizedConv::plain(conv.op, &conv.weights, source);
        SizedConv { taps: unit.taps(), whole: unit.gives_whole_cells(), ..plain }
    }
}

impl Network {
    /// The convolutions over images of that height and width. The stem is the first; in a block, the path comes before the
    /// shortcut.
    pub(super) fn sized(&self, plane: [usize; 2]) -> Vec<SizedConv<'_>> {
        let stem = SizedConv::plain(self.stem.op, &self.stem.weights, plane);
        let mut plane = stem.grid.map(|size| self.spec().geometry.pool.outputs(size));
        let mut convolutions = vec![stem];
        for block in &self.blocks {
            let input = plane;
            for (_, unit) in &block.path {
                let conv = SizedConv::of_path(unit, plane);
                plane = conv.grid;
                convolutions.push(conv);
            }
            let shortcut = block.shortcut.as_ref();
            convolutions.extend(shortcut.map(|conv| SizedConv::plain(conv.op, &conv.weights, input)));
        }
        let head = self.head.convolutions();
        convolutions.extend(head.map(|(op, weights)| SizedConv::plain(op, weights, plane)));
        convolutions
    }

    /// What a GPU's library for convolutions is asked for in a pass over `images` images of that height and width. The stem
    /// is the first; in a block, the path comes before the shortcut.
    ///
    /// A training step asks for each of them in each [`Direction`](crate::ml::gpu::plan::Direction), but not for the gradient
    /// of the stem by the images.
    ///
    /// # Errors
    /// The images have no pixels.
    pub fn convolutions(&self, images: usize, plane: [usize; 2]) -> Result<Vec<ConvShape>> {
        let shape = |conv: &SizedConv<'_>| conv.op.gpu_shape(images, conv.source, conv.weights, conv.whole);
        self.sized(plane).iter().map(shape).collect()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::ml::conventions::Geometry;
    use crate::ml::spec::{Choice, HeadSpec, ModelSpec};
    use crate::ml::weights::{Scheme, initialise};

    fn network(spec: &ModelSpec) -> Network {
        initialise(spec, &Device::Cpu, Scheme::Stable, 1).unwrap()
    }

    fn tiny(prefilter: &str) -> ModelSpec {
        ModelSpec::new(Choice::new("Tiny"), 4, Choice::new(prefilter))
    }

    /// A convolution of two square images with a square filter.
    fn square(
        [channels, outputs]: [usize; 2],
        [source, grid]: [usize; 2],
        kernel: usize,
        (pad, stride, dilation): (usize, usize, usize),
    ) -> ConvShape {
        ConvShape {
            images: 2,
            channels,
            outputs,
            source: [source; 2],
            grid: [grid; 2],
            kernel: [kernel; 2],
            pad: [pad; 2],
            stride,
            dilation,
            exact: false,
        }
    }

    /// One of 1x1 over planes of `size`.
    fn one(channels: [usize; 2], size: usize) -> ConvShape {
        square(channels, [size, size], 1, (0, 1, 1))
    }

    /// One of 3x3 of `width` channels over planes of `size`.
    fn three(width: usize, size: usize, dilation: usize) -> ConvShape {
        square([width, width], [size, size], 3, (dilation, 1, dilation))
    }

    /// The Tiny encoder on 33 x 33 pixels by hand: planes of 17, 9 and 5.
    fn by_hand() -> Vec<ConvShape> {
        let half = |channels| square(channels, [9, 5], 1, (0, 2, 1));
        let head = |dilation| square([128, 4], [5, 5], 3, (dilation, 1, dilation));
        vec![
            square([3, 8], [33, 17], 7, (3, 2, 1)),
            // Group 2.
            one([8, 4], 9),
            three(4, 9, 1),
            one([4, 16], 9),
            one([8, 16], 9),
            // Group 3.
            half([16, 8]),
            three(8, 5, 1),
            one([8, 32], 5),
            half([16, 32]),
            // Group 4.
            one([32, 16], 5),
            three(16, 5, 2),
            one([16, 64], 5),
            one([32, 64], 5),
            one([64, 16], 5),
            three(16, 5, 2),
            one([16, 64], 5),
            // Group 5.
            one([64, 32], 5),
            three(32, 5, 4),
            one([32, 128], 5),
            one([64, 128], 5),
            one([128, 32], 5),
            three(32, 5, 4),
            one([32, 128], 5),
            // The head.
            head(6),
            head(12),
            head(18),
            head(24),
        ]
    }

    #[test]
    fn the_convolutions_of_tiny_are_those_that_were_counted_by_hand() {
        for prefilter in ["Regular", "Decompose", "Average", "Gaussian", "SeparableShared", "Aggregation"] {
            assert_eq!(network(&tiny(prefilter)).convolutions(2, [33, 33]).unwrap(), by_hand(), "{prefilter}");
        }
    }

    /// Rows of 32 pixels need one zero more behind than before: 5 zeros for 16 outputs, in a frame of 37. That of the other
    /// axis, of 39, is the image with its padding.
    #[test]
    fn a_source_with_unequal_padding_has_the_size_of_its_frame() {
        let first = network(&tiny("Regular")).convolutions(2, [32, 33]).unwrap()[0];
        let stem = ConvShape { source: [37, 39], grid: [16, 17], ..square([3, 8], [0, 0], 7, (0, 2, 1)) };
        assert_eq!(first, stem);
        let symmetric = ModelSpec { geometry: Geometry::CAFFE, ..tiny("Regular") };
        let first = network(&symmetric).convolutions(2, [32, 33]).unwrap()[0];
        assert_eq!(first, ConvShape { source: [32, 33], pad: [3, 3], ..stem });
    }

    /// Outputs of 5 x 5 become 6 x 6 and 8 x 8.
    #[test]
    fn group_interaction_asks_for_whole_cells() {
        let mut expected = by_hand();
        for shape in &mut expected {
            match (shape.channels, shape.dilation) {
                (16, 2) => *shape = square([16, 16], [10, 6], 3, (0, 1, 2)),
                (32, 4) => *shape = square([32, 32], [16, 8], 3, (0, 1, 4)),
                _ => {}
            }
        }
        assert_eq!(network(&tiny("GroupInteraction")).convolutions(2, [33, 33]).unwrap(), expected);
    }

    #[test]
    fn multigrid_and_the_head_change_what_they_name() {
        let mut expected = by_hand();
        // The second block of a group has twice its dilation.
        expected[14] = three(16, 5, 4);
        expected[21] = three(32, 5, 8);
        expected.truncate(23);
        expected.extend([square([128, 32], [5, 5], 3, (1, 1, 1)), one([32, 4], 5)]);
        let spec = ModelSpec { head: HeadSpec::Fcn, ..tiny("Multigrid") };
        assert_eq!(network(&spec).convolutions(2, [33, 33]).unwrap(), expected);
    }

    #[test]
    fn images_without_pixels_are_refused() {
        assert!(network(&tiny("Regular")).convolutions(2, [0, 33]).is_err());
    }
}
