//! DeepLab-v2: a ResNet encoder at output stride 8 with dilated groups, and an atrous pyramid as its head.
//!
//! Names of parameters: `stem/conv/weights`, `stem/norm/gamma` (`beta`, `mean`, `variance`),
//! `group4/block3/reduce/weights`, `group4/block3/reduce/norm/gamma`, likewise `middle`, `expand`, `shortcut`,
//! `group4/block3/middle/prefilter/<name>`, `prefilter/<name>` for what the whole network shares, and
//! `head/aspp6/weights`, `head/aspp6/biases` with the dilation in the name.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::architecture::{Architecture, Group, architecture};
use crate::ml::error::{Error, Result};
use crate::ml::layers::affine::{Affine, NormStart};
use crate::ml::layers::conv::{ConvSize, Folded};
use crate::ml::layers::prefilter::{self, DilatedConv, Extra, Layer, LayerGradients, LayerSize};
use crate::ml::layers::{ConvNorm, Gradients, Init, Inventory, Parameter, ParameterId, Parameters, Role};
use crate::ml::ops::conv::Conv2d;
use crate::ml::spec::{Choice, ModelSpec};

pub use super::pass::{Site, Tape};

/// Channels of an image.
pub const IMAGE_CHANNELS: usize = 3;

/// The second moment that the stable initialisation expects of an image's values: pixels without their mean.
const PIXEL_MOMENT: f32 = 65.0 * 65.0;

/// A network with its parameters.
#[derive(Debug)]
pub struct Network {
    spec: ModelSpec,
    parameters: Parameters,
    pub(super) stem: Folded,
    pub(super) blocks: Vec<Block>,
    pub(super) head: Vec<Branch>,
    pub(super) shared: Vec<ParameterId>,
    pub(super) prefilter: Box<dyn DilatedConv>,
    pub(super) regular: Box<dyn DilatedConv>,
}

/// A bottleneck block: `relu(expand(middle(reduce(x))) + shortcut(x))`.
#[derive(Debug)]
pub(super) struct Block {
    pub name: String,
    pub reduce: Folded,
    pub middle: Folded,
    pub expand: Folded,
    pub shortcut: Option<Folded>,
    /// Whether the middle convolution is of the network's dilated type, and that type's parameters of this layer.
    pub smoothed: Option<Vec<ParameterId>>,
}

/// A convolution of the head.
#[derive(Debug)]
pub(super) struct Branch {
    pub op: Conv2d,
    pub weights: ParameterId,
    pub biases: ParameterId,
}

/// A network before its parameters have values.
struct Plan {
    inventory: Inventory,
    shared: Vec<ParameterId>,
    stem: ConvNorm,
    blocks: Vec<BlockPlan>,
    head: Vec<Branch>,
    prefilter: Box<dyn DilatedConv>,
}

/// A block before its parameters have values.
struct BlockPlan {
    name: String,
    convs: [ConvNorm; 3],
    shortcut: Option<ConvNorm>,
    smoothed: Option<Vec<ParameterId>>,
}

impl Network {
    /// The network that `spec` describes, with the values that `values` gives for each parameter.
    pub fn build(
        spec: &ModelSpec,
        device: &Device,
        values: impl FnMut(&Parameter) -> Result<Vec<f32>>,
    ) -> Result<Self> {
        Self::with_architecture(spec, &architecture(&spec.encoder)?, device, values)
    }

    /// As [`Network::build`], with a shape of any width and depth in place of the encoder that `spec` names.
    pub fn with_architecture(
        spec: &ModelSpec,
        shape: &Architecture,
        device: &Device,
        values: impl FnMut(&Parameter) -> Result<Vec<f32>>,
    ) -> Result<Self> {
        let Plan { inventory, shared, stem, blocks, head, prefilter } = Plan::new(spec, shape)?;
        let parameters = Parameters::build(Arc::new(inventory), device, values)?;
        let fold = |plan: BlockPlan| -> Result<Block> {
            let [reduce, middle, expand] = plan.convs;
            Ok(Block {
                name: plan.name,
                reduce: reduce.fold(&parameters)?,
                middle: middle.fold(&parameters)?,
                expand: expand.fold(&parameters)?,
                shortcut: plan.shortcut.map(|shortcut| shortcut.fold(&parameters)).transpose()?,
                smoothed: plan.smoothed,
            })
        };
        Ok(Network {
            spec: spec.clone(),
            stem: stem.fold(&parameters)?,
            blocks: blocks.into_iter().map(fold).collect::<Result<_>>()?,
            head,
            shared,
            prefilter,
            regular: prefilter::build(&Choice::new("Regular"))?,
            parameters,
        })
    }

    /// The parameters that a network of this shape has.
    pub fn inventory(spec: &ModelSpec, shape: &Architecture) -> Result<Inventory> {
        Ok(Plan::new(spec, shape)?.inventory)
    }

    /// What the network was built from.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The device that the parameters are on.
    pub fn device(&self) -> &Device {
        self.parameters.trainable().device()
    }

    /// The names of the blocks in order, as `group4/block3`.
    pub fn block_names(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().map(|block| block.name.as_str())
    }

    pub(super) fn views(&self, ids: &[ParameterId]) -> Result<Vec<Tensor>> {
        ids.iter().map(|&id| self.parameters.view(id)).collect()
    }
}

