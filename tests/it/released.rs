//! Models of weights that were trained elsewhere: they are validated, and predict, without a training.

use insta::assert_snapshot;

use super::agree::faults;
use super::checkpoints::{Tensors, tensorflow_v2};
use super::harness::{Bench, unpacked};
use super::weights::{foreign, read};

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
    small.ron:15:21: `w` is of kind `Weights`, which gives weights, but model or imported model is needed here. Make a model of them: write a stage `Model(weights: "w", model: …)`, and name that.
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
    assert_snapshot!(told(WHOLE, SIX, "Validate(model: \"w\", data: \"others\")"), @r#"small.ron:15:22: `w` is of kind `Weights`, which gives weights, but model or imported model is needed here. Make a model of them: write a stage `Model(weights: "w", model: …)`, and name that."#);
    assert_snapshot!(told(WHOLE, SIX, "Curves(from: [\"m\"])"), @"small.ron:15:20: `m` is of kind `Model`, which gives imported model, but model or metrics is needed here. A model of weights has no training to show. Name a validation of `m`.");
}

#[test]
fn a_training_that_would_run_is_refused_on_request() {
    let bench = Bench::small();
    let refused = |line: &str, names: &str| {
        let told = bench.call(line);
        assert_eq!(told.code, Some(2), "{told:?}");
        let wanted = format!("error: A training would run, which `--no-train` forbids: {names}.\n");
        assert!(told.err.contains(&wanted) && told.err.contains("--only"), "{told:?}");
    };
    refused("run small.ron --only validate --no-train", "`train[1]`, `train[2]`");
    refused("plan small.ron --no-train", "`train[1]`, `train[2]`");
    assert_eq!(bench.ran("small.ron --only start,others --no-train").len(), 2);
    bench.ok("run small.ron --only train[1]");
    bench.ok("run small.ron --only validate[1] --no-train");
    refused("run small.ron --no-train", "`train[2]`");
    refused("run small.ron --only train[1] --force train[1] --no-train", "`train[1]`");
    // A model of weights needs no training, whatever else the pipeline has.
    let stages = "\"w\": Weights(encoder: Tiny, source: Seeded(classes: Some(6))), \"m\": Model(weights: \"w\", model: \
                  DeepLabV2(encoder: Tiny, classes: 6)), \"u\": Validate(model: \"m\", data: \"others\"),\n\"table\"";
    bench.edit("small.ron", "\"table\"", stages);
    assert_eq!(bench.ran("small.ron --only u --no-train"), ["w", "m", "u"]);
}

#[test]
fn published_figures_stand_below_the_rows_of_a_report_and_run_it_alone_again() {
    let bench = Bench::small();
    bench.ok("run small.ron");
    let before = std::fs::read_to_string(bench.newest("small").join("table/table.csv")).unwrap();
    let published = "Report(published: [(row: \"CRF\", mean_iou: 0.7793, source: \"a README\")], from: ";
    bench.edit("small.ron", "Report(from: ", published);
    assert_eq!(bench.ran("small.ron"), ["table"]);
    let table = std::fs::read_to_string(bench.newest("small").join("table/table.csv")).unwrap();
    let (rows, old): (Vec<&str>, Vec<&str>) = (table.lines().collect(), before.lines().collect());
    assert_eq!(rows[0], format!("published,{},source", old[0]));
    assert_eq!((rows[1], rows[2]), (&*format!(",{},", old[1]), &*format!(",{},", old[2])));
    let last: Vec<&str> = rows[3].split(',').filter(|cell| !cell.is_empty()).collect();
    assert_eq!((rows.len(), last), (4, vec!["CRF", "77.93", "a README"]));
}

#[test]
fn a_file_of_published_figures_gives_rows_and_its_faults_are_told_at_their_place() {
    let bench = Bench::small();
    bench.ok("run small.ron");
    let file = r#"Published(source: "A paper", figures: ["IoU disc", "mIoU"], tables: {
        "table 1": [(row: "ours", of: {"prefilter": "Average"}, values: [41.5, 40.2]), (row: "CRF", values: [None, 50])],
    })"#;
    bench.write("papers/paper.ron", file);
    let published = r#"Report(published_tables: [(file: "papers/paper.ron", table: "table 1")], from: "#;
    bench.edit("small.ron", "Report(from: ", published);
    assert_eq!(bench.ran("small.ron"), ["table"]);
    let table = std::fs::read_to_string(bench.newest("small").join("table/table.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| rows[0].iter().position(|other| *other == name).unwrap();
    let cells = |row: usize| ["published", "IoU disc", "mIoU"].map(|name| rows[row][column(name)]);
    assert_eq!((cells(3), cells(4)), (["ours", "41.5", "40.2"], ["CRF", "", "50.0"]));
    assert!(table.lines().nth(3).unwrap().ends_with(",\"A paper, table 1\""), "{table}");
    // The content of the file counts, not its place.
    std::fs::rename(bench.path("papers"), bench.path("others")).unwrap();
    bench.edit("small.ron", "papers/", "others/");
    assert_eq!(bench.ran("small.ron"), [""; 0]);
    bench.edit("small.ron", "\"table 1\")", "\"table 1\", rows: [\"CRF\"])");
    assert_eq!(bench.ran("small.ron"), ["table"]);
    bench.edit("small.ron", "[\"CRF\"]", "[\"CFR\"]");
    let told = bench.call("run small.ron");
    assert!(told.code == Some(4) && told.all().contains("The file has no row `CFR`, did you mean `CRF`?"), "{told:?}");
    bench.edit("others/paper.ron", "41.5", "\"x\"");
    let told = bench.call("plan small.ron");
    assert_eq!(told.code, Some(4), "{told:?}");
    assert!(told.all().contains("others/paper.ron:2:74: Expected a finite number, found the text \"x\"."), "{told:?}");
}

/// A pipeline that trains the small network on from `file` for three steps of six.
fn going_on(file: &str, start: &str) -> String {
    format!(
        r#"Pipeline(name: "on", stages: {{
        "pictures": Dataset(source: Shapes(images: 4, seed: 7, size: (48, 40)), classes: Shapes),
        "start": Weights(encoder: Tiny, source: Checkpoint(file: "{file}", take: Training(prefilter: Regular()))),
        "train": Train(
            data: "pictures", weights: "start", model: DeepLabV2(encoder: Tiny, classes: 6), {start}
            steps: 3, batch: 2, crop: (33, 33), seed: 1,
        ),
    }})"#
    )
}

