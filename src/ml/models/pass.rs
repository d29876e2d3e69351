//! A network's forward and backward pass over an explicit tape.
//!
//! Every tensor on the tape is the output of a ReLU (or of the max pool behind one), so that it is also the mask of
//! its own gradient. The backward pass consumes the tape from its end, and memory is released as it goes.

use candle_core::Tensor;

use super::network::{Block, Network};
use crate::ml::error::{Error, Result};
use crate::ml::layers::Gradients;
use crate::ml::ops::conv::Epilogue;
use crate::ml::ops::{elementwise, nchw, pool};

/// What the forward pass leaves for the backward pass.
#[derive(Debug)]
pub struct Tape {
    /// The images, `[N, 3, H, W]`.
    images: Tensor,
    /// Behind the stem's ReLU.
    stem: Tensor,
    /// One entry a block.
    blocks: Vec<BlockTape>,
    /// The encoder's output.
    encoding: Tensor,
    /// The logits, `[N, classes, H / 8, W / 8]`, sizes rounded up.
    pub logits: Tensor,
}

#[derive(Debug)]
struct BlockTape {
    input: Tensor,
    reduced: Tensor,
    saved: Vec<Tensor>,
    middle: Tensor,
}

/// A place in the network where a gradient is given or wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site<'a> {
    /// The images.
    Image,
    /// The input of the block of that name, as `group5/block1`.
    Input(&'a str),
    /// The output of the block of that name.
    Output(&'a str),
    /// The logits.
    Logits,
}

impl Network {
    /// The logits of images, without a tape.
    ///
    /// # Shapes
    /// `[N, 3, H, W]` -> `[N, classes, H / 8, W / 8]`, sizes rounded up.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let mut x = pool::forward(&self.stem.forward(images, None, true)?)?;
        let shared = self.views(&self.shared)?;
        for block in &self.blocks {
            x = block.forward(self, &shared, x)?.0;
        }
        self.head_forward(&x)
    }

    /// The logits of images, and the tape for [`Network::backward`].
    ///
    /// # Shapes
    /// As [`Network::forward`].
    pub fn forward_train(&self, images: &Tensor) -> Result<Tape> {
        let stem = self.stem.forward(images, None, true)?;
        let mut x = pool::forward(&stem)?;
        let shared = self.views(&self.shared)?;
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let (output, tape) = block.forward(self, &shared, x)?;
            blocks.push(tape);
            x = output;
        }
        let logits = self.head_forward(&x)?;
        Ok(Tape { images: images.clone(), stem, blocks, encoding: x, logits })
    }

    /// Writes the gradients by all trainable parameters to `gradients`, which must be zero before, from the gradient
    /// `g` by the logits.
    pub fn backward(&self, tape: Tape, g: &Tensor, gradients: &Gradients) -> Result<()> {
        self.walk(tape, Site::Logits, g, Some(gradients), None).map(drop)
    }

    /// The gradient at `to` from the gradient `g` at `from`. No gradient by a parameter is computed.
    pub fn gradient_at(&self, tape: Tape, from: Site<'_>, g: &Tensor, to: Site<'_>) -> Result<Tensor> {
        let missing = || Error::Model(format!("No gradient flows from {from:?} to {to:?} in this network."));
        self.walk(tape, from, g, None, Some(to))?.ok_or_else(missing)
    }

    fn head_forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut sum = None;
        for branch in &self.head {
            let [weights, biases] = [branch.weights, branch.biases].map(|id| self.parameters().view(id));
            let epilogue = Epilogue { shift: Some(&biases?), add: sum.as_ref(), ..Epilogue::default() };
            sum = Some(branch.op.forward(x, &weights?, epilogue)?);
        }
        sum.ok_or_else(|| Error::Model("The head has no convolution.".to_owned()))
    }

    /// The gradient at the head's input, masked where `mask` asks for it.
    fn head_backward(&self, x: &Tensor, g: &Tensor, gradients: Option<&Gradients>, mask: bool) -> Result<Tensor> {
        let shape = nchw("The input of the head", x)?;
        let mut sum = None;
        for (left, branch) in (0..self.head.len()).rev().zip(&self.head) {
            if let Some(gradients) = gradients {
                if let Some(slot) = gradients.slot(branch.weights)? {
                    branch.op.backward_weights(x, g, None, &slot)?;
                }
                if let Some(slot) = gradients.slot(branch.biases)? {
                    elementwise::sum_by_channel(g, &slot)?;
                }
            }
            let mask = (mask && left == 0).then_some(x);
            let epilogue = Epilogue { add: sum.as_ref(), mask, ..Epilogue::default() };
            let weights = self.parameters().view(branch.weights)?;
            sum = Some(branch.op.backward_input(shape, g, &weights, None, epilogue)?);
        }
        sum.ok_or_else(|| Error::Model("The head has no convolution.".to_owned()))
    }

    /// Walks back from `from` to the images, or to `to` where it is given.
    fn walk(
        &self,
        tape: Tape,
        from: Site<'_>,
        given: &Tensor,
        gradients: Option<&Gradients>,
        to: Option<Site<'_>>,
    ) -> Result<Option<Tensor>> {
        let Tape { images, stem, mut blocks, encoding: mut output, logits } = tape;
        drop(logits);
        // The gradient at `output`, masked by it; none until the walk has come to `from`.
        let mut g = None;
        if from == Site::Logits {
            let wanted = self.blocks.last().is_some_and(|last| to == Some(Site::Output(&last.name)));
            let gradient = self.head_backward(&output, given, gradients, !wanted)?;
            if wanted {
                return Ok(Some(gradient));
            }
            g = Some(gradient);
        }
        let shared = self.views(&self.shared)?;
        for (at, block) in self.blocks.iter().enumerate().rev() {
            let Some(tape) = blocks.pop() else { break };
            if from == Site::Output(&block.name) {
                g = Some(elementwise::masked(given, &output)?);
            }
            output = tape.input.clone();
            if let Some(gradient) = g.take() {
                let below = at.checked_sub(1).map(|at| Site::Output(&self.blocks[at].name));
                let wanted = to.is_some() && (to == Some(Site::Input(&block.name)) || to == below);
                let gradient = block.backward(self, &shared, tape, &gradient, gradients, !wanted)?;
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
        let g = pool::backward(&stem, &g, true)?;
        if to == Some(Site::Image) {
            return self.stem.backward(&images, &g, gradients, None, None).map(Some);
        }
        self.stem.backward_weights(&images, &g, gradients)?;
        Ok(None)
    }
}

impl Block {
    fn forward(&self, network: &Network, shared: &[Tensor], x: Tensor) -> Result<(Tensor, BlockTape)> {
        let own = network.views(self.smoothed.as_deref().unwrap_or_default())?;
        let reduced = self.reduce.forward(&x, None, true)?;
        let affine = self.middle.norm.affine()?;
        let (middle, saved) = self.kind(network).forward(&self.layer(&affine, &own, shared), &reduced)?;
        let shortcut = self.shortcut.as_ref().map(|shortcut| shortcut.forward(&x, None, false)).transpose()?;
        let output = self.expand.forward(&middle, Some(shortcut.as_ref().unwrap_or(&x)), true)?;
        Ok((output, BlockTape { input: x, reduced, saved, middle }))
    }

    /// The gradient by the input, masked where `mask` asks for it, from the masked gradient `g` by the output.
    fn backward(
        &self,
        network: &Network,
        shared: &[Tensor],
        tape: BlockTape,
        g: &Tensor,
        gradients: Option<&Gradients>,
        mask: bool,
    ) -> Result<Tensor> {
        let BlockTape { input, reduced, saved, middle } = tape;
        let below = self.expand.backward(&middle, g, gradients, None, Some(&middle))?;
        drop(middle);
        let own = network.views(self.smoothed.as_deref().unwrap_or_default())?;
        let affine = self.middle.norm.affine()?;
        let (layer, slots) = (self.layer(&affine, &own, shared), self.slots(&network.shared, gradients)?);
        let g_reduced = self.kind(network).backward(&layer, &reduced, &saved, &below, &slots, Some(&reduced))?;
        if let (Some(gradients), Some(by_weights)) = (gradients, &slots.weights) {
            self.middle.norm.backward(&below, &self.middle.weights, by_weights, gradients)?;
        }
        let below = g_reduced;
        drop((reduced, saved));
        let mask = mask.then_some(&input);
        match &self.shortcut {
            None => self.reduce.backward(&input, &below, gradients, Some(g), mask),
            Some(shortcut) => {
                let main = self.reduce.backward(&input, &below, gradients, None, None)?;
                shortcut.backward(&input, g, gradients, Some(&main), mask)
            }
        }
    }
}

impl Tape {
    /// What the forward pass gave at `site`; none where the network has no such place.
    pub fn at(&self, network: &Network, site: Site<'_>) -> Option<&Tensor> {
        let place = |name: &str| network.block_names().position(|block| block == name);
        Some(match site {
            Site::Image => &self.images,
            Site::Input(name) => &self.blocks.get(place(name)?)?.input,
            Site::Output(name) => self.blocks.get(place(name)? + 1).map_or(&self.encoding, |next| &next.input),
            Site::Logits => &self.logits,
        })
    }

    /// The name of the first tensor, in the order of the network, that is not finite.
    pub fn first_not_finite(&self, network: &Network) -> Result<Option<String>> {
        let mut named = vec![("images".to_owned(), &self.images), ("stem".to_owned(), &self.stem)];
        for (block, tape) in network.block_names().zip(&self.blocks) {
            named.push((format!("the input of {block}"), &tape.input));
            named.push((format!("{block}/reduce"), &tape.reduced));
            named.push((format!("{block}/middle"), &tape.middle));
        }
        named.extend([("the encoding".to_owned(), &self.encoding), ("the logits".to_owned(), &self.logits)]);
        for (name, tensor) in named {
            if !elementwise::is_finite(tensor)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}
