//! What is said of profiles and single changes.

use insta::assert_snapshot;

use crate::pipeline::testing::{Case, WHOLE};

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

    error: Expected a list, each one of `Markdown`, `Csv`, found a structure without a name.
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