/// The losses of a training by step, as they are written.
fn losses(bench: &Bench, run: &str, folder: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(bench.newest(run).join(folder).join("steps.csv")).unwrap();
    let cells = text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    cells.map(|cells| (cells[0].clone(), cells[1].clone())).collect()
}

/// A bench whose small pipeline trains six steps at once, and whose `half.ron` trains the first three of them.
fn six_steps() -> Bench {
    let bench = Bench::small();
    bench.edit("small.ron", "prefilter: Average()", "prefilter: Regular");
    bench.edit("small.ron", "iterations: 2, steps: 3", "steps: 3, horizon: 6");
    bench.edit("small.ron", "name: \"small\"", "name: \"half\"");
    std::fs::rename(bench.path("small.ron"), bench.path("half.ron")).unwrap();
    let half = std::fs::read_to_string(bench.path("half.ron")).unwrap();
    bench.write("whole.ron", half.replace("steps: 3, horizon: 6", "steps: 6").replace("\"half\"", "\"whole\""));
    bench.ok("run whole.ron --only train");
    bench.ok("run half.ron --only train");
    bench
}

#[test]
fn a_training_goes_on_from_an_exported_model_bit_for_bit() {
    let bench = six_steps();
    bench.ok("export latest half.tar.zst");
    let found = unpacked(&bench, "half.tar.zst");
    let (_, model) = found.iter().find(|(name, _)| name.ends_with("train/model.safetensors")).unwrap();
    bench.write("half.safetensors", model);
    bench.write("on.ron", going_on("half.safetensors", "horizon: 6,"));
    bench.ok("run on.ron");
    let whole = losses(&bench, "whole", "train");
    assert_eq!(losses(&bench, "on", "train"), whole[3..]);
    assert_eq!(whole[3].0, "3");
    let on = bench.digests();
    bench.ok("run whole.ron --only train");
    assert_eq!(on["train.model"], bench.digests()["train.model"], "the state at the end is the same");
    bench.write("on.ron", going_on("half.safetensors", "first_step: 2, horizon: 6,"));
    let told = bench.call("run on.ron");
    assert!(told.code == Some(4) && told.all().contains("of step 3, but the training begins at step 2."), "{told:?}");
    bench.write("on.ron", going_on("half.safetensors", "horizon: 5,"));
    let told = bench.call("run on.ron");
    assert!(told.code == Some(4) && told.all().contains("goes from step 3 to 6."), "{told:?}");
    bench.write("on.ron", going_on("half.safetensors", "horizon: 6,"));
    // The weights alone start anew: other losses, from step 0.
    bench.edit("on.ron", "take: Training(prefilter: Regular())", "take: Model(prefilter: Regular())");
    bench.ok("run on.ron");
    let anew = losses(&bench, "on", "train");
    assert!(anew[0].0 == "0" && anew[0].1 != whole[3].1, "{anew:?}");
}

#[test]
fn a_training_goes_on_from_a_tensorflow_checkpoint_with_its_momentum() {
    let bench = six_steps();
    let state = bench.object(&bench.digests()["train.model"]);
    let (mut weights, mut momentum) = (Tensors::new(), Tensors::new());
    for (name, tensor) in read(&state) {
        match name.strip_prefix("momentum/") {
            Some(trained) => drop(momentum.insert(trained.to_owned(), tensor)),
            None => drop(weights.insert(name, tensor)),
        }
    }
    let mut file = foreign("Deeplab", &weights);
    for (name, tensor) in foreign("Deeplab", &momentum) {
        file.insert(format!("{name}/Momentum"), tensor);
    }
    let write = |file: &Tensors| {
        for (name, content) in tensorflow_v2("model.ckpt-3", file, 1) {
            bench.write(&name, content);
        }
    };
    write(&file);
    bench.write("on.ron", going_on("model.ckpt-3", "first_step: 3,"));
    bench.ok("run on.ron");
    assert_eq!(losses(&bench, "on", "train"), losses(&bench, "whole", "train")[3..]);
    let told = |start: &str, code: i32, words: &str| {
        bench.write("on.ron", going_on("model.ckpt-3", start));
        let told = bench.call("run on.ron");
        assert!(told.code == Some(code) && told.all().contains(words), "{told:?}");
    };
    told("horizon: 6,", 4, "The weights do not say the step that their training had come to.");
    told("", 2, "State the `horizon` of the whole training.");
    told("first_step: 3, horizon: 5,", 2, "The schedule spans 5 updates, but 3 + 1 x 3 are trained.");
    file.remove("fc1_voc12_c2/weights/Momentum");
    write(&file);
    told("first_step: 3,", 4, "The momentum of `head/aspp18/weights` is missing.");
}
