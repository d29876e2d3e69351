//! A network's backward pass: it consumes a tape from its end, and memory is released as it goes.

use candle_core::Tensor;

use super::network::Network;
use super::tape::{Site, Tape};
use crate::ml::error::{Error, Result};
use crate::ml::layers::Gradients;
use crate::ml::ops::{activation, elementwise};

impl Network {
    /// Overwrites `gradients` with the gradients by all trainable parameters, from the gradient `g` by the logits.
    ///
    /// # Errors
    /// `g` has another shape than the logits, or the tape is of another network.
    pub fn backward(&self, tape: Tape, g: &Tensor, gradients: &Gradients) -> Result<()> {
        // Layers add to the gradients of what they share.
        for &id in &self.shared {
            if let Some(slot) = gradients.slot(id)? {
                slot.zero_set()?;
            }
        }
        self.walk_back(tape, Site::Logits, g, Some(gradients), None).map(drop)
    }

    /// The gradient at `to` from the gradient `g` at `from`. No gradient by a parameter is computed.
    ///
    /// # Errors
    /// The network has no such places, `to` lies behind `from`, or `g` has another shape than what is at `from`.
    pub fn gradient_at(&self, tape: Tape, from: Site<'_>, g: &Tensor, to: Site<'_>) -> Result<Tensor> {
        let missing = || Error::Model(format!("No gradient flows from {from:?} to {to:?} in this network."));
        self.walk_back(tape, from, g, None, Some(to))?.ok_or_else(missing)
    }

    /// Walks back from `from` to the images, or to `to` where it is given.
    fn walk_back(
        &self,
        tape: Tape,
        from: Site<'_>,
        given: &Tensor,
        gradients: Option<&Gradients>,
        to: Option<Site<'_>>,
    ) -> Result<Option<Tensor>> {
        let Tape { images, stem, mut blocks, encoding: mut output, logits } = tape;
        drop(logits);
        let given = &activation::cast(given, images.dtype())?;
        // The gradient at `output`, masked by it; none until the walk has come to `from`.
        let mut g = None;
        if from == Site::Logits {
            let wanted = self.blocks.last().is_some_and(|last| to == Some(Site::Output(&last.name)));
            let gradient = self.head.backward(&output, given, gradients, !wanted)?;
            if wanted {
                return Ok(Some(gradient));
            }
            g = Some(gradient);
        }
        for (at, block) in self.blocks.iter().enumerate().rev() {
            let Some(activations) = self.take(&mut blocks)? else { break };
            if from == Site::Output(&block.name) {
                g = Some(elementwise::masked(given, &output)?);
            }
            output = activations.input.clone();
            if let Some(gradient) = g.take() {
                let below = at.checked_sub(1).map(|at| Site::Output(&self.blocks[at].name));
                let wanted = to.is_some() && (to == Some(Site::Input(&block.name)) || to == below);
                let gradient = block.backward(activations, &gradient, gradients, !wanted)?;
                if wanted {
                    return Ok(Some(gradient));
                }
                g = Some(gradient);
            }
            if from == Site::Input(&block.name) {
                g = Some(elementwise::masked(given, &output)?);
            }
        }
        let Some(g) = g else { return Ok(None) };
        let g = self.spec().geometry.pool.backward(&stem, &g, true)?;
        if to == Some(Site::Image) {
            return self.stem.backward(&images, &g, gradients, None, None).map(Some);
        }
        self.stem.backward_weights(&images, &g, gradients)?;
        Ok(None)
    }
}
