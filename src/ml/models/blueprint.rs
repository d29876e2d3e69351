//! A network before its parameters have values: which there are, in which order, and which layer each belongs to.
//!
//! Names of parameters: `stem/conv/weights`, `stem/norm/gamma` (`beta`, `mean`, `variance`),
//! `group4/block3/reduce/weights`, `group4/block3/reduce/norm/gamma`, likewise for the other convolutions of a block and
//! for `shortcut`, `group4/block3/middle/prefilter/<name>`, `prefilter/<name>` for what the whole network shares, and
//! `head/aspp6/weights`, `head/aspp6/biases` with the dilation in the name, or `head/largefov/weights`,
//! or `head/inner/weights`, `head/inner/norm/gamma` and `head/outer/weights`.

use std::sync::Arc;

use super::architecture::{Architecture, PlacedBlock};
use super::backbone::{BlockShape, ConvShape};
use super::block::{Block, Unit};
use super::head::PlannedHead;
use crate::ml::error::{Error, Result};
use crate::ml::layers::affine::NormStart;
use crate::ml::layers::conv::ConvSize;
use crate::ml::layers::prefilter::{self, DilatedConv, Extra, LayerSize};
use crate::ml::layers::{ConvNorm, Inventory, Parameter, ParameterId, Parameters, Role, SmoothedConv, Views};
use crate::ml::ops::conv::Conv2d;
use crate::ml::spec::ModelSpec;

/// Channels of an image.
const IMAGE_CHANNELS: usize = 3;

/// The second moment that the stable initialisation expects of an image's values: pixels without their mean.
const PIXEL_MOMENT: f32 = 65.0 * 65.0;

/// A network before its parameters have values.
pub(super) struct Blueprint {
    pub inventory: Inventory,
    /// What all dilated convolutions share.
    pub shared: Vec<ParameterId>,
    pub stem: ConvNorm,
    pub blocks: Vec<PlannedBlock>,
    pub head: PlannedHead,
    pub prefilter: Arc<dyn DilatedConv>,
}

/// A block before its parameters have values.
pub(super) struct PlannedBlock {
    name: String,
    path: Vec<(&'static str, ConvNorm, Option<Vec<ParameterId>>)>,
    shortcut: Option<ConvNorm>,
}

impl Blueprint {
    /// The blueprint of the network that `spec` describes, with the shape `shape`.
    ///
    /// # Errors
    /// The number of classes is none that labels can have, or there is no such pre-filter.
    pub fn new(spec: &ModelSpec, shape: &Architecture) -> Result<Self> {
        if !(1..=255).contains(&spec.classes) {
            return Err(Error::Model(format!("A network has 1 to 255 classes, not {}.", spec.classes)));
        }
        spec.head.check().map_err(Error::Model)?;
        let prefilter: Arc<dyn DilatedConv> = prefilter::build(&spec.prefilter)?.into();
        let mut inventory = Inventory::default();
        let shared = prefilter.network_parameters();
        let shared = shared.iter().map(|extra| add_extra(&mut inventory, "prefilter", extra)).collect();
        let stem = Conv2d { stride: 2, dilation: 1, padding: spec.geometry.padding };
        let stem = ConvSize { input: IMAGE_CHANNELS, output: shape.stem, kernel: 7, op: stem };
        let trainable = shape.trainable_norm;
        let epsilon = spec.geometry.epsilon as f32;
        let norm = NormStart { gamma: 1.0, variance: 2.0 * PIXEL_MOMENT, trainable, epsilon, role: Role::Norm };
        let stem = ConvNorm::add(&mut inventory, "stem/conv", stem, norm);
        let plan = |block| PlannedBlock::add(&mut inventory, block, prefilter.as_ref(), (trainable, epsilon));
        let blocks = shape.blocks(&spec.geometry).into_iter().map(plan).collect();
        let start = NormStart { gamma: 1.0, variance: 1.0, trainable, epsilon, role: Role::HeadNorm };
        let head = PlannedHead::add(&mut inventory, &spec.head, (shape.channels(), spec.classes), start);
        Ok(Blueprint { inventory, shared, stem, blocks, head, prefilter })
    }
}

impl PlannedBlock {
    /// Adds a block. In the stable initialisation, a convolution without a ReLU behind it doubles the second moment of
    /// what comes from a ReLU. The factors of the shortcut and of the path's last convolution make the shortcut keep it,
    /// and the blocks of a group together add about as much as came in.
    fn add(
        inventory: &mut Inventory,
        block: PlacedBlock,
        prefilter: &dyn DilatedConv,
        (trainable, epsilon): (bool, f32),
    ) -> Self {
        let PlacedBlock { name, number, of, shape: BlockShape { path, shortcut } } = block;
        let start = |gamma| NormStart { gamma, variance: 1.0, trainable, epsilon, role: Role::Norm };
        let shortcut = shortcut.map(|conv| add_conv(inventory, &name, conv, start(0.5_f32.sqrt())));
        let last = path.len().saturating_sub(1);
        let gamma = |at| if at == last { (0.5 / of as f32).sqrt() } else { 1.0 };
        let mut planned = Vec::with_capacity(path.len());
        for (at, mut conv) in path.into_iter().enumerate() {
            let own = conv.is_dilated().then(|| {
                conv.op.dilation = prefilter.dilation(conv.op.dilation, number);
                let size = LayerSize { channels: conv.input, dilation: conv.op.dilation };
                let place = format!("{name}/{}/prefilter", conv.part);
                prefilter.layer_parameters(size).iter().map(|extra| add_extra(inventory, &place, extra)).collect()
            });
            planned.push((conv.part, add_conv(inventory, &name, conv, start(gamma(at))), own));
        }
        PlannedBlock { name, path: planned, shortcut }
    }

    /// The block with its values.
    pub fn build(self, parameters: &Parameters, kind: &Arc<dyn DilatedConv>, shared: &Views) -> Result<Block> {
        let unit = |(part, conv, own): (&'static str, ConvNorm, Option<Vec<ParameterId>>)| {
            let conv = conv.fold(parameters)?;
            let Some(own) = own else { return Ok((part, Unit::Plain(conv))) };
            let (kind, shared) = (Arc::clone(kind), shared.clone());
            Ok((part, Unit::Smoothed(SmoothedConv { conv, kind, own: Views::new(parameters, own)?, shared })))
        };
        Ok(Block {
            name: self.name,
            path: self.path.into_iter().map(unit).collect::<Result<_>>()?,
            shortcut: self.shortcut.map(|shortcut| shortcut.fold(parameters)).transpose()?,
        })
    }
}

fn add_conv(inventory: &mut Inventory, block: &str, conv: ConvShape, start: NormStart) -> ConvNorm {
    let ConvShape { part, input, output, kernel, op } = conv;
    ConvNorm::add(inventory, &format!("{block}/{part}"), ConvSize { input, output, kernel, op }, start)
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
