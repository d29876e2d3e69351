//! The two passes of a step over images of one size, done anew every time or, on a GPU, recorded and done again.
//!
//! Invariants:
//! - the bits are the same: what is recorded is what is otherwise done;
//! - the first step is never recorded, since it finds algorithms; the second is, and all later ones of the same size are
//!   recorded work alone, between places that do not change;
//! - the two passes are recorded apart, since between them the loss is read and told. What the tape holds is allocated
//!   by the first, and freed by the second.

use candle_core::{DType, Tensor};

use super::error::{Error, Result};
use super::gpu::graph::{Graph, record};
use super::layers::{Gradients, Parameters};
use super::models::{Network, Tape};
use super::ops::{activation, elementwise, nchw};

/// The passes over images of one size.
#[derive(Debug, Default)]
pub struct Passes {
    tape: Option<Tape>,
    known: Known,
}

/// What is known of steps before.
#[derive(Debug, Default)]
enum Known {
    #[default]
    Nothing,
    /// The sizes of images and logits.
    Sizes([usize; 4], [usize; 4]),
    Recorded(Recorded),
}

/// The recorded passes, and the places that they read and write.
#[derive(Debug)]
struct Recorded {
    /// What the recorded work reads of the network. Another network, or one whose parameters lie elsewhere, is not it.
    parameters: Parameters,
    images: Tensor,
    logits: Tensor,
    gradient: Tensor,
    forward: Graph,
    /// With where its gradients go.
    backward: Option<(Graph, Tensor)>,
}

impl Recorded {
    /// Whether this was recorded of that network, over images like these.
    fn is_of(&self, network: &Network, images: &Tensor) -> bool {
        let alike = self.images.dims() == images.dims() && self.images.dtype() == images.dtype();
        alike && self.parameters.is_same(network.parameters())
    }
}

impl Passes {
    /// The logits of images, see [`Network::forward_train`]; recorded if `graph`. The next call is [`Passes::backward`].
    pub fn forward(&mut self, network: &Network, images: &Tensor, recompute: usize, graph: bool) -> Result<Tensor> {
        match &self.known {
            Known::Recorded(recorded) if graph && recorded.is_of(network, images) => {
                elementwise::copy(images, &recorded.images)?;
                recorded.forward.run()?;
                return Ok(recorded.logits.clone());
            }
            Known::Sizes(size, logits) if graph && size == images.dims() => {
                let place = activation::blank(*size, images)?;
                elementwise::copy(images, &place)?;
                let images = place;
                let logits_place = || activation::typed(*logits, DType::F32, images.device());
                let (logits, gradient) = (logits_place()?, logits_place()?);
                let (tape, forward) = record(images.device(), || {
                    let tape = network.forward_train(&images, recompute)?;
                    elementwise::copy(&tape.logits, &logits)?;
                    Ok(tape)
                })?;
                forward.run()?;
                self.tape = Some(tape);
                let (parameters, place) = (network.parameters().clone(), logits.clone());
                self.known =
                    Known::Recorded(Recorded { parameters, images, logits: place, gradient, forward, backward: None });
                return Ok(logits);
            }
            _ => {}
        }
        let tape = network.forward_train(images, recompute)?;
        let logits = tape.logits.clone();
        self.known = Known::Sizes(nchw("Images", images)?, nchw("Logits", &logits)?);
        self.tape = Some(tape);
        Ok(logits)
    }

    /// Overwrites `gradients` from the gradient `g` by the logits that were given last, see [`Network::backward`].
    pub fn backward(&mut self, network: &Network, g: &Tensor, gradients: &Gradients) -> Result<()> {
        let lost = || Error::Model("A backward pass needs the forward pass before it.".to_owned());
        let Known::Recorded(recorded) = &mut self.known else {
            return network.backward(self.tape.take().ok_or_else(lost)?, g, gradients);
        };
        if !recorded.parameters.is_same(network.parameters()) {
            return Err(lost());
        }
        elementwise::copy(g, &recorded.gradient)?;
        match (&recorded.backward, self.tape.take()) {
            (Some((backward, place)), None) if place.id() == gradients.flat().id() => backward.run(),
            (None, Some(tape)) => {
                let device = g.device();
                let (_, backward) = record(device, || network.backward(tape, &recorded.gradient, gradients))?;
                backward.run()?;
                recorded.backward = Some((backward, gradients.flat().clone()));
                Ok(())
            }
            _ => Err(lost()),
        }
    }
}
