//! Training runs: single ones, and iterations with a validation after each.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::names::Names;
use super::net::Small;
use super::{File, Golden, Tally, nchw};
use crate::ml::cycle::Cycle;
use crate::ml::import::{self, Tensors};
use crate::ml::inference::{Inference, scores};
use crate::ml::layers::Role;
use crate::ml::metrics::Confusion;
use crate::ml::ops::elementwise::sum_of_squares;
use crate::ml::optim::{Schedule, Sgd};
use crate::ml::oracle::{Worst, difference, values};
use crate::ml::spec::{Choice, ModelSpec};
use crate::ml::state::State;
use crate::ml::train::{Batch, Settings, StepReport, Trainer};
use crate::ml::weights::{Scheme, initialise};
use crate::rng::Rng;

/// What the reference's runs have where their index does not say otherwise.
pub fn settings(lr: f64, horizon: u64, weight_decay: f64) -> Settings {
    Settings::new(
        Sgd { lr, momentum: 0.9, weight_decay, head_lr: 10.0, head_bias_lr: 20.0 },
        Schedule::Poly { power: 0.9 },
        horizon,
    )
}

/// The batches of a file, one after the other: `[T, N, H, W, 3]` and `[T, N, H, W, 1]`.
pub struct Stream {
    shape: Vec<usize>,
    images: Vec<f32>,
    labels: Vec<u8>,
}

impl Stream {
    pub fn read(file: &File, prefix: &str) -> Self {
        let (shape, images) = file.floats(&format!("{prefix}images"));
        Stream { shape, images, labels: file.bytes(&format!("{prefix}labels")).1 }
    }

    pub fn at(&self, t: usize) -> (Tensor, &[u8]) {
        let (pixels, points) = (self.images.len() / self.shape[0], self.labels.len() / self.shape[0]);
        (nchw(&self.shape[1..], &self.images[t * pixels..][..pixels]), &self.labels[t * points..][..points])
    }
}

/// The golden network of the reference's type `theirs`, and its trainer before the first step: the golden encoder, and
/// all else from `init/` of the run's file.
fn trainer(theirs: &str, file: &File) -> Option<(Small, Trainer)> {
    let golden = Golden::open("net")?;
    let small = Small::of(&golden, theirs);
    let mut tensors = golden.file("deeplab_weights").below("var/");
    tensors.extend(file.below("init/"));
    let network = small.network(&Names::Deeplab.own(&small.inventory, tensors));
    Some((small, Trainer::new(network).unwrap()))
}

/// Compares the trained tensors with those of the file below `prefix`, and their momentum where the file has it.
pub fn compare_trained(worst: &mut Worst, what: &str, trainer: &Trainer, small: &Small, tensors: Tensors) {
    let (momenta, weights): (Tensors, Tensors) = tensors.into_iter().partition(|(name, _)| name.ends_with("/Momentum"));
    let momenta = momenta.into_iter().map(|(name, tensor)| (name.trim_end_matches("/Momentum").to_owned(), tensor));
    let momenta = Names::Deeplab.own(&small.inventory, momenta.collect());
    let weights = Names::Deeplab.own(&small.inventory, weights);
    let parameters = trainer.network.parameters();
    for (id, parameter) in parameters.inventory().iter().filter(|(_, parameter)| parameter.trainable) {
        let name = &parameter.name;
        let found = values(&parameters.view(id).unwrap());
        worst.note(&format!("{what} {name}"), difference(&found, &weights[name].1));
        if let Some((_, expected)) = momenta.get(name) {
            let found = parameters.inventory().slot(id, trainer.momentum.flat()).unwrap().unwrap();
            worst.note(&format!("{what} momentum of {name}"), difference(&values(&found), expected));
        }
    }
}

/// The norms of the gradients of the whole loss by group of rates, from the weights before the update.
fn norms(trainer: &Trainer, before: &BTreeMap<String, Tensor>, sgd: &Sgd) -> BTreeMap<u64, f64> {
    let mut squares = BTreeMap::new();
    for (id, parameter) in trainer.network.parameters().inventory().iter() {
        let Some(mut g) = trainer.gradients().slot(id).unwrap() else { continue };
        if parameter.decayed() {
            g = (g + (&before[&parameter.name] * sgd.weight_decay).unwrap()).unwrap();
        }
        *squares.entry(sgd.multiplier(parameter.role) as u64).or_insert(0.0) += sum_of_squares(&g).unwrap();
    }
    squares.into_iter().map(|(group, square)| (group, square.sqrt())).collect()
}

