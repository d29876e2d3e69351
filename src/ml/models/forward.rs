//! The walk through a network from images to logits. It is written once, for all who need it: predictions keep nothing of
//! it, training keeps a tape, and the search for what is not finite looks at every activation.

use std::convert::Infallible;
use std::ops::ControlFlow;

use candle_core::{DType, Tensor};
use candle_nn::Module;

use super::block::{Activations, Block};
use super::network::Network;
use crate::ml::error::Result;
use crate::ml::ops::{activation, elementwise};

/// What a walk has come by.
pub(super) enum Step<'a> {
    /// The images.
    Images(&'a Tensor),
    /// The output of the stem behind its ReLU, before the max pool.
    Stem(&'a Tensor),
    /// A block, with its activations.
    Block(&'a Block, Activations),
    /// The output of the encoder.
    Encoding(&'a Tensor),
}

/// The logits, for inference: no gradient of candle's goes through them. Training has its own tape, see
/// [`Network::forward_train`].
impl Module for Network {
    fn forward(&self, images: &Tensor) -> candle_core::Result<Tensor> {
        Ok(self.forward(images)?)
    }
}

impl Network {
    /// The logits of images, without a tape. Activations are of the type of the images; the logits are 32-bit floats.
    ///
    /// # Shapes
    /// `[N, 3, H, W]` -> `[N, classes, h, w]`, of the sizes of [`Architecture::output_size`](super::Architecture::output_size).
    ///
    /// # Errors
    /// The images have another shape, or lie on another device than the network.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let ControlFlow::Continue(logits) = self.walk(images, |_| Ok(ControlFlow::<Infallible>::Continue(())))?;
        Ok(logits)
    }

    /// The logits of images. `visitor` sees each step, and may end the walk.
    pub(super) fn walk<B>(
        &self,
        images: &Tensor,
        mut visitor: impl FnMut(Step<'_>) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B, Tensor>> {
        if let ControlFlow::Break(end) = visitor(Step::Images(images))? {
            return Ok(ControlFlow::Break(end));
        }
        let stem = self.stem.forward(images, None, true)?;
        if let ControlFlow::Break(end) = visitor(Step::Stem(&stem))? {
            return Ok(ControlFlow::Break(end));
        }
        let mut x = self.spec().geometry.pool.forward(&stem)?;
        drop(stem);
        for block in &self.blocks {
            let mut activations = block.inside(x)?;
            x = block.output(&mut activations)?;
            if let ControlFlow::Break(end) = visitor(Step::Block(block, activations))? {
                return Ok(ControlFlow::Break(end));
            }
        }
        if let ControlFlow::Break(end) = visitor(Step::Encoding(&x))? {
            return Ok(ControlFlow::Break(end));
        }
        // 32-bit floats, whatever activations are.
        Ok(ControlFlow::Continue(activation::cast(&self.head.forward(&x)?, DType::F32)?))
    }

    /// The name of the first activation of a forward pass, in the order of the network, that is not finite.
    ///
    /// # Errors
    /// As those of [`Network::forward`].
    pub fn first_not_finite(&self, images: &Tensor) -> Result<Option<String>> {
        let search = |activations: Vec<(String, &Tensor)>| {
            for (name, activation) in activations {
                if !elementwise::is_finite(activation)? {
                    return Ok(ControlFlow::Break(name));
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        let walked = self.walk(images, |step| match step {
            Step::Images(images) => search(vec![("images".to_owned(), images)]),
            Step::Stem(stem) => search(vec![("stem".to_owned(), stem)]),
            Step::Block(block, activations) => search(block.named(&activations)),
            Step::Encoding(x) => search(vec![("the encoding".to_owned(), x)]),
        })?;
        match walked {
            ControlFlow::Break(name) => Ok(Some(name)),
            ControlFlow::Continue(logits) => Ok((!elementwise::is_finite(&logits)?).then(|| "the logits".to_owned())),
        }
    }
}
