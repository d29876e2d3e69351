//! The multi-scale sibling of the reference: its loss, its gradients, its accumulated updates.

use candle_core::{Device, Tensor};

use super::names::Names;
use super::net::Small;
use super::traj::{Stream, compare_trained, settings};
use super::{Golden, Tally};
use crate::ml::loss::over_scales;
use crate::ml::ops::elementwise::sum_of_squares;
use crate::ml::ops::loss::argmax;
use crate::ml::ops::{resize, update};
use crate::ml::oracle::{self, Array, Num, Tape, Worst, difference, resized, values};
use crate::ml::resample::Sampling;
use crate::ml::scales::{Fused, at_scale};
use crate::ml::spec::{Choice, ModelSpec};
use crate::ml::train::{Batch, Settings, Trainer};
use crate::ml::weights::{Scheme, initialise};
use crate::rng::Rng;

const SCALES: [f64; 3] = [1.0, 0.75, 0.5];
/// As the golden tensors name them.
const SUFFIXES: [&str; 3] = ["100", "075", "05"];

#[test]
fn multi_scale_training_takes_tensorflows_course() {
    let Some(golden) = Golden::open("net") else { return };
    let (index, file) = (golden.json("msc"), golden.file("msc"));
    let (small, stream) = (Small::of(&golden, "regular"), Stream::read(&file, ""));
    let mut tensors = golden.file("deeplab_weights").below("var/");
    tensors.extend(file.below("init/"));
    let tensors = Names::Deeplab.own(&small.inventory, tensors);
    let number = |name: &str| index[name].as_f64().unwrap();
    let settings = settings(number("base_lr"), number("num_steps") as u64, number("weight_decay"));
    let updates = index["updates"].as_array().unwrap();
    let mut tally = Tally::of("net/msc", updates.len());
    let (mut first, mut losses, mut weights) = (Worst::within(1e-5), Worst::within(1e-4), Worst::within(1e-3));

    let network = small.network(&tensors);
    let (images, labels) = stream.at(0);
    let mut logits = Vec::new();
    for (scale, suffix) in SCALES.iter().zip(SUFFIXES) {
        let input = at_scale(&images, *scale, Sampling::Legacy).unwrap();
        first.compare(suffix, &input, &file.activations(&format!("first/image{suffix}")));
        logits.push(network.forward(&input).unwrap());
        first.compare(suffix, &logits[logits.len() - 1], &file.activations(&format!("first/logits{suffix}")));
    }
    let fused = Fused::new(&logits, Sampling::Legacy).unwrap().logits;
    first.compare("fused", &fused, &file.activations("first/logits_fused"));
    let [h, w] = [2, 3].map(|axis| images.dims()[axis]);
    let pred = argmax(&resize::bilinear(&fused, h, w, Sampling::Legacy).unwrap()).unwrap();
    assert_eq!(pred, file.bytes("first/pred").1);
    let mut once = Trainer::new(network).unwrap();
    once.update(&settings, &SCALES, &[Batch { images: &images, labels }]).unwrap();
    let expected = Names::Deeplab.own(&small.inventory, file.below("first/grad/"));
    let start = small.network(&tensors);
    for (id, parameter) in small.inventory.iter().filter(|(_, parameter)| parameter.trainable) {
        let mut g = once.gradients().slot(id).unwrap().unwrap();
        if parameter.decayed() {
            let w = start.parameters().view(id).unwrap();
            g = (g + (w * settings.optimizer.weight_decay).unwrap()).unwrap();
        }
        first.note(&parameter.name, difference(&values(&g), &expected[&parameter.name].1));
    }

    let mut trainer = Trainer::new(start).unwrap();
    let micro = index["grad_update_every"].as_u64().unwrap() as usize;
    let l2 = |trainer: &Trainer| crate::ml::optim::l2(trainer.network.parameters(), number("weight_decay")).unwrap();
    for (t, expected) in updates.iter().enumerate() {
        assert_eq!(trainer.step, expected["step"].as_u64().unwrap());
        let taken: Vec<_> = (0..micro).map(|m| stream.at(t * micro + m)).collect();
        let expected: Vec<f64> =
            expected["micro_batch_losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect();
        for (m, ((images, labels), expected)) in taken.iter().zip(&expected).enumerate() {
            let logits =
                SCALES.map(|s| trainer.network.forward(&at_scale(images, s, Sampling::Legacy).unwrap()).unwrap());
            let loss =
                over_scales(&logits, labels, [h, w], Sampling::Legacy, &mut Ok).unwrap().cross_entropy + l2(&trainer);
            losses.note(&format!("update {t}, batch {m}"), (loss / expected - 1.0).abs());
        }
        let batches: Vec<Batch<'_>> = taken.iter().map(|(images, labels)| Batch { images, labels }).collect();
        let report = trainer.update(&settings, &SCALES, &batches).unwrap();
        let mean = expected.iter().sum::<f64>() / micro as f64;
        losses.note(&format!("update {t}"), (report.loss / mean - 1.0).abs());
        assert_eq!(index["log_txt"][t], format!("{}, {:.3}", report.step, report.loss));
        tally.case(&losses);
    }
    compare_trained(&mut weights, "final", &trainer, &small, file.below("final/"));
    eprintln!("multi-scale: first batch {first}, losses {losses}, final weights {weights}");
    [&first, &weights].into_iter().for_each(|worst| tally.note(worst));
    tally.finish();
}

/// The loss of the definition, in 64 bits.
fn definition<'t>(scales: &[Array<'t>], labels: &[u8], size: [usize; 2]) -> Num<'t> {
    let [_, _, height, width] = scales[0].sizes();
    let brought: Vec<Array<'t>> =
        scales.iter().map(|scale| resized(scale, [height, width], Sampling::Legacy)).collect();
    let greatest = |a: Num<'t>, b: Num<'t>| if b.value > a.value { b } else { a };
    let fused =
        Array::image(scales[0].sizes(), |at| brought.iter().map(|scale| scale.at(at)).reduce(greatest).unwrap());
    let losses: Vec<Num<'t>> = scales
        .iter()
        .chain([&fused])
        .map(|logits| oracle::cross_entropy(logits, labels, size, Sampling::Legacy))
        .collect();
    Num::sum(losses.into_iter())
}

