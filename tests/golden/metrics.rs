//! Confusion matrices and what is made from them.

use serde_json::Value;

use super::{Golden, Tally};
use crate::ml::metrics::Confusion;
use crate::ml::oracle::Worst;
use crate::rng::Rng;

/// A figure of the index, where "nan" is a text.
fn figure(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

/// The distance of two figures; two that are no numbers are equal.
fn gap(found: f64, expected: f64) -> f64 {
    if found.is_nan() && expected.is_nan() { 0.0 } else { (found - expected).abs() / expected.abs().max(1e-3) }
}

#[test]
fn every_figure_is_tensorflows() {
    let Some(golden) = Golden::open("metrics") else { return };
    let (index, file) = (golden.index(), golden.file("metrics"));
    let cases = index["cases"].as_array().unwrap();
    let mut tally = Tally::of("metrics", cases.len());
    for case in cases {
        // TensorFlow's figures are of 32 bits.
        let mut worst = Worst::within(2e-7);
        let id = case["id"].as_str().unwrap();
        let classes = case["num_classes"].as_u64().unwrap() as usize;
        let each = file.integers(&format!("{id}/confusion_matrix_per_image"));
        let mut total = Confusion::new(classes);
        for (image, expected) in (0..case["images"].as_u64().unwrap()).zip(each.chunks_exact(classes * classes)) {
            let mut one = Confusion::new(classes);
            one.add(&file.bytes(&format!("{id}/label{image}")).1, &file.bytes(&format!("{id}/pred{image}")).1).unwrap();
            // The reference's rows are predictions.
            for (truth, predicted) in (0..classes).flat_map(|t| (0..classes).map(move |p| (t, p))) {
                assert_eq!(one.at(truth, predicted) as i32, expected[predicted * classes + truth], "{id} {image}");
            }
            total.merge(&one);
        }
        let found = [
            total.reference_mean_iou(),
            total.mean_iou().map_or(f64::NAN, |mean| mean.value),
            total.streaming_mean_iou(),
            total.pixel_accuracy().unwrap_or(0.0),
        ];
        let names = [
            "mIoU_from_compute_IoU_per_class",
            "mIoU_mean_over_present_classes",
            "streaming_mean_iou",
            "pixel_accuracy",
        ];
        for (name, found) in names.iter().zip(found) {
            worst.note(&format!("{id} {name}"), gap(found, figure(&case[name])));
        }
        let summary = case["summary_values"].as_object().unwrap();
        worst.note(&format!("{id} mIoU"), gap(found[0], figure(&summary["mIoU"])));
        worst.note(&format!("{id} accuracy"), gap(found[3], figure(&summary["pixel accuracy"])));
        assert_eq!(summary.len(), classes + 2, "{id}");
        let ious = case["iou_per_class"].as_array().unwrap();
        assert_eq!(ious.len(), classes, "{id}");
        for (class, expected) in ious.iter().enumerate() {
            let found = total.iou(class).unwrap_or(f64::NAN);
            worst.note(&format!("{id} class {class}"), gap(found, figure(expected)));
            worst.note(&format!("{id} class {class}"), gap(found, figure(&summary[&format!("IoU class {class}")])));
        }
        let lines: Vec<&str> = case["log_txt"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        assert_eq!(total.log().lines().collect::<Vec<_>>(), lines, "{id}");
        tally.case(&worst);
    }
    tally.finish();
}

/// Against counting as the definitions say: pixel by pixel, class by class.
#[test]
fn every_figure_is_what_counting_gives() {
    for (seed, classes, kinds) in [(0, 5, 5), (1, 5, 3), (2, 7, 9), (3, 2, 1), (4, 21, 30)] {
        let mut rng = Rng::new(seed, "pixels", 0);
        let truth: Vec<u8> = (0..600).map(|_| if rng.below(9) == 0 { 255 } else { rng.below(kinds) as u8 }).collect();
        let predicted: Vec<u8> = (0..600).map(|_| rng.below(kinds.min(classes)) as u8).collect();
        let mut confusion = Confusion::new(classes as usize);
        confusion.add(&truth, &predicted).unwrap();
        let counted: Vec<(u32, u32)> = truth
            .iter()
            .zip(&predicted)
            .filter(|(truth, _)| u32::from(**truth) < classes)
            .map(|(truth, predicted)| (u32::from(*truth), u32::from(*predicted)))
            .collect();
        let ious: Vec<f64> = (0..classes)
            .map(|class| {
                let both = counted.iter().filter(|(t, p)| *t == class && *p == class).count();
                let either = counted.iter().filter(|(t, p)| *t == class || *p == class).count();
                both as f64 / either as f64
            })
            .collect();
        for (class, iou) in ious.iter().enumerate() {
            assert_eq!(confusion.iou(class), Some(*iou).filter(|iou| !iou.is_nan()), "{seed} {class}");
        }
        let present: Vec<f64> = ious.iter().copied().filter(|iou| !iou.is_nan()).collect();
        let (sum, mean) = (present.iter().sum::<f64>(), confusion.mean_iou().unwrap());
        assert_eq!((mean.value, mean.classes), (sum / present.len() as f64, present.len()), "{seed}");
        assert_eq!(confusion.reference_mean_iou().is_nan(), present.len() < ious.len(), "{seed}");
        assert_eq!(confusion.streaming_mean_iou(), sum / f64::from(classes), "{seed}");
        let right = counted.iter().filter(|(t, p)| t == p).count();
        assert_eq!(confusion.pixel_accuracy(), Some(right as f64 / counted.len() as f64), "{seed}");
    }
}
