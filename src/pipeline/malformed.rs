//! What is said of pipelines with faults, word for word.

use insta::assert_snapshot;

use super::testing::{Case, WHOLE};

#[test]
fn names_of_fields_that_are_nearly_right() {
    let case = Case::stages(
        r#"
    "images": Images(),
    "train": Train(data: "images", steps: 10, optimizer: Sgd(lr: 2e-3, momentun: 0.9), agument: None),
    "again": Train(data: "images", steps: 10, optimizer: Frozen(rate: 1), colour: "red"),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn kinds_and_variants_that_are_not_there() {
    let case = Case::stages(
        r#"
    "images": Image(),
    "train": Train(data: "images", steps: 10, optimizer: sgd(lr: 2e-3)),
    "table": Table(from: ["images"], formats: [Markdown, Latex]),
    "number": 5,
    "nameless": (steps: 5),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn missing_fields() {
    assert_snapshot!(Case::stages("\"train\": Train(crop: (1, 1)),").faults(), @"");
}

#[test]
fn values_of_another_type() {
    let case = Case::stages(
        r#"
    "images": Images(classes: "five", list: 7, title: ""),
    "train": Train(data: images, steps: 10.0, crop: [321, 321], optimizer: (1, 2), augment: Some((mirror: yes))),
    "more": Train(data: "images", steps: "10", crop: (1, 2, 3), optimizer: Sgd(0.1), seed: 0.5, augment: Scale()),
    "table": Table(from: "more", formats: (Csv, Markdown), labels: ["a"]),
    "tool": Tool(script: 'x', inputs: { 1: "images", "two": 'i' }),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn values_out_of_range() {
    let case = Case::stages(
        r#"
    "images": Images(classes: 1),
    "train": Train(data: "images", steps: 0, crop: (0, 321), optimizer: Sgd(lr: -1e-3, momentum: 1)),
    "more": Train(data: "images", steps: 1, optimizer: Sgd(lr: NaN, momentum: -inf), seed: -1, iterations: 5_000_000_000),
    "table": Table(from: []),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn rules_between_fields() {
    let case = Case::stages(
        r#"
    "images": Images(),
    "train": Train(data: "images", steps: 10, warmup: 10),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn references_to_nothing_and_to_the_wrong_kind() {
    let case = Case::stages(
        r#"
    "images": Images(),
    "train": Train(data: "image", steps: 10, weights: "images"),
    "score": Score(model: "images", data: "train[2]"),
    "table": Table(from: ["score", "train", "run:old/train"]),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn references_out_of_range_and_out_of_form() {
    let case = Case::stages(
        r#"
    "images": Images(),
    "train": Train(data: "images", steps: 10, iterations: 2),
    "score": Score(model: "train[3]", data: "images[2]"),
    "zero": Score(model: "train[0]", data: "run:images"),
    "table": Table(from: ["score", "run:old/score[5]"]),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn runs_that_are_not_there() {
    let case = Case::stages("\"table\": Table(from: [\"run:oldest/score\", \"run:old/validate\"]),");
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn cycles() {
    let case = Case::stages(
        r#"
    "images": Images(),
    "a": Train(data: "images", steps: 10, weights: "b"),
    "b": Train(data: "images", steps: 10, weights: "c"),
    "c": Train(data: "images", steps: 10, weights: "a"),
    "self": Train(data: "images", steps: 10, weights: "self"),
    "x": Train(data: "images", steps: 10, weights: "y"),
    "y": Train(data: "images", steps: 10, weights: "x"),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn things_stated_twice() {
    let case = Case::stages(
        r#"
    "images": Images(classes: 3, classes: 4),
    "images": Images(classes: 5),
    "table": Table(from: ["score"], labels: { "a": "x", "a": "y" }),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn brackets_and_commas() {
    let case = Case::stages(
        r#"
    "images": Images(classes: 3
    "train": Train(data: "images" steps: 10; crop = (1, 2),
    "table": Table(from: ["score"),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn a_bracket_that_is_never_closed() {
    assert_snapshot!(Case::new("Pipeline(\n    name: \"x\",\n    stages: {\n").faults(), @"");
}

#[test]
fn a_quote_that_is_missing() {
    let case = Case::new("Pipeline(\n    name: \"x,\n    include: [\"a.ron\"],\n    stages: {},\n)");
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn texts_numbers_and_characters_that_cannot_be_read() {
    let case = Case::stages(
        r#"
    "images": Images(title: “images”, classes: 1.2.3),
    "more": Images(title: "\q", classes: 99999999999999999999),
    # a remark
    "tool": Tool(script: 'two.py', inputs: @),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn names_in_the_wrong_clothes() {
    let case = Case::stages(
        r#"
    images: Images(),
    "train": Train("data": "images", steps 10),
    "table": Table(from: ["x"], labels: { a: "b" }, { "c": "d" }),"#,
    );
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn an_empty_file_and_one_with_too_much() {
    assert_snapshot!(Case::new("").faults(), @"");
    assert_snapshot!(Case::new("Pipeline(name: \"x\", stages: {}) Pipeline()").faults(), @"");
}

#[test]
fn files_of_another_shape() {
    assert_snapshot!(Case::new("Stages(stages: {})").faults(), @"");
    assert_snapshot!(Case::new("[1, 2]").faults(), @"");
    assert_snapshot!(Case::new("Pipeline(name: \"My Pipeline\", stage: {}, profiles: 5, include: \"x\")").faults(), @"");
    assert_snapshot!(Case::new("Pipeline(name: \"x\", stages: { \"a/b\": Images(), \"\": Images() })").faults(), @"");
}

#[test]
fn includes_that_fail() {
    let files = [
        ("main.ron", "Pipeline(name: \"x\", include: [\"none.ron\", \"lib/a.ron\", \"other.ron\", 5], stages: {})"),
        ("lib/a.ron", "Stages(\n    include: [\"b.ron\"],\n    stages: { \"x\" Images() },\n)"),
        ("lib/b.ron", "Stages(include: [\"../lib/a.ron\"], stages: {})"),
        ("other.ron", "Pipeline(name: \"y\", stages: {})"),
    ];
    assert_snapshot!(Case::with(&files).faults(), @"");
}

#[test]
fn a_stage_defined_in_two_files() {
    let files = [
        ("main.ron", "Pipeline(name: \"x\", include: [\"lib.ron\"], stages: {\n    \"images\": Images(),\n})"),
        ("lib.ron", "Stages(stages: {\n    \"images\": Images(classes: 5),\n    \"unused\": Images(clases: 5),\n})"),
    ];
    assert_snapshot!(Case::with(&files).faults(), @"");
}

#[test]
fn profiles_that_change_what_is_not_there() {
    let main = r#"Pipeline(
    name: "x",
    stages: { "images": Images() },
    profiles: {
        "tiny": { "image": (classes: 2), "images": (clases: 2, title: 5) },
        "mini": [1],
        "list": { images: 5 },
    },
)"#;
    assert_snapshot!(Case::new(main).profile("tiny").faults(), @"");
    assert_snapshot!(Case::new(main).profile("mini").faults(), @"");
    assert_snapshot!(Case::new(main).profile("list").faults(), @"");
    assert_snapshot!(Case::new(main).profile("tinny").faults(), @"");
}

#[test]
fn an_included_profile_changes_only_what_its_file_sees() {
    let main = "Pipeline(name: \"x\", include: [\"a.ron\"], stages: { \"table\": Images() })";
    let lib = "Stages(stages: { \"images\": Images() }, profiles: { \"tiny\": { \"table\": (classes: 2) } })";
    assert_snapshot!(Case::with(&[("main.ron", main), ("a.ron", lib)]).profile("tiny").faults(), @"");
}

#[test]
fn single_changes_that_fail() {
    let case = Case::stages(WHOLE)
        .set("train.steps=x")
        .set("train.stepz=5")
        .set("trian.steps=5")
        .set("train.steps")
        .set("train..steps=5")
        .set("train.crop[0]=5")
        .set("table.from[7]=\"score\"")
        .set("table.formats.x=5")
        .set("images.title[\"a\"]=5")
        .set("images.title=photographs")
        .set("train.optimizer.lr=")
        .set("train.augment=(mirror: 1")
        .set("score=Scores()");
    assert_snapshot!(case.faults(), @"");
}

#[test]
fn a_file_that_cannot_be_read() {
    let mut case = Case::stages(WHOLE);
    case.request.file.set_file_name("nothing.ron");
    assert_snapshot!(case.faults(), @"");
}
