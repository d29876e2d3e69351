//! Single operations, dilated layers, the loss and the optimiser. Their definitions in 64 bits, which always run, are in
//! [`super::exact`] and [`super::traj`].

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use super::stack;
use super::{File, Golden, Tally};
use crate::ml::layers::affine::NormStart;
use crate::ml::layers::conv::ConvSize;
use crate::ml::layers::prefilter::{self, DilatedLayer, LayerSize};
use crate::ml::layers::{ConvNorm, Gradients, Inventory, Parameter, Parameters, Role};
use crate::ml::loss::cross_entropy;
use crate::ml::ops::conv::{Conv2d, Epilogue};
use crate::ml::ops::pool::MaxPool;
use crate::ml::ops::{elementwise, nchw, resize, update, zeros};
use crate::ml::optim::Schedule;
use crate::ml::oracle::{Worst, difference, like, values};
use crate::ml::resample::{self, Sampling};

const TOLERANCE: f64 = 2e-6;

#[test]
fn the_index_lists_nothing_that_no_test_reads() {
    let Some(golden) = Golden::open("ops") else { return };
    let read = ["about", "keys", "basic", "dilated", "gaussian_kernels", "resize_maps", "loss", "optimizer"];
    let index = golden.index();
    let unread: Vec<_> = index.as_object().unwrap().keys().filter(|key| !read.contains(&key.as_str())).collect();
    assert!(unread.is_empty(), "{unread:?}");
}

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
        let op = Conv2d { dilation, ..Conv2d::default() };
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
    let cases = index["basic"]["cases"].as_array().unwrap();
    let mut tally = Tally::of("basic operations", cases.len());
    for case in cases {
        let mut worst = Worst::within(TOLERANCE);
        let (id, op, attrs) = (case["id"].as_str().unwrap(), case["op"].as_str().unwrap(), &case["attrs"]);
        let load = |name: &str| file.activations(&format!("{id}/{name}"));
        let size = |at: usize| attrs["size"][at].as_u64().unwrap() as usize;
        match op {
            "conv2d" => {
                let stride = attrs["stride"].as_u64().unwrap() as usize;
                check_conv(&mut worst, &file, id, Conv2d { stride, ..Conv2d::default() });
            }
            "max_pool" => {
                let x = load("x");
                assert_eq!(values(&MaxPool::Same.forward(&x).unwrap()), values(&load("y")), "{id}");
                worst.compare(id, &MaxPool::Same.backward(&x, &load("g"), false).unwrap(), &load("grad_x"));
            }
            "aspp" => check_aspp(&mut worst, &file, id),
            "batch_norm" => check_norm(&mut worst, &file, id, attrs["activation"] == "relu"),
            "resize_bilinear" => {
                let x = load("x");
                let [_, _, h, w] = nchw("x", &x).unwrap();
                worst.compare(id, &resize::bilinear(&x, size(0), size(1), Sampling::Legacy).unwrap(), &load("y"));
                if file.find(&format!("{id}/g")).is_some() {
                    let dx = resize::bilinear_backward(&load("g"), h, w, Sampling::Legacy).unwrap();
                    worst.compare(id, &dx, &load("grad_x"));
                }
            }
            _ => {
                assert!(op.starts_with("prepare_label"), "{op}");
                let (shape, x) = file.bytes(&format!("{id}/x"));
                let y = resample::nearest_labels(&x, [shape[1], shape[2]], [size(0), size(1)], Sampling::Legacy);
                assert_eq!(y, file.bytes(&format!("{id}/y")).1, "{id}");
            }
        }
        tally.case(&worst);
    }
    tally.finish();
}

/// Batch norm whose gamma and beta are trained, behind a 1x1 convolution with the identity.
fn check_norm(worst: &mut Worst, file: &File, case: &str, relu: bool) {
    let load = |name: &str| file.activations(&format!("{case}/{name}"));
    let (x, mut g) = (load("x"), load("g"));
    let channels = nchw("x", &x).unwrap()[1];
    let mut inventory = Inventory::default();
    let op = Conv2d::default();
    let size = ConvSize { input: channels, output: channels, kernel: 1, op };
    let start = NormStart { gamma: 1.0, variance: 1.0, trainable: true, epsilon: 1e-3, role: Role::Norm };
    let layer = ConvNorm::add(&mut inventory, "conv", size, start);
    let identity = values(&Tensor::eye(channels, DType::F32, &Device::Cpu).unwrap());
    let value = |parameter: &Parameter| {
        let name = match parameter.name.rsplit('/').next().unwrap() {
            "weights" => return Ok(identity.clone()),
            part @ ("mean" | "variance") => format!("moving_{part}"),
            part => part.to_owned(),
        };
        Ok(values(&file.filter(&format!("{case}/var/bn_conv1/{name}"))))
    };
    let parameters = Parameters::build(Arc::new(inventory), &Device::Cpu, value).unwrap();
    let folded = layer.fold(&parameters).unwrap();
    let y = folded.forward(&x, None, relu).unwrap();
    worst.compare(case, &y, &load("y"));
    if relu {
        g = elementwise::masked(&g, &y).unwrap();
    }
    let gradients = Gradients::zeros(Arc::clone(parameters.inventory()), &Device::Cpu).unwrap();
    worst.compare(case, &folded.backward(&x, &g, Some(&gradients), None, None).unwrap(), &load("grad_x"));
    for (id, parameter) in parameters.inventory().iter().filter(|(_, parameter)| parameter.role == Role::Norm) {
        if let Some(found) = gradients.slot(id).unwrap() {
            let part = parameter.name.rsplit('/').next().unwrap();
            worst.compare(&format!("{case} {part}"), &found, &file.filter(&format!("{case}/grad/bn_conv1/{part}")));
        }
    }
}

