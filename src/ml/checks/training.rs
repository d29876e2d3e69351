//! What must hold of training: the same bits for any number of threads, and faults that change nothing.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use crate::ml::error::Error;
use crate::ml::optim::{Schedule, Sgd};
use crate::ml::rng::Rng;
use crate::ml::spec::{Choice, ModelSpec};
use crate::ml::state::State;
use crate::ml::train::{Settings, Trainer};
use crate::ml::weights::{Scheme, initialise};

const SIZE: usize = 65;

const SETTINGS: Settings = Settings {
    optimizer: Sgd { lr: 5e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
    schedule: Schedule::Poly { power: 0.9 },
    horizon: 10,
};

fn trainer() -> Trainer {
    let spec = ModelSpec { encoder: Choice::new("Tiny"), classes: 4, prefilter: Choice::new("Average") };
    Trainer::new(initialise(&spec, &Device::Cpu, Scheme::Stable, 11).unwrap()).unwrap()
}

fn batch(step: u64) -> (Tensor, Vec<u8>) {
    let mut rng = Rng::new(2, "batch", step);
    let data: Vec<f32> = (0..2 * 3 * SIZE * SIZE).map(|_| rng.range(-110.0, 140.0)).collect();
    let labels = (0..2 * SIZE * SIZE).map(|i| [0, 1, 255, 2, 3][(i / SIZE + step as usize) / 4 % 5]).collect();
    (Tensor::from_vec(data, (2, 3, SIZE, SIZE), &Device::Cpu).unwrap(), labels)
}

fn bytes(trainer: &Trainer) -> Vec<u8> {
    State::write(trainer, &BTreeMap::new()).unwrap()
}

#[test]
fn any_number_of_threads_trains_to_the_same_bits() {
    let train = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = trainer();
            let mut losses = Vec::new();
            for step in 0..3 {
                let (images, labels) = batch(step);
                losses.push(trainer.step(&SETTINGS, &images, &labels).unwrap().loss.to_bits());
            }
            (bytes(&trainer), losses)
        })
    };
    let one = train(1);
    assert_ne!(one.0, bytes(&trainer()), "training changes something");
    for threads in [2, 3] {
        assert!(train(threads) == one, "{threads} threads train otherwise than one");
    }
}

#[test]
fn a_loss_that_is_not_finite_is_named_and_changes_nothing() {
    let mut trainer = trainer();
    let (images, labels) = batch(0);
    trainer.step(&SETTINGS, &images, &labels).unwrap();
    let before = bytes(&trainer);
    for value in [f32::NAN, f32::INFINITY] {
        let mut pixels: Vec<f32> = images.flatten_all().unwrap().to_vec1().unwrap();
        pixels[SIZE * SIZE / 2] = value;
        let wrong = Tensor::from_vec(pixels, images.dims(), &Device::Cpu).unwrap();
        let error = trainer.step(&SETTINGS, &wrong, &labels).unwrap_err();
        let text = error.to_string();
        let Error::NonFinite { step, rate, loss, tensor } = error else { panic!("{text}") };
        assert_eq!((step, rate, tensor.as_str()), (1, SETTINGS.schedule.rate(5e-3, 1, 10), "images"), "{text}");
        assert!(!loss.is_finite(), "{text}");
        assert!(bytes(&trainer) == before, "{text}");
    }
    // Weights that are not finite are named themselves.
    let parameters = trainer.network.parameters();
    let (id, _) = parameters.inventory().iter().find(|(_, p)| p.name == "head/aspp12/biases").unwrap();
    let huge = Tensor::full(f32::INFINITY, 4, &Device::Cpu).unwrap();
    crate::ml::ops::update::descend(&parameters.view(id).unwrap(), &huge, 1.0).unwrap();
    let error = trainer.step(&SETTINGS, &images, &labels).unwrap_err().to_string();
    assert!(error.contains("`head/aspp12/biases`") && error.contains("at step 1"), "{error}");
}

#[test]
fn a_batch_without_labels_teaches_only_decay() {
    let mut trainer = trainer();
    let (images, _) = batch(0);
    let report = trainer.step(&SETTINGS, &images, &[255; 2 * SIZE * SIZE]).unwrap();
    assert_eq!((report.counted, report.cross_entropy), (0, 0.0));
    assert!(report.loss > 0.0, "the L2 term remains");
    let parameters = trainer.network.parameters();
    let start = self::trainer();
    for (id, parameter) in parameters.inventory().iter() {
        let sum = |trainer: &Trainer| {
            let view = trainer.network.parameters().view(id).unwrap();
            crate::ml::ops::elementwise::sum_of_squares(&view).unwrap()
        };
        let (before, after) = (sum(&start), sum(&trainer));
        assert!(if parameter.decayed() { after < before } else { after == before }, "{}", parameter.name);
    }
}
