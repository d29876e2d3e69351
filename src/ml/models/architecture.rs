//! The shape of an encoder with its head: how many blocks, how wide, at which stride and dilation.

use crate::ml::error::{Error, Result};
use crate::ml::spec::{Arg, ArgSpec, Args, Choice, complete};

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

/// Every encoder.
pub const ENCODERS: &[Encoder] = &[
    Encoder {
        name: "ResNet101",
        doc: "ResNet-101 at output stride 8 (DeepLab-v2): the reference's `deeplab`, with Caffe's names, and `res101`, with slim's.",
        args: norm,
        build: |args| Ok(Architecture::new(64, [256, 512, 1024, 2048], [3, 4, 23, 3]).with(args)),
    },
    Encoder {
        name: "ResNet50",
        doc: "ResNet-50 at output stride 8: the reference's `res50`.",
        args: norm,
        build: |args| Ok(Architecture::new(64, [256, 512, 1024, 2048], [3, 4, 6, 3]).with(args)),
    },
    Encoder {
        name: "Tiny",
        doc: "A network of the same shape for tests and small machines: 16 to 128 channels, 6 blocks.",
        args: norm,
        build: |args| Ok(Architecture::new(8, [16, 32, 64, 128], [1, 1, 2, 2]).with(args)),
    },
];

/// The name of an encoder's argument.
const TRAINABLE_NORM: &str = "trainable_norm";

/// The arguments of every encoder.
fn norm() -> Vec<ArgSpec> {
    let doc = "Whether training changes gamma and beta of the batch norms, at the encoder's rate and without weight decay; their statistics are always frozen.";
    vec![ArgSpec::new(TRAINABLE_NORM, doc, Arg::Bool(false))]
}

/// The shape of the encoder that `choice` names.
pub fn architecture(choice: &Choice) -> Result<Architecture> {
    let encoder = ENCODERS.iter().find(|encoder| encoder.name == choice.name).ok_or_else(|| {
        let names: Vec<_> = ENCODERS.iter().map(|encoder| encoder.name).collect();
        Error::Model(format!("There is no encoder `{}`; there are {}.", choice.name, names.join(", ")))
    })?;
    (encoder.build)(&complete(encoder.name, &(encoder.args)(), &choice.args).map_err(Error::Model)?)
}

/// The shape of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    /// Channels of the stem, a 7x7 convolution at stride 2 and a 3x3 max pool at stride 2.
    pub stem: usize,
    /// The groups of bottleneck blocks, named `group2` to `group5`.
    pub groups: Vec<Group>,
    /// The dilations of the head's four convolutions.
    pub rates: Vec<usize>,
    /// Whether training changes gamma and beta of the batch norms.
    pub trainable_norm: bool,
}

/// A group of bottleneck blocks. Inside, they have a quarter of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Channels of the output.
    pub channels: usize,
    /// Blocks; the first has a projection shortcut.
    pub blocks: usize,
    /// The stride of the first block, on its first 1x1 convolution and its shortcut.
    pub stride: usize,
    /// The dilation of the 3x3 convolutions.
    pub dilation: usize,
}

impl Architecture {
    /// A network at output stride 8: strides 1, 2, 1, 1 and dilations 1, 1, 2, 4.
    pub fn new(stem: usize, channels: [usize; 4], blocks: [usize; 4]) -> Self {
        let (strides, dilations) = ([1, 2, 1, 1], [1, 1, 2, 4]);
        let group = |at: usize| Group {
            channels: channels[at],
            blocks: blocks[at],
            stride: strides[at],
            dilation: dilations[at],
        };
        let groups = (0..4).map(group).collect();
        Architecture { stem, groups, rates: vec![6, 12, 18, 24], trainable_norm: false }
    }

    /// The same with an encoder's arguments.
    fn with(self, args: &Args) -> Self {
        Architecture { trainable_norm: args.get(TRAINABLE_NORM) == Some(&Arg::Bool(true)), ..self }
    }

    /// The height or width of the logits for an input's.
    pub fn output_size(&self, input: usize) -> usize {
        let stem = input.div_ceil(2).div_ceil(2);
        self.groups.iter().fold(stem, |size, group| size.div_ceil(group.stride))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoders_have_output_stride_8() {
        for encoder in ENCODERS {
            let shape = architecture(&Choice::new(encoder.name)).unwrap();
            assert_eq!([321, 320, 97].map(|size| shape.output_size(size)), [41, 40, 13], "{}", encoder.name);
        }
        assert!(architecture(&Choice::new("VGG")).unwrap_err().to_string().contains("ResNet101"));
    }
}
