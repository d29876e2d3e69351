//! Data and parameters that nothing refuses, but of which the user should know: they are told when they are found, and
//! again by each run that takes the result from the store.

use repro::ml::data::labels::{encode_grey, encode_rgb};
use repro::ml::data::{Labels, Rgb};
use repro::table::{Cell, Table};

use crate::harness::Bench;

/// Two images with labels of the values that `value` gives by image, row and column.
pub fn labelled(value: impl Fn(usize, usize, usize) -> u8) -> Bench {
    let bench = Bench::new();
    for n in 0..2 {
        let image = Rgb::from_fn(40, 50, |y, x| [(5 * y) as u8, (4 * x) as u8, 90 * n as u8]);
        bench.write(&format!("d/i/a{n}.png"), encode_rgb(&image, "x").unwrap());
        let label = Labels::from_fn(40, 50, |y, x| value(n, y, x));
        bench.write(&format!("d/l/a{n}.png"), encode_grey(&label, "x").unwrap());
    }
    bench.write("d/list.txt", "/i/a0.png /l/a0.png\n/i/a1.png /l/a1.png\n");
    bench
}

/// A data set, a training on it and its validation.
pub fn pipeline(bench: &Bench, classes: &[&str], train: &str) {
    let text = format!(
        r#"Pipeline(
    name: "p",
    stages: {{
        "set": Dataset(source: Listed(root: "d", list: "list.txt"), classes: Named(names: {classes:?})),
        "init": Weights(encoder: Tiny, source: Seeded()),
        "train": Train(
            data: "set", weights: "init", model: DeepLabV2(encoder: Tiny, classes: {}),
            batch: 2, optimizer: (lr: 0.001), {train},
        ),
        "validate": Validate(model: "train", data: "set"),
        "table": Report(from: ["validate"]),
    }},
)
"#,
        classes.len()
    );
    bench.write("p.ron", text);
}

fn run(bench: &Bench, more: &str) -> String {
    bench.ok(&format!("run p.ron --data d={} {more}", bench.path("d").display()))
}

#[test]
fn masks_of_0_and_255_are_told_of_by_every_run_and_in_its_record() {
    let bench = labelled(|_, y, _| if y < 20 { 0 } else { 255 });
    pipeline(&bench, &["background", "crack"], "steps: 1, crop: (33, 33)");
    let told = "warning: 1 of 2 classes has no pixel in the labels: `crack`.";
    let advice =
        "The masks use 255 for foreground, as it seems, and 255 is ignored. Write 1 instead in the masks, or state";
    let (first, second) = (run(&bench, ""), run(&bench, ""));
    for text in [&first, &second] {
        assert!(text.contains(&format!("set: {told}")) && text.contains(advice), "{text}");
    }
    assert!(second.contains("Nothing to do"), "{second}");
    let plan = bench.ok(&format!("plan p.ron --data d={}", bench.path("d").display()));
    assert!(plan.contains(told), "{plan}");
    assert!(bench.ok("show latest").contains("warning: set: 1 of 2 classes has no pixel"));
    let record = bench.record("latest");
    let set = record["nodes"].as_array().unwrap().iter().find(|node| node["stage"] == "set").unwrap();
    assert_eq!(set["warnings"].as_array().map(Vec::len), Some(1), "{set}");
    let runs: serde_json::Value = serde_json::from_str(&bench.ok("runs --format json")).unwrap();
    assert!(runs[0]["warnings"].as_u64() >= Some(1), "{runs}");
    let events = run(&bench, "--json");
    assert!(events.lines().any(|line| line.contains("\"warning\"") && line.contains("has no pixel in")), "{events}");
}

#[test]
fn what_a_receptive_field_is_told_of_is_kept_with_it() {
    let bench = labelled(|_, y, x| u8::from(y > x));
    pipeline(&bench, &["a", "b"], "steps: 1, crop: (33, 33)");
    bench.edit("p.ron", "\"table\":", "\"field\": Erf(model: \"train\", data: \"set\", images: 3), \"table\":");
    let told = "field: warning: The data set has 2 fitting images, fewer than the 3 asked for.";
    let (first, second) = (run(&bench, "--only field"), run(&bench, "--only field"));
    assert!(first.contains(told) && second.contains(told) && second.contains("Nothing to do"), "{first}{second}");
}

#[test]
fn labels_with_every_class_are_no_matter_of_a_warning() {
    let bench = labelled(|_, y, x| u8::from(y > x));
    pipeline(&bench, &["a", "b"], "steps: 1, crop: (33, 33)");
    assert!(!run(&bench, "--only set").contains("warning"));
    assert!(!bench.ok("show latest --format json").contains("warnings"));
}

#[test]
fn batches_without_a_pixel_that_counts_are_told_once_and_counted() {
    let bench = labelled(|_, _, _| 255);
    pipeline(&bench, &["a", "b", "c"], "steps: 6, crop: (33, 33)");
    let text = run(&bench, "--only train");
    assert_eq!(text.matches("No pixel counts at step").count(), 1, "{text}");
    assert!(text.contains("6 of 6 updates had no pixel that counts"), "{text}");
    assert!(text.contains("No pixel of any label counts: each has the value 255"), "{text}");
}

