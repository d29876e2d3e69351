//! What is said of references.

use insta::assert_snapshot;

use crate::pipeline::testing::Case;

#[test]
fn references_to_nothing_and_to_the_wrong_kind() {
    let case = Case::stages(
        r#"
    "images": Images(),
    "train": Train(data: "image", steps: 10, weights: "images"),
    "score": Score(model: "images", data: "train[2]"),
    "table": Table(from: ["score", "train", "run:old/train"]),"#,
    );
    assert_snapshot!(case.faults(), @r#"
    error: There is no stage `image`, did you mean `images`?
     --> main.ron:4:26
      |
    4 |     "train": Train(data: "image", steps: 10, weights: "images"),
      |                          ^^^^^^^
      |
      = help: The stages that yield dataset are `images`.

    error: `images` is of kind `Images`, which yields dataset, but weights or model is needed here.
     --> main.ron:4:55
      |
    3 |     "images": Images(),
      |               ------ `images` is defined here
    4 |     "train": Train(data: "image", steps: 10, weights: "images"),
      |                                                       ^^^^^^^^
      |
      = help: No other stage of this pipeline yields weights or model.

    error: `images` is of kind `Images`, which yields dataset, but model is needed here.
     --> main.ron:5:27
      |
    3 |     "images": Images(),
      |               ------ `images` is defined here
    4 |     "train": Train(data: "image", steps: 10, weights: "images"),
    5 |     "score": Score(model: "images", data: "train[2]"),
      |                           ^^^^^^^^
      |
      = help: The stages that yield model are `train`.

    error: `train` is of kind `Train`, which yields model, but dataset is needed here.
     --> main.ron:5:43
      |
    4 |     "train": Train(data: "image", steps: 10, weights: "images"),
      |              ----- `train` is defined here
    5 |     "score": Score(model: "images", data: "train[2]"),
      |                                           ^^^^^^^^^^
      |
      = help: The stages that yield dataset are `images`.

    error: `train` is of kind `Train`, which yields model, but metrics is needed here.
     --> main.ron:6:36
      |
    4 |     "train": Train(data: "image", steps: 10, weights: "images"),
      |              ----- `train` is defined here
    5 |     "score": Score(model: "images", data: "train[2]"),
    6 |     "table": Table(from: ["score", "train", "run:old/train"]),
      |                                    ^^^^^^^
      |
      = help: The stages that yield metrics are `score`.

    error: `run:old/train` yields model, but metrics is needed here.
     --> main.ron:6:45
      |
    6 |     "table": Table(from: ["score", "train", "run:old/train"]),
      |                                             ^^^^^^^^^^^^^^^
      |
      = help: Name a stage of the run that yields what is needed.
    "#);
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
    assert_snapshot!(case.faults(), @r#"
    error: `train` has 2 nodes, so there is no `train[3]`.
     --> main.ron:5:27
      |
    5 |     "score": Score(model: "train[3]", data: "images[2]"),
      |                           ^^^^^^^^^^
      |
      = help: Iterations are counted from 1.

    error: `images` has one node, so there is no `images[2]`.
     --> main.ron:5:45
      |
    5 |     "score": Score(model: "train[3]", data: "images[2]"),
      |                                             ^^^^^^^^^^^
      |
      = help: Iterations are counted from 1.

    error: `[0]` is not an iteration; they are counted from 1.
     --> main.ron:6:26
      |
    6 |     "zero": Score(model: "train[0]", data: "run:images"),
      |                          ^^^^^^^^^^
      |
      = help: A reference is the name of a stage, as `"train"`, `"train[3]"` or `"run:latest/train"`.

    error: `run:images` names no stage of a run; write `run:RUN/STAGE`.
     --> main.ron:6:44
      |
    6 |     "zero": Score(model: "train[0]", data: "run:images"),
      |                                            ^^^^^^^^^^^^
      |
      = help: A reference is the name of a stage, as `"train"`, `"train[3]"` or `"run:latest/train"`.

    error: `score` has 2 nodes, so there is no `run:old/score[5]`.
     --> main.ron:7:36
      |
    7 |     "table": Table(from: ["score", "run:old/score[5]"]),
      |                                    ^^^^^^^^^^^^^^^^^^
      |
      = help: Iterations are counted from 1.
    "#);
}

#[test]
fn runs_that_are_not_there() {
    let case = Case::stages("\"table\": Table(from: [\"run:oldest/score\", \"run:old/validate\"]),");
    assert_snapshot!(case.faults(), @r#"
    error: There is no run `oldest`.
     --> main.ron:2:23
      |
    2 | "table": Table(from: ["run:oldest/score", "run:old/validate"]),
      |                       ^^^^^^^^^^^^^^^^^^
      |
      = help: `repro runs` lists the runs, `repro show RUN` the stages of one.

    error: The run `old` has no stage `validate`.
     --> main.ron:2:43
      |
    2 | "table": Table(from: ["run:oldest/score", "run:old/validate"]),
      |                                           ^^^^^^^^^^^^^^^^^^
      |
      = help: `repro runs` lists the runs, `repro show RUN` the stages of one.
    "#);
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
    assert_snapshot!(case.faults(), @r#"
    error: The stages need each other: a -> b -> c -> a.
     --> main.ron:4:52
      |
    4 |     "a": Train(data: "images", steps: 10, weights: "b"),
      |                                                    ^^^
      |
      = help: No stage can need its own result; change one of these references.

    error: The stage `self` refers to itself.
     --> main.ron:7:55
      |
    7 |     "self": Train(data: "images", steps: 10, weights: "self"),
      |                                                       ^^^^^^
      |
      = help: The stages that yield weights or model are `a`, `b`, `c`, `x`, `y`.

    error: The stages need each other: x -> y -> x.
     --> main.ron:8:52
      |
    8 |     "x": Train(data: "images", steps: 10, weights: "y"),
      |                                                    ^^^
      |
      = help: No stage can need its own result; change one of these references.
    "#);
}

#[test]
fn things_stated_twice() {
    let case = Case::stages(
        r#"
    "images": Images(classes: 3, classes: 4),
    "images": Images(classes: 5),
    "table": Table(from: ["score"], labels: { "a": "x", "a": "y" }),"#,
    );
    assert_snapshot!(case.faults(), @r#"
    error: The field `classes` is stated twice.
     --> main.ron:3:34
      |
    3 |     "images": Images(classes: 3, classes: 4),
      |                      -------     ^^^^^^^ again
      |                      |
      |                      first stated here
      |
      = help: Keep one of them.

    error: The key `images` is stated twice.
     --> main.ron:4:5
      |
    3 |     "images": Images(classes: 3, classes: 4),
      |     -------- first stated here
    4 |     "images": Images(classes: 5),
      |     ^^^^^^^^ again
      |
      = help: Keep one of them.

    error: There is no stage `score`.
     --> main.ron:5:27
      |
    5 |     "table": Table(from: ["score"], labels: { "a": "x", "a": "y" }),
      |                           ^^^^^^^
      |
      = help: No other stage of this pipeline yields metrics.

    error: The key `a` is stated twice.
     --> main.ron:5:57
      |
    5 |     "table": Table(from: ["score"], labels: { "a": "x", "a": "y" }),
      |                                               ---       ^^^ again
      |                                               |
      |                                               first stated here
      |
      = help: Keep one of them.
    "#);
}

#[test]
fn a_stage_defined_in_two_files() {
    let files = [
        ("main.ron", "Pipeline(name: \"x\", include: [\"lib.ron\"], stages: {\n    \"images\": Images(),\n})"),
        ("lib.ron", "Stages(stages: {\n    \"images\": Images(classes: 5),\n    \"unused\": Images(clases: 5),\n})"),
    ];
    assert_snapshot!(Case::with(&files).faults(), @r#"
    error: Unknown field `clases`, did you mean `classes`?
     --> lib.ron:3:22
      |
    3 |     "unused": Images(clases: 5),
      |                      ^^^^^^
      |
      = help: `Images` has the fields `classes`, `list`, `title`.

    error: The stage `images` is defined twice.
     --> main.ron:2:5
      |
    2 |     "images": Images(),
      |     ^^^^^^^^ again
      |
     ::: lib.ron:2:5
      |
    2 |     "images": Images(classes: 5),
      |     -------- first defined here
      |
      = help: Rename one of them; to change an included stage, state the fields that differ: `(steps: 5)`.
    "#);
}

#[test]
fn targets_that_are_none() {
    let files = [
        ("main.ron", "Pipeline(name: \"x\", include: [\"lib.ron\"], stages: {\n    \"image\": (classes: 5),\n})"),
        ("lib.ron", "Stages(stages: { \"images\": Images() }, targets: [\"image\", 5])"),
    ];
    assert_snapshot!(Case::with(&files).faults(), @r#"
    error: There is no stage `image`, did you mean `images`?
     --> lib.ron:1:50
      |
    1 | Stages(stages: { "images": Images() }, targets: ["image", 5])
      |                                                  ^^^^^^^
      |
      = help: `targets` names stages of its own file and of those that it includes.

    error: Expected the name of a stage in quotes, found the integer 5.
     --> lib.ron:1:59
      |
    1 | Stages(stages: { "images": Images() }, targets: ["image", 5])
      |                                                           ^
      |
      = help: The stages that always run are a list: `targets: ["table"]`.

    error: Expected a stage, found a structure without a name.
     --> main.ron:2:14
      |
    2 |     "image": (classes: 5),
      |              ^^^^^^^^^^^^
      |
      = help: A stage is a kind with its fields, each by name, as `Train(data: "images")`.
    "#);
}