fn snapshot(trainer: &Trainer) -> BTreeMap<String, Tensor> {
    let parameters = trainer.network.parameters();
    let copy = |id| parameters.view(id).unwrap().copy().unwrap();
    parameters.inventory().iter().map(|(id, parameter)| (parameter.name.clone(), copy(id))).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn training_runs_take_tensorflows_course() {
    let Some(golden) = Golden::open("traj") else { return };
    let (index, stream) = (golden.index(), Stream::read(&golden.file("batches"), ""));
    let (hyper, runs) = (&index["hyper"], index["runs"].as_object().unwrap());
    let mut tally = Tally::of("traj", runs.len());
    for (name, run) in runs {
        let path = run["file"].as_str().unwrap();
        let file = golden.file(path.trim_start_matches("traj/").trim_end_matches(".safetensors"));
        let Some((small, mut trainer)) = trainer(run["dilated_type"].as_str().unwrap(), &file) else { return };
        let mut settings =
            settings(number(&run["base_lr"]), run["max_steps"].as_u64().unwrap(), number(&hyper["weight_decay"]));
        settings.optimizer.momentum = number(&hyper["momentum"]);
        settings.schedule = Schedule::Poly { power: number(&hyper["power"]) };
        check_groups(&small, &settings.optimizer, &run["groups"]);

        let (mut rates, mut losses, mut weights) = (Worst::within(1e-6), Worst::within(1e-4), Worst::within(1e-3));
        let (mut gradients, mut streamed) = (Worst::within(1e-3), Worst::within(1e-6));
        let mut confusion = Confusion::new(hyper["num_classes"].as_u64().unwrap() as usize);
        let steps = run["curr_step_fed"].as_array().unwrap();
        assert_eq!(steps.len() as u64, run["number_of_updates"].as_u64().unwrap(), "{name}");
        for (t, step) in steps.iter().enumerate() {
            trainer.step = step.as_u64().unwrap();
            let what = format!("{name} update {t}");
            let before = snapshot(&trainer);
            let (images, labels) = stream.at(t);
            let report = trainer.step(&settings, &images, labels).unwrap();
            let expected = |what: &str| number(&run[what][t]);
            rates.note(&what, (f64::from(report.rate) - expected("lr_1x")).abs() / settings.optimizer.lr);
            losses.note(&what, (report.loss / expected("loss") - 1.0).abs());
            losses.note(&what, (report.cross_entropy / expected("ce") - 1.0).abs());
            losses.note(&what, ((report.loss - report.cross_entropy) / expected("l2") - 1.0).abs());
            for (group, norm) in norms(&trainer, &before, &settings.optimizer) {
                gradients
                    .note(&format!("{what}, {group}x"), (norm / expected(&format!("grad_norm_{group}x")) - 1.0).abs());
            }
            confusion.add(&report.labels, &report.predictions).unwrap();
            streamed.note(&what, (confusion.streaming_mean_iou() - expected("mIoU_logged_streaming")).abs());
            let line = StepReport::log_line(trainer.step - 1, expected("loss"), expected("mIoU_logged_streaming"));
            assert_eq!(run["log_txt"][t + 1], line, "{what}");
            let after = file.below(&format!("after_update_{}/", t + 1));
            if !after.is_empty() {
                compare_trained(&mut weights, &what, &trainer, &small, after);
            }
        }
        compare_trained(&mut weights, name, &trainer, &small, file.below("final/"));
        eprintln!("{name}: {} updates, rates {rates}, losses {losses}, gradients {gradients}", steps.len());
        eprintln!("  running mean IoU {streamed}, weights {weights}");
        [&rates, &losses, &gradients, &streamed, &weights].into_iter().for_each(|worst| tally.note(worst));
        tally.case(&weights);
    }
    tally.finish();
}

/// Every variable learns at the multiple of the rate that the index says.
fn check_groups(small: &Small, sgd: &Sgd, groups: &Value) {
    let named = groups.as_object().unwrap().values().flat_map(|group| group.as_array().unwrap());
    let table = Names::Deeplab.table(&small.inventory, named.map(|name| name.as_str().unwrap()));
    let mut left = 0;
    for (_, parameter) in small.inventory.iter().filter(|(_, parameter)| parameter.trainable) {
        let group = format!("{}x", sgd.multiplier(parameter.role));
        let listed = groups[&group].as_array().unwrap();
        assert!(listed.iter().any(|name| *name == table[&parameter.name]), "{}", parameter.name);
        left += 1;
    }
    let listed: usize = groups.as_object().unwrap().values().map(|group| group.as_array().unwrap().len()).sum();
    assert_eq!(left, listed);
}

#[test]
fn iterations_follow_one_another_as_the_references() {
    let Some(golden) = Golden::open("traj") else { return };
    let (index, file) = (golden.json("train_test_cycle"), golden.file("train_test_cycle"));
    let stream = Stream::read(&file, "train/");
    let (updates, tests) = (index["updates"].as_array().unwrap(), index["tests"].as_array().unwrap());
    let Some((small, mut trainer)) = trainer(index["dilated_type"].as_str().unwrap(), &file) else { return };
    let settings = settings(number(&index["base_lr"]), index["max_steps"].as_u64().unwrap(), 1e-4);
    let steps = index["num_steps"].as_u64().unwrap();
    let (mut rates, mut losses, mut weights) = (Worst::within(1e-6), Worst::within(1e-4), Worst::within(1e-3));
    let (mut streamed, mut figures) = (Worst::within(1e-6), Worst::within(2e-7));
    let classes = file.counts("test0/confusion_matrix").0[0];
    let mut tally = Tally::of("traj/train_test_cycle", updates.len() + tests.len());
    let mut log = Vec::new();
    let mut left = updates.iter();
    for (turn, test) in tests.iter().enumerate() {
        let iteration = Cycle::Reference.iteration(turn as u64 * steps, steps);
        let mut confusion = Confusion::new(classes);
        log.push(format!("Iteration: {}", turn + 1));
        while iteration.goes_on(&trainer) {
            let update = left.next().unwrap();
            let what = format!("iteration {turn}, step {}", trainer.step);
            let place = (update["iteration"].as_u64().unwrap(), update["curr_step"].as_u64().unwrap());
            assert_eq!((turn as u64, trainer.step), place);
            let (images, labels) = stream.at(update["batch"].as_u64().unwrap() as usize);
            let report = trainer.step(&settings, &images, labels).unwrap();
            rates.note(&what, (f64::from(report.rate) - number(&update["lr"])).abs() / settings.optimizer.lr);
            losses.note(&what, (report.loss / number(&update["loss"]) - 1.0).abs());
            confusion.add(&report.labels, &report.predictions).unwrap();
            streamed.note(&what, (confusion.streaming_mean_iou() - number(&update["mIoU_streaming"])).abs());
            log.push(StepReport::log_line(report.step, report.loss, confusion.streaming_mean_iou()));
            tally.case(&losses);
        }
        iteration.end(&mut trainer);
        // What the next iteration starts from is what was stored.
        let bytes = State::write(&trainer, &BTreeMap::new()).unwrap();
        let network = small.network(&import::safetensors(&bytes).unwrap());
        trainer = State::read(&bytes).unwrap().resume(network, &Device::Cpu).unwrap();
        let confusion = check_test(&mut figures, &trainer, &file, turn, test);
        log.extend(confusion.log().lines().map(str::to_owned));
        tally.case(&figures);
    }
    assert!(left.next().is_none(), "updates are left");
    compare_trained(&mut weights, "the last iteration", &trainer, &small, file.below("final/"));
    let told = |line: &&str| !line.starts_with("Restored") && !line.starts_with("The checkpoint");
    let expected = index["log_txt"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).filter(told);
    assert_eq!(log, expected.collect::<Vec<_>>());
    eprintln!("rates {rates}, losses {losses}, running mean IoU {streamed}, validation {figures}, weights {weights}");
    [&rates, &streamed, &weights].into_iter().for_each(|worst| tally.note(worst));
    tally.finish();
}

/// The validation after an iteration.
fn check_test(worst: &mut Worst, trainer: &Trainer, file: &File, turn: usize, test: &Value) -> Confusion {
    let (shape, counts) = file.counts(&format!("test{turn}/confusion_matrix"));
    let classes = shape[0];
    let mut confusion = Confusion::new(classes);
    for image in 0.. {
        let Some((shape, pixels)) = file.find(&format!("val{image}/image")) else { break };
        let input = nchw(&[1, shape[0], shape[1], shape[2]], &pixels);
        let found = scores(&trainer.network, &input, &Inference::default()).unwrap().classes().unwrap();
        assert_eq!(found, file.bytes(&format!("test{turn}/pred{image}")).1, "iteration {turn}, image {image}");
        confusion.add(&file.bytes(&format!("val{image}/label")).1, &found).unwrap();
    }
    // The reference's rows are predictions.
    let turned = (0..classes).flat_map(|predicted| (0..classes).map(move |truth| (truth, predicted)));
    assert_eq!(turned.map(|(truth, predicted)| confusion.at(truth, predicted)).collect::<Vec<_>>(), counts);
    for (name, expected) in test["summary"].as_object().unwrap() {
        let found = match name.strip_prefix("IoU class ") {
            Some(class) => confusion.iou(class.parse().unwrap()).unwrap_or(f64::NAN),
            None => confusion.reference_mean_iou(),
        };
        worst.note(&format!("iteration {turn} {name}"), (found - number(expected)).abs());
    }
    let accuracy = confusion.pixel_accuracy().unwrap();
    worst.note("pixel accuracy", (accuracy - number(&test["pixel_accuracy"])).abs());
    worst.note("streaming", (confusion.streaming_mean_iou() - number(&test["streaming_mIoU"])).abs());
    confusion
}

/// The course of the weights in 64-bit arithmetic, straight from the definitions, from the gradients of each update.
#[test]
fn updates_are_those_of_their_definition() {
    let spec = ModelSpec::new(Choice::new("Tiny"), 4, Choice::new("Average"));
    let mut trainer = Trainer::new(initialise(&spec, &Device::Cpu, Scheme::Stable, 3).unwrap()).unwrap();
    let settings = settings(1e-3, 6, 5e-4);
    let mut rng = Rng::new(9, "pixels", 0);
    let mut batches: Vec<(Tensor, Vec<u8>)> = Vec::new();
    for _ in 0..2 {
        let pixels: Vec<f32> = (0..3 * 33 * 41).map(|_| rng.range(-100.0, 100.0)).collect();
        let labels = (0..33 * 41).map(|_| rng.below(5) as u8).collect();
        batches.push((Tensor::from_vec(pixels, (1, 3, 33, 41), &Device::Cpu).unwrap(), labels));
    }
    let batches: Vec<Batch<'_>> = batches.iter().map(|(images, labels)| Batch { images, labels }).collect();
    let inventory = trainer.network.parameters().inventory().clone();
    let wide = |tensor: &Tensor| values(tensor).iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let trained: Vec<_> = inventory.iter().filter(|(_, parameter)| parameter.trainable).collect();
    let view = |trainer: &Trainer, id| wide(&trainer.network.parameters().view(id).unwrap());
    let mut course: Vec<(Vec<f64>, Vec<f64>)> =
        trained.iter().map(|(id, parameter)| (view(&trainer, *id), vec![0.0; parameter.len()])).collect();
    for step in 0..6 {
        let l2: f64 = trained
            .iter()
            .zip(&course)
            .filter(|((_, parameter), _)| matches!(parameter.role, Role::Conv | Role::HeadWeights))
            .map(|(_, (w, _))| 5e-4 / 2.0 * w.iter().map(|w| w * w).sum::<f64>())
            .sum();
        let report = trainer.update(&settings, &[1.0, 0.75], &batches).unwrap();
        assert!(((report.loss - report.cross_entropy) / l2 - 1.0).abs() < 1e-5, "{} {l2}", report.loss);
        let rate = 1e-3 * (1.0 - step as f64 / 6.0).powf(0.9);
        for ((id, parameter), (w, v)) in trained.iter().zip(&mut course) {
            let (decay, factor) = match parameter.role {
                Role::Conv => (5e-4, 1.0),
                Role::HeadWeights => (5e-4, 10.0),
                Role::HeadBias => (0.0, 20.0),
                Role::Norm | Role::HeadNorm | Role::Prefilter => (0.0, 1.0),
            };
            let g = wide(&trainer.gradients().slot(*id).unwrap().unwrap());
            for ((w, v), g) in w.iter_mut().zip(v.iter_mut()).zip(g) {
                *v = 0.9 * *v + g + decay * *w;
                *w -= rate * factor * *v;
            }
        }
    }
    let mut worst = Worst::within(1e-6);
    for ((id, parameter), (w, _)) in trained.iter().zip(&course) {
        let expected: Vec<f32> = w.iter().map(|&w| w as f32).collect();
        let found = values(&trainer.network.parameters().view(*id).unwrap());
        worst.note(&parameter.name, difference(&found, &expected));
    }
    eprintln!("updates against 64-bit arithmetic: {worst}");
}