/// For dilated layers: a gradient that is summed over all pixels has the rounding of the reference's own 32-bit sum.
const SUMMED: f64 = 1e-5;

/// What the gradient by a sigma may be that cancels: zero in exact arithmetic, rounding noise in the reference's.
const FLOOR: f32 = 1e-4;

#[test]
fn dilated_layers_give_tensorflows_numbers() {
    let Some(golden) = Golden::open("ops") else { return };
    let index = golden.index();
    let types = index["dilated"].as_object().unwrap();
    let listed = types.values().map(|of_type| of_type["cases"].as_array().unwrap().len()).sum();
    let mut tally = Tally::of("dilated layers", listed);
    for (theirs, of_type) in types {
        let file = golden.file(&format!("dilated_{theirs}"));
        for case in of_type["cases"].as_array().unwrap() {
            let mut worst = Worst::within(SUMMED);
            let id = case["id"].as_str().unwrap();
            let what = |name: &str| format!("{theirs} {id} {name}");
            let load = |name: &str| file.activations(&format!("{id}/{name}"));
            let relu_between = case["relu_between_layers"] == true;
            let mut passed = stack::run(&file, theirs, case, relu_between, load("x"), |_| load("g"));
            worst.compare(&what("y"), &passed.output, &load("y"));
            worst.compare(&what("x"), &passed.gradient, &load("grad_x"));
            let variables = case["variables_in_creation_order"].as_array().unwrap();
            for variable in variables.iter().filter(|variable| variable["trainable"] == true) {
                let name = variable["tf_name"].as_str().unwrap();
                let found = passed.variables.remove(name).unwrap_or_else(|| panic!("no gradient: {}", what(name)));
                let expected = file.filter(variable["grad_key"].as_str().unwrap());
                if name.ends_with("gauss_sigma") {
                    assert!(values(&expected).iter().all(|g| g.abs() < FLOOR), "{}", what(name));
                    assert_eq!(values(&found), [0.0], "{}", what(name));
                } else {
                    worst.compare(&what(name), &found, &expected);
                }
            }
            assert!(passed.variables.is_empty(), "{}: {:?}", what("variables"), passed.variables.keys());
            tally.case(&worst);
        }
    }
    tally.finish();
}

#[test]
fn gaussian_kernels_are_tensorflows() {
    let Some(golden) = Golden::open("ops") else { return };
    let index = golden.index();
    let kernels = index["gaussian_kernels"].as_object().unwrap();
    let mut tally = Tally::of("Gaussian kernels", kernels.len());
    for (name, kernel) in kernels {
        let dilation = name.strip_prefix('d').unwrap().parse().unwrap();
        let matrix = |rows: &Value| -> Vec<f32> {
            let rows = rows.as_array().unwrap().iter();
            rows.flat_map(|row| row.as_array().unwrap()).map(|value| value.as_f64().unwrap() as f32).collect()
        };
        let kind = prefilter::build(&stack::choice("gaussian_filter")).unwrap();
        let extras = kind.layer_parameters(LayerSize { channels: 1, dilation });
        let own: Vec<Tensor> = extras.iter().map(|extra| zeros(&extra.shape, &Device::Cpu).unwrap()).collect();
        let weights = zeros(&[1, 1, 3, 3], &Device::Cpu).unwrap();
        let op = Conv2d { dilation, ..Conv2d::default() };
        let layer =
            DilatedLayer { op, weights: &weights, scale: None, shift: None, relu: false, own: &own, shared: &[] };
        let mut impulse = [0.0_f32; 81];
        impulse[4 * 9 + 4] = 1.0;
        let impulse = Tensor::from_slice(&impulse, (1, 1, 9, 9), &Device::Cpu).unwrap();
        let (_, saved) = kind.forward(&layer, &impulse).unwrap();
        let mut worst = Worst::within(TOLERANCE);
        let response = matrix(&kernel["impulse_response_9x9_impulse_at_4_4"]);
        worst.note(name, difference(&values(&saved[0]), &response));
        worst.note(name, difference(&values(&saved[1]), &matrix(&kernel["kernel"])));
        tally.case(&worst);
    }
    tally.finish();
}

