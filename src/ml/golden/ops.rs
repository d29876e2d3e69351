//! Single operations, dilated layers, the loss and the optimiser.

use candle_core::{Device, Tensor};

use super::stack::{self, like, own_name};
use super::{File, Golden, Worst, difference, values};
use crate::ml::layers::affine::EPSILON;
use crate::ml::loss::cross_entropy;
use crate::ml::ops::conv::{Conv2d, Epilogue};
use crate::ml::ops::{elementwise, nchw, pool, resize, update};
use crate::ml::optim::Schedule;

const TOLERANCE: f64 = 2e-6;

/// `y`, `grad_x` and the gradient of the filter for one convolution.
fn check_conv(worst: &mut Worst, file: &File, case: &str, op: Conv2d) {
    let load = |name: &str| file.activations(&format!("{case}/{name}"));
    let (x, g) = (load("x"), load("g"));
    let w = file.filter(&format!("{case}/var/c/weights"));
    worst.compare(case, &op.forward(&x, &w, Epilogue::default()).unwrap(), &load("y"));
    let dx = op.backward_input(nchw("x", &x).unwrap(), &g, &w, None, Epilogue::default()).unwrap();
    worst.compare(case, &dx, &load("grad_x"));
    let dw = like(&w);
    op.backward_weights(&x, &g, None, &dw).unwrap();
    worst.compare(case, &dw, &file.filter(&format!("{case}/grad/c/weights")));
}

fn check_aspp(worst: &mut Worst, file: &File, case: &str) {
    let load = |name: &str| file.activations(&format!("{case}/{name}"));
    let (x, g) = (load("x"), load("g"));
    let (mut y, mut dx): (Option<Tensor>, Option<Tensor>) = (None, None);
    for (at, dilation) in [6, 12, 18, 24].into_iter().enumerate() {
        let op = Conv2d { stride: 1, dilation };
        let part = |kind: &str, part: &str| file.filter(&format!("{case}/{kind}/fc1_voc12_c{at}/{part}"));
        let (w, b) = (part("var", "weights"), part("var", "biases"));
        let epilogue = Epilogue { shift: Some(&b), add: y.as_ref(), ..Epilogue::default() };
        let sum = op.forward(&x, &w, epilogue).unwrap();
        y = Some(sum);
        let epilogue = Epilogue { add: dx.as_ref(), ..Epilogue::default() };
        let sum = op.backward_input(nchw("x", &x).unwrap(), &g, &w, None, epilogue).unwrap();
        dx = Some(sum);
        let (dw, db) = (like(&w), like(&b));
        op.backward_weights(&x, &g, None, &dw).unwrap();
        worst.compare(case, &dw, &part("grad", "weights"));
        elementwise::sum_by_channel(&g, &db).unwrap();
        worst.compare(case, &db, &part("grad", "biases"));
    }
    worst.compare(case, &y.unwrap(), &load("y"));
    worst.compare(case, &dx.unwrap(), &load("grad_x"));
}

#[test]
fn basic_operations_give_tensorflows_numbers() {
    let Some(golden) = Golden::open("ops") else { return };
    let index = golden.index();
    let file = golden.file("basic");
    let mut worst = Worst::within(TOLERANCE);
    let (mut cases, mut gradients) = (0, 0);
    for case in index["basic"]["cases"].as_array().unwrap() {
        let (id, op, attrs) = (case["id"].as_str().unwrap(), case["op"].as_str().unwrap(), &case["attrs"]);
        let load = |name: &str| file.activations(&format!("{id}/{name}"));
        let size = |at: usize| attrs["size"][at].as_u64().unwrap() as usize;
        match op {
            "conv2d" => {
                let stride = attrs["stride"].as_u64().unwrap() as usize;
                check_conv(&mut worst, &file, id, Conv2d { stride, dilation: 1 });
            }
            "max_pool" => {
                let x = load("x");
                assert_eq!(values(&pool::forward(&x).unwrap()), values(&load("y")), "{id}");
                worst.compare(id, &pool::backward(&x, &load("g"), false).unwrap(), &load("grad_x"));
            }
            "aspp" => check_aspp(&mut worst, &file, id),
            "batch_norm" => check_norm(&mut worst, &file, id, attrs["activation"] == "relu"),
            "resize_bilinear" => {
                let x = load("x");
                let [_, _, h, w] = nchw("x", &x).unwrap();
                worst.compare(id, &resize::bilinear(&x, size(0), size(1)).unwrap(), &load("y"));
                if file.find(&format!("{id}/g")).is_some() {
                    let dx = resize::bilinear_backward(&load("g"), h, w).unwrap();
                    worst.compare(id, &dx, &load("grad_x"));
                    gradients += 1;
                }
            }
            _ => {
                assert!(op.starts_with("prepare_label"), "{op}");
                let (shape, x) = file.bytes(&format!("{id}/x"));
                let y = resize::nearest_labels(&x, [shape[1], shape[2]], [size(0), size(1)]);
                assert_eq!(y, file.bytes(&format!("{id}/y")).1, "{id}");
            }
        }
        cases += 1;
    }
    eprintln!("basic operations: {cases} cases, {worst}");
    assert_eq!((cases, gradients), (45, 8));
}

