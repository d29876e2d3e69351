//! DeepLab-v2: a residual encoder at output stride 8 with dilated groups, and an atrous pyramid as its head.

use std::sync::Arc;

use candle_core::Device;

use super::architecture::Architecture;
use super::block::Block;
use super::blueprint::{Blueprint, PlannedBlock};
use super::encoders::architecture;
use super::grid::Grid;
use super::head::Head;
use crate::ml::error::{Error, Result};
use crate::ml::layers::{Folded, Inventory, Parameter, ParameterId, Parameters, SmoothedConv, Views};
use crate::ml::spec::ModelSpec;

/// A network with its parameters.
#[derive(Debug)]
pub struct Network {
    spec: ModelSpec,
    parameters: Parameters,
    pub(super) stem: Folded,
    pub(super) blocks: Vec<Block>,
    pub(super) head: Head,
    /// What all dilated convolutions share.
    pub(super) shared: Vec<ParameterId>,
    grid: Grid,
}

impl Network {
    /// The network that `spec` describes, with the values that `values` gives for each parameter.
    ///
    /// # Errors
    /// `spec` names no encoder or no pre-filter that there is, or `values` gives no values or too few.
    pub fn build(
        spec: &ModelSpec,
        device: &Device,
        values: impl FnMut(&Parameter) -> Result<Vec<f32>>,
    ) -> Result<Self> {
        Self::with_architecture(spec, &architecture(&spec.encoder)?, device, values)
    }

    /// As [`Network::build`], with a shape of any width and depth in place of the encoder that `spec` names.
    ///
    /// # Errors
    /// As those of [`Network::build`].
    pub fn with_architecture(
        spec: &ModelSpec,
        shape: &Architecture,
        device: &Device,
        values: impl FnMut(&Parameter) -> Result<Vec<f32>>,
    ) -> Result<Self> {
        let Blueprint { inventory, shared, stem, blocks, head, prefilter } = Blueprint::new(spec, shape)?;
        let parameters = Parameters::build(Arc::new(inventory), device, values)?;
        let views = Views::new(&parameters, shared.clone())?;
        let build = |block: PlannedBlock| block.build(&parameters, &prefilter, &views);
        Ok(Network {
            spec: spec.clone(),
            stem: stem.fold(&parameters)?,
            blocks: blocks.into_iter().map(build).collect::<Result<_>>()?,
            head: Head::new(head, &parameters)?,
            shared,
            parameters,
            grid: Grid::of(shape, &spec.geometry),
        })
    }

    /// The parameters that a network of this shape has.
    ///
    /// # Errors
    /// As those of [`Network::build`].
    pub fn inventory(spec: &ModelSpec, shape: &Architecture) -> Result<Inventory> {
        Ok(Blueprint::new(spec, shape)?.inventory)
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

    /// Where its logits lie in its images.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The names of the blocks in order, as `group4/block3`.
    pub fn block_names(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().map(|block| block.name.as_str())
    }

    /// The names of the blocks with a dilated convolution, as `group5/block1`.
    pub fn dilated_names(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().filter(|block| block.smoothed().is_some()).map(|block| block.name.as_str())
    }

    /// The dilated convolution of the block `name`: the first, where it has several.
    ///
    /// # Errors
    /// There is no such block, or none of its convolutions is dilated.
    pub fn dilated(&self, name: &str) -> Result<&SmoothedConv> {
        let block = self.blocks.iter().find(|block| block.name == name);
        block
            .and_then(Block::smoothed)
            .ok_or_else(|| Error::Model(format!("The network has no block `{name}` with a dilated convolution.")))
    }
}
