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
    assert_snapshot!(case.faults(), @r#"
    error: Unknown field `momentun`, did you mean `momentum`?
     --> main.ron:4:72
      |
    4 |     "train": Train(data: "images", steps: 10, optimizer: Sgd(lr: 2e-3, momentun: 0.9), agument: None),
      |                                                                        ^^^^^^^^
      |
      = help: `Sgd` has the fields `lr`, `momentum`.

    error: Unknown field `agument`, did you mean `augment`?
     --> main.ron:4:88
      |
    4 |     "train": Train(data: "images", steps: 10, optimizer: Sgd(lr: 2e-3, momentun: 0.9), agument: None),
      |                                                                                        ^^^^^^^
      |
      = help: `Train` has the fields `data`, `weights`, `iterations`, `steps`, `crop`, `optimizer`, `augment`, `warmup`, `seed`.

    error: Unknown field `rate`.
     --> main.ron:5:65
      |
    5 |     "again": Train(data: "images", steps: 10, optimizer: Frozen(rate: 1), colour: "red"),
      |                                                                 ^^^^
      |
      = help: `Frozen` has no fields.

    error: Unknown field `colour`.
     --> main.ron:5:75
      |
    5 |     "again": Train(data: "images", steps: 10, optimizer: Frozen(rate: 1), colour: "red"),
      |                                                                           ^^^^^^
      |
      = help: `Train` has the fields `data`, `weights`, `iterations`, `steps`, `crop`, `optimizer`, `augment`, `warmup`, `seed`.
    "#);
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
    assert_snapshot!(case.faults(), @r#"
    error: There is no stage kind `Image`, did you mean `Images`?
     --> main.ron:3:15
      |
    3 |     "images": Image(),
      |               ^^^^^
      |
      = help: The kinds are `Images`, `Score`, `Table`, `Tool`, `Train`.

    error: There is no Optimizer `sgd`, did you mean `Sgd`?
     --> main.ron:4:58
      |
    4 |     "train": Train(data: "images", steps: 10, optimizer: sgd(lr: 2e-3)),
      |                                                          ^^^
      |
      = help: Expected one of `Sgd`, `Adam`, `Frozen`.

    error: There is no Format `Latex`.
     --> main.ron:5:58
      |
    5 |     "table": Table(from: ["images"], formats: [Markdown, Latex]),
      |                                                          ^^^^^
      |
      = help: Expected one of `Markdown`, `Csv`.

    error: Expected a stage, found the integer 5.
     --> main.ron:6:15
      |
    6 |     "number": 5,
      |               ^
      |
      = help: A stage is a kind with its fields, each by name, as `Train(data: "images")`.

    error: Expected a stage, found a structure without a name.
     --> main.ron:7:17
      |
    7 |     "nameless": (steps: 5),
      |                 ^^^^^^^^^^
      |
      = help: A stage is a kind with its fields, each by name, as `Train(data: "images")`.
    "#);
}

#[test]
fn missing_fields() {
    assert_snapshot!(Case::stages("\"train\": Train(crop: (1, 1)),").faults(), @r#"
    error: The field `data` is missing.
     --> main.ron:2:10
      |
    2 | "train": Train(crop: (1, 1)),
      |          ^^^^^ in `Train`
      |
      = help: Expected the name of a stage that yields dataset. `data`: The images.

    error: The field `steps` is missing.
     --> main.ron:2:10
      |
    2 | "train": Train(crop: (1, 1)),
      |          ^^^^^ in `Train`
      |
      = help: Expected an integer from 1 to 4294967295. `steps` (in updates): Updates in an iteration.
    "#);
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
    assert_snapshot!(case.faults(), @r#"
    error: Expected an integer from 2 to 255, found the text "five".
     --> main.ron:3:31
      |
    3 |     "images": Images(classes: "five", list: 7, title: ""),
      |                               ^^^^^^ value of `classes`
      |
      = help: `classes`: The number of classes.

    error: Expected the path of a file in quotes, found the integer 7.
     --> main.ron:3:45
      |
    3 |     "images": Images(classes: "five", list: 7, title: ""),
      |                                             ^ value of `list`
      |
      = help: `list`: A list of images.

    error: Expected a text in quotes, found an empty text.
     --> main.ron:3:55
      |
    3 |     "images": Images(classes: "five", list: 7, title: ""),
      |                                                       ^^ value of `title`
      |
      = help: `title`: What the images show.

    error: Expected the name of a stage that yields dataset, found the word `images`.
     --> main.ron:4:26
      |
    4 |     "train": Train(data: images, steps: 10.0, crop: [321, 321], optimizer: (1, 2), augment: Some((mirror: yes))),
      |                          ^^^^^^ value of `data`
      |
      = help: Put it in quotes: `"images"`.

    error: Expected an integer from 1 to 4294967295, found the number 10.0.
     --> main.ron:4:41
      |
    4 |     "train": Train(data: images, steps: 10.0, crop: [321, 321], optimizer: (1, 2), augment: Some((mirror: yes))),
      |                                         ^^^^ value of `steps`
      |
      = help: Write `10`, without a point. `steps` (in updates): Updates in an iteration.

    error: Expected a tuple (an integer from 1 to 4294967295, an integer from 1 to 4294967295), found a list.
     --> main.ron:4:53
      |
    4 |     "train": Train(data: images, steps: 10.0, crop: [321, 321], optimizer: (1, 2), augment: Some((mirror: yes))),
      |                                                     ^^^^^^^^^^ value of `crop`
      |
      = help: A tuple stands in parentheses: `(…, …)`.

    error: Expected one of `Sgd`, `Adam`, `Frozen`, found a tuple of 2 items.
     --> main.ron:4:76
      |
    4 |     "train": Train(data: images, steps: 10.0, crop: [321, 321], optimizer: (1, 2), augment: Some((mirror: yes))),
      |                                                                            ^^^^^^ value of `optimizer`
      |
      = help: `optimizer`: How the weights change.

    error: Expected `true` or `false`, found the word `yes`.
     --> main.ron:4:107
      |
    4 |     "train": Train(data: images, steps: 10.0, crop: [321, 321], optimizer: (1, 2), augment: Some((mirror: yes))),
      |                                                                                                           ^^^ value of `augment.mirror`
      |
      = help: `mirror`: Whether to mirror.

    error: Expected an integer from 1 to 4294967295, found the text "10".
     --> main.ron:5:42
      |
    5 |     "more": Train(data: "images", steps: "10", crop: (1, 2, 3), optimizer: Sgd(0.1), seed: 0.5, augment: Scale()),
      |                                          ^^^^ value of `steps`
      |
      = help: `steps` (in updates): Updates in an iteration.

    error: Expected a tuple (an integer from 1 to 4294967295, an integer from 1 to 4294967295), found a tuple of 3 items.
     --> main.ron:5:54
      |
    5 |     "more": Train(data: "images", steps: "10", crop: (1, 2, 3), optimizer: Sgd(0.1), seed: 0.5, augment: Scale()),
      |                                                      ^^^^^^^^^ value of `crop`
      |
      = help: `crop` (in pixels): Height and width of a crop.

    error: Expected one of `Sgd`, `Adam`, `Frozen`, found `Sgd(…)`.
     --> main.ron:5:76
      |
    5 |     "more": Train(data: "images", steps: "10", crop: (1, 2, 3), optimizer: Sgd(0.1), seed: 0.5, augment: Scale()),
      |                                                                            ^^^^^^^^ value of `optimizer`
      |
      = help: `optimizer`: How the weights change.

    error: Expected an integer of at least 0, found the number 0.5.
     --> main.ron:5:92
      |
    5 |     "more": Train(data: "images", steps: "10", crop: (1, 2, 3), optimizer: Sgd(0.1), seed: 0.5, augment: Scale()),
      |                                                                                            ^^^ value of `seed`
      |
      = help: `seed`: Seed of all draws.

    error: Expected `Augment`, found `Scale`.
     --> main.ron:5:106
      |
    5 |     "more": Train(data: "images", steps: "10", crop: (1, 2, 3), optimizer: Sgd(0.1), seed: 0.5, augment: Scale()),
      |                                                                                                          ^^^^^
      |
      = help: The name may be left out.

    error: Expected a list that is not empty, each item the name of a stage that yields metrics, found the text "more".
     --> main.ron:6:26
      |
    6 |     "table": Table(from: "more", formats: (Csv, Markdown), labels: ["a"]),
      |                          ^^^^^^ value of `from`
      |
      = help: `from`: The figures.

    error: Expected a list, each item one of `Markdown`, `Csv`, found a tuple of 2 items.
     --> main.ron:6:43
      |
    6 |     "table": Table(from: "more", formats: (Csv, Markdown), labels: ["a"]),
      |                                           ^^^^^^^^^^^^^^^ value of `formats`
      |
      = help: A list stands in brackets: `[…, …]`.

    error: Expected a map from text, each value a text in quotes, found a list.
     --> main.ron:6:68
      |
    6 |     "table": Table(from: "more", formats: (Csv, Markdown), labels: ["a"]),
      |                                                                    ^^^^^ value of `labels`
      |
      = help: `labels`: Headings by column.

    error: Expected the path of a file in quotes, found the character 'x'.
     --> main.ron:7:26
      |
    7 |     "tool": Tool(script: 'x', inputs: { 1: "images", "two": 'i' }),
      |                          ^^^ value of `script`
      |
      = help: `script`: The program.

    error: Expected a key in quotes, found the integer 1.
     --> main.ron:7:41
      |
    7 |     "tool": Tool(script: 'x', inputs: { 1: "images", "two": 'i' }),
      |                                         ^ value of `inputs`
      |
      = help: `inputs`: What it reads.

    error: Expected the name of a stage that yields dataset or model, found the character 'i'.
     --> main.ron:7:61
      |
    7 |     "tool": Tool(script: 'x', inputs: { 1: "images", "two": 'i' }),
      |                                                             ^^^ value of `inputs["two"]`
      |
      = help: `inputs`: What it reads.
    "#);
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
    assert_snapshot!(case.faults(), @r#"
    error: Expected an integer from 2 to 255, found the integer 1.
     --> main.ron:3:31
      |
    3 |     "images": Images(classes: 1),
      |                               ^ value of `classes`
      |
      = help: `classes`: The number of classes.

    error: Expected an integer from 1 to 4294967295, found the integer 0.
     --> main.ron:4:43
      |
    4 |     "train": Train(data: "images", steps: 0, crop: (0, 321), optimizer: Sgd(lr: -1e-3, momentum: 1)),
      |                                           ^ value of `steps`
      |
      = help: `steps` (in updates): Updates in an iteration.

    error: Expected an integer from 1 to 4294967295, found the integer 0.
     --> main.ron:4:53
      |
    4 |     "train": Train(data: "images", steps: 0, crop: (0, 321), optimizer: Sgd(lr: -1e-3, momentum: 1)),
      |                                                     ^ value of `crop[0]`
      |
      = help: `crop` (in pixels): Height and width of a crop.

    error: Expected a finite number above 0, found the number -0.001.
     --> main.ron:4:81
      |
    4 |     "train": Train(data: "images", steps: 0, crop: (0, 321), optimizer: Sgd(lr: -1e-3, momentum: 1)),
      |                                                                                 ^^^^^ value of `optimizer.lr`
      |
      = help: `lr`: The learning rate.

    error: Expected a number of at least 0 and below 1, found the integer 1.
     --> main.ron:4:98
      |
    4 |     "train": Train(data: "images", steps: 0, crop: (0, 321), optimizer: Sgd(lr: -1e-3, momentum: 1)),
      |                                                                                                  ^ value of `optimizer.momentum`
      |
      = help: `momentum`: Momentum.

    error: Expected a finite number above 0, found the number NaN.
     --> main.ron:5:64
      |
    5 |     "more": Train(data: "images", steps: 1, optimizer: Sgd(lr: NaN, momentum: -inf), seed: -1, iterations: 5_000_000_000),
      |                                                                ^^^ value of `optimizer.lr`
      |
      = help: `lr`: The learning rate.

    error: Expected a number of at least 0 and below 1, found the number -inf.
     --> main.ron:5:79
      |
    5 |     "more": Train(data: "images", steps: 1, optimizer: Sgd(lr: NaN, momentum: -inf), seed: -1, iterations: 5_000_000_000),
      |                                                                               ^^^^ value of `optimizer.momentum`
      |
      = help: `momentum`: Momentum.

    error: Expected an integer of at least 0, found the integer -1.
     --> main.ron:5:92
      |
    5 |     "more": Train(data: "images", steps: 1, optimizer: Sgd(lr: NaN, momentum: -inf), seed: -1, iterations: 5_000_000_000),
      |                                                                                            ^^ value of `seed`
      |
      = help: `seed`: Seed of all draws.

    error: Expected an integer from 1 to 4294967295, found the integer 5000000000.
     --> main.ron:5:108
      |
    5 |     "more": Train(data: "images", steps: 1, optimizer: Sgd(lr: NaN, momentum: -inf), seed: -1, iterations: 5_000_000_000),
      |                                                                                                            ^^^^^^^^^^^^^ value of `iterations`
      |
      = help: `iterations`: Repetitions.

    error: Expected a list that is not empty, each item the name of a stage that yields metrics, found a list.
     --> main.ron:6:26
      |
    6 |     "table": Table(from: []),
      |                          ^^ value of `from`
      |
      = help: `from`: The figures.
    "#);
}

#[test]
fn rules_between_fields() {
    let case = Case::stages(
        r#"
    "images": Images(),
    "train": Train(data: "images", steps: 10, warmup: 10),"#,
    );
    assert_snapshot!(case.faults(), @r#"
    error: The warm-up (10 updates) is not shorter than the training.
     --> main.ron:4:55
      |
    4 |     "train": Train(data: "images", steps: 10, warmup: 10),
      |                                                       ^^
      |
      = help: Write less than 10.
    "#);
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
    assert_snapshot!(case.faults(), @r#"
    error: There is no stage `image`, did you mean `images`?
     --> main.ron:4:26
      |
    4 |     "train": Train(data: "image", steps: 10, weights: "images"),
      |                          ^^^^^^^
      |
      = help: The stages that yield dataset are `images`.

    error: `images` is a `Images`, which yields dataset; weights or model is needed here.
     --> main.ron:4:55
      |
    3 |     "images": Images(),
      |               ------ `images` is defined here
    4 |     "train": Train(data: "image", steps: 10, weights: "images"),
      |                                                       ^^^^^^^^
      |
      = help: No other stage of this pipeline yields weights or model.

    error: `images` is a `Images`, which yields dataset; model is needed here.
     --> main.ron:5:27
      |
    3 |     "images": Images(),
      |               ------ `images` is defined here
    4 |     "train": Train(data: "image", steps: 10, weights: "images"),
    5 |     "score": Score(model: "images", data: "train[2]"),
      |                           ^^^^^^^^
      |
      = help: The stages that yield model are `train`.

    error: `train` is a `Train`, which yields model; dataset is needed here.
     --> main.ron:5:43
      |
    4 |     "train": Train(data: "image", steps: 10, weights: "images"),
      |              ----- `train` is defined here
    5 |     "score": Score(model: "images", data: "train[2]"),
      |                                           ^^^^^^^^^^
      |
      = help: The stages that yield dataset are `images`.

    error: `train` is a `Train`, which yields model; metrics is needed here.
     --> main.ron:6:36
      |
    4 |     "train": Train(data: "image", steps: 10, weights: "images"),
      |              ----- `train` is defined here
    5 |     "score": Score(model: "images", data: "train[2]"),
    6 |     "table": Table(from: ["score", "train", "run:old/train"]),
      |                                    ^^^^^^^
      |
      = help: The stages that yield metrics are `score`.

    error: `run:old/train` yields model, and metrics is needed here.
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

    error: `score` of the run `old` has 2 nodes, so there is no number 5.
     --> main.ron:7:36
      |
    7 |     "table": Table(from: ["score", "run:old/score[5]"]),
      |                                    ^^^^^^^^^^^^^^^^^^
      |
      = help: They are counted from 1.
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
fn brackets_and_commas() {
    let case = Case::stages(
        r#"
    "images": Images(classes: 3
    "train": Train(data: "images" steps: 10; crop = (1, 2),
    "table": Table(from: ["score"),"#,
    );
    assert_snapshot!(case.faults(), @r#"
    error: This bracket is never closed.
     --> main.ron:1:9
      |
    1 | Pipeline(name: "test", stages: {
      |         ^ opened here
      |
      = help: Close it with `)`.

    error: This bracket is never closed.
     --> main.ron:1:32
      |
    1 | Pipeline(name: "test", stages: {
      |                                ^ opened here
      |
      = help: Close it with `}`.

    error: This bracket is never closed.
     --> main.ron:3:21
      |
    3 |     "images": Images(classes: 3
      |                     ^ opened here
      |
      = help: Close it with `)`.

    error: Expected `,` or `)`, found `"train"`.
     --> main.ron:4:5
      |
    4 |     "train": Train(data: "images" steps: 10; crop = (1, 2),
      |     ^^^^^^^
      |
      = help: Items are separated by `,`.

    error: Expected `,`, found `;`.
     --> main.ron:4:44
      |
    4 |     "train": Train(data: "images" steps: 10; crop = (1, 2),
      |                                            ^
      |
      = help: Items are separated by `,`.

    error: Expected `:`, found `=`.
     --> main.ron:4:51
      |
    4 |     "train": Train(data: "images" steps: 10; crop = (1, 2),
      |                                                   ^
      |
      = help: A value stands behind `:`.
    "#);
}

#[test]
fn a_bracket_that_is_never_closed() {
    assert_snapshot!(Case::new("Pipeline(\n    name: \"x\",\n    stages: {\n").faults(), @r"
    error: This bracket is never closed.
     --> main.ron:1:9
      |
    1 | Pipeline(
      |         ^ opened here
      |
      = help: Close it with `)`.

    error: This bracket is never closed.
     --> main.ron:3:13
      |
    3 |     stages: {
      |             ^ opened here
      |
      = help: Close it with `}`.
    ");
}

#[test]
fn a_quote_that_is_missing() {
    let case = Case::new("Pipeline(\n    name: \"x,\n    include: [\"a.ron\"],\n    stages: {},\n)");
    assert_snapshot!(case.faults(), @r#"
    error: The field `stages` is missing.
     --> main.ron:1:1
      |
    1 | Pipeline(
      | ^^^^^^^^
      |
      = help: `Pipeline` needs `name`, `stages`.

    error: This bracket is never closed.
     --> main.ron:1:9
      |
    1 | Pipeline(
      |         ^ opened here
      |
      = help: Close it with `)`.

    error: Expected the name of the pipeline, found the text "x,\n    include: [".
     --> main.ron:2:11
      |
    2 |       name: "x,
      |  ___________^
    3 | |     include: ["a.ron"],
      | |_______________^
      |
      = help: A name is a text of small letters, digits, `_` and `-`; results are kept under it.

    error: Expected `,` or `)`, found `a`.
     --> main.ron:3:16
      |
    2 |     name: "x,
      |           - this text goes over several lines; is its closing quote missing?
    3 |     include: ["a.ron"],
      |                ^
      |
      = help: Items are separated by `,`.

    error: Unknown field `a`.
     --> main.ron:3:16
      |
    3 |     include: ["a.ron"],
      |                ^
      |
      = help: `Pipeline` has the fields `name`, `include`, `stages`, `profiles`.

    error: `.ron` is not a number.
     --> main.ron:3:17
      |
    3 |     include: ["a.ron"],
      |                 ^^^^
      |
      = help: Numbers look like `10`, `1_000`, `0xff`, `-0.5` or `2e-3`.

    error: This text is never closed.
     --> main.ron:3:21
      |
    3 |     include: ["a.ron"],
      |                     ^^^
      |
      = help: End it with a quote.
    "#);
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
    assert_snapshot!(case.faults(), @r#"
    error: The character `“` has no meaning here.
     --> main.ron:3:29
      |
    3 |     "images": Images(title: “images”, classes: 1.2.3),
      |                             ^
      |
      = help: A text stands in straight quotes: "…".

    error: The character `”` has no meaning here.
     --> main.ron:3:36
      |
    3 |     "images": Images(title: “images”, classes: 1.2.3),
      |                                    ^
      |
      = help: A text stands in straight quotes: "…".

    error: `1.2.3` is not a number.
     --> main.ron:3:48
      |
    3 |     "images": Images(title: “images”, classes: 1.2.3),
      |                                                ^^^^^
      |
      = help: Numbers look like `10`, `1_000`, `0xff`, `-0.5` or `2e-3`.

    error: `\\q` is not an escape.
     --> main.ron:4:28
      |
    4 |     "more": Images(title: "\q", classes: 99999999999999999999),
      |                            ^^
      |
      = help: The escapes are \" \' \\ \n \r \t \0 \x41 \u{e9}; r"…" has none.

    error: This integer has more than 63 bits.
     --> main.ron:4:42
      |
    4 |     "more": Images(title: "\q", classes: 99999999999999999999),
      |                                          ^^^^^^^^^^^^^^^^^^^^
      |
      = help: Write a smaller one, or a number with a point.

    error: The character `#` has no meaning here.
     --> main.ron:5:5
      |
    5 |     # a remark
      |     ^
      |
      = help: A comment starts with `//`.

    error: This is not a character.
     --> main.ron:6:26
      |
    6 |     "tool": Tool(script: 'two.py', inputs: @),
      |                          ^^
      |
      = help: A text stands in double quotes: "…".

    error: The character `@` has no meaning here.
     --> main.ron:6:44
      |
    6 |     "tool": Tool(script: 'two.py', inputs: @),
      |                                            ^
      |
      = help: Remove it.
    "#);
}

#[test]
fn names_in_the_wrong_clothes() {
    let case = Case::stages(
        r#"
    "train": Train("data": "images", steps 10),
    "table": Table(from: ["x"], labels: { a: "b" }, { "c": "d" }),"#,
    );
    assert_snapshot!(case.faults(), @r#"
    error: Expected a name in quotes, found the word `images`.
     --> main.ron:3:5
      |
    3 |     images: Images(),
      |     ^^^^^^
      |
      = help: Write `stages: { … }` with entries like `"train": Train(…)`.

    error: Expected `,` or `)`, found `:`.
     --> main.ron:4:26
      |
    4 |     "train": Train("data": "images", steps 10),
      |                          ^
      |
      = help: Names of fields stand without quotes; a map is written `{…}`.

    error: Expected `,` or `)`, found `10`.
     --> main.ron:4:44
      |
    4 |     "train": Train("data": "images", steps 10),
      |                                            ^^
      |
      = help: Items are separated by `,`.

    error: Expected the name of a field, found `{`.
     --> main.ron:5:53
      |
    5 |     "table": Table(from: ["x"], labels: { a: "b" }, { "c": "d" }),
      |                                                     ^
      |
      = help: Every value in this structure needs a name: `name: value`.
    "#);
}

#[test]
fn an_empty_file_and_one_with_too_much() {
    assert_snapshot!(Case::new("").faults(), @r"
    error: Expected a value, found the end.
     --> main.ron:1:1
      |
    1 |
      | ^
      |
      = help: A value is a number, a text in quotes, `Name(…)`, `(…)`, `[…]` or `{…}`.
    ");
    assert_snapshot!(Case::new("Pipeline(name: \"x\", stages: {}) Pipeline()").faults(), @r#"
    error: Expected the end, found `Pipeline`.
     --> main.ron:1:33
      |
    1 | Pipeline(name: "x", stages: {}) Pipeline()
      |                                 ^^^^^^^^
      |
      = help: A file holds one value; remove what follows it, or check the brackets before.
    "#);
}

#[test]
fn files_of_another_shape() {
    assert_snapshot!(Case::new("Stages(stages: {})").faults(), @r#"
    error: Expected `Pipeline(…)`, found `Stages(…)`.
     --> main.ron:1:1
      |
    1 | Stages(stages: {})
      | ^^^^^^
      |
      = help: A pipeline is written `Pipeline(name: "…", stages: {…})`; `Stages(…)` is for included files.
    "#);
    assert_snapshot!(Case::new("Pipeline(name: \"x\", stages: { images: Images() })").faults(), @"");
    assert_snapshot!(Case::new("[1, 2]").faults(), @r#"
    error: Expected `Pipeline(…)`, found a list.
     --> main.ron:1:1
      |
    1 | [1, 2]
      | ^^^^^^
      |
      = help: A pipeline is written `Pipeline(name: "…", stages: {…})`; `Stages(…)` is for included files.
    "#);
    assert_snapshot!(Case::new("Pipeline(name: \"My Pipeline\", stage: {}, profiles: 5, include: \"x\")").faults(), @r#"
    error: The field `stages` is missing.
     --> main.ron:1:1
      |
    1 | Pipeline(name: "My Pipeline", stage: {}, profiles: 5, include: "x")
      | ^^^^^^^^
      |
      = help: `Pipeline` needs `name`, `stages`.

    error: Expected the name of the pipeline, found the text "My Pipeline".
     --> main.ron:1:16
      |
    1 | Pipeline(name: "My Pipeline", stage: {}, profiles: 5, include: "x")
      |                ^^^^^^^^^^^^^
      |
      = help: A name is a text of small letters, digits, `_` and `-`; results are kept under it.

    error: Unknown field `stage`, did you mean `stages`?
     --> main.ron:1:31
      |
    1 | Pipeline(name: "My Pipeline", stage: {}, profiles: 5, include: "x")
      |                               ^^^^^
      |
      = help: `Pipeline` has the fields `name`, `include`, `stages`, `profiles`.

    error: Expected a map, found the integer 5.
     --> main.ron:1:52
      |
    1 | Pipeline(name: "My Pipeline", stage: {}, profiles: 5, include: "x")
      |                                                    ^
      |
      = help: Write `profiles: { … }` with entries like `"tiny": { "train": (steps: 5) }`.

    error: Expected a list of files, found the text "x".
     --> main.ron:1:64
      |
    1 | Pipeline(name: "My Pipeline", stage: {}, profiles: 5, include: "x")
      |                                                                ^^^
      |
      = help: Write `include: ["../stages/voc2012.ron"]`.
    "#);
    assert_snapshot!(Case::new("Pipeline(name: \"x\", stages: { \"a/b\": Images(), \"\": Images() })").faults(), @r#"
    error: `a/b` cannot be the name of a stage.
     --> main.ron:1:31
      |
    1 | Pipeline(name: "x", stages: { "a/b": Images(), "": Images() })
      |                               ^^^^^
      |
      = help: Use letters, digits, `_`, `-` and `.`, with a letter, a digit or `_` first.

    error: `` cannot be the name of a stage.
     --> main.ron:1:48
      |
    1 | Pipeline(name: "x", stages: { "a/b": Images(), "": Images() })
      |                                                ^^
      |
      = help: Use letters, digits, `_`, `-` and `.`, with a letter, a digit or `_` first.
    "#);
}

#[test]
fn includes_that_fail() {
    let files = [
        ("main.ron", "Pipeline(name: \"x\", include: [\"none.ron\", \"lib/a.ron\", \"other.ron\", 5], stages: {})"),
        ("lib/a.ron", "Stages(\n    include: [\"b.ron\"],\n    stages: { \"x\" Images() },\n)"),
        ("lib/b.ron", "Stages(include: [\"../lib/a.ron\"], stages: {})"),
        ("other.ron", "Pipeline(name: \"y\", stages: {})"),
    ];
    assert_snapshot!(Case::with(&files).faults(), @r#"
    error: Expected `:` after the key, found `Images`.
     --> lib/a.ron:3:19
      |
    3 |     stages: { "x" Images() },
      |                   ^^^^^^
      |
      = help: An entry of a map is written `"key": value`.

    error: The files include each other: lib/a.ron -> lib/b.ron -> lib/a.ron.
     --> lib/b.ron:1:18
      |
    1 | Stages(include: ["../lib/a.ron"], stages: {})
      |                  ^^^^^^^^^^^^^^
      |
      = help: Remove this one, or move what both need into a file of its own.

    error: Could not find `none.ron`: No such file or directory (os error 2).
     --> main.ron:1:31
      |
    1 | Pipeline(name: "x", include: ["none.ron", "lib/a.ron", "other.ron", 5], stages: {})
      |                               ^^^^^^^^^^
      |
      = help: Paths start from the folder of this file. Check the path.

    error: Expected the path of a file in quotes, found the integer 5.
     --> main.ron:1:69
      |
    1 | Pipeline(name: "x", include: ["none.ron", "lib/a.ron", "other.ron", 5], stages: {})
      |                                                                     ^
      |
      = help: Write `"../stages/voc2012.ron"`.

    error: Expected `Stages(…)`, found `Pipeline(…)`.
     --> other.ron:1:1
      |
    1 | Pipeline(name: "y", stages: {})
      | ^^^^^^^^
      |
      = help: An included file is written `Stages(stages: {…})`; a pipeline cannot be included.
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
      = help: Rename one of them; to change an included stage, use a profile.
    "#);
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
    assert_snapshot!(Case::new(main).profile("tiny").faults(), @r#"
    error: There is no stage `image`, did you mean `images`?
     --> main.ron:5:19
      |
    5 |         "tiny": { "image": (classes: 2), "images": (clases: 2, title: 5) },
      |                   ^^^^^^^
      |
      = help: The stages that can be changed here are `images`.

    error: Unknown field `clases`, did you mean `classes`?
     --> main.ron:5:53
      |
    5 |         "tiny": { "image": (classes: 2), "images": (clases: 2, title: 5) },
      |                                                     ^^^^^^
      |
      = help: `Images` has the fields `classes`, `list`, `title`.

    error: Expected a text in quotes, found the integer 5.
     --> main.ron:5:71
      |
    5 |         "tiny": { "image": (classes: 2), "images": (clases: 2, title: 5) },
      |                                                                       ^ value of `title`
      |
      = help: `title`: What the images show.
    "#);
    assert_snapshot!(Case::new(main).profile("mini").faults(), @r#"
    error: Expected a map from stages to changes, found a list.
     --> main.ron:6:17
      |
    6 |         "mini": [1],
      |                 ^^^
      |
      = help: A profile says what changes in which stage: `{ "train": (steps: 5) }`.
    "#);
    assert_snapshot!(Case::new(main).profile("list").faults(), @r#"
    error: Expected the name of a stage in quotes, found the word `images`.
     --> main.ron:7:19
      |
    7 |         "list": { images: 5 },
      |                   ^^^^^^
      |
      = help: A profile says what changes in which stage: `{ "train": (steps: 5) }`.
    "#);
    assert_snapshot!(Case::new(main).profile("tinny").faults(), @r"
    error: There is no profile `tinny`, did you mean `tiny`?
     --> --profile:1:1
      |
    1 | tinny
      | ^^^^^
      |
      = help: The profiles of this pipeline are `list`, `mini`, `tiny`.
    ");
}

#[test]
fn an_included_profile_changes_only_what_its_file_sees() {
    let main = "Pipeline(name: \"x\", include: [\"a.ron\"], stages: { \"table\": Images() })";
    let lib = "Stages(stages: { \"images\": Images() }, profiles: { \"tiny\": { \"table\": (classes: 2) } })";
    assert_snapshot!(Case::with(&[("main.ron", main), ("a.ron", lib)]).profile("tiny").faults(), @r#"
    error: There is no stage `table`.
     --> a.ron:1:62
      |
    1 | Stages(stages: { "images": Images() }, profiles: { "tiny": { "table": (classes: 2) } })
      |                                                              ^^^^^^^
      |
      = help: The stages that can be changed here are `images`.
    "#);
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
    assert_snapshot!(case.faults(), @r#"
    error: Expected a text in quotes, found the word `photographs`.
     --> --set 'images.title=photographs':1:14
      |
    1 | images.title=photographs
      |              ^^^^^^^^^^^ value of `title`
      |
      = help: Put it in quotes: `"photographs"`.

    error: The pipeline does not state `title`, so no part of it can be set.
     --> --set 'images.title["a"]=5':1:15
      |
    1 | images.title["a"]=5
      |               ^
      |
      = help: Set it as a whole.

    error: There is no stage kind `Scores`, did you mean `Score`?
     --> --set 'score=Scores()':1:7
      |
    1 | score=Scores()
      |       ^^^^^^
      |
      = help: The kinds are `Images`, `Score`, `Table`, `Tool`, `Train`.

    error: Expected a list, each item one of `Markdown`, `Csv`, found a structure without a name.
     --> --set 'table.formats.x=5':1:15
      |
    1 | table.formats.x=5
      |               ^ value of `formats`
      |
      = help: `formats`: How to write it.

    error: There is no item 7: there are 2, counted from 0.
     --> --set 'table.from[7]="score"':1:12
      |
    1 | table.from[7]="score"
      |            ^
      |
      = help: To add items, set the list as a whole.

    error: Expected the name of a field, found `.`.
     --> --set 'train..steps=5':1:7
      |
    1 | train..steps=5
      |       ^
      |
      = help: Write `--set stage.field=VALUE`, as `train.steps=50`, `train.crop[0]=64` or `train=Train(…)`.

    error: This bracket is never closed.
     --> --set 'train.augment=(mirror: 1':1:15
      |
    1 | train.augment=(mirror: 1
      |               ^ opened here
      |
      = help: Close it with `)`.

    error: The pipeline does not state `crop`, so no part of it can be set.
     --> --set 'train.crop[0]=5':1:12
      |
    1 | train.crop[0]=5
      |            ^
      |
      = help: Set it as a whole.

    error: Expected a value, found the end.
     --> --set 'train.optimizer.lr=':1:20
      |
    1 | train.optimizer.lr=
      |                    ^
      |
      = help: A value is a number, a text in quotes, `Name(…)`, `(…)`, `[…]` or `{…}`.

    error: Expected `.`, `[` or `=`, found the end.
     --> --set 'train.steps':1:12
      |
    1 | train.steps
      |            ^
      |
      = help: Write `--set stage.field=VALUE`, as `train.steps=50`, `train.crop[0]=64` or `train=Train(…)`.

    error: Expected an integer from 1 to 4294967295, found the word `x`.
     --> --set 'train.steps=x':1:13
      |
    1 | train.steps=x
      |             ^ value of `steps`
      |
      = help: `steps` (in updates): Updates in an iteration.

    error: Unknown field `stepz`, did you mean `steps`?
     --> --set 'train.stepz=5':1:7
      |
    1 | train.stepz=5
      |       ^^^^^
      |
      = help: `Train` has the fields `data`, `weights`, `iterations`, `steps`, `crop`, `optimizer`, `augment`, `warmup`, `seed`.

    error: There is no stage `trian`, did you mean `train`?
     --> --set 'trian.steps=5':1:1
      |
    1 | trian.steps=5
      | ^^^^^
      |
      = help: The stages that can be changed here are `images`, `score`, `table`, `train`.
    "#);
}

#[test]
fn a_file_that_cannot_be_read() {
    let mut case = Case::stages(WHOLE);
    case.request.file.set_file_name("nothing.ron");
    assert_snapshot!(case.faults(), @r"
    error: Could not find `nothing.ron`: No such file or directory (os error 2).
     |
     = help: Check the path.
    ");
}
