//! The two passes of a step over images of one size: done anew every time or, on a GPU, captured as CUDA graphs and replayed.
//!
//! Invariants:
//! - the bits are the same: what is captured is what is otherwise done;
//! - the first step is never captured, since it finds algorithms. The second step is. All later steps over images of the same
//!   size replay it, between places in memory that do not change;
//! - the two passes are captured apart, since between them the loss is read and told. The first one allocates what the tape
//!   holds, and the second one frees it.

use candle_core::{DType, Tensor};

use super::error::{Error, Result};
use super::gpu::graph::{Graph, capture};
use super::layers::{Gradients, Parameters};
use super::models::{Network, Tape};
use super::ops::{activation, elementwise, nchw};

/// The passes over images of one size.
#[derive(Debug, Default)]
pub struct Replay {
    tape: Option<Tape>,
    seen: Seen,
}

/// What earlier steps have left.
#[derive(Debug, Default)]
enum Seen {
    #[default]
    Nothing,
    /// The sizes of images and logits.
    Sizes([usize; 4], [usize; 4]),
    Captured(Box<Captured>),
}

/// The captured passes, and the places that they read and write.
#[derive(Debug)]
struct Captured {
    /// What the captured work reads of the network. It is of no use for another network, or for one whose parameters lie
    /// elsewhere.
    parameters: Parameters,
    images: Tensor,
    logits: Tensor,
    gradient: Tensor,
    forward: Graph,
    /// With where its gradients go.
    backward: Option<(Graph, Tensor)>,
}

impl Captured {
    /// Whether this was captured from that network, over images of this size and type.
    fn is_of(&self, network: &Network, images: &Tensor) -> bool {
        let alike = self.images.dims() == images.dims() && self.images.dtype() == images.dtype();
        alike && self.parameters.is_same(network.parameters())
    }
}

impl Replay {
    /// The logits of images, see [`Network::forward_train`]; captured or replayed if `graph`. The next call is [`Replay::backward`].
    pub fn forward(&mut self, network: &Network, images: &Tensor, recompute: usize, graph: bool) -> Result<Tensor> {
        match &self.seen {
            Seen::Captured(captured) if graph && captured.is_of(network, images) => {
                elementwise::copy(images, &captured.images)?;
                captured.forward.replay()?;
                return Ok(captured.logits.clone());
            }
            Seen::Sizes(size, logits) if graph && size == images.dims() => {
                let place = activation::blank(*size, images)?;
                elementwise::copy(images, &place)?;
                let images = place;
                let logits_place = || activation::typed(*logits, DType::F32, images.device());
                let (logits, gradient) = (logits_place()?, logits_place()?);
                let (tape, forward) = capture(images.device(), || {
                    let tape = network.forward_train(&images, recompute)?;
                    elementwise::copy(&tape.logits, &logits)?;
                    Ok(tape)
                })?;
                forward.replay()?;
                self.tape = Some(tape);
                let (parameters, place) = (network.parameters().clone(), logits.clone());
                self.seen = Seen::Captured(Box::new(Captured {
                    parameters,
                    images,
                    logits: place,
                    gradient,
                    forward,
                    backward: None,
                }));
                return Ok(logits);
            }
            _ => {}
        }
        let tape = network.forward_train(images, recompute)?;
        let logits = tape.logits.clone();
        self.seen = Seen::Sizes(nchw("Images", images)?, nchw("Logits", &logits)?);
        self.tape = Some(tape);
        Ok(logits)
    }

    /// Overwrites `gradients` from the gradient `g` by the logits that were given last, see [`Network::backward`].
    pub fn backward(&mut self, network: &Network, g: &Tensor, gradients: &Gradients) -> Result<()> {
        let lost = || Error::Model("A backward pass needs the forward pass before it.".to_owned());
        let Seen::Captured(captured) = &mut self.seen else {
            return network.backward(self.tape.take().ok_or_else(lost)?, g, gradients);
        };
        if !captured.parameters.is_same(network.parameters()) {
            return Err(lost());
        }
        elementwise::copy(g, &captured.gradient)?;
        match (&captured.backward, self.tape.take()) {
            (Some((backward, place)), None) if place.id() == gradients.flat().id() => backward.replay(),
            (None, Some(tape)) => {
                let device = g.device();
                let (_, backward) = capture(device, || network.backward(tape, &captured.gradient, gradients))?;
                backward.replay()?;
                captured.backward = Some((backward, gradients.flat().clone()));
                Ok(())
            }
            _ => Err(lost()),
        }
    }
}
