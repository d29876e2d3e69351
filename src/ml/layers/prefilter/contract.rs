//! What a type of dilated convolution is: its parameters, its forward pass and its backward pass.
//!
//! A type may filter before the convolution, replace the convolution, and own parameters of each layer and of the whole
//! network. The provided methods are those of the plain convolution.

use candle_core::Tensor;

use crate::ml::error::Result;
use crate::ml::layers::parameters::Init;
use crate::ml::ops::conv::{Conv2d, Epilogue};
use crate::ml::ops::nchw;
use crate::ml::spec::{ArgSpec, Args};

/// A dilated type in the registry.
pub struct Entry {
    /// The name in a pipeline.
    pub name: &'static str,
    /// What it does, as a sentence.
    pub doc: &'static str,
    /// Its arguments.
    pub args: fn() -> Vec<ArgSpec>,
    /// Makes it from complete arguments.
    pub build: fn(&Args) -> Result<Box<dyn DilatedConv>>,
}

/// The size of a layer that a dilated type is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSize {
    /// Channels of the input.
    pub channels: usize,
    /// The dilation `d`.
    pub dilation: usize,
}

/// A parameter that a dilated type owns.
#[derive(Debug, Clone, PartialEq)]
pub struct Extra {
    /// The name below the layer's `prefilter/`, or below the network's.
    pub name: &'static str,
    /// The shape.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
    /// Whether training changes it.
    pub trainable: bool,
}

/// A dilated convolution with what belongs to it, ready to run.
#[derive(Debug)]
pub struct DilatedLayer<'a> {
    /// The geometry.
    pub op: Conv2d,
    /// The filter `[O, C, 3, 3]`.
    pub weights: &'a Tensor,
    /// Multiplies each output channel, `[O]`.
    pub scale: Option<&'a Tensor>,
    /// Is added to each output channel, `[O]`.
    pub shift: Option<&'a Tensor>,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// The type's own parameters of this layer, as it listed them.
    pub own: &'a [Tensor],
    /// The type's parameters of the network, as it listed them.
    pub shared: &'a [Tensor],
}

/// Where the gradients of a layer's parameters go; none where nobody needs them.
#[derive(Debug, Default)]
pub struct LayerGradients {
    /// Whether the gradient by the input must be exactly zero at each position that no output depends on, see
    /// [`Epilogue::exact`].
    pub exact: bool,
    /// By the filter: overwritten.
    pub weights: Option<Tensor>,
    /// By the layer's own parameters: overwritten.
    pub own: Vec<Option<Tensor>>,
    /// By the network's parameters: added to, since every layer contributes.
    pub shared: Vec<Option<Tensor>>,
}

impl LayerGradients {
    /// None by parameters: only the gradient by the input is wanted, exactly zero where no output depends on the input.
    pub fn none() -> Self {
        LayerGradients { exact: true, ..LayerGradients::default() }
    }
}

/// A type of dilated convolution. The provided methods are those of the plain one.
pub trait DilatedConv: std::fmt::Debug + Send + Sync {
    /// The parameters that a layer needs besides its filter.
    fn layer_parameters(&self, _size: LayerSize) -> Vec<Extra> {
        Vec::new()
    }

    /// The parameters that all layers share.
    fn network_parameters(&self) -> Vec<Extra> {
        Vec::new()
    }

    /// The dilation of the layer in block `block`, from 0, of a group of blocks whose dilation is `dilation`.
    fn dilation(&self, dilation: usize, _block: usize) -> usize {
        dilation
    }

    /// From how many values of its input the pre-filter makes each of its outputs. 0 where there is none.
    fn taps(&self, _dilation: usize) -> usize {
        0
    }

    /// Whether the convolution gives whole cells of outputs, by [`Conv2d::forward_whole`].
    fn gives_whole_cells(&self) -> bool {
        false
    }

    /// The output after scale, shift and ReLU, and what [`DilatedConv::backward`] needs besides the input.
    ///
    /// # Shapes
    /// `x` `[N, C, H, W]` -> `[N, O, H, W]`.
    fn forward(&self, layer: &DilatedLayer<'_>, x: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let DilatedLayer { scale, shift, relu, .. } = *layer;
        Ok((layer.op.forward(x, layer.weights, Epilogue { scale, shift, relu, ..Epilogue::default() })?, Vec::new()))
    }

    /// The gradient by the input `x`, from the gradient `g` by the output before its ReLU, behind scale and shift. It is zero
    /// where `mask` is not positive.
    fn backward(
        &self,
        layer: &DilatedLayer<'_>,
        x: &Tensor,
        _saved: &[Tensor],
        g: &Tensor,
        gradients: &LayerGradients,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        if let Some(slot) = &gradients.weights {
            layer.op.backward_weights(x, g, layer.scale, slot)?;
        }
        let shape = nchw("The input of a dilated convolution", x)?;
        let epilogue = Epilogue { mask, exact: gradients.exact, ..Epilogue::default() };
        layer.op.backward_input(shape, g, layer.weights, layer.scale, epilogue)
    }
}