/// Batch norm as the epilogue of a 1x1 convolution with the identity.
fn check_norm(worst: &mut Worst, file: &File, case: &str, relu: bool) {
    let load = |name: &str| file.activations(&format!("{case}/{name}"));
    let statistic = |name: &str| values(&file.filter(&format!("{case}/var/bn_conv1/{name}")));
    let (gamma, beta) = (statistic("gamma"), statistic("beta"));
    let (mean, variance) = (statistic("moving_mean"), statistic("moving_variance"));
    let scale: Vec<f32> = gamma.iter().zip(&variance).map(|(g, v)| 1.0 / (v + EPSILON).sqrt() * g).collect();
    let shift: Vec<f32> = (0..beta.len()).map(|c| beta[c] - mean[c] * scale[c]).collect();
    let [scale, shift] = [scale, shift].map(|data| Tensor::new(data.as_slice(), &Device::Cpu).unwrap());
    let channels = beta.len();
    let eye = Tensor::eye(channels, candle_core::DType::F32, &Device::Cpu).unwrap();
    let eye = eye.reshape((channels, channels, 1, 1)).unwrap();
    let op = Conv2d { stride: 1, dilation: 1 };
    let epilogue = Epilogue { scale: Some(&scale), shift: Some(&shift), relu, ..Epilogue::default() };
    let (x, mut g) = (load("x"), load("g"));
    let y = op.forward(&x, &eye, epilogue).unwrap();
    worst.compare(case, &y, &load("y"));
    if relu {
        g = elementwise::masked(&g, &y).unwrap();
    }
    let dx = op.backward_input(nchw("x", &x).unwrap(), &g, &eye, Some(&scale), Epilogue::default()).unwrap();
    worst.compare(case, &dx, &load("grad_x"));
}

#[test]
fn dilated_layers_give_tensorflows_numbers() {
    let Some(golden) = Golden::open("ops") else { return };
    let index = golden.index();
    for (theirs, ours) in [("regular", "Regular"), ("decompose", "Regular"), ("average_filter", "Average")] {
        let file = golden.file(&format!("dilated_{theirs}"));
        let mut worst = Worst::within(TOLERANCE);
        let mut cases = 0;
        for case in index["dilated"][theirs]["cases"].as_array().unwrap() {
            let id = case["id"].as_str().unwrap();
            let load = |name: &str| file.activations(&format!("{id}/{name}"));
            let passed = stack::run(&file, ours, case, case["relu_between_layers"] == true, load("x"), |_| load("g"));
            worst.compare(id, &passed.output, &load("y"));
            worst.compare(id, &passed.gradient, &load("grad_x"));
            for (at, gradients) in passed.parameters.iter().enumerate() {
                let name = format!("{id}/grad/{}/weights", case["layers"][at]["scope"].as_str().unwrap());
                worst.compare(&name, gradients.weights.as_ref().unwrap(), &file.filter(&name));
                for own in gradients.own.iter().flatten() {
                    let name = format!("{id}/grad/{}", own_name(at));
                    worst.compare(&name, own, &file.filter(&name));
                }
            }
            cases += 1;
        }
        eprintln!("{theirs} as {ours}: {cases} cases, {worst}");
        assert_eq!(cases, if ours == "Average" { 16 } else { 10 }, "{theirs}");
    }
}

