//! What is said of files and includes.

use insta::assert_snapshot;

use crate::pipeline::testing::{Case, WHOLE};

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
    assert_snapshot!(Case::new("Pipeline(name: \"x\", stages: { images: Images() })").faults(), @r#"
    error: Expected a name in quotes, found the word `images`.
     --> main.ron:1:31
      |
    1 | Pipeline(name: "x", stages: { images: Images() })
      |                               ^^^^^^
      |
      = help: Write `stages: { … }` with entries like `"train": Train(…)`.
    "#);
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
      = help: `Pipeline` has the fields `name`, `include`, `matrix`, `stages`, `profiles`.

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
fn a_file_that_cannot_be_read() {
    let mut case = Case::stages(WHOLE);
    case.request.file.set_file_name("nothing.ron");
    assert_snapshot!(case.faults(), @r"
    error: Could not find `nothing.ron`: No such file or directory (os error 2).
     |
     = help: Check the path.
    ");
}
