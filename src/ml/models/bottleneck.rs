//! The encoders of bottleneck blocks (He et al., arXiv 1512.03385, figure 5, right).

use super::architecture::{Architecture, Encoder, norm};
use super::backbone::{Backbone, BlockShape, ConvShape, Group};
use crate::ml::conventions::{Geometry, StrideAt};
use crate::ml::ops::conv::Conv2d;

/// ResNet-101.
pub(super) const RESNET101: Encoder = Encoder {
    name: "ResNet101",
    doc: "ResNet-101 at output stride 8 (DeepLab-v2): the reference's `deeplab`, with Caffe's names, and `res101`, with slim's.",
    args: norm,
    build: |args| Ok(bottlenecks(64, [256, 512, 1024, 2048], [3, 4, 23, 3]).with(args)),
};

/// ResNet-50.
pub(super) const RESNET50: Encoder = Encoder {
    name: "ResNet50",
    doc: "ResNet-50 at output stride 8: the reference's `res50`.",
    args: norm,
    build: |args| Ok(bottlenecks(64, [256, 512, 1024, 2048], [3, 4, 6, 3]).with(args)),
};

/// The smallest encoder.
pub(super) const TINY: Encoder = Encoder {
    name: "Tiny",
    doc: "A network of the same shape for tests and small machines: 16 to 128 channels, 6 blocks.",
    args: norm,
    build: |args| Ok(bottlenecks(8, [16, 32, 64, 128], [1, 1, 2, 2]).with(args)),
};

/// A network of bottleneck blocks with `channels` channels at the end of each group, and so many `blocks`.
pub fn bottlenecks(stem: usize, channels: [usize; 4], blocks: [usize; 4]) -> Architecture {
    Architecture::new(&Bottleneck, stem, channels, blocks)
}

/// `reduce` (1x1) to a quarter of the channels, `middle` (3x3), `expand` (1x1). The first block of a group has a
/// projection as its shortcut. Its stride is on `reduce`, as in the older weights in Caffe's format, or on `middle`.
#[derive(Debug)]
struct Bottleneck;

impl Backbone for Bottleneck {
    fn block(&self, group: &Group, number: usize, input: usize, geometry: &Geometry) -> BlockShape {
        let (width, stride) = (group.channels / 4, group.stride_of(number));
        let [first, second] = match geometry.stride {
            StrideAt::Reduce => [stride, 1],
            StrideAt::Middle => [1, stride],
        };
        let middle = Conv2d { stride: second, dilation: group.dilation, padding: geometry.padding };
        BlockShape {
            path: vec![
                ConvShape::pointwise("reduce", input, width, first),
                ConvShape { part: "middle", input: width, output: width, kernel: 3, op: middle },
                ConvShape::pointwise("expand", width, group.channels, 1),
            ],
            shortcut: (number == 0).then(|| ConvShape::pointwise("shortcut", input, group.channels, stride)),
        }
    }
}