#[test]
fn resizing_picks_tensorflows_pixels() {
    let Some(golden) = Golden::open("ops") else { return };
    let file = golden.file("resize_maps");
    let (pairs, offsets) = (file.integers("pairs_in_out"), file.integers("offsets"));
    let (nearest, (_, ramp)) = (file.integers("nearest_index"), file.floats("bilinear_of_ramp"));
    let mut worst = Worst::within(1e-6);
    for (pair, offset) in pairs.chunks_exact(2).zip(offsets.windows(2)) {
        let (from, to) = (pair[0] as usize, pair[1] as usize);
        let range = offset[0] as usize..offset[1] as usize;
        let found: Vec<i32> = resize::nearest_indices(from, to).iter().map(|&i| i as i32).collect();
        assert_eq!(found, nearest[range.clone()], "{from} {to}");
        let found: Vec<f32> = resize::bilinear_taps(from, to)
            .iter()
            .map(|tap| tap.low as f32 + (tap.high as f32 - tap.low as f32) * tap.weight)
            .collect();
        worst.note(&format!("{from} to {to}"), difference(&found, &ramp[range]));
    }
    eprintln!("resize maps: {} cases, {worst}", pairs.len() / 2);
    assert_eq!(pairs.len(), 2 * 188);
}

#[test]
fn the_loss_is_tensorflows() {
    let Some(golden) = Golden::open("ops") else { return };
    let index = golden.index();
    let file = golden.file("loss");
    let mut worst = Worst::within(TOLERANCE);
    let mut cases = 0;
    for case in index["loss"]["cases"].as_array().unwrap().iter().filter(|case| case["id"] != "l2") {
        let id = case["id"].as_str().unwrap();
        let logits = file.activations(&format!("{id}/logits"));
        let (shape, labels) = file.bytes(&format!("{id}/label"));
        let loss = cross_entropy(&logits, &labels, [shape[1], shape[2]]).unwrap();
        assert_eq!(loss.targets, file.bytes(&format!("{id}/label_small")).1, "{id}");
        assert_eq!(loss.counted as u64, case["valid_pixels"].as_u64().unwrap(), "{id}");
        worst.compare(id, &loss.gradient, &file.activations(&format!("{id}/grad_logits")));
        // All ignored: the reference's mean is not a number; ours is 0.
        let expected = case["mean_ce"].as_f64().unwrap_or(0.0);
        worst.note(id, (loss.cross_entropy - expected).abs() / expected.max(1e-9));
        cases += 1;
    }
    eprintln!("loss: {cases} cases, {worst}");
    assert_eq!(cases, 4);
}

#[test]
fn the_optimiser_steps_as_tensorflows() {
    let Some(golden) = Golden::open("ops") else { return };
    let index = golden.index();
    let file = golden.file("optimizer");
    let mut worst = Worst::within(TOLERANCE);
    let mut steps = 0;
    for case in index["optimizer"]["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let schedule = Schedule::Poly { power: case["power"].as_f64().unwrap() };
        for (name, multiplier) in case["lr_multiplier"].as_object().unwrap() {
            let w = file.filter(&format!("{id}/init/{name}")).copy().unwrap();
            let v = like(&w);
            for step in 0..case["steps"].as_u64().unwrap() {
                let horizon = case["max_steps"].as_u64().unwrap();
                let rate = schedule.rate(case["base_lr"].as_f64().unwrap(), step, horizon);
                let expected = case["lr_1x"][step as usize].as_f64().unwrap();
                worst.note(&format!("{id} rate {step}"), (f64::from(rate) - expected).abs() / expected.max(1e-9));
                let at = |kind: &str| file.filter(&format!("{id}/step{step}/{kind}/{name}"));
                update::accumulate(&v, &at("grad"), &w, 0.9, 0.0).unwrap();
                update::descend(&w, &v, rate * multiplier.as_f64().unwrap() as f32).unwrap();
                worst.compare(id, &v, &at("accum"));
                worst.compare(id, &w, &at("var"));
                steps += 1;
            }
        }
    }
    eprintln!("optimiser: {steps} steps of a variable, {worst}");
    assert_eq!(steps, 3 * 11);
}
