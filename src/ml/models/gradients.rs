//! The gradient by every tensor of a whole network against differences of its loss.

use candle_core::{Device, Tensor};

use super::{Architecture, Network};
use crate::ml::layers::Gradients;
use crate::ml::loss;
use crate::ml::ops::elementwise::sum_of_squares;
use crate::ml::ops::update;
use crate::ml::rng::Rng;
use crate::ml::spec::{Arg, Choice, ModelSpec};
use crate::ml::weights::{self, Scheme};

/// For every tensor of parameters, the change of the loss along its gradient, to two in a hundred. A large step crosses
/// kinks and a small one drowns in rounding, so one of three must agree.
#[test]
fn a_network_has_the_gradients_of_differences() {
    let shape = Architecture::new(4, [16, 16, 32, 32], [1, 1, 2, 1]);
    let average = |learned| Choice::new("Average").with("learned", Arg::Bool(learned));
    for (prefilter, filters) in [(Choice::new("Regular"), 0), (average(true), 3), (average(false), 0)] {
        let spec = ModelSpec { encoder: Choice::new("Tiny"), classes: 4, prefilter };
        let start = |parameter: &_| Ok(weights::initial(Scheme::Stable, 5, parameter));
        let network = Network::with_architecture(&spec, &shape, &Device::Cpu, start).unwrap();
        let mut rng = Rng::new(1, "pixels", 0);
        let data: Vec<f32> = (0..3 * 41 * 41).map(|_| rng.range(-110.0, 140.0)).collect();
        let images = Tensor::from_vec(data, (1, 3, 41, 41), &Device::Cpu).unwrap();
        let labels: Vec<u8> = (0..41 * 41).map(|i| [0, 1, 2, 3, 255][i / 41 / 8 % 5]).collect();
        let tape = network.forward_train(&images).unwrap();
        let loss = loss::cross_entropy(&tape.logits, &labels, [41, 41]).unwrap();
        let inventory = network.parameters().inventory().clone();
        let gradients = Gradients::zeros(inventory.clone(), &Device::Cpu).unwrap();
        network.backward(tape, &loss.gradient, &gradients).unwrap();
        let value = || {
            let logits = network.forward(&images).unwrap();
            loss::cross_entropy(&logits, &labels, [41, 41]).unwrap().cross_entropy
        };
        let (mut checked, mut own) = (0, 0);
        for (id, parameter) in inventory.iter() {
            let Some(g) = gradients.slot(id).unwrap() else {
                assert!(!parameter.trainable, "{}", parameter.name);
                continue;
            };
            let norm = sum_of_squares(&g).unwrap().sqrt();
            assert!(norm > 0.0, "{}", parameter.name);
            let w = network.parameters().view(id).unwrap();
            let moved = |by: f64| {
                update::descend(&w, &g, -by as f32).unwrap();
                let value = value();
                update::descend(&w, &g, by as f32).unwrap();
                value
            };
            let gaps = [3e-5, 1e-5, 3e-6].map(|change| {
                let by = change / (norm * norm);
                ((moved(by) - moved(-by)) / (2.0 * change) - 1.0).abs()
            });
            assert!(gaps.iter().any(|&gap| gap < 0.02), "{}: {gaps:?} of {norm}", parameter.name);
            checked += 1;
            own += usize::from(parameter.name.contains("prefilter"));
        }
        // The stem, three convolutions in each of five blocks, four shortcuts, and four times weights and biases.
        assert_eq!((checked - own, own), (1 + 15 + 4 + 8, filters), "{:?}", spec.prefilter);
    }
}
