//! What is said of text that cannot be read.

use insta::assert_snapshot;

use crate::pipeline::testing::Case;

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
     --> main.ron:3:21
      |
    1 | Pipeline(name: "test", stages: {
      |         - still open as well   - still open as well
    2 |
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
    assert_snapshot!(Case::new("Pipeline(\n    name: \"x\",\n    stages: {\n").faults(), @r#"
    error: This bracket is never closed.
     --> main.ron:3:13
      |
    1 | Pipeline(
      |         - still open as well
    2 |     name: "x",
    3 |     stages: {
      |             ^ opened here
      |
      = help: Close it with `}`.
    "#);
}

#[test]
fn a_quote_that_is_missing() {
    let case = Case::new("Pipeline(\n    name: \"x,\n    include: [\"a.ron\"],\n    stages: {},\n)");
    assert_snapshot!(case.faults(), @r#"
    error: This bracket is never closed.
     --> main.ron:1:9
      |
    1 | Pipeline(
      |         ^ opened here
      |
      = help: Close it with `)`.

    error: Expected `,` or `)`, found `a`.
     --> main.ron:3:16
      |
    2 |     name: "x,
      |           - this text goes over several lines; is its closing quote missing?
    3 |     include: ["a.ron"],
      |                ^
      |
      = help: Items are separated by `,`.

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

    error: `\q` is not an escape.
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
    error: Expected `,` or `)`, found `:`.
     --> main.ron:3:26
      |
    3 |     "train": Train("data": "images", steps 10),
      |                          ^
      |
      = help: Names of fields stand without quotes; a map is written `{…}`.

    error: Expected `,` or `)`, found `10`.
     --> main.ron:3:44
      |
    3 |     "train": Train("data": "images", steps 10),
      |                                            ^^
      |
      = help: Items are separated by `,`.

    error: Expected the name of a field, found `{`.
     --> main.ron:4:53
      |
    4 |     "table": Table(from: ["x"], labels: { a: "b" }, { "c": "d" }),
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
    error: Expected the end of the text, found `Pipeline`.
     --> main.ron:1:33
      |
    1 | Pipeline(name: "x", stages: {}) Pipeline()
      |                                 ^^^^^^^^
      |
      = help: A file holds one value; remove what follows it, or check the brackets before.
    "#);
}
