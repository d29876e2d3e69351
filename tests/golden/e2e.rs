//! From files to predictions: the reference's own test and predict runs.
//!
//! TensorFlow 1.3 decodes JPEG with the fast transform, we with the accurate one. From the recorded inputs of the
//! network on, every id, picture and figure is equal; from the files on, what differs is printed and bounded.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use safetensors::Dtype;

use super::names::Names;
use super::net::Small;
use super::{Golden, Tally};
use crate::fsio;
use crate::ml::colors;
use crate::ml::data::augment::{Channels, Normalise};
use crate::ml::data::pictures::Style;
use crate::ml::data::shapes::{self, Shapes};
use crate::ml::data::source::Images;
use crate::ml::data::{Image, Labels, index, labels, list, photo};
use crate::ml::inference::{Inference, scores};
use crate::ml::layers::Parameter;
use crate::ml::metrics::Confusion;
use crate::ml::models::{Network, bottlenecks};
use crate::ml::oracle::{self, Array, Num, Tape, Worst, difference, logits, resized, values};
use crate::ml::resample::Sampling;
use crate::ml::spec::{Choice, ModelSpec};
use crate::ml::weights::{Scheme, initial};

/// The golden network of a dilated type with filters off their initial values; `changes` replaces its weights.
pub fn network(theirs: &str, changes: Option<&super::File>) -> Option<Network> {
    let golden = Golden::open("net")?;
    let small = Small::of(&golden, theirs);
    let mut tensors = golden.file("deeplab_weights").below("var/");
    tensors.extend(golden.file(&format!("deeplab_{theirs}")).below("var_extra/random/"));
    tensors.extend(changes.map(|file| file.below("override/")).unwrap_or_default());
    Some(small.network(&Names::Deeplab.own(&small.inventory, tensors)))
}

/// An image as a network's input.
pub fn input(image: &Image) -> Tensor {
    image.to_tensor().unwrap().unsqueeze(0).unwrap()
}

/// The classes of an input's pixels.
fn predict(network: &Network, input: &Tensor) -> Labels {
    let [height, width] = [2, 3].map(|axis| input.dims()[axis]);
    Labels::new(height, width, scores(network, input, &Inference::default()).unwrap().classes().unwrap()).unwrap()
}

#[test]
fn files_become_tensorflows_predictions() {
    let Some(golden) = Golden::open("e2e") else { return };
    let (index, arrays) = (golden.index(), golden.file("arrays"));
    let classes = index["num_classes"].as_u64().unwrap() as usize;
    let style = Style::new(&[], &colors::VOC_MAP[..classes]);
    let data = golden.0.join("data");
    let samples =
        list::parse(&fsio::read_to_string(&data.join("val.txt")).unwrap(), "val.txt", list::Form::Labelled).unwrap();
    let resolve = |path: &str| data.join(path);
    let rows = index::build(&samples, &resolve, index::Allowed::ids(classes, 255)).unwrap();
    let images = Images::new(&rows, &resolve);

    let runs = index["runs"].as_object().unwrap();
    let mut tally = Tally::of("e2e", runs.len());
    for (theirs, run) in runs {
        let network = network(theirs, Some(&arrays)).unwrap();
        let read = |path: &str| fsio::read(&golden.0.join(format!("output_{theirs}/{path}"))).unwrap();
        let (mut worst, mut confusion) = (Worst::within(2e-5), Confusion::new(classes));
        let (mut from_files, mut apart, mut pixels) = (0.0_f64, 0, 0);
        for (at, sample) in samples.iter().enumerate() {
            let what = format!("{theirs} {}", sample.id);
            let recorded = arrays.activations(&format!("image{at}"));
            let logits = arrays.activations(&format!("{theirs}/logits{at}"));
            worst.compare(&what, &network.forward(&recorded).unwrap(), &logits);
            let ids = predict(&network, &recorded);
            assert_eq!(ids.pixels(), arrays.bytes(&format!("{theirs}/pred{at}")).1, "{what}");

            let (image, truth) = (images.image(at).unwrap(), images.labels(at).unwrap());
            assert_eq!(truth.pixels(), arrays.bytes(&format!("label{at}")).1, "{what}");
            for (path, bytes) in style.pictures(&sample.id, &image, &ids).unwrap() {
                if path.starts_with("prediction/") {
                    let decoded = |bytes: &[u8]| labels::decode(bytes, &path).unwrap();
                    assert_eq!(decoded(&bytes), decoded(&read(&path)), "{path}");
                } else if path.starts_with("visual_prediction/") {
                    let decoded = |bytes: &[u8]| photo::decode(bytes, &path).unwrap();
                    assert_eq!(decoded(&bytes), decoded(&read(&path)), "{path}");
                }
            }
            confusion.add(truth.pixels(), ids.pixels()).unwrap();

            let own = input(&Normalise::default().apply(&image));
            let effect = difference(&values(&network.forward(&own).unwrap()), &values(&logits));
            from_files = from_files.max(effect);
            let own = predict(&network, &own);
            apart += own.pixels().iter().zip(ids.pixels()).filter(|(own, theirs)| own != theirs).count();
            pixels += ids.pixels().len();
        }
        compare_figures(theirs, run, &confusion, &mut worst);
        let (_, counts) = arrays.raw(&format!("{theirs}/confusion_matrix"), Dtype::I64).unwrap();
        let counts: Vec<i64> = counts.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect();
        // The reference's rows are predictions.
        for (truth, predicted) in (0..classes).flat_map(|t| (0..classes).map(move |p| (t, p))) {
            assert_eq!(confusion.at(truth, predicted) as i64, counts[predicted * classes + truth], "{theirs}");
        }
        let share = apart as f64 / pixels as f64;
        eprintln!("e2e {theirs}, from the files on: logits differ by {from_files:.1e}, ids in {:.2} %", 100.0 * share);
        assert!(from_files < 0.1 && share < 0.03, "{theirs}: {from_files} {share}");
        tally.case(&worst);
    }
    tally.finish();
}

