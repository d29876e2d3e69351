//! Stages that do not fit each other are told of while planning, each in its own cell of the matrix.

use insta::assert_snapshot;
use repro::pipeline::{Request, load};
use repro::stages::registry;

use crate::harness::{Bench, SMALL};
use crate::pipelines::NoRuns;

/// The faults of the small pipeline with some texts replaced, a line each: place, message, what to do.
fn faults(edits: &[(&str, &str)], sets: &[&str]) -> String {
    let bench = Bench::small();
    edits.iter().for_each(|(old, new)| bench.edit("small.ron", old, new));
    let sets = sets.iter().map(|set| (*set).to_owned()).collect();
    let request = Request { file: bench.path("small.ron"), profile: None, sets };
    let told = match load(&request, &registry(), &NoRuns) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.0,
    };
    let line = |fault: &repro::pipeline::Diagnostic| {
        let file = fault.file.rsplit('/').next().unwrap_or_default();
        format!("{file}:{}:{}: {} {}", fault.line, fault.column, fault.message, fault.hint)
    };
    told.iter().map(line).collect::<Vec<_>>().join("\n")
}

const LISTED: &str = "source: Listed(root: \"album\", list: \"test.txt\", labels: false), classes: Shapes)";
const PICTURES: &str = "source: Shapes(images: 4, seed: 7, size: (48, 40)), classes: Shapes)";
const OTHERS: &str = "source: Shapes(images: 2, seed: 7, first: 100, size: (48, 40)), classes: Shapes)";

#[test]
fn what_is_trained_on_or_validated_needs_labels() {
    assert_snapshot!(faults(&[(PICTURES, LISTED)], &[]), @"");
    assert_snapshot!(faults(&[(OTHERS, LISTED)], &[]), @"");
    let parts = [
        ("source: Shapes(images: 4, seed: 7, size: (48, 40))", "source: Voc2012(root: \"a\", list: Test)"),
        ("source: Shapes(images: 2, seed: 7, first: 100, size: (48, 40)), classes: Shapes", "source: Cityscapes(root: \"a\", list: Test), classes: Cityscapes"),
    ];
    assert_snapshot!(faults(&parts, &[]), @"");
    let unvalidated = [("\"validate\": Validate(model: \"train\", data: \"others\", every_iteration: true),", ""), ("[\"validate\"]", "[\"run:old/validate\"]")];
    assert_snapshot!(faults(&[(OTHERS, LISTED), unvalidated[0], ("\"table\": Report(from: [\"validate\"]),", "")], &[]), @"");
}

#[test]
fn a_model_and_data_sets_need_the_same_classes() {
    assert_snapshot!(faults(&[("classes: 6", "classes: 5")], &[]), @"");
    assert_snapshot!(faults(&[], &["train.model.classes=7"]), @"");
    let named = "classes: Named(names: [\"disc\", \"background\", \"square\", \"triangle\", \"wire\", \"blob\"])";
    let others = OTHERS.replace("classes: Shapes", named);
    let events = "\"events\": Events(from: [\"validate\", \"train\"], data: \"others\"),\n        \"table\"";
    assert_snapshot!(faults(&[(OTHERS, &others), ("\"table\"", events)], &[]), @"");
    assert_snapshot!(faults(&[], &["others.classes=Named(names: [\"a\", \"b\"])"]), @"");
}

#[test]
fn weights_and_the_model_need_one_network() {
    assert_snapshot!(faults(&[("encoder: Tiny, classes", "encoder: ResNet50, classes")], &[]), @"");
    assert_snapshot!(faults(&[], &["train.model.encoder=Tiny(train_norms: true)"]), @"");
    let source = "Checkpoint(file: \"model.ckpt\", take: Model(prefilter: Average(learned: false)))";
    assert_snapshot!(faults(&[("Seeded(encoder: Stable, seed: 1)", source)], &[]), @"");
    assert_snapshot!(faults(&[("Seeded(encoder: Stable, seed: 1)", source)], &["train.model.prefilter=Average(learned: false)"]), @"");
}

#[test]
fn each_cell_of_a_matrix_is_a_pair_of_its_own() {
    let matrix = |axes: &str| format!("name: \"small\",\n    matrix: (axes: {{ {axes} }}),");
    let told = |axes: &str| faults(&[("name: \"small\",", &matrix(axes))], &[]);
    let encoder = |set: &str| format!("\"encoder\": (set: [{set}], values: [Tiny, ResNet50])");
    assert_snapshot!(told(&encoder("\"train.model.encoder\", \"start.encoder\"")), @"");
    assert_snapshot!(told(&encoder("\"train.model.encoder\"")), @"");
    let classes = "\"classes\": (set: [\"train.model.classes\"], values: [6, 9]), \"seed\": (set: [\"train.seed\"], values: [1, 2])";
    assert_snapshot!(told(classes), @"");
    assert_eq!(SMALL.matches("classes: Shapes").count(), 2);
}
