//! What is said of a matrix.

use insta::assert_snapshot;

use crate::pipeline::testing::Case;

const STAGES: &str = r#"stages: {
    "images": Images(),
    "unused": Images(),
    "train": Train(data: "images", steps: 10),
    "score": Score(model: "train", data: "images"),
    "table": Table(from: ["score"]),
}"#;

/// The faults of a matrix, each on a line of its own.
fn told(matrix: &str) -> String {
    let faults = Case::new(&format!("Pipeline(name: \"x\",\nmatrix: {matrix},\n{STAGES})")).load().unwrap_err();
    let at = |text: &str| text.chars().take(24).collect::<String>();
    let lines = faults.faults.iter().map(|fault| {
        let span = fault.span.as_ref().map_or("", |span| &span.text.content[span.start..span.end]);
        format!("{} <- {}\n    {} {}", matrix, at(span), fault.message, fault.hint)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn axes_that_cannot_be() {
    let matrices = [
        "5",
        "()",
        "(axis: {}, axes: {})",
        "(axes: [1])",
        r#"(axes: {"a b": (set: "train.seed", values: [1])})"#,
        r#"(axes: {"a": (values: [1])})"#,
        r#"(axes: {"a": (set: "train.seed", value: [1], values: [])})"#,
        r#"(axes: {"a": (set: "train", values: [1])})"#,
        r#"(axes: {"a": (set: ["trian.seed", 5], values: [1])})"#,
        r#"(axes: {"a": (set: "train.seed", values: [1, 2, 1.0])})"#,
        r#"(axes: {"a": (set: "images.title", values: ["a/b", "A b"])})"#,
        r#"(axes: {"a": (set: "images.title", values: ["a]"])})"#,
        r#"(axes: {"a": (set: "train.optimizer", values: [Adam()]), "b": (set: "train.optimizer.lr", values: [1]) })"#,
        r#"(axes: {"a": (set: ["train.seed", "train.seed"], values: [1])})"#,
    ];
    assert_snapshot!(matrices.map(told).join("\n"), @r#"
    5 <- 5
        Expected a structure with the fields `axes`, `zip`, `exclude`, `include`, found the integer 5. Write `matrix: (axes: {"seed": (set: ["train.seed"], values: [1, 2, 3])})`.
    () <- ()
        The field `axes` is missing. Write `matrix: (axes: {"seed": (set: ["train.seed"], values: [1, 2, 3])})`.
    (axis: {}, axes: {}) <- axis
        Unknown field `axis`, did you mean `axes`? The matrix has the fields `axes`, `zip`, `exclude`, `include`.
    (axes: [1]) <- [1]
        Expected a map from the names of axes, found a list. Write `matrix: (axes: {"seed": (set: ["train.seed"], values: [1, 2, 3])})`.
    (axes: {"a b": (set: "train.seed", values: [1])}) <- "a b"
        `a b` cannot be the name of an axis. Use letters, digits, `_` and `-`.
    (axes: {"a": (values: [1])}) <- "a"
        The axis `a` needs `set` and `values`. Write `matrix: (axes: {"seed": (set: ["train.seed"], values: [1, 2, 3])})`.
    (axes: {"a": (set: "train.seed", value: [1], values: [])}) <- value
        Unknown field `value`, did you mean `values`? An axis has the fields `set`, `values`.
    (axes: {"a": (set: "train.seed", value: [1], values: [])}) <- []
        Expected a list with at least one value, found an empty list. Write `values: [1, 2, 3]`, or with labels of your own `values: {"low": 1e-3, "high": 1e-2}`.
    (axes: {"a": (set: "train", values: [1])}) <- "train"
        Expected the path of a field in quotes, found the text "train". Write the stage and the field: `set: ["train.model.prefilter"]`.
    (axes: {"a": (set: ["trian.seed", 5], values: [1])}) <- "trian.seed"
        There is no stage `trian`, did you mean `train`? The stages that can be changed here are `images`, `score`, `table`, `train`, `unused`.
    (axes: {"a": (set: ["trian.seed", 5], values: [1])}) <- 5
        Expected the path of a field in quotes, found the integer 5. Write the stage and the field: `set: ["train.model.prefilter"]`.
    (axes: {"a": (set: "train.seed", values: [1, 2, 1.0])}) <- 1.0
        The labels `1` and `1.0` are too much alike: they would share a folder. Give the value a label of your own: `values: {"label": value}`.
    (axes: {"a": (set: "images.title", values: ["a/b", "A b"])}) <- "A b"
        The labels `a/b` and `A b` are too much alike: they would share a folder. Give the value a label of your own: `values: {"label": value}`.
    (axes: {"a": (set: "images.title", values: ["a]"])}) <- "a]"
        `a]` cannot be a label: references and folders cannot hold it. Give the value a label of your own: `values: {"label": value}`.
    (axes: {"a": (set: "train.optimizer", values: [Adam()]), "b": (set: "train.optimizer.lr", values: [1]) }) <- "train.optimizer.lr"
        The axes `a` and `b` both set this field, or one of them a part of it. Let one axis set it: the value of the other would have no effect.
    (axes: {"a": (set: ["train.seed", "train.seed"], values: [1])}) <- "train.seed"
        The axis `a` sets this field, or a part of it, twice. Name it once.
    "#);
}

#[test]
fn values_that_do_not_fit() {
    let matrices = [
        r#"(axes: {"a": (set: "train.sed", values: [1, 2])})"#,
        r#"(axes: {"a": (set: "train.seed", values: [1, -2, Adam])})"#,
        r#"(axes: {"a": (set: "train.optimizer", values: {"one": Adam(lr: -1), "two": Adma})})"#,
        r#"(axes: {"a": (set: "train.data", values: ["images", "imags"])})"#,
    ];
    assert_snapshot!(matrices.map(told).join("\n"), @r#"
    (axes: {"a": (set: "train.sed", values: [1, 2])}) <- "train.sed"
        Unknown field `sed`, did you mean `seed`? `Train` has the fields `data`, `weights`, `iterations`, `steps`, `crop`, `optimizer`, `augment`, `warmup`, `seed`.
    (axes: {"a": (set: "train.seed", values: [1, -2, Adam])}) <- -2
        Expected an integer of at least 0, found the integer -2. `seed`: Seed of all draws.
    (axes: {"a": (set: "train.seed", values: [1, -2, Adam])}) <- Adam
        Expected an integer of at least 0, found the word `Adam`. `seed`: Seed of all draws.
    (axes: {"a": (set: "train.optimizer", values: {"one": Adam(lr: -1), "two": Adma})}) <- -1
        Expected a finite number above 0, found the integer -1. `lr`: The learning rate.
    (axes: {"a": (set: "train.optimizer", values: {"one": Adam(lr: -1), "two": Adma})}) <- Adma
        There is no `Optimizer` called `Adma`, did you mean `Adam`? Expected one of `Sgd`, `Adam`, `Frozen`.
    (axes: {"a": (set: "train.data", values: ["images", "imags"])}) <- "imags"
        There is no stage `imags`, did you mean `images`? The stages that yield dataset are `images`, `unused`.
    "#);
}

#[test]
fn cells_that_cannot_be() {
    let axes = r#"(axes: {"a": (set: "train.seed", values: [1, 2]), "b": (set: "train.steps", values: [1, 2, 3])}"#;
    let matrices = [
        r#"zip: [["a", "b"]]"#,
        r#"zip: [["a", "c"]]"#,
        r#"zip: ["a"]"#,
        r#"exclude: [{"a": 3}]"#,
        r#"exclude: [{"a": 1}, {"a": 1, "b": 2}]"#,
        r#"exclude: [{}]"#,
        r#"include: [{"a": 7}]"#,
        r#"include: [{"a": 1, "b": 2.0}]"#,
    ];
    let rest = |told: String| told.replace(axes, "");
    assert_snapshot!(matrices.map(|more| rest(told(&format!("{axes}, {more})")))).join("\n"), @r#"
    , zip: [["a", "b"]]) <- "b"
        `b` has 3 values, but `a` has 2. Axes that advance together need as many values as each other.
    , zip: [["a", "c"]]) <- "c"
        There is no axis `c`, did you mean `a`? The axes are `a`, `b`.
    , zip: ["a"]) <- "a"
        Expected a list of axes, found the text "a". Write `matrix: (axes: {"seed": (set: ["train.seed"], values: [1, 2, 3])})`.
    , exclude: [{"a": 3}]) <- 3
        `a` has no value `3`. Its values are `1`, `2`.
    , exclude: [{"a": 1}, {"a": 1, "b": 2}]) <- {"a": 1, "b": 2}
        No cell of the matrix is like this. Remove it, or correct it.
    , exclude: [{}]) <- (axes: {"a": (set: "trai
        The matrix has no cell left. Exclude less.
    , include: [{"a": 7}]) <- {"a": 7}
        The axis `b` is missing. An included cell states a value of each axis.
    , include: [{"a": 1, "b": 2.0}]) <- {"a": 1, "b": 2.0}
        The matrix has this cell already. Remove it here.
    "#);
    let many = (0..101).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let axis = |name: &str| format!("\"{name}\": (set: \"train.{name}\", values: [{many}])");
    let told = told(&format!("(axes: {{{}, {}}})", axis("seed"), axis("warmup")));
    assert!(
        told.ends_with("The matrix has more than 10000 cells. Cross fewer values, or zip axes that belong together.")
    );
}

#[test]
fn references_to_cells_that_are_not_there() {
    let text = r#"Pipeline(
    name: "x",
    matrix: (
        axes: {
            "rate": (set: "train.optimizer.lr", values: [0.1, 0.2]),
            "seed": (set: "train.seed", values: [1, 2]),
            "title": (set: "unused.title", values: ["a", "b"]),
        },
        exclude: [{"rate": 0.2, "seed": 2}],
    ),
    include: ["lib.ron"],
    stages: {
        "images": Images(),
        "train": Train(data: "images[seed=1]", steps: 10),
        "a": Score(model: "train[sed=1]", data: "images"),
        "b": Score(model: "train[seed=2]", data: "images"),
        "c": Score(model: "train[seed=1,rate=0.3]", data: "images"),
        "d": Score(model: "train[seed=1][2]", data: "images"),
        "e": Table(from: ["d[seed=2]", "d[rate=]"]),
    },
)"#;
    let lib = r#"Stages(stages: { "unused": Images() })"#;
    assert_snapshot!(Case::with(&[("main.ron", text), ("lib.ron", lib)]).faults(), @r#"
    error: The axis `title` changes nothing that this pipeline runs.
     --> main.ron:7:13
      |
    7 |             "title": (set: "unused.title", values: ["a", "b"]),
      |             ^^^^^^^
      |
      = help: Set a stage of the pipeline, or one it needs.

    error: `images` has no axis `seed`.
      --> main.ron:14:30
       |
    14 |         "train": Train(data: "images[seed=1]", steps: 10),
       |                              ^^^^^^^^^^^^^^^^
       |
       = help: `images` is the same in all cells; write its name alone.

    error: `train` has no axis `sed`, did you mean `seed`?
      --> main.ron:15:27
       |
    15 |         "a": Score(model: "train[sed=1]", data: "images"),
       |                           ^^^^^^^^^^^^^^
       |
       = help: Its axes are `rate`, `seed`.

    error: The matrix has no cell `train[rate=0.2,seed=2]`.
      --> main.ron:16:27
       |
    16 |         "b": Score(model: "train[seed=2]", data: "images"),
       |                           ^^^^^^^^^^^^^^^
       |
       = help: The cells are `train[rate=0.1,seed=1]`, `train[rate=0.1,seed=2]`, `train[rate=0.2,seed=1]`.

    error: `train` has no cell with `rate=0.3`.
      --> main.ron:17:27
       |
    17 |         "c": Score(model: "train[seed=1,rate=0.3]", data: "images"),
       |                           ^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: The values of `rate` are `0.1`, `0.2`.

    error: `d` has no axis `seed`.
      --> main.ron:19:27
       |
    19 |         "e": Table(from: ["d[seed=2]", "d[rate=]"]),
       |                           ^^^^^^^^^^^
       |
       = help: Its axes are `rate`.

    error: `rate=` in `[rate=]` is not a cell; write `[axis=value]`.
      --> main.ron:19:40
       |
    19 |         "e": Table(from: ["d[seed=2]", "d[rate=]"]),
       |                                        ^^^^^^^^^^
       |
       = help: A reference is the name of a stage, as `"train"`, `"train[3]"` or `"run:latest/train"`.
    "#);
}

#[test]
fn changes_of_the_matrix() {
    let text = format!(
        r#"Pipeline(name: "x", matrix: (axes: {{"seed": (set: ["train.seed", "train.optimizer.lr"], values: [1, 2])}}), {STAGES},
    profiles: {{ "tiny": {{ "matrix": (axes: {{"sed": (values: [1])}}) }} }})"#
    );
    assert_snapshot!(Case::new(&text).profile("tiny").faults(), @r#"
    error: The axis `sed` needs `set` and `values`.
     --> main.ron:8:45
      |
    8 |     profiles: { "tiny": { "matrix": (axes: {"sed": (values: [1])}) } })
      |                                             ^^^^^
      |
      = help: Write `matrix: (axes: {"seed": (set: ["train.seed"], values: [1, 2, 3])})`.
    "#);
    let set = |argument: &str| Case::new(&text).set(argument).faults();
    assert_snapshot!(set("train.optimizer.lr=0.5"), @r"
    error: The axis `seed` sets this field in each cell, so `--set` has no effect.
     --> --set 'train.optimizer.lr=0.5':1:1
      |
    1 | train.optimizer.lr=0.5
      | ^^^^^
      |
      = help: Change the axis: `--set 'matrix.axes.seed.values=[…]'`.
    ");
    assert_snapshot!(set("matrix.axes.seed.values=[]"), @r#"
    error: Expected a list with at least one value, found an empty list.
     --> --set 'matrix.axes.seed.values=[]':1:25
      |
    1 | matrix.axes.seed.values=[]
      |                         ^^
      |
      = help: Write `values: [1, 2, 3]`, or with labels of your own `values: {"low": 1e-3, "high": 1e-2}`.
    "#);
    assert_snapshot!(Case::stages("\"matrix\": Images()").faults(), @r#"
    error: `matrix` cannot be the name of a stage.
     --> main.ron:2:1
      |
    2 | "matrix": Images()
      | ^^^^^^^^
      |
      = help: Profiles and `--set` change the matrix by that name.
    "#);
}