impl Plan {
    fn new(spec: &ModelSpec, shape: &Architecture) -> Result<Self> {
        if !(1..=255).contains(&spec.classes) {
            return Err(Error::Model(format!("A network has 1 to 255 classes, not {}.", spec.classes)));
        }
        let prefilter = prefilter::build(&spec.prefilter)?;
        let mut inventory = Inventory::default();
        let shared = prefilter.network_parameters();
        let shared = shared.iter().map(|extra| add_extra(&mut inventory, "prefilter", extra)).collect();
        let stem = Conv2d { stride: 2, dilation: 1 };
        let stem = ConvSize { input: IMAGE_CHANNELS, output: shape.stem, kernel: 7, op: stem };
        let norm = NormStart { gamma: 1.0, variance: 2.0 * PIXEL_MOMENT, trainable: shape.trainable_norm };
        let stem = ConvNorm::add(&mut inventory, "stem/conv", stem, norm);
        let mut blocks = Vec::new();
        let mut input = shape.stem;
        for (number, group) in (2..).zip(&shape.groups) {
            for block in 0..group.blocks {
                let name = format!("group{number}/block{}", block + 1);
                let norm = shape.trainable_norm;
                blocks.push(plan_block(&mut inventory, name, input, group, block, prefilter.as_ref(), norm));
                input = group.channels;
            }
        }
        let head = shape.rates.iter().map(|&rate| plan_branch(&mut inventory, rate, input, spec.classes)).collect();
        Ok(Plan { inventory, shared, stem, blocks, head, prefilter })
    }
}

impl Block {
    /// The dilated type of the middle convolution.
    pub(super) fn kind<'a>(&self, network: &'a Network) -> &'a dyn DilatedConv {
        if self.smoothed.is_some() { network.prefilter.as_ref() } else { network.regular.as_ref() }
    }

    /// The middle convolution as its type wants it.
    pub(super) fn layer<'a>(&'a self, affine: &'a Affine, own: &'a [Tensor], shared: &'a [Tensor]) -> Layer<'a> {
        let Affine { scale, shift } = affine;
        let (weights, op) = (&self.middle.weights, self.middle.op);
        Layer { op, weights, scale: Some(scale), shift: Some(shift), relu: true, own, shared }
    }

    /// Where the gradients of the middle convolution go.
    pub(super) fn slots(&self, shared: &[ParameterId], gradients: Option<&Gradients>) -> Result<LayerGradients> {
        let Some(gradients) = gradients else { return Ok(LayerGradients::none()) };
        let slots = |ids: &[ParameterId]| ids.iter().map(|&id| gradients.slot(id)).collect::<Result<Vec<_>>>();
        Ok(LayerGradients {
            exact: false,
            weights: gradients.slot(self.middle.id)?,
            own: slots(self.smoothed.as_deref().unwrap_or_default())?,
            shared: slots(shared)?,
        })
    }
}

fn add_extra(inventory: &mut Inventory, place: &str, extra: &Extra) -> ParameterId {
    inventory.add(Parameter {
        name: format!("{place}/{}", extra.name),
        shape: extra.shape.clone(),
        role: Role::Prefilter,
        trainable: extra.trainable,
        init: extra.init,
    })
}

/// Adds a block. In the stable initialisation, a convolution without a ReLU behind it doubles the second moment of
/// what comes from a ReLU; the factors of `shortcut` and `expand` make the shortcut keep it, and the blocks of a group
/// together add about as much as came in.
fn plan_block(
    inventory: &mut Inventory,
    name: String,
    input: usize,
    group: &Group,
    block: usize,
    prefilter: &dyn DilatedConv,
    trainable: bool,
) -> BlockPlan {
    let (width, first) = (group.channels / 4, block == 0);
    let stride = if first { group.stride } else { 1 };
    let size =
        |input, output, kernel, stride, dilation| ConvSize { input, output, kernel, op: Conv2d { stride, dilation } };
    let norm = |gamma| NormStart { gamma, variance: 1.0, trainable };
    let shortcut = first.then(|| {
        let size = size(input, group.channels, 1, stride, 1);
        ConvNorm::add(inventory, &format!("{name}/shortcut"), size, norm(0.5_f32.sqrt()))
    });
    let reduce = ConvNorm::add(inventory, &format!("{name}/reduce"), size(input, width, 1, stride, 1), norm(1.0));
    let dilated = group.dilation > 1;
    let dilation = if dilated { prefilter.dilation(group.dilation, block) } else { group.dilation };
    let smoothed = dilated.then(|| {
        let extras = prefilter.layer_parameters(LayerSize { channels: width, dilation });
        extras.iter().map(|extra| add_extra(inventory, &format!("{name}/middle/prefilter"), extra)).collect()
    });
    let middle = size(width, width, 3, 1, dilation);
    let middle = ConvNorm::add(inventory, &format!("{name}/middle"), middle, norm(1.0));
    let gamma = (0.5 / group.blocks as f32).sqrt();
    let expand = size(width, group.channels, 1, 1, 1);
    let expand = ConvNorm::add(inventory, &format!("{name}/expand"), expand, norm(gamma));
    BlockPlan { name, convs: [reduce, middle, expand], shortcut, smoothed }
}

fn plan_branch(inventory: &mut Inventory, rate: usize, input: usize, classes: usize) -> Branch {
    let name = format!("head/aspp{rate}");
    let weights = inventory.add(Parameter {
        name: format!("{name}/weights"),
        shape: vec![classes, input, 3, 3],
        role: Role::HeadWeights,
        trainable: true,
        init: Init::GlorotUniform { fan_in: input * 9, fan_out: classes * 9 },
    });
    // TensorFlow takes both fans of a vector to be its length.
    let biases = inventory.add(Parameter {
        name: format!("{name}/biases"),
        shape: vec![classes],
        role: Role::HeadBias,
        trainable: true,
        init: Init::GlorotUniform { fan_in: classes, fan_out: classes },
    });
    Branch { op: Conv2d { stride: 1, dilation: rate }, weights, biases }
}
