//! Models of weights that were trained elsewhere: they are validated, and predict, without a training.

use insta::assert_snapshot;

use super::agree::faults;
use super::harness::Bench;

/// Stages that make a model of `file` and use it on the data of the small pipeline.
fn released(file: &str, take: &str, prefilter: &str) -> String {
    format!(
        r#""file": Weights(encoder: Tiny, source: Checkpoint(file: "{file}", take: {take})),
        "released": Model(weights: "file", model: DeepLabV2(encoder: Tiny, classes: 6, prefilter: {prefilter})),
        "judged": Validate(model: "released", data: "others"),
        "shown": Predict(model: "released", data: "others"),
        "field": Erf(model: "released", data: "others", images: 1),
        "gathered": Report(from: ["judged", "field"]),
        "table""#
    )
}

#[test]
fn a_model_of_weights_predicts_what_the_training_that_left_them_predicts() {
    let bench = Bench::small();
    bench.edit("small.ron", "\"table\"", "\"own\": Erf(model: \"train\", data: \"others\", images: 1),\n\"table\"");
    bench.ok("run small.ron");
    let trained = bench.digests();
    std::fs::copy(bench.object(&trained["train[2].model"]), bench.path("trained.safetensors")).unwrap();
    bench.edit("small.ron", "\"table\"", &released("trained.safetensors", "Model(prefilter: Average())", "Average()"));
    let ran = bench.ran("small.ron --only gathered --only shown");
    assert!(!ran.iter().any(|node| node.starts_with("train")), "{ran:?}");
    let found = bench.digests();
    for (own, of_training) in [
        ("judged.confusion", "validate[2].confusion"),
        ("shown.pictures", "predict.pictures"),
        ("field.map", "own.map"),
    ] {
        assert_eq!(found[own], trained[of_training], "{own}");
    }
    let results = bench.newest("small");
    let log = bench.object(&found["judged.log"]);
    assert!(std::fs::read_to_string(log).unwrap().starts_with("Restored model parameters from the weights.\n"));
    let summary = std::fs::read_to_string(results.join("judged/summary.csv")).unwrap();
    let cell = |name: &str| {
        let mut lines = summary.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let (head, row) = (lines.next().unwrap(), lines.next().unwrap());
        row[head.iter().position(|column| *column == name).unwrap()].to_owned()
    };
    assert_eq!(["encoder", "seed", "iteration", "step"].map(cell), ["Tiny", "", "", "0"]);
    let table = std::fs::read_to_string(results.join("gathered/table.csv")).unwrap();
    assert_eq!(table.lines().count(), 2, "one row has all figures of one model: {table}");
}

#[test]
fn whatever_a_model_lacks_is_told_and_nothing_is_drawn() {
    let bench = Bench::small();
    bench.ok("run small.ron --only train");
    std::fs::copy(bench.object(&bench.digests()["train[2].model"]), bench.path("a.safetensors")).unwrap();
    bench.edit("small.ron", "\"table\"", &released("a.safetensors", "EncoderAndHead", "Average()"));
    let told = bench.call("run small.ron --only judged");
    assert_eq!(told.code, Some(4), "{told:?}");
    assert!(told.all().contains("`group4/block1/middle/prefilter/weights` ([16, 1, 1, 1]) is missing."), "{told:?}");
    bench.edit("small.ron", "take: EncoderAndHead", "take: Model(prefilter: Average())");
    bench.ok("run small.ron --only file");
    bench.edit("small.ron", "classes: 6, prefilter: Average())),", "classes: 6)),");
    let told = bench.call("run small.ron --only judged --set released.weights=\"run:latest/file\"");
    assert_eq!(told.code, Some(4), "{told:?}");
    assert!(told.all().contains("The model has no place for `group4/block1/middle/prefilter/weights`"), "{told:?}");
}

/// The faults of the small pipeline with two more stages, and a stage that uses them.
fn told(weights: &str, model: &str, user: &str) -> String {
    let stages = format!(
        "\"w\": Weights(encoder: Tiny, source: {weights}), \"m\": Model(weights: \"w\", {model}),\n\"u\": {user},\n\"table\""
    );
    faults(&[("\"table\"", &stages)], &[])
}

const SIX: &str = "model: DeepLabV2(encoder: Tiny, classes: 6)";
const WHOLE: &str = "Seeded(classes: Some(6))";
const JUDGED: &str = "Validate(model: \"m\", data: \"others\")";

#[test]
fn what_a_model_cannot_be_made_of_is_told_when_planning() {
    assert_eq!(told(WHOLE, SIX, JUDGED), "");
    assert_snapshot!(told("Seeded()", SIX, JUDGED), @"small.ron:14:76: `w` takes the encoder alone, but a model needs a head. State the `classes` of a head that is drawn as well.");
    assert_snapshot!(told("Checkpoint(file: \"a.pth\")", SIX, JUDGED), @"small.ron:14:93: `w` takes the encoder alone, but a model needs a head. Write `source: Checkpoint(file: …, take: EncoderAndHead)` there.");
    assert_snapshot!(told("Safetensors(file: \"a\")", SIX, JUDGED), @"small.ron:14:90: `w` takes the encoder alone, but a model needs a head. Write `source: Checkpoint(file: …, take: EncoderAndHead)` there.");
    assert_snapshot!(told("Seeded(classes: Some(5))", SIX, JUDGED), @"small.ron:14:92: `w` draws a head of 5 classes, but the model has 6. State the same number of classes in both.");
    assert_snapshot!(told(WHOLE, &SIX.replace("Tiny", "ResNet50"), JUDGED), @"small.ron:14:92: `w` is for Tiny, but the model's encoder is ResNet50. State the same encoder in both.");
    assert_snapshot!(told(WHOLE, &format!("{SIX}, classes: Some(Voc)"), "Predict(model: \"w\", data: \"others\")"), @r#"
    small.ron:14:156: The model has 6 classes, but 21 are named. Name as many classes as the model has.
    small.ron:15:21: `w` is of kind `Weights`, which yields weights, but model or imported model is needed here. Make a model of them: write a stage `Model(weights: "w", model: …)`, and name that.
    "#);
}

#[test]
fn the_classes_of_a_model_are_those_of_the_data_or_as_many() {
    let five = "model: DeepLabV2(encoder: Tiny, classes: 5)";
    assert_snapshot!(told("Seeded(classes: Some(5))", five, JUDGED), @"small.ron:15:33: The model has 5 classes, the data set 6 (background, disc, square, triangle, wire, blob). Use a data set of 5 classes.");
    assert_snapshot!(told(WHOLE, &format!("{SIX}, classes: Some(Named(names: [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\"]))"), JUDGED), @"small.ron:15:33: The model was trained on the classes a, b, c, d, e, f; the data set has background, disc, square, triangle, wire, blob. Use a data set with the same classes in the same order.");
    assert_eq!(told(WHOLE, &format!("{SIX}, classes: Some(Shapes)"), JUDGED), "");
}

#[test]
fn weights_are_no_model_and_a_model_is_no_training() {
    assert_snapshot!(told(WHOLE, SIX, "Validate(model: \"w\", data: \"others\")"), @r#"small.ron:15:22: `w` is of kind `Weights`, which yields weights, but model or imported model is needed here. Make a model of them: write a stage `Model(weights: "w", model: …)`, and name that."#);
    assert_snapshot!(told(WHOLE, SIX, "Curves(from: [\"m\"])"), @"small.ron:15:20: `m` is of kind `Model`, which yields imported model, but model or metrics is needed here. A model of weights has no training to show. Name a validation of `m`.");
}
