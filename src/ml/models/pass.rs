//! A network's forward and backward pass over an explicit tape.
//!
//! Every tensor on the tape is the output of a ReLU (or of the max pool behind one), so that it is also the mask of
//! its own gradient. The backward pass consumes the tape from its end, and memory is released as it goes. What a tape
//! has not kept is computed again from the nearest input below, by the same operations and so with the same bits.

use candle_core::{DType, Tensor};

use super::network::{Block, Network};
use crate::ml::error::{Error, Result};
use crate::ml::layers::Gradients;
use crate::ml::ops::conv::Epilogue;
use crate::ml::ops::{activation, elementwise, nchw, pool};

/// What the forward pass leaves for the backward pass.
#[derive(Debug)]
pub struct Tape {
    /// The images, `[N, 3, H, W]`.
    images: Tensor,
    /// Behind the stem's ReLU.
    stem: Tensor,
    /// One entry a block.
    blocks: Vec<Kept>,
    /// The encoder's output.
    encoding: Tensor,
    /// The logits, `[N, classes, H / 8, W / 8]`, sizes rounded up.
    pub logits: Tensor,
}

/// What a tape has of a block.
#[derive(Debug)]
enum Kept {
    All(BlockTape),
    Input(Tensor),
    Nothing,
}

/// The activations of a block.
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
    /// The logits of images, without a tape. Activations are of the type of the images; the logits are 32-bit floats.
    ///
    /// # Shapes
    /// `[N, 3, H, W]` -> `[N, classes, H / 8, W / 8]`, sizes rounded up.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let mut x = pool::forward(&self.stem.forward(images, None, true)?)?;
        let shared = self.views(&self.shared)?;
        for block in &self.blocks {
            x = block.output(&block.inside(self, &shared, x)?)?;
        }
        self.logits(&x)
    }

    /// The logits of images, and the tape for [`Network::backward`]. With `recompute` 0 the tape keeps all activations;
    /// else of every so many blocks the first one's input alone, and what is between is computed again as the backward
    /// pass comes to it: less memory, more time, the same bits.
    ///
    /// # Shapes
    /// As [`Network::forward`].
    pub fn forward_train(&self, images: &Tensor, recompute: usize) -> Result<Tape> {
        let stem = self.stem.forward(images, None, true)?;
        let mut x = pool::forward(&stem)?;
        let shared = self.views(&self.shared)?;
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for (at, block) in self.blocks.iter().enumerate() {
            let tape = block.inside(self, &shared, x)?;
            x = block.output(&tape)?;
            blocks.push(match recompute {
                0 => Kept::All(tape),
                _ if at.is_multiple_of(recompute) => Kept::Input(tape.input),
                _ => Kept::Nothing,
            });
        }
        let logits = self.logits(&x)?;
        Ok(Tape { images: images.clone(), stem, blocks, encoding: x, logits })
    }

    /// The name of the first activation of a forward pass, in the order of the network, that is not finite.
    pub fn first_not_finite(&self, images: &Tensor) -> Result<Option<String>> {
        let bad = |tensor: &Tensor| elementwise::is_finite(tensor).map(|finite| !finite);
        if bad(images)? {
            return Ok(Some("images".to_owned()));
        }
        let stem = self.stem.forward(images, None, true)?;
        if bad(&stem)? {
            return Ok(Some("stem".to_owned()));
        }
        let mut x = pool::forward(&stem)?;
        let shared = self.views(&self.shared)?;
        for block in &self.blocks {
            let tape = block.inside(self, &shared, x)?;
            let name = &block.name;
            for (name, tensor) in [
                (format!("the input of {name}"), &tape.input),
                (format!("{name}/reduce"), &tape.reduced),
                (format!("{name}/middle"), &tape.middle),
            ] {
                if bad(tensor)? {
                    return Ok(Some(name));
                }
            }
            x = block.output(&tape)?;
        }
        if bad(&x)? {
            return Ok(Some("the encoding".to_owned()));
        }
        Ok(bad(&self.logits(&x)?)?.then(|| "the logits".to_owned()))
    }

    /// Overwrites `gradients` with the gradients by all trainable parameters, from the gradient `g` by the logits.
    pub fn backward(&self, tape: Tape, g: &Tensor, gradients: &Gradients) -> Result<()> {
        // Layers add to the gradients of what they share.
        for &id in &self.shared {
            if let Some(slot) = gradients.slot(id)? {
                slot.zero_set()?;
            }
        }
        self.walk(tape, Site::Logits, g, Some(gradients), None).map(drop)
    }

    /// The gradient at `to` from the gradient `g` at `from`. No gradient by a parameter is computed.
    pub fn gradient_at(&self, tape: Tape, from: Site<'_>, g: &Tensor, to: Site<'_>) -> Result<Tensor> {
        let missing = || Error::Model(format!("No gradient flows from {from:?} to {to:?} in this network."));
        self.walk(tape, from, g, None, Some(to))?.ok_or_else(missing)
    }

    /// The logits from the encoder's output, in 32-bit floats whatever activations are.
    fn logits(&self, x: &Tensor) -> Result<Tensor> {
        activation::cast(&self.head_forward(x)?, DType::F32)
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
        let given = &activation::cast(given, images.dtype())?;
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
            let Some(tape) = self.take(&mut blocks, &shared)? else { break };
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

impl Network {
    /// Takes the activations of the last block off a tape; computes again, from the nearest input on it, what it has not
    /// kept.
    fn take(&self, blocks: &mut Vec<Kept>, shared: &[Tensor]) -> Result<Option<BlockTape>> {
        let mut gone = 0;
        let mut tape = loop {
            match blocks.pop() {
                None => return Ok(None),
                Some(Kept::All(tape)) => break tape,
                Some(Kept::Input(input)) => break self.blocks[blocks.len()].inside(self, shared, input)?,
                Some(Kept::Nothing) => gone += 1,
            }
        };
        for _ in 0..gone {
            let at = blocks.len();
            let input = self.blocks[at].output(&tape)?;
            blocks.push(Kept::All(tape));
            tape = self.blocks[at + 1].inside(self, shared, input)?;
        }
        Ok(Some(tape))
    }
}

impl Block {
    fn inside(&self, network: &Network, shared: &[Tensor], input: Tensor) -> Result<BlockTape> {
        let own = network.views(self.smoothed.as_deref().unwrap_or_default())?;
        let reduced = self.reduce.forward(&input, None, true)?;
        let affine = self.middle.norm.affine()?;
        let (middle, saved) = self.kind(network).forward(&self.layer(&affine, &own, shared), &reduced)?;
        Ok(BlockTape { input, reduced, saved, middle })
    }

    fn output(&self, BlockTape { input, middle, .. }: &BlockTape) -> Result<Tensor> {
        let shortcut = self.shortcut.as_ref().map(|shortcut| shortcut.forward(input, None, false)).transpose()?;
        self.expand.forward(middle, Some(shortcut.as_ref().unwrap_or(input)), true)
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
    /// What the forward pass gave at `site`; none where the network has no such place, or the tape has not kept it.
    pub fn at(&self, network: &Network, site: Site<'_>) -> Option<&Tensor> {
        let place = |name: &str| network.block_names().position(|block| block == name);
        match site {
            Site::Image => Some(&self.images),
            Site::Input(name) => self.blocks.get(place(name)?)?.input(),
            Site::Output(name) => self.blocks.get(place(name)? + 1).map_or(Some(&self.encoding), Kept::input),
            Site::Logits => Some(&self.logits),
        }
    }
}

impl Kept {
    fn input(&self) -> Option<&Tensor> {
        match self {
            Kept::All(BlockTape { input, .. }) | Kept::Input(input) => Some(input),
            Kept::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::Device;

    use super::*;
    use crate::ml::layers::prefilter::variants;
    use crate::ml::optim::{Schedule, Sgd};
    use crate::ml::rng::Rng;
    use crate::ml::spec::{Choice, ModelSpec};
    use crate::ml::state::State;
    use crate::ml::train::{Settings, StepReport, Trainer};
    use crate::ml::weights::{Scheme, initialise};

    fn network(prefilter: &Choice) -> Network {
        let spec = ModelSpec { encoder: Choice::new("Tiny"), classes: 4, prefilter: prefilter.clone() };
        initialise(&spec, &Device::Cpu, Scheme::Stable, 7).unwrap()
    }

    fn images(count: usize) -> Tensor {
        let mut rng = Rng::new(5, "images", 0);
        let pixels: Vec<f32> = (0..count * 3 * 41 * 33).map(|_| rng.range(-100.0, 100.0)).collect();
        Tensor::from_vec(pixels, (count, 3, 41, 33), &Device::Cpu).unwrap()
    }

    /// Two steps: what they saw, and the state after them.
    fn trained(prefilter: &Choice, images: &Tensor, recompute: usize) -> (Vec<StepReport>, Vec<u8>) {
        let settings = Settings {
            optimizer: Sgd { lr: 1e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
            schedule: Schedule::Constant,
            horizon: 2,
        };
        let mut trainer = Trainer::new(network(prefilter)).unwrap();
        trainer.recompute = recompute;
        let labels: Vec<u8> = (0..images.dims()[0] * 41 * 33).map(|i| (i / 50 % 5) as u8).collect();
        let reports = (0..2).map(|_| trainer.step(&settings, images, &labels).unwrap()).collect();
        (reports, State::write(&trainer, &BTreeMap::new()).unwrap())
    }

    #[test]
    fn what_is_computed_again_has_the_same_bits() {
        for (prefilter, count) in variants().iter().flat_map(|prefilter| [(prefilter, 1), (prefilter, 2)]) {
            let images = images(count);
            let expected = trained(prefilter, &images, 0);
            for recompute in [1, 2, 4, 100] {
                assert!(trained(prefilter, &images, recompute) == expected, "{prefilter:?} {count} {recompute}");
            }
        }
    }

    #[test]
    fn a_tape_keeps_the_inputs_that_it_was_told_to() {
        let network = network(&Choice::new("Regular"));
        let kept = |recompute| {
            let tape = network.forward_train(&images(1), recompute).unwrap();
            let inputs = network.block_names().map(|name| tape.at(&network, Site::Input(name)).is_some());
            let all = tape.blocks.iter().filter(|kept| matches!(kept, Kept::All(_))).count();
            (all, inputs.collect::<Vec<_>>())
        };
        assert_eq!(kept(0), (6, vec![true; 6]));
        assert_eq!(kept(1), (0, vec![true; 6]));
        assert_eq!(kept(4), (0, vec![true, false, false, false, true, false]));
    }

    #[test]
    fn the_gradient_at_a_place_needs_no_whole_tape() {
        let network = network(&Choice::new("Average"));
        let gradient = |recompute| {
            let tape = network.forward_train(&images(1), recompute).unwrap();
            let g = tape.at(&network, Site::Output("group5/block1")).unwrap().ones_like().unwrap();
            let (from, to) = (Site::Output("group5/block1"), Site::Input("group3/block1"));
            let gradient = network.gradient_at(tape, from, &g, to).unwrap();
            gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        assert!(gradient(0) == gradient(5) && gradient(0).iter().any(|value| *value != 0.0));
    }
}