#[test]
fn a_crop_below_the_stride_is_told_of() {
    let bench = labelled(|_, y, x| u8::from(y > x));
    pipeline(&bench, &["a", "b"], "steps: 1, crop: (33, 7)");
    let told = "warning: The crop of 33 x 7 pixels is smaller than the stride of the network, 8 pixels";
    let plan = || bench.ok(&format!("plan p.ron --data d={} --only train", bench.path("d").display()));
    let before = plan();
    assert_eq!(before.matches(told).count(), 1, "{before}");
    let text = run(&bench, "--only train");
    assert_eq!(plan().matches(told).count(), 1, "a result tells it as well");
    assert!(text.contains("The crop of 33 x 7 pixels is smaller than the stride of the network, 8 pixels"), "{text}");
    pipeline(&bench, &["a", "b"], "steps: 1, crop: (33, 12), scales: [1.0, 0.5]");
    assert!(run(&bench, "--only train").contains("at the scale 0.5 is smaller than"));
    pipeline(&bench, &["a", "b"], "steps: 1, crop: (33, 8)");
    assert!(!run(&bench, "--only train").contains("warning"));
}

#[test]
fn images_that_the_model_was_trained_on_are_told_of() {
    let bench = labelled(|_, y, x| u8::from(y > x));
    pipeline(&bench, &["a", "b"], "steps: 1, crop: (33, 33), iterations: 2");
    let text = run(&bench, "");
    assert!(text.contains("validate: warning: The model was trained on this very data set"), "{text}");
    // The same picture under another name, in another data set.
    let image = std::fs::read(bench.path("d/i/a1.png")).unwrap();
    bench.write("d/i/b1.png", image);
    bench.write("d/i/b0.png", encode_rgb(&Rgb::from_fn(40, 50, |_, _| [3; 3]), "x").unwrap());
    bench.write("d/val.txt", "/i/b0.png /l/a0.png\n/i/b1.png /l/a1.png\n");
    let val = r#""val": Dataset(source: Listed(root: "d", list: "val.txt"), classes: Named(names: ["a", "b"])),
        "validate": Validate(model: "train", data: "val", every_iteration: true),"#;
    bench.edit("p.ron", r#""validate": Validate(model: "train", data: "set"),"#, val);
    let told = "1 of 2 images have the same content as images that the model was trained on: `b1`.";
    let text = run(&bench, "");
    assert_eq!(text.matches(told).count(), 1, "both iterations have it to tell: {text}");
    assert!(run(&bench, "").contains(told));
    bench.write("d/val.txt", "/i/b0.png /l/a0.png\n");
    let text = run(&bench, "");
    assert!(!text.contains("warning"), "{text}");
}

#[test]
fn figures_over_few_classes_say_so() {
    let bench = labelled(|_, y, _| if y < 20 { 0 } else { 255 });
    pipeline(&bench, &["background", "crack"], "steps: 1, crop: (33, 33)");
    let text = run(&bench, "");
    assert!(text.contains("of 2 classes. No pixel of the labels is of `crack`"), "{text}");
    let classes = std::fs::read_to_string(bench.path("results/p/validate/classes.md")).unwrap();
    assert!(classes.contains("\nNo pixel of the labels is of crack.\n"), "{classes}");
    let table = std::fs::read_to_string(bench.path("results/p/table/table.md")).unwrap();
    // A model of one step may have predicted it: then its IoU is 0.
    let noted = "\nNeither labels nor predictions have a pixel of crack.\n";
    assert_eq!(table.contains(noted), classes.contains("No pixel was predicted as crack."), "{table}\n{classes}");
    let all = labelled(|_, _, _| 255);
    pipeline(&all, &["background", "crack"], "steps: 1, crop: (33, 33)");
    let text = run(&all, "");
    assert!(text.contains("No pixel of the labels counts, so that there is no figure."), "{text}");
    assert!(!text.contains("mean_iou 1") && !text.contains("pixel_accuracy"), "{text}");
}

#[test]
fn images_without_counted_pixels_stay_among_the_images() {
    let bench = labelled(|n, y, x| if n == 1 { 255 } else { u8::from(y > x) });
    pipeline(&bench, &["a", "b"], "steps: 1, crop: (33, 33)");
    let text = run(&bench, "");
    assert!(text.contains("boundary_iou 0."), "{text}");
    for output in ["confusion", "boundary"] {
        let digest = bench.digests()[&format!("validate.{output}")].clone();
        let table = Table::from_canonical(&std::fs::read(bench.object(&digest)).unwrap()).unwrap();
        let at = table.position("image").unwrap();
        let images: Vec<_> = (0..table.rows()).map(|row| table.cell(row, at).text().map(str::to_owned)).collect();
        assert_eq!(images.iter().filter(|image| image.as_deref() == Some("a1")).count(), 1, "{output}: {images:?}");
        assert!(images.iter().any(|image| image.as_deref() == Some("a0")), "{output}: {images:?}");
        let last = table.rows() - 1;
        let of = table.position(if output == "boundary" { "class" } else { "truth" }).unwrap();
        assert_eq!(table.cell(last, of), Cell::Null, "{output}");
    }
}
