//! Heads, conventions and deviations, as pipelines state them.

use super::agree::faults;
use super::harness::Bench;

const MODEL: &str = "model: DeepLabV2(encoder: Tiny, classes: 6, prefilter: Average())";
const START: &str = "\"start\": Weights(encoder: Tiny, source: Seeded(encoder: Stable, seed: 1))";

#[test]
fn a_training_under_other_conventions_goes_on_validates_and_says_so() {
    let bench = Bench::small();
    let other = "model: DeepLabV2(encoder: Tiny, classes: 6, prefilter: Average(), head: Fcn, geometry: Torchvision)";
    bench.edit("small.ron", MODEL, &format!("{other}, input: (deviation_bgr: (57.375, 57.12, 58.395))"));
    bench.ok("run small.ron");
    let results = bench.newest("small");
    let summary = std::fs::read_to_string(results.join("validate/2/summary.csv")).unwrap();
    assert!(summary.contains("Tiny Fcn Torchvision,"), "{summary}");
    let model = std::fs::read(bench.object(&bench.digests()["train[2].model"])).unwrap();
    let header = String::from_utf8_lossy(&model[..model.len().min(100_000)]).into_owned();
    for stated in [
        r#"\"head\":\"Fcn\""#,
        r#"\"first_dilation\":\"Before\""#,
        r#"deviation\\\":[57.375,"#,
        "head/inner/norm/gamma",
    ] {
        assert!(header.contains(stated), "{stated}: {}", &header[..2000]);
    }
    // The first block of group 4 has the dilation of group 3, which is 1: nothing is smoothed there.
    assert!(header.contains("group4/block2/middle/prefilter") && !header.contains("group4/block1/middle/prefilter"));
}

#[test]
fn a_part_stated_by_itself_is_another_model_and_the_names_default_is_not() {
    let bench = Bench::small();
    bench.ok("run small.ron");
    bench.edit(
        "small.ron",
        MODEL,
        &MODEL.replace("Average()", "Average(), head: Aspp(rates: [6, 12, 18, 24]), geometry: TensorFlow"),
    );
    assert!(bench.ran("small.ron").is_empty(), "a default that is stated makes nothing anew");
    bench.edit("small.ron", "geometry: TensorFlow", "geometry: TensorFlow(upsampling: AlignCorners)");
    let ran = bench.ran("small.ron");
    assert!(ran.iter().any(|node| node.starts_with("train")), "{ran:?}");
}

#[test]
fn weights_are_read_for_the_models_head_and_epsilon() {
    let told = |weights: &str, model: &str| {
        let start = format!("\"start\": Weights(encoder: Tiny, {weights})");
        let model = MODEL.replace("Average()", &format!("Average(), {model}"));
        faults(&[(START, &start), (MODEL, &model)], &[])
    };
    let file = |take: &str| format!("source: Checkpoint(file: \"a.pth\", take: {take})");
    let whole = file("EncoderAndHead");
    let head = told(&whole, "head: LargeFov(rate: 12)");
    assert!(
        head.contains("`start` has the head Aspp(rates: [6, 12, 18, 24]), but the model's is LargeFov(rate: 12)."),
        "{head}"
    );
    assert_eq!(told(&format!("{whole}, head: LargeFov()"), "head: LargeFov(rate: 12)"), "");
    assert_eq!(told(&file("Encoder"), "head: LargeFov(rate: 12)"), "", "a head that is not taken is none");
    let geometry = told(&file("Encoder"), "geometry: Caffe");
    assert!(
        geometry.contains(
            "`start` is read for the geometry TensorFlow, but the model's is Caffe. State the same geometry in both."
        ),
        "{geometry}"
    );
    assert_eq!(
        told(&format!("{}, geometry: Torchvision", file("Encoder")), "geometry: Caffe"),
        "",
        "the epsilon is the same"
    );
    assert_eq!(told("source: Seeded()", "geometry: Caffe"), "", "what is drawn is drawn for any");
    let twice = told("source: Seeded()", "head: Aspp(rates: [6, 6])");
    assert!(
        twice.contains("The head has the dilation 6 twice; each convolution has another. State each dilation once."),
        "{twice}"
    );
}
