//! The shape of an encoder: how many blocks of which kind, how wide, at which stride and dilation. What a network's
//! [`Geometry`] says is applied where the blocks are listed.

use super::backbone::{Backbone, BlockShape, Group};
use crate::ml::conventions::{FirstDilation, Geometry};
use crate::ml::error::Result;
use crate::ml::spec::{Arg, ArgSpec, Args};

/// An encoder in the registry.
pub struct Encoder {
    /// The name in a pipeline.
    pub name: &'static str,
    /// What it is, as a sentence.
    pub doc: &'static str,
    /// Its arguments.
    pub args: fn() -> Vec<ArgSpec>,
    /// Its shape, from complete arguments.
    pub build: fn(&Args) -> Result<Architecture>,
}

/// The name of an encoder's argument.
const TRAINABLE_NORM: &str = "trainable_norm";

/// The arguments of every encoder.
pub(super) fn norm() -> Vec<ArgSpec> {
    let doc = "Whether training changes gamma and beta of the batch norms, at the encoder's rate and without weight decay; their statistics are always frozen.";
    vec![ArgSpec::new(TRAINABLE_NORM, doc, Arg::Bool(false))]
}

/// The shape of an encoder.
#[derive(Debug, Clone)]
pub struct Architecture {
    /// The kind of the blocks.
    pub backbone: &'static dyn Backbone,
    /// Channels of the stem, a 7x7 convolution at stride 2 and a 3x3 max pool at stride 2.
    pub stem: usize,
    /// The groups of blocks, named `group2` to `group5`.
    pub groups: Vec<Group>,
    /// Whether training changes gamma and beta of the batch norms.
    pub trainable_norm: bool,
}

/// A block of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedBlock {
    /// The name, as `group4/block3`.
    pub name: String,
    /// The number within its group, from 0.
    pub number: usize,
    /// The blocks of its group.
    pub of: usize,
    /// Its convolutions.
    pub shape: BlockShape,
}

impl Architecture {
    /// A network at output stride 8: strides 1, 2, 1, 1 and dilations 1, 1, 2, 4. The groups end with `channels` channels.
    pub fn new(backbone: &'static dyn Backbone, stem: usize, channels: [usize; 4], blocks: [usize; 4]) -> Self {
        let (strides, dilations) = ([1, 2, 1, 1], [1, 1, 2, 4]);
        let group = |at: usize| Group {
            channels: channels[at],
            blocks: blocks[at],
            stride: strides[at],
            dilation: dilations[at],
        };
        let groups = (0..4).map(group).collect();
        Architecture { backbone, stem, groups, trainable_norm: false }
    }

    /// The same with an encoder's arguments.
    pub(super) fn with(self, args: &Args) -> Self {
        Architecture { trainable_norm: args.get(TRAINABLE_NORM) == Some(&Arg::Bool(true)), ..self }
    }

    /// The blocks in the order of the network.
    pub fn blocks(&self, geometry: &Geometry) -> Vec<PlacedBlock> {
        let mut blocks = Vec::new();
        let (mut input, mut before) = (self.stem, 1);
        for (at, group) in (2..).zip(&self.groups) {
            for number in 0..group.blocks {
                let name = format!("group{at}/block{}", number + 1);
                let first = number == 0 && geometry.first_dilation == FirstDilation::Before;
                let own = Group { dilation: if first { before } else { group.dilation }, ..*group };
                let shape = self.backbone.block(&own, number, input, geometry);
                blocks.push(PlacedBlock { name, number, of: group.blocks, shape });
                input = group.channels;
            }
            before = group.dilation;
        }
        blocks
    }

    /// Channels of the encoder's output.
    pub fn channels(&self) -> usize {
        self.groups.last().map_or(self.stem, |group| group.channels)
    }

    /// The height or width of the logits for an input's.
    pub fn output_size(&self, input: usize, geometry: &Geometry) -> usize {
        // Filters have odd sides, so that padding changes no size.
        let pooled = geometry.pool.outputs(input.div_ceil(2));
        self.groups.iter().fold(pooled, |size, group| size.div_ceil(group.stride))
    }
}