/// The figures of a run, and the lines of its log that hold them.
fn compare_figures(what: &str, run: &serde_json::Value, confusion: &Confusion, worst: &mut Worst) {
    let figures =
        [("pixel_accuracy", confusion.pixel_accuracy().unwrap()), ("streaming_mIoU", confusion.streaming_mean_iou())];
    for (name, found) in figures {
        worst.note(&format!("{what} {name}"), (found / run[name].as_f64().unwrap() - 1.0).abs());
    }
    let lines: Vec<&str> = run["log_txt"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let figure = |line: &&str| ["Pixel Accuracy: ", "class ", "mIoU: "].iter().any(|start| line.starts_with(start));
    let told: Vec<&str> = lines.iter().copied().filter(figure).collect();
    assert_eq!(confusion.log().lines().collect::<Vec<_>>(), told, "{what}");
    let chatter = ["Restored model parameters from ", "step ", "The output files has been saved to "];
    for line in lines.iter().filter(|line| !figure(line)) {
        assert!(chatter.iter().any(|start| line.starts_with(start)), "{what}: `{line}` is unknown");
    }
}

/// From files made here to what is written of them, each number by its definition in 64-bit arithmetic, with RGB and
/// another mean.
#[test]
fn files_become_the_predictions_of_the_definition() {
    let dir = tempfile::tempdir().unwrap();
    let resolve = |path: &str| dir.path().join(path);
    let write = |path: &str, bytes: Vec<u8>| fsio::write_atomic(&resolve(path), &bytes).unwrap();
    let scenes: Vec<_> = (0..2).map(|at| shapes::scene(4, at, &Shapes { height: 41, width: 58 })).collect();
    let mut text = String::new();
    for (at, scene) in scenes.iter().enumerate() {
        write(&format!("images/{at}.png"), labels::encode_rgb(&scene.image, "image").unwrap());
        write(&format!("labels/{at}.png"), labels::encode_grey(&scene.labels, "label").unwrap());
        text += &format!("/images/{at}.png /labels/{at}.png\n");
    }
    let samples = list::parse(&text, "list", list::Form::Labelled).unwrap();
    let classes = colors::SHAPES.len();
    let rows = index::build(&samples, &resolve, index::Allowed::ids(classes, shapes::IGNORE)).unwrap();
    let images = Images::new(&rows, &resolve);

    let prefilter = Choice::new("SeparableShared");
    let spec = ModelSpec::new(Choice::new("Tiny"), classes, prefilter.clone());
    let shape = bottlenecks(4, [8, 16, 16, 32], [1, 1, 2, 2]);
    let start = |parameter: &Parameter| Ok(initial(Scheme::Stable, 6, parameter));
    let network = Network::with_architecture(&spec, &shape, &Device::Cpu, start).unwrap();
    let normalise = Normalise { channels: Channels::Rgb, mean: [127.5, 110.0, 90.25], deviation: [1.0; 3] };
    let style = Style::new(&[], &colors::VOC_MAP[..classes]);
    let (mut worst, mut found, mut counts) = (Worst::within(5e-6), Confusion::new(classes), BTreeMap::new());
    for (at, (scene, sample)) in scenes.iter().zip(&samples).enumerate() {
        let size = [scene.image.height(), scene.image.width()];
        let tape = Tape::new();
        let colour = |[_, c, y, x]: [usize; 4]| f64::from(scene.image.at(y, x)[c]) - f64::from(normalise.mean[c]);
        let x = Array::image([1, 3, size[0], size[1]], |at| Num::from(colour(at)));
        let expected = resized(&logits(&spec, &shape, &oracle::variables(&tape, &network), &x), size, Sampling::Legacy);

        let image = images.image(at).unwrap();
        let input = input(&normalise.apply(&image));
        oracle::compare(
            &mut worst,
            "scores",
            &scores(&network, &input, &Inference::default()).unwrap().whole().unwrap(),
            &expected,
        );
        let ids = predict(&network, &input);
        let (path, bytes) = style.pictures(&sample.id, &image, &ids).unwrap().swap_remove(0);
        assert_eq!((path, labels::decode(&bytes, "mask").unwrap()), (format!("prediction/{at}_mask.png"), ids.clone()));
        found.add(images.labels(at).unwrap().pixels(), ids.pixels()).unwrap();
        for (y, x) in (0..size[0]).flat_map(|y| (0..size[1]).map(move |x| (y, x))) {
            let score = |class: usize| expected.at([0, class, y, x]).value;
            let (most, predicted) = (0..classes)
                .map(|class| (score(class), class))
                .fold((f64::MIN, 0), |a, b| if b.0 > a.0 { b } else { a });
            // Where the greatest is so only by rounding, either may win.
            let id = usize::from(ids.at(y, x));
            assert!(id == predicted || most - score(id) < 1e-5, "{at} {y} {x}: {id} for {predicted}");
            *counts.entry((usize::from(scene.labels.at(y, x)), id)).or_insert(0) += 1;
        }
    }
    counts.retain(|&(truth, _), _| truth < classes);
    for (truth, predicted) in (0..classes).flat_map(|t| (0..classes).map(move |p| (t, p))) {
        assert_eq!(found.at(truth, predicted), counts.get(&(truth, predicted)).copied().unwrap_or(0));
    }
    eprintln!("from files to scores against 64-bit arithmetic: {worst}");
}
