//! What is said of fields and values.

use insta::assert_snapshot;

use crate::pipeline::testing::Case;

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

    error: There is no `Optimizer` called `sgd`, did you mean `Sgd`?
     --> main.ron:4:58
      |
    4 |     "train": Train(data: "images", steps: 10, optimizer: sgd(lr: 2e-3)),
      |                                                          ^^^
      |
      = help: Expected one of `Sgd`, `Adam`, `Frozen`.

    error: There is no `Format` called `Latex`.
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

    error: Expected a list with at least one item, each the name of a stage that yields metrics, found an empty list.
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

    error: Expected one of `Sgd`, `Adam`, `Frozen`, found `Sgd(…)` without names of fields.
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

    error: Expected a list with at least one item, each the name of a stage that yields metrics, found the text "more".
     --> main.ron:6:26
      |
    6 |     "table": Table(from: "more", formats: (Csv, Markdown), labels: ["a"]),
      |                          ^^^^^^ value of `from`
      |
      = help: `from`: The figures.

    error: Expected a list, each one of `Markdown`, `Csv`, found a tuple of 2 items.
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
