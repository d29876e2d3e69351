//! Where a network's values come from: initialisers that are functions of (seed, name, index).

use candle_core::Device;
use rayon::prelude::*;

use super::error::Result;
use super::layers::{Init, Parameter};
use super::models::Network;
use super::spec::ModelSpec;
use crate::rng::Rng;

/// How a network starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// He-normal encoder, Glorot-uniform head (biases included), and batch norms that change nothing. It is for encoders
    /// whose values are loaded: activations of a deep network that starts so grow without bound, since its batch norms
    /// have no statistics of the data.
    Plain,
    /// The same draws, with other constants of the frozen batch norms. With these the second moment of activations
    /// stays of order 1 at any depth, from pixels (about 65 without their mean) to logits:
    /// - the stem's variance is twice the square of 65;
    /// - the shortcut of a group has gamma `sqrt(1/2)`, since a convolution without ReLU doubles the second moment;
    /// - the last convolution of each block has gamma `sqrt(1 / (2 blocks))`, so that a group of any number of blocks
    ///   adds as much as it was given.
    Stable,
}

/// The first values of a parameter.
pub fn initial(scheme: Scheme, seed: u64, parameter: &Parameter) -> Vec<f32> {
    let draw = |value: &(dyn Fn(&mut Rng) -> f32 + Sync)| {
        let base = Rng::new(seed, &parameter.name, 0);
        (0..parameter.len() as u64).into_par_iter().map(|index| value(&mut base.at(index))).collect()
    };
    match (parameter.init, scheme) {
        (Init::HeNormal { fan_in }, _) => {
            let deviation = (2.0 / fan_in as f32).sqrt();
            draw(&|rng| deviation * rng.normal())
        }
        (Init::GlorotUniform { fan_in, fan_out }, _) => {
            let limit = (6.0 / (fan_in + fan_out) as f32).sqrt();
            draw(&|rng| rng.range(-limit, limit))
        }
        (Init::Identity, _) => {
            let size = parameter.shape.last().copied().unwrap_or_default();
            (0..parameter.len()).map(|at| if at % (size + 1) == 0 { 1.0 } else { 0.0 }).collect()
        }
        (Init::Constant(value), _)
        | (Init::Norm { plain: value, .. }, Scheme::Plain)
        | (Init::Norm { stable: value, .. }, Scheme::Stable) => vec![value; parameter.len()],
    }
}

/// A network with initial values.
pub fn initialise(spec: &ModelSpec, device: &Device, scheme: Scheme, seed: u64) -> Result<Network> {
    Network::build(spec, device, |parameter| Ok(initial(scheme, seed, parameter)))
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::*;
    use crate::ml::layers::Gradients;
    use crate::ml::ops::elementwise::{is_finite, sum_of_squares};
    use crate::ml::resample::Sampling;
    use crate::ml::spec::Choice;

    fn spec(encoder: &str) -> ModelSpec {
        ModelSpec::new(Choice::new(encoder), 21, Choice::new("Average"))
    }

    #[test]
    fn stable_networks_keep_the_scale_through_every_depth_and_learn_from_the_start() {
        let mut rng = Rng::new(5, "image", 0);
        let pixels: Vec<f32> = (0..3 * 65 * 65).map(|_| rng.range(-120.0, 130.0)).collect();
        let image = Tensor::from_vec(pixels, (1, 3, 65, 65), &Device::Cpu).unwrap();
        let labels: Vec<u8> = (0..65 * 65).map(|p| (p / 500) as u8).collect();
        for encoder in ["Tiny", "ResNet18", "ResNet50", "ResNet101"] {
            let network = initialise(&spec(encoder), &Device::Cpu, Scheme::Stable, 1).unwrap();
            let tape = network.forward_train(&image, 0).unwrap();
            let deviation = (sum_of_squares(&tape.logits).unwrap() / tape.logits.elem_count() as f64).sqrt();
            eprintln!("{encoder}: logits of deviation {deviation:.2}");
            assert!((0.05..20.0).contains(&deviation), "{encoder}: {deviation}");
            let loss = crate::ml::loss::cross_entropy(&tape.logits, &labels, [65, 65], Sampling::Legacy).unwrap();
            let inventory = network.parameters().inventory().clone();
            let gradients = Gradients::zeros(inventory.clone(), &Device::Cpu).unwrap();
            network.backward(tape, &loss.gradient, &gradients).unwrap();
            for (id, parameter) in inventory.iter().filter(|(_, parameter)| parameter.trainable) {
                let gradient = gradients.slot(id).unwrap().unwrap();
                assert!(is_finite(&gradient).unwrap(), "{}", parameter.name);
                let norm = sum_of_squares(&gradient).unwrap().sqrt();
                assert!(norm > 1e-6 && norm < 1e4, "{encoder} {}: {norm}", parameter.name);
            }
        }
    }

    #[test]
    fn initial_values_have_the_stated_spread_and_depend_on_seed_and_name_alone() {
        let network = initialise(&spec("Tiny"), &Device::Cpu, Scheme::Plain, 3).unwrap();
        for (id, parameter) in network.parameters().inventory().iter() {
            let values: Vec<f32> = network.parameters().view(id).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let square = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
            match parameter.init {
                Init::HeNormal { fan_in } if values.len() > 500 => {
                    assert!((square * fan_in as f32 / 2.0 - 1.0).abs() < 0.25, "{}: {square}", parameter.name);
                }
                Init::GlorotUniform { fan_in, fan_out } => {
                    let limit = (6.0 / (fan_in + fan_out) as f32).sqrt();
                    assert!(values.iter().all(|v| v.abs() <= limit), "{}", parameter.name);
                    assert!(square > limit * limit / 6.0, "{}: {square}", parameter.name);
                }
                Init::Constant(_) => assert!([1.0, 1.0 / 9.0].contains(&values[0]), "{}", parameter.name),
                _ => {}
            }
            assert_eq!(values, initial(Scheme::Plain, 3, parameter));
            if matches!(parameter.init, Init::HeNormal { .. }) {
                assert_ne!(values, initial(Scheme::Plain, 4, parameter));
            }
        }
    }
}
