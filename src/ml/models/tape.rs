//! A network's forward pass for training: it leaves a tape, which the backward pass consumes from its end.
//!
//! Every tensor on the tape is the output of a ReLU (or of the max pool behind one), so that it is also the mask of its
//! own gradient. What a tape has not kept is computed again (activation checkpointing) from the nearest input below, by
//! the same operations and so with the same bits.

use std::convert::Infallible;
use std::ops::ControlFlow;

use candle_core::Tensor;

use super::block::Activations;
use super::forward::Step;
use super::network::Network;
use crate::ml::error::{Error, Result};

/// What the forward pass leaves for the backward pass.
#[derive(Debug)]
pub struct Tape {
    /// The images, `[N, 3, H, W]`.
    pub(super) images: Tensor,
    /// Behind the stem's ReLU.
    pub(super) stem: Tensor,
    /// One entry a block.
    pub(super) blocks: Vec<Kept>,
    /// The encoder's output.
    pub(super) encoding: Tensor,
    /// The logits, `[N, classes, h, w]`.
    pub logits: Tensor,
}

/// What a tape has of a block.
#[derive(Debug)]
pub(super) enum Kept {
    All(Activations),
    Input(Tensor),
    Nothing,
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
    /// The logits of images, and the tape for [`Network::backward`]. With `recompute` 0 the tape keeps all activations.
    /// Else, of every `recompute` blocks, it keeps the first one's input alone, and what is between is computed again as
    /// the backward pass comes to it: less memory, more time, the same bits.
    ///
    /// # Shapes
    /// As [`Network::forward`].
    ///
    /// # Errors
    /// As those of [`Network::forward`].
    pub fn forward_train(&self, images: &Tensor, recompute: usize) -> Result<Tape> {
        let (mut stem, mut encoding) = (None, None);
        let mut blocks = Vec::with_capacity(self.blocks.len());
        let walked = self.walk(images, |step| {
            match step {
                Step::Images(_) => {}
                Step::Stem(output) => stem = Some(output.clone()),
                Step::Block(_, activations) => blocks.push(match recompute {
                    0 => Kept::All(activations),
                    _ if blocks.len().is_multiple_of(recompute) => Kept::Input(activations.input),
                    _ => Kept::Nothing,
                }),
                Step::Encoding(x) => encoding = Some(x.clone()),
            }
            Ok(ControlFlow::<Infallible>::Continue(()))
        });
        let ControlFlow::Continue(logits) = walked?;
        let (Some(stem), Some(encoding)) = (stem, encoding) else {
            return Err(Error::Model("The forward pass came by no stem or no encoding.".to_owned()));
        };
        Ok(Tape { images: images.clone(), stem, blocks, encoding, logits })
    }

    /// Takes the activations of the last block off a tape; computes again, from the nearest input on it, what it has not
    /// kept.
    pub(super) fn take(&self, blocks: &mut Vec<Kept>) -> Result<Option<Activations>> {
        let mut gone = 0;
        let mut activations = loop {
            match blocks.pop() {
                None => return Ok(None),
                Some(Kept::All(activations)) => break activations,
                Some(Kept::Input(input)) => break self.blocks[blocks.len()].again(input)?,
                Some(Kept::Nothing) => gone += 1,
            }
        };
        for _ in 0..gone {
            let at = blocks.len();
            let input = self.blocks[at].output(&mut activations)?;
            blocks.push(Kept::All(activations));
            activations = self.blocks[at + 1].again(input)?;
        }
        Ok(Some(activations))
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
            Kept::All(Activations { input, .. }) | Kept::Input(input) => Some(input),
            Kept::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::Device;

    use super::*;
    use crate::ml::layers::Parameter;
    use crate::ml::layers::prefilter::variants;
    use crate::ml::models::{Architecture, architecture, basic_blocks};
    use crate::ml::optim::{Schedule, Sgd};
    use crate::ml::spec::{Choice, ModelSpec};
    use crate::ml::state::State;
    use crate::ml::train::{Settings, StepReport, Trainer};
    use crate::ml::weights::{Scheme, initial};
    use crate::rng::Rng;

    fn network(prefilter: &Choice) -> Network {
        of_shape(&architecture(&Choice::new("Tiny")).unwrap(), prefilter)
    }

    fn of_shape(shape: &Architecture, prefilter: &Choice) -> Network {
        let spec = ModelSpec::new(Choice::new("Tiny"), 4, prefilter.clone());
        let start = |parameter: &Parameter| Ok(initial(Scheme::Stable, 7, parameter));
        Network::with_architecture(&spec, shape, &Device::Cpu, start).unwrap()
    }

    fn images(count: usize) -> Tensor {
        let mut rng = Rng::new(5, "images", 0);
        let pixels: Vec<f32> = (0..count * 3 * 41 * 33).map(|_| rng.range(-100.0, 100.0)).collect();
        Tensor::from_vec(pixels, (count, 3, 41, 33), &Device::Cpu).unwrap()
    }

    /// Two steps: what they saw, and the state after them.
    fn trained(network: Network, images: &Tensor, recompute: usize) -> (Vec<StepReport>, Vec<u8>) {
        let settings = Settings::new(
            Sgd { lr: 1e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
            Schedule::Constant,
            2,
        );
        let mut trainer = Trainer::new(network).unwrap();
        let settings = Settings { recompute, ..settings };
        let labels: Vec<u8> = (0..images.dims()[0] * 41 * 33).map(|i| (i / 50 % 5) as u8).collect();
        let reports = (0..2).map(|_| trainer.step(&settings, images, &labels).unwrap()).collect();
        (reports, State::write(&trainer, &BTreeMap::new()).unwrap())
    }

    #[test]
    fn what_is_computed_again_has_the_same_bits() {
        let tiny = architecture(&Choice::new("Tiny")).unwrap();
        // Here the last convolution of a block is dilated as well.
        let basic = basic_blocks(4, [4, 8, 8, 8], [1, 1, 2, 2]);
        for (prefilter, (shape, count)) in
            variants().iter().flat_map(|prefilter| [(&tiny, 1), (&tiny, 2), (&basic, 1)].map(|case| (prefilter, case)))
        {
            let images = images(count);
            let trained = |recompute| trained(of_shape(shape, prefilter), &images, recompute);
            let expected = trained(0);
            for recompute in [1, 2, 4, 100] {
                assert!(trained(recompute) == expected, "{prefilter:?} {shape:?} {count} {recompute}");
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
