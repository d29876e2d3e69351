//! Where a network's values come from: initialisers that are functions of (seed, name, index).

use candle_core::Device;
use rayon::prelude::*;

use super::error::Result;
use super::layers::{Init, Parameter};
use super::models::Network;
use super::rng::Rng;
use super::spec::ModelSpec;

/// How a network starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// He-normal encoder, Glorot-uniform head (biases included), batch norm as if it were not there. Without
    /// statistics of the data, a deep network explodes with it; it is for encoders whose values are loaded.
    Plain,
    /// The same draws, with the constants of the frozen batch norm chosen so that the second moment of activations
    /// stays of order 1 from pixels (about 65 without their mean) to logits at any depth: the stem's variance is
    /// twice the square of 65; the shortcut of a group has gamma `sqrt(1/2)`, since a convolution without ReLU
    /// doubles the second moment; and the last convolution of each block has gamma `sqrt(1 / (2 blocks))`, so that a
    /// group of any number of blocks adds as much as it was given.
    Stable,
}

/// The first values of a parameter.
pub fn initial(scheme: Scheme, seed: u64, parameter: &Parameter) -> Vec<f32> {
    let stream = Rng::new(seed, &parameter.name, 0);
    let draw = |value: &(dyn Fn(&mut Rng) -> f32 + Sync)| {
        (0..parameter.len() as u64).into_par_iter().map(|index| value(&mut stream.at(index))).collect()
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
    use super::*;
    use crate::ml::spec::Choice;

    fn spec(encoder: &str) -> ModelSpec {
        ModelSpec { encoder: Choice::new(encoder), classes: 21, prefilter: Choice::new("Average") }
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
