//! From files to predictions: the reference's own test and predict runs.
//!
//! TensorFlow 1.3 decodes JPEG with the fast transform, we with the accurate one. From the recorded inputs of the
//! network on, every id, picture and figure is equal; from the files on, what differs is printed and bounded.

use candle_core::Tensor;
use safetensors::Dtype;

use super::names::Names;
use super::net::Small;
use super::{Golden, Tally, Worst, difference, values};
use crate::fsio;
use crate::ml::colors;
use crate::ml::data::augment::Normalise;
use crate::ml::data::pictures::Style;
use crate::ml::data::source::Images;
use crate::ml::data::{Image, Labels, index, labels, list, photo};
use crate::ml::inference::{Inference, scores};
use crate::ml::metrics::Confusion;
use crate::ml::models::Network;
use crate::ml::ops::loss::argmax;

/// The golden network of a dilated type with filters off their initial values; `changes` replaces its weights.
pub fn network(theirs: &str, changes: Option<&super::File>) -> Option<Network> {
    let golden = Golden::open("net")?;
    let small = Small::of(super::stack::choice(theirs));
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
    Labels::new(height, width, argmax(&scores(network, input, &Inference::default()).unwrap()).unwrap()).unwrap()
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
            confusion.add(truth.pixels(), ids.pixels());

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