#[test]
fn resizing_picks_tensorflows_pixels() {
    let Some(golden) = Golden::open("ops") else { return };
    let file = golden.file("resize_maps");
    let (pairs, offsets) = (file.integers("pairs_in_out"), file.integers("offsets"));
    let (nearest, (_, ramp)) = (file.integers("nearest_index"), file.floats("bilinear_of_ramp"));
    let mut tally = Tally::of("resize maps", golden.index()["resize_maps"]["pairs"].as_u64().unwrap() as usize);
    for (pair, offset) in pairs.chunks_exact(2).zip(offsets.windows(2)) {
        let mut worst = Worst::within(1e-6);
        let (from, to) = (pair[0] as usize, pair[1] as usize);
        let range = offset[0] as usize..offset[1] as usize;
        let found: Vec<i32> = resample::nearest_indices(from, to).iter().map(|&i| i as i32).collect();
        assert_eq!(found, nearest[range.clone()], "{from} {to}");
        let found: Vec<f32> = resample::bilinear_taps(from, to)
            .iter()
            .map(|tap| tap.low as f32 + (tap.high as f32 - tap.low as f32) * tap.weight)
            .collect();
        worst.note(&format!("{from} to {to}"), difference(&found, &ramp[range]));
        tally.case(&worst);
    }
    tally.finish();
}

#[test]
fn the_loss_is_tensorflows() {
    let Some(golden) = Golden::open("ops") else { return };
    let index = golden.index();
    let file = golden.file("loss");
    let cases = index["loss"]["cases"].as_array().unwrap();
    let mut tally = Tally::of("loss", cases.len());
    for case in cases {
        let mut worst = Worst::within(TOLERANCE);
        let id = case["id"].as_str().unwrap();
        if id == "l2" {
            check_decay(&mut worst, &file, case);
            tally.case(&worst);
            continue;
        }
        let logits = file.activations(&format!("{id}/logits"));
        let (shape, labels) = file.bytes(&format!("{id}/label"));
        let (size, [_, _, height, width]) = ([shape[1], shape[2]], nchw("logits", &logits).unwrap());
        let loss = cross_entropy(&logits, &labels, size, Sampling::Legacy).unwrap();
        let targets = resample::nearest_labels(&labels, size, [height, width], Sampling::Legacy);
        assert_eq!(targets, file.bytes(&format!("{id}/label_small")).1, "{id}");
        assert_eq!(loss.counted as u64, case["valid_pixels"].as_u64().unwrap(), "{id}");
        worst.compare(id, &loss.gradient, &file.activations(&format!("{id}/grad_logits")));
        // All ignored: the reference's mean is not a number; ours is 0.
        let expected = case["mean_ce"].as_f64().unwrap_or(0.0);
        worst.note(id, (loss.cross_entropy - expected).abs() / expected.max(1e-9));
        tally.case(&worst);
    }
    tally.finish();
}

/// The L2 term, and its gradient through the update.
fn check_decay(worst: &mut Worst, file: &File, case: &Value) {
    let decay = case["weight_decay"].as_f64().unwrap();
    let w = file.filter("l2/weights");
    let term = decay * elementwise::sum_of_squares(&w).unwrap() / 2.0;
    worst.note("l2", (term / case["term"].as_f64().unwrap() - 1.0).abs());
    let v = like(&w);
    update::accumulate(&v, &like(&w), &w, 0.9, decay as f32).unwrap();
    worst.compare("l2", &v, &file.filter("l2/grad"));
}

#[test]
fn the_optimiser_steps_as_tensorflows() {
    let Some(golden) = Golden::open("ops") else { return };
    let index = golden.index();
    let file = golden.file("optimizer");
    let cases = index["optimizer"]["cases"].as_array().unwrap();
    let mut tally = Tally::of("optimiser", cases.len());
    for case in cases {
        let mut worst = Worst::within(TOLERANCE);
        let id = case["id"].as_str().unwrap();
        let schedule = Schedule::Poly { power: case["power"].as_f64().unwrap() };
        let momentum = case["momentum"].as_f64().unwrap() as f32;
        for (name, multiplier) in case["lr_multiplier"].as_object().unwrap() {
            let w = file.filter(&format!("{id}/init/{name}")).copy().unwrap();
            let v = like(&w);
            for step in 0..case["steps"].as_u64().unwrap() {
                let horizon = case["max_steps"].as_u64().unwrap();
                let rate = schedule.rate(case["base_lr"].as_f64().unwrap(), step, horizon);
                let expected = case["lr_1x"][step as usize].as_f64().unwrap();
                worst.note(&format!("{id} rate {step}"), (f64::from(rate) - expected).abs() / expected.max(1e-9));
                let at = |kind: &str| file.filter(&format!("{id}/step{step}/{kind}/{name}"));
                update::accumulate(&v, &at("grad"), &w, momentum, 0.0).unwrap();
                update::descend(&w, &v, rate * multiplier.as_f64().unwrap() as f32).unwrap();
                worst.compare(id, &v, &at("accum"));
                worst.compare(id, &w, &at("var"));
            }
        }
        tally.case(&worst);
    }
    tally.finish();
}
