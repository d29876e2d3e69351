//! A network among other code of candle: in a `candle_nn::Sequential`, with its logits resized and a softmax behind it.
//!
//! A `Module` is for inference. Our layers take no part in candle's graph of gradients: `backward()` finds no gradient by
//! anything below them. Gradients go through our own tape instead: `Network::forward_train` leaves it, `Network::backward`
//! consumes it, and a `Trainer` does both (see `train_and_predict.rs`).

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::{Module, seq};
use repro::ml::ops::resize;
use repro::ml::resample::Sampling;
use repro::ml::spec::{Choice, ModelSpec};
use repro::ml::weights::{Scheme, initialise};

/// The side of the image.
pub const SIDE: usize = 33;

/// The probabilities of six classes at each pixel of an image, `[1, 6, SIDE, SIDE]`, and candle's gradient by the image.
pub fn run() -> Result<(Tensor, Option<Tensor>)> {
    let spec = ModelSpec::new(Choice::new("Tiny"), 6, Choice::new("Gaussian"));
    let network = initialise(&spec, &Device::Cpu, Scheme::Stable, 1)?;
    let model = seq()
        .add(network)
        .add_fn(|logits| Ok(resize::bilinear(logits, SIDE, SIDE, Sampling::Legacy)?))
        .add_fn(|logits| candle_nn::ops::softmax(logits, 1));
    let pixels = Tensor::arange(0.0_f32, (3 * SIDE * SIDE) as f32, &Device::Cpu)?.affine(0.05, -80.0)?;
    let image = Var::from_tensor(&pixels.reshape((1, 3, SIDE, SIDE))?)?;
    let probabilities = model.forward(&image)?;
    let gradients = probabilities.sqr()?.sum_all()?.backward()?;
    Ok((probabilities, gradients.get(&image).cloned()))
}

/// Prints what `run` gives.
#[cfg(not(test))]
#[expect(clippy::print_stdout, reason = "an example shows what it made")]
fn main() -> Result<()> {
    let (probabilities, gradient) = run()?;
    println!("probabilities of the shape {:?}; candle's gradient by the image: {gradient:?}", probabilities.dims());
    Ok(())
}
