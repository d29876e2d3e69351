//! ResNet-18: the encoder of basic blocks (He et al., arXiv 1512.03385, figure 5, left).

use super::architecture::{Architecture, Encoder, norm};
use super::backbone::{Backbone, BlockShape, ConvShape, Group};
use crate::ml::conventions::Geometry;
use crate::ml::ops::conv::Conv2d;

/// ResNet-18.
pub(super) const RESNET18: Encoder = Encoder {
    name: "ResNet18",
    doc: "ResNet-18 at output stride 8, as torchvision's: two 3x3 convolutions a block, both of which groups 4 and 5 dilate.",
    args: norm,
    build: |args| Ok(basic_blocks(64, [64, 128, 256, 512], [2, 2, 2, 2]).with(args)),
};

/// A network of basic blocks with `channels` channels at the end of each group, and so many `blocks`.
pub fn basic_blocks(stem: usize, channels: [usize; 4], blocks: [usize; 4]) -> Architecture {
    Architecture::new(&Basic, stem, channels, blocks)
}

/// `first` (3x3) and `second` (3x3). A block has a projection as its shortcut only where it changes channels or size.
#[derive(Debug)]
struct Basic;

impl Backbone for Basic {
    fn block(&self, group: &Group, number: usize, input: usize, geometry: &Geometry) -> BlockShape {
        let (output, stride) = (group.channels, group.stride_of(number));
        let conv = |part, input, stride| ConvShape {
            part,
            input,
            output,
            kernel: 3,
            op: Conv2d { stride, dilation: group.dilation, padding: geometry.padding },
        };
        let same = input == output && stride == 1;
        BlockShape {
            path: vec![conv("first", input, stride), conv("second", output, 1)],
            shortcut: (!same).then(|| ConvShape::pointwise("shortcut", input, output, stride)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::{Device, Tensor};

    use crate::ml::layers::{Inventory, Role};
    use crate::ml::models::{Network, Site, architecture};
    use crate::ml::naming::{Meaning, NameTable};
    use crate::ml::spec::{Choice, ModelSpec};
    use crate::ml::weights::{Scheme, initialise};

    fn spec(prefilter: &str) -> ModelSpec {
        ModelSpec::new(Choice::new("ResNet18"), 21, Choice::new(prefilter))
    }

    fn inventory() -> Inventory {
        Network::inventory(&spec("Regular"), &architecture(&Choice::new("ResNet18")).unwrap()).unwrap()
    }

    /// torchvision counts 11,689,512 parameters, 513,000 of them in the classifier.
    #[test]
    fn it_has_as_many_parameters_as_torchvisions() {
        let count = |part: fn(&str) -> bool| -> usize {
            let inventory = inventory();
            let ours = inventory.iter().filter(|(_, p)| matches!(p.role, Role::Conv | Role::Norm) && part(&p.name));
            ours.map(|(_, parameter)| parameter.len()).sum()
        };
        assert_eq!(count(|name| name.ends_with("/weights")), 11_166_912);
        // The statistics of batch norms are not counted as parameters there.
        assert_eq!(count(|name| !name.ends_with("/mean") && !name.ends_with("/variance")), 11_689_512 - 513_000);
        assert_eq!(count(|name| name.ends_with("/mean")), 4_800);
    }

    /// The names and shapes of torchvision's `resnet18().state_dict()`, from its definition.
    fn torchvision() -> BTreeMap<String, Vec<usize>> {
        let mut names = BTreeMap::new();
        let mut conv_norm = |conv: String, norm: String, shape: [usize; 4]| {
            names.insert(format!("{conv}.weight"), shape.to_vec());
            for part in ["weight", "bias", "running_mean", "running_var"] {
                names.insert(format!("{norm}.{part}"), vec![shape[0]]);
            }
            names.insert(format!("{norm}.num_batches_tracked"), Vec::new());
        };
        conv_norm("conv1".into(), "bn1".into(), [64, 3, 7, 7]);
        let mut input = 64;
        for (layer, width) in [(1, 64), (2, 128), (3, 256), (4, 512)] {
            for block in 0..2 {
                let place = format!("layer{layer}.{block}");
                conv_norm(format!("{place}.conv1"), format!("{place}.bn1"), [width, input, 3, 3]);
                conv_norm(format!("{place}.conv2"), format!("{place}.bn2"), [width, width, 3, 3]);
                if input != width {
                    let downsample = |at| format!("{place}.downsample.{at}");
                    conv_norm(downsample(0), downsample(1), [width, input, 1, 1]);
                }
                input = width;
            }
        }
        names.insert("fc.weight".to_owned(), vec![1000, 512]);
        names.insert("fc.bias".to_owned(), vec![1000]);
        names
    }

    #[test]
    fn every_tensor_of_torchvisions_has_its_place_and_its_shape() {
        let (inventory, theirs) = (inventory(), torchvision());
        assert_eq!(theirs.len(), 122);
        let shapes: BTreeMap<&str, &[usize]> =
            inventory.iter().map(|(_, p)| (p.name.as_str(), p.shape.as_slice())).collect();
        let table = NameTable::shipped("TorchvisionBasic").unwrap();
        let mut found = BTreeMap::new();
        for (name, shape) in &theirs {
            match table.meaning(name, &|ours| shapes.contains_key(ours)) {
                Meaning::Ours(ours) => {
                    assert_eq!(shapes[ours.as_str()], shape.as_slice(), "{name} is {ours}");
                    assert_eq!(found.insert(ours, name), None, "{name}");
                }
                Meaning::Skipped(_) => assert!(name.starts_with("fc.") || name.ends_with("tracked"), "{name}"),
                Meaning::Unknown => panic!("{name} has no place"),
            }
        }
        let encoder = inventory.iter().filter(|(_, p)| matches!(p.role, Role::Conv | Role::Norm)).count();
        assert_eq!(found.len(), encoder);
    }

    #[test]
    fn both_convolutions_of_a_dilated_block_have_a_pre_filter() {
        let shape = architecture(&Choice::new("ResNet18")).unwrap();
        let inventory = Network::inventory(&spec("Average"), &shape).unwrap();
        let names = inventory.iter().filter_map(|(_, p)| p.name.strip_suffix("/prefilter/weights"));
        let blocks = ["group4/block1", "group4/block2", "group5/block1", "group5/block2"];
        let expected = blocks.iter().flat_map(|block| ["first", "second"].map(|part| format!("{block}/{part}")));
        assert!(names.eq(expected));
    }

    #[test]
    fn a_forward_pass_has_the_shapes_of_output_stride_8() {
        let network = initialise(&spec("Gaussian"), &Device::Cpu, Scheme::Stable, 1).unwrap();
        let images = Tensor::zeros((1, 3, 65, 49), candle_core::DType::F32, &Device::Cpu).unwrap();
        let tape = network.forward_train(&images, 1).unwrap();
        assert_eq!(tape.logits.dims(), [1, 21, 9, 7]);
        let dims = |site| tape.at(&network, site).unwrap().dims().to_vec();
        assert_eq!(dims(Site::Input("group2/block1")), [1, 64, 17, 13]);
        assert_eq!(dims(Site::Output("group3/block2")), [1, 128, 9, 7]);
        assert_eq!(dims(Site::Output("group4/block2")), [1, 256, 9, 7]);
        assert_eq!(dims(Site::Output("group5/block2")), [1, 512, 9, 7]);
    }
}