#[test]
fn the_multi_scale_loss_and_its_gradients_are_those_of_its_definition() {
    let size = [24, 17];
    let mut rng = Rng::new(4, "labels", 0);
    let labels: Vec<u8> = (0..2 * size[0] * size[1]).map(|_| rng.below(4) as u8).collect();
    let tape = Tape::new();
    let scales = [[6, 5], [5, 4], [3, 3]].map(|[h, w]| Array::random(&tape, &format!("{h} {w}"), &[2, 3, h, w]));
    let joint = over_scales(&scales.each_ref().map(Array::tensor), &labels, size, Sampling::Legacy, &mut Ok).unwrap();
    let expected = definition(&scales, &labels, size);
    let mut worst = Worst::within(2e-6);
    worst.note("loss", (joint.cross_entropy / expected.value - 1.0).abs());
    let gradient = tape.gradient(expected);
    for (found, scale) in joint.gradients.iter().zip(&scales) {
        oracle::compare_gradient(&mut worst, &format!("{:?}", scale.shape), found, &gradient, scale);
    }
    eprintln!("the multi-scale loss against 64-bit arithmetic: {worst}");
}

#[test]
fn an_update_over_scales_and_batches_follows_the_gradient_of_its_loss() {
    let spec = ModelSpec::new(Choice::new("Tiny"), 4, Choice::new("Average"));
    let mut trainer = Trainer::new(initialise(&spec, &Device::Cpu, Scheme::Stable, 3).unwrap()).unwrap();
    let still = Settings {
        optimizer: crate::ml::optim::Sgd { lr: 0.0, ..settings(0.0, 1, 0.0).optimizer },
        ..settings(0.0, 1, 0.0)
    };
    let mut rng = Rng::new(5, "pixels", 0);
    let taken: Vec<(Tensor, Vec<u8>)> = (0..2)
        .map(|_| {
            let pixels: Vec<f32> = (0..3 * 41 * 33).map(|_| rng.range(-100.0, 100.0)).collect();
            let labels = (0..41 * 33).map(|_| rng.below(5) as u8).collect();
            (Tensor::from_vec(pixels, (1, 3, 41, 33), &Device::Cpu).unwrap(), labels)
        })
        .collect();
    let batches: Vec<Batch<'_>> = taken.iter().map(|(images, labels)| Batch { images, labels }).collect();
    trainer.update(&still, &SCALES, &batches).unwrap();
    let direction = trainer.gradients().flat().copy().unwrap();
    let square = sum_of_squares(&direction).unwrap();
    let h = 1e-3 / square.sqrt() as f32;
    let mut at = |by: f32| {
        update::descend(trainer.network.parameters().trainable(), &direction, -by).unwrap();
        let loss = trainer.update(&still, &SCALES, &batches).unwrap().cross_entropy;
        update::descend(trainer.network.parameters().trainable(), &direction, by).unwrap();
        loss
    };
    let slope = (at(h) - at(-h)) / f64::from(2.0 * h);
    assert!((slope / square - 1.0).abs() < 0.02, "{slope} for {square}");
}
