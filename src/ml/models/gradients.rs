//! The gradient by every tensor of a whole network against differences of its loss.

use candle_core::{Device, Tensor};

use super::{Architecture, Network};
use crate::ml::layers::{Gradients, Parameter, Role};
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
    let average = |learned| Choice::new("Average").with("learned", Arg::Bool(learned));
    let cases = [
        (Choice::new("Regular"), 0, false),
        (average(true), 3, false),
        (average(false), 0, false),
        (average(true), 3, true),
    ];
    for (prefilter, filters, trainable_norm) in cases {
        let shape = Architecture { trainable_norm, ..Architecture::new(4, [16, 16, 32, 32], [1, 1, 2, 1]) };
        let spec = ModelSpec { encoder: Choice::new("Tiny"), classes: 4, prefilter };
        let start = |parameter: &Parameter| {
            let mut values = weights::initial(Scheme::Stable, 5, parameter);
            // A factor of zero passes nothing on, and has a gradient nevertheless where the ReLU lets it pass.
            match parameter.name.rsplit_once("middle/norm/") {
                Some((_, "gamma")) if trainable_norm => values[0] = 0.0,
                Some((_, "beta")) if trainable_norm => values[0] = 0.5,
                _ => {}
            }
            Ok(values)
        };
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
        let (mut checked, mut own, mut norms) = (0, 0, 0);
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
            own += usize::from(parameter.role == Role::Prefilter);
            norms += usize::from(parameter.role == Role::Norm);
            assert!(parameter.role != Role::Norm || !parameter.decayed(), "{}", parameter.name);
            if parameter.name.ends_with("middle/norm/gamma") {
                assert!(g.to_vec1::<f32>().unwrap()[0] != 0.0, "{}", parameter.name);
            }
        }
        // The stem, three convolutions in each of five blocks, four shortcuts, and four times weights and biases.
        let convs = 1 + 15 + 4;
        assert_eq!(own, filters, "{:?}", spec.prefilter);
        assert_eq!(norms, if trainable_norm { 2 * convs } else { 0 }, "{:?}", spec.prefilter);
        assert_eq!(checked - own - norms, convs + 8, "{:?}", spec.prefilter);
    }
}
