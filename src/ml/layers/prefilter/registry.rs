//! Every type of dilated convolution, by name.

use super::contract::{DilatedConv, Entry};
use super::{aggregation, average, decompose, gaussian, interaction, multigrid, regular, separable};
use crate::ml::error::{Error, Result};
#[cfg(test)]
use crate::ml::spec::Arg;
use crate::ml::spec::{Choice, complete};

/// Every dilated type.
pub const PREFILTERS: &[Entry] = &[
    regular::ENTRY,
    decompose::ENTRY,
    multigrid::ENTRY,
    interaction::ENTRY,
    separable::ENTRY,
    average::ENTRY,
    gaussian::ENTRY,
    aggregation::ENTRY,
];

/// The dilated type that `choice` names.
pub fn build(choice: &Choice) -> Result<Box<dyn DilatedConv>> {
    let entry = PREFILTERS.iter().find(|entry| entry.name == choice.name).ok_or_else(|| {
        let names: Vec<_> = PREFILTERS.iter().map(|entry| entry.name).collect();
        Error::Model(format!("There is no pre-filter `{}`; there are {}.", choice.name, names.join(", ")))
    })?;
    (entry.build)(&complete(entry.name, &(entry.args)(), &choice.args).map_err(Error::Model)?)
}

/// Every dilated type with every combination of its alternatives; numbers and lists have their defaults.
#[cfg(test)]
pub(crate) fn variants() -> Vec<Choice> {
    let mut all = Vec::new();
    for entry in PREFILTERS {
        let mut of_entry = vec![Choice::new(entry.name)];
        for spec in (entry.args)() {
            let values: Vec<Arg> = match spec.default {
                Arg::Bool(_) => [true, false].map(Arg::Bool).into(),
                Arg::Name(_) => spec.names.iter().map(|(name, _)| Arg::name(name)).collect(),
                _ => continue,
            };
            let with = |choice: Choice| values.iter().map(move |value| choice.clone().with(spec.name, value.clone()));
            of_entry = of_entry.into_iter().flat_map(with).collect();
        }
        all.extend(of_entry);
    }
    all
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::ml::layers::Parameter;
    use crate::ml::layers::prefilter::LayerSize;
    use crate::ml::models::{ENCODERS, Network, architecture};
    use crate::ml::optim::{Schedule, Sgd};
    use crate::ml::spec::{ModelSpec, chosen};
    use crate::ml::train::{Settings, Trainer};
    use crate::ml::weights::{Scheme, initial};
    use crate::rng::Rng;

    /// Images `[2, 3, 41, 33]` and labels of five classes, of which a network of four ignores the last.
    fn batch() -> (Tensor, Vec<u8>) {
        let mut rng = Rng::new(2, "image", 0);
        let pixels: Vec<f32> = (0..2 * 3 * 41 * 33).map(|_| rng.range(-100.0, 100.0)).collect();
        let labels: Vec<u8> = (0..2 * 41 * 33).map(|_| rng.below(5) as u8).collect();
        (Tensor::from_vec(pixels, (2, 3, 41, 33), &Device::Cpu).unwrap(), labels)
    }

    fn spec(encoder: &str, prefilter: &Choice) -> ModelSpec {
        ModelSpec::new(Choice::new(encoder), 4, prefilter.clone())
    }

    /// Every encoder at its depth, but narrow: a few steps lower the loss, and move every parameter that has a gradient:
    /// all but the sigmas that cancel, and those of one tap.
    #[test]
    fn every_type_trains_on_every_encoder() {
        let (images, labels) = batch();
        let settings = Settings::new(
            Sgd { lr: 2e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
            Schedule::Constant,
            4,
        );
        for (encoder, prefilter) in ENCODERS.iter().flat_map(|e| variants().into_iter().map(move |v| (e, v))) {
            let mut shape = architecture(&Choice::new(encoder.name)).unwrap();
            shape.stem = 4;
            shape.groups.iter_mut().zip([8, 16, 32, 32]).for_each(|(group, channels)| group.channels = channels);
            let start = |parameter: &Parameter| Ok(initial(Scheme::Stable, 1, parameter));
            let network = Network::with_architecture(&spec(encoder.name, &prefilter), &shape, &Device::Cpu, start);
            let mut trainer = Trainer::new(network.unwrap()).unwrap();
            let losses: Vec<f64> = (0..4).map(|_| trainer.step(&settings, &images, &labels).unwrap().loss).collect();
            assert!(losses[3] < losses[0], "{} {prefilter:?}: {losses:?}", encoder.name);
            let parameters = trainer.network.parameters();
            for (id, parameter) in parameters.inventory().iter() {
                let name = parameter.name.as_str();
                let now = parameters.view(id).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let moved = now != initial(Scheme::Stable, 1, parameter);
                let cancels = chosen(&prefilter.args, "form") != "Paper" || name.starts_with("group4");
                let expected = parameter.trainable && !(name.ends_with("sigma") && cancels);
                assert_eq!(moved, expected, "{} {prefilter:?} {name}", encoder.name);
            }
        }
    }

    #[test]
    fn every_type_and_argument_is_documented() {
        for entry in PREFILTERS {
            let args = (entry.args)();
            let docs = args.iter().flat_map(|arg| arg.names.iter().map(|(_, doc)| *doc).chain([arg.doc]));
            assert!(docs.chain([entry.doc]).all(|doc| doc.ends_with('.')), "{}", entry.name);
        }
    }

    #[test]
    fn multigrid_multiplies_dilations_by_block() {
        let kind = build(&Choice::new("Multigrid").with("rates", Arg::Ints(vec![1, 3]))).unwrap();
        assert_eq!([0, 1, 2, 3].map(|block| kind.dilation(4, block)), [4, 12, 4, 12]);
        assert_eq!(build(&Choice::new("Regular")).unwrap().dilation(4, 1), 4);
        let none = Choice::new("Multigrid").with("rates", Arg::Ints(Vec::new()));
        assert!(build(&none).unwrap_err().to_string().contains("`rates`"));
    }

    #[test]
    fn unknown_types_and_arguments_are_named() {
        assert!(build(&Choice::new("Avrage")).unwrap_err().to_string().contains("there are Regular, Decompose"));
        let wrong = Choice::new("Average").with("size", crate::ml::spec::Arg::Int(3));
        assert!(build(&wrong).unwrap_err().to_string().contains("`size`"));
    }

    #[test]
    fn a_fixed_average_is_no_parameter_of_training() {
        let extras = |learned| {
            let choice = Choice::new("Average").with("learned", crate::ml::spec::Arg::Bool(learned));
            build(&choice).unwrap().layer_parameters(LayerSize { channels: 4, dilation: 4 })
        };
        assert!(extras(true)[0].trainable && !extras(false)[0].trainable);
        assert_eq!(extras(false)[0].shape, [4, 1, 3, 3]);
    }
}
