//! `repro data check` and `repro data view`: what a run would say of data sets, without a run.

use repro::ml::data::labels::encode_grey;
use repro::ml::data::{Labels, photo};

use crate::harness::Bench;
use crate::init::{grey, image, pair};
use crate::warnings::{labelled, pipeline};

/// A pipeline of a training set and a validation set.
const TWO: &str = r#"Pipeline(
    name: "two",
    stages: {
        "train_set": Dataset(source: Listed(root: "d", list: "train.txt"), classes: Named(names: ["a", "b", "c", "d", "e"])),
        "val_set": Dataset(source: Listed(root: "d", list: "val.txt"), classes: Named(names: ["a", "b", "c", "d", "e"])),
        "init": Weights(encoder: Tiny, source: Seeded()),
        "train": Train(
            data: "train_set", weights: "init", model: DeepLabV2(encoder: Tiny, classes: 5), steps: 2, batch: 2, crop: (65, 49),
        ),
        "validate": Validate(model: "train", data: "val_set"),
    },
)
"#;

fn two() -> Bench {
    let bench = Bench::new();
    let mut lists = [String::new(), String::new()];
    for n in 0..8 {
        pair(&bench, n, &format!("d/i/a{n}.jpg"), &format!("d/l/a{n}.png"), grey(n));
        lists[n / 5] += &format!("/i/a{n}.jpg /l/a{n}.png\n");
    }
    bench.write("d/train.txt", &lists[0]);
    bench.write("d/val.txt", &lists[1]);
    bench.write("two.ron", TWO);
    bench
}

fn check(bench: &Bench, more: &str) -> (Option<i32>, String) {
    let answer = bench.call(&format!("data check {more} --data d={}", bench.path("d").display()));
    (answer.code, answer.all())
}

#[test]
fn sound_data_are_told_with_their_classes_and_nothing_is_stored() {
    let bench = two();
    let (code, told) = check(&bench, "two.ron");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("train_set: 5 images with labels of 5 classes"), "{told}");
    assert!(told.contains("  a          19.0 %       5") && told.contains("  (ignored)   5.0 %       5"), "{told}");
    assert!(!told.contains("warning") && !bench.path("store").exists(), "{told}");
    let (code, told) = check(&bench, "two.ron val_set");
    assert!(code == Some(0) && !told.contains("train_set") && told.contains("val_set: 3 images"), "{told}");
    let (code, told) = check(&bench, "two.ron val_ste");
    assert!(code == Some(2) && told.contains("no data set `val_ste`, did you mean `val_set`?"), "{told}");
}

#[test]
fn all_faults_of_all_data_sets_are_told_at_once() {
    let bench = two();
    bench.write("d/l/a1.png", encode_grey(&Labels::from_fn(40, 48, |_, _| 9), "x").unwrap());
    bench.write("d/l/a2.png", encode_grey(&Labels::from_fn(40, 47, |_, _| 1), "x").unwrap());
    bench.write("d/l/a3.png", repro::ml::data::jpeg::encode(&image(3), 90, "x").unwrap());
    bench.write("d/i/a4.jpg", "no image");
    std::fs::remove_file(bench.path("d/l/a6.png")).unwrap();
    bench.write("d/i/a7.jpg", std::fs::read(bench.path("d/i/a0.jpg")).unwrap());
    let (code, told) = check(&bench, "two.ron");
    assert_eq!(code, Some(4), "{told}");
    for fault in [
        "train_set: 4 faults",
        "l/a1.png: The label holds ids that are no class: 9",
        "l/a2.png: The label is 47 x 40 pixels, the image 48 x 40.",
        "l/a3.png: The label is a JPEG file.",
        "i/a4.jpg: The image is a text file.",
        "l/a6.png: The file is not there",
    ] {
        assert!(told.contains(fault), "{fault}: {told}");
    }
    // Those of a run come one after the other.
    let run = bench.call(&format!("run two.ron --data d={}", bench.path("d").display()));
    assert_eq!(run.code, Some(4), "{run:?}");
    let answer = bench.call("data check two.ron");
    assert!(answer.code == Some(4) && answer.err.contains("The path of this data root is not set."), "{answer:?}");
}

#[test]
fn the_warnings_are_those_of_a_run() {
    let bench = labelled(|_, y, _| if y < 20 { 0 } else { 255 });
    pipeline(&bench, &["background", "crack"], "steps: 1, crop: (33, 33)");
    let (code, told) = check(&bench, "p.ron");
    assert!(
        code == Some(0) && told.contains("warning: set: 1 of 2 classes has no pixel in the labels: `crack`."),
        "{told}"
    );
    let bench = two();
    bench.write("d/i/a6.jpg", std::fs::read(bench.path("d/i/a0.jpg")).unwrap());
    let (code, told) = check(&bench, "two.ron");
    let both = "1 of 3 images of `val_set` have the same content as images of `train_set`, which is trained on: `a6`.";
    assert!(code == Some(0) && told.contains(both), "{told}");
}

#[test]
fn drawn_scenes_are_looked_at_and_leave_nothing() {
    let bench = Bench::small();
    let told = bench.ok("data check small.ron pictures");
    assert!(told.contains("pictures: 4 images with labels of 6 classes"), "{told}");
    assert!(!bench.path("store").exists());
}

#[test]
fn a_sheet_shows_samples_with_their_crops() {
    let bench = two();
    let data = format!("--data d={}", bench.path("d").display());
    let told = bench.call(&format!("data view two.ron --count 3 {data}"));
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.err.contains("The crops are those of `train`, of 49 x 65 pixels"), "{told:?}");
    let bytes = std::fs::read(bench.path("train_set.png")).unwrap();
    let sheet = photo::decode(&bytes, "x").unwrap();
    assert!(sheet.width() > 400 && sheet.height() > 100, "{:?}", sheet.size());
    // White and one grey alone would be an empty sheet.
    let colours: std::collections::BTreeSet<[u8; 3]> = sheet.pixels().iter().copied().collect();
    assert!(colours.len() > 50, "{}", colours.len());
    let again = bench.call(&format!("data view two.ron --count 3 {data}"));
    assert!(again.code == Some(2) && again.err.contains("`train_set.png` is there already."), "{again:?}");
    bench.ok(&format!("data view two.ron --count 3 --force {data}"));
    assert_eq!(std::fs::read(bench.path("train_set.png")).unwrap(), bytes, "the same bytes");
    bench.ok(&format!("data view two.ron val_set --ids a6,a5 -o some/val.png {data}"));
    assert!(bench.path("some/val.png").is_file());
    let unknown = bench.call(&format!("data view two.ron val_set --ids a9 -o x.png {data}"));
    assert!(unknown.code == Some(2) && unknown.err.contains("The data set has no image `a9`"), "{unknown:?}");
}
