//! Pipelines that are larger, longer or deeper than their limits: one clear fault each, in few words.

use insta::assert_snapshot;

use super::limits;
use super::testing::Case;
use crate::syntax::limits::{COLUMNS, FAULTS, MESSAGES, NAME, TEXT};

/// What is said of a pipeline, which must have faults; it fits a screen's width and has its bound.
fn said(case: &Case) -> String {
    let faults = case.load().expect_err("no fault was found");
    assert!(faults.render(true).len() <= MESSAGES);
    let text = case.faults();
    // Line numbers and the bar stand before a line that is shown.
    for line in text.lines().filter(|line| line.split_once('|').is_some_and(|(n, _)| n.trim().parse::<u32>().is_ok())) {
        assert!(line.chars().count() <= COLUMNS + 10, "{line}");
    }
    text
}

fn file(content: &str) -> String {
    said(&Case::new(content))
}

fn stages(content: &str) -> String {
    said(&Case::stages(content))
}

fn repeated(n: usize, part: impl Fn(usize) -> String) -> String {
    (0..n).map(part).collect()
}

/// Images in the cells of a matrix.
fn matrix(matrix: &str, stage: &str) -> String {
    file(&format!("Pipeline(name: \"x\", matrix: ({matrix}), stages: {{{stage}}})"))
}

#[test]
fn of_many_faults_few_are_told() {
    let n = 3000;
    let bad = repeated(n, |k| format!("f{k}: 1,"));
    let cases = [
        format!("Pipeline(name: \"x\", stages: {{}}, {bad})"),
        format!("Pipeline(name: \"x\", stages: {{\"a\": Images({bad})}})"),
        format!("Pipeline(name: \"x\", stages: {{{}}})", repeated(n, |k| format!("\"a{k}\": Nothing(),"))),
        format!("Pipeline(name: \"x\", stages: {{{}}})", repeated(n, |k| format!("\"a{k}\": {k},"))),
        format!("Pipeline(name: \"x\", stages: {{{}}})", repeated(n, |k| format!("{k}: Images(),"))),
        format!("Pipeline(name: \"x\", stages: {{{}}})", repeated(n, |k| format!("\"-{k}\": Images(),"))),
        format!(
            "Pipeline(name: \"x\", stages: {{{}}})",
            repeated(n, |k| format!("\"a{k}\": Table(from: [\"b{k}\", \"a{k}\"]),"))
        ),
        format!("Pipeline(name: \"x\", stages: {{\"a\": Table(from: [{}])}})", "1,".repeat(n)),
        format!("Pipeline(name: \"x\", stages: {{\"a\": Images()}}, include: [{}])", "1,".repeat(n)),
        format!(
            "Pipeline(name: \"x\", stages: {{\"a\": Images()}}, matrix: (axes: {{\"s\": (set: [\"a.classes\"], values: [{}])}}))",
            "3,".repeat(n)
        ),
        format!("Pipeline(name: \"x\", stages: {{\"a\": Images()}}, matrix: (axes: {{}}, {bad}))"),
        format!("({})", "a: 1,".repeat(n)),
        format!("{{{}}}", "\"a\": 1,".repeat(n)),
        "@ ".repeat(n),
        "[)".repeat(n),
        "1 ".repeat(n),
        "'ab' ".repeat(n),
        format!("\"{}\"", "\\q".repeat(n)),
        "#![enable(\n".repeat(n),
    ];
    for case in cases {
        let text = file(&case);
        assert!(text.matches("error: ").count() <= FAULTS, "{text}");
    }
    let text = file(&format!("Pipeline(name: \"x\", stages: {{}}, {bad})"));
    assert!(text.ends_with("There are faults in 2980 more places. They are shown once these are corrected."), "{text}");
}

#[test]
fn however_deep_brackets_go_one_fault_is_told() {
    let deep = ["[", "(a: ", "(", "Some(", "{\"a\": ", "A(b: [", "[{1: (", "\"a\": ["];
    for open in deep {
        let text = file(&open.repeat(200_000));
        assert!(text.matches("error: ").count() <= 2, "{text}");
        let wanted = if open.starts_with('"') { "Expected" } else { "Brackets are nested deeper than 128 levels." };
        assert!(text.contains(wanted), "{open}: {text}");
    }
    assert!(file(&"/* ".repeat(200_000)).contains("This comment is never closed."));
    let set = format!("a{}=1", ".b".repeat(200_000));
    assert!(said(&Case::stages("\"a\": Images()").set(&set)).contains("Expected `=`"));
}

#[test]
fn a_long_line_is_cut_around_its_place() {
    let many = |letter: char| repeated(20_000, |k| format!("\"{letter}{k}\": Images(), "));
    let (before, behind) = (many('a'), many('c'));
    let text = stages(&format!("{before}\"b\": Imagse(), {behind}"));
    assert_snapshot!(text, @r#"
    error: There is no stage kind `Imagse`, did you mean `Images`?
     --> main.ron:2:388896
      |
    2 | …8": Images(), "a19999": Images(), "b": Imagse(), "c0": Images(), "c1": Images(), "c2": Images(), "c3": Images(), "c4":…
      |                                         ^^^^^^
      |
      = help: The kinds are `Images`, `Score`, `Table`, `Tool`, `Train`.
    "#);
    // Of two places on one long line, each is shown with what is around it.
    let text = stages(&format!("{before}\"a0\": Images(), {behind}"));
    for part in [
        " --> main.ron:2:388891\n",
        " ::: main.ron:2:1\n",
        "^^^^ again\n",
        "---- first stated here\n",
        "2 | \"a0\": Images(), \"a1\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Wide characters take two columns, control characters one, and neither can move the cursor.
    let wide = "「".repeat(5000);
    let text = stages(&format!("/* {wide} \u{1b}[2J\r */ \"b\": Imagse() /* {wide} */"));
    assert!(text.contains("Imagse") && !text.contains('\u{1b}') && text.chars().filter(|c| *c == '「').count() < 200);
}

#[test]
fn long_names_and_texts_are_refused_and_cut() {
    let long = "n".repeat(100_000);
    for case in [
        format!("\"{long}\": Images()"),
        format!("\"a\": Images({long}: 1)"),
        format!("\"a\": {long}()"),
        format!("\"a\": Table(from: [\"{long}\"])"),
        format!("\"a\": Images(classes: {long})"),
        format!("\"a\": Images(classes: \"{long}\")"),
        format!("\"a\": Images(classes: {})", "9".repeat(100_000)),
        format!("\"a\": Images(classes: '{long}')"),
        format!("\"a\": Images() {long}"),
        format!("\"a\": Images(\"{long}\": 1)"),
    ] {
        let text = stages(&case);
        assert!(text.len() < 2500, "{} bytes: {text}", text.len());
    }
    let name = "n".repeat(NAME + 1);
    assert!(stages(&format!("\"{name}\": Images()")).contains("has more than 255 characters."));
    let text = stages(&format!("\"a\": Images(title: \"{}\")", "x".repeat(TEXT + 1)));
    assert!(text.contains("This text has more than 1048576 bytes."), "{text}");
    let profile = Case::stages("\"a\": Images()").profile(&long);
    assert!(said(&profile).len() < 2000);
    let set = Case::stages("\"a\": Images()").set(&format!("{long}.x=1"));
    assert!(said(&set).contains("This name has more than 255 characters."));
}

#[test]
fn a_matrix_has_so_many_axes_places_and_cells() {
    let images = "\"a\": Images(classes: 3, title: \"t\")";
    let values = |n: usize| repeated(n, |k| format!("{k},"));
    let text = matrix(
        &format!(
            "axes: {{\"s\": (set: [\"a.classes\"], values: [{}]), \"t\": (set: [\"a.title\"], values: [{}])}}",
            values(101),
            values(100)
        ),
        images,
    );
    assert!(text.contains("The matrix has more than 10000 cells."), "{text}");
    // The product of many axes is more than a machine can count.
    let axes = repeated(80, |k| format!("\"x{k}\": (set: [\"a.f{k}\"], values: [1, 2]),"));
    assert!(matrix(&format!("axes: {{{axes}}}"), images).contains("The matrix has more than 10000 cells."));
    let axes = repeated(101, |k| format!("\"x{k}\": (set: [\"a.f{k}\"], values: [1]),"));
    assert!(matrix(&format!("axes: {{{axes}}}"), images).contains("The matrix has more than 100 axes."));
    let places = repeated(1001, |k| format!("\"a.f{k}\","));
    let text = matrix(&format!("axes: {{\"x\": (set: [{places}], values: [1])}}"), images);
    assert!(text.contains("The axes set more than 1000 fields."), "{text}");
    let cells = repeated(10_000, |k| format!("{{\"x\": {}}},", k + 1));
    let text = matrix(&format!("axes: {{\"x\": (set: [\"a.classes\"], values: [0])}}, include: [{cells}]"), images);
    assert!(text.contains("The matrix has more than 10000 cells."), "{text}");
}

#[test]
fn stages_nodes_values_and_inputs_are_counted_before_they_are_made() {
    let text = stages(&repeated(limits::STAGES + 1, |k| format!("\"a{k}\": Images,")));
    assert!(text.contains("The pipeline states more than 100000 stages."), "{text}");
    let train =
        |iterations: u32| format!("\"a\": Images(), \"t\": Train(data: \"a\", steps: 1, iterations: {iterations}),");
    for iterations in [100_001, u32::MAX] {
        let text = stages(&train(iterations));
        assert!(text.contains("With this stage, the pipeline has more than 100000 nodes."), "{text}");
    }
    let scores = repeated(10, |k| format!("\"s{k}\": Score(model: \"t\", data: \"a\", every_iteration: true),"));
    let text = stages(&format!("{}{scores}", train(10_000)));
    assert!(text.contains("With this stage, the pipeline has more than 100000 nodes."), "{text}");
    let tables = repeated(60, |k| format!("\"t{k}\": Table(from: [\"s\", \"s\"]),"));
    let score = "\"s\": Score(model: \"t\", data: \"a\", every_iteration: true),";
    let text = stages(&format!("{}{score}{tables}", train(10_000)));
    assert!(text.contains("With this stage, the pipeline has more than 1000000 inputs of its nodes."), "{text}");
    // A large stage in many cells.
    let values = repeated(9000, |k| format!("\"{k}\","));
    let entries = repeated(1000, |k| format!("\"k{k}\": \"x\","));
    let text = matrix(
        &format!("axes: {{\"x\": (set: [\"t.labels[\\\"k1\\\"]\"], values: [{values}])}}"),
        &format!(
            "\"a\": Images(), \"m\": Train(data: \"a\", steps: 1), \"s\": Score(model: \"m\", data: \"a\"), \
             \"t\": Table(from: [\"s\"], labels: {{{entries}}})"
        ),
    );
    assert!(text.contains("has more than 2500000 values in its stages, over all cells."), "{text}");
}

#[test]
fn includes_are_so_many_and_so_deep() {
    let main = "Pipeline(name: \"x\", include: [\"f0.ron\"], stages: {\"a\": Images()})".to_owned();
    let mut files = vec![("main.ron".to_owned(), main)];
    files.extend((0..100).map(|k| (format!("f{k}.ron"), format!("Stages(include: [\"f{}.ron\"])", k + 1))));
    files.push(("f100.ron".to_owned(), "Stages()".to_owned()));
    let borrowed: Vec<(&str, &str)> = files.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    let text = said(&Case::with(&borrowed));
    assert!(text.contains("More than 64 files include each other, one below the other."), "{text}");
    let many = format!("Pipeline(name: \"x\", include: [{}], stages: {{\"a\": Images()}})", "\"f.ron\",".repeat(1001));
    let text = said(&Case::with(&[("main.ron", &many), ("f.ron", "Stages()")]));
    assert!(text.contains("The pipeline includes more than 1000 files."), "{text}");
    let comment = format!("/*{}*/", " ".repeat(limits::BYTES / 2));
    let main = format!("Pipeline(name: \"x\", include: [\"f.ron\"], stages: {{\"a\": Images()}}) {comment}");
    let text = said(&Case::with(&[("main.ron", &main), ("f.ron", &format!("Stages() {comment}"))]));
    assert!(text.contains("The files of the pipeline have more than 16777216 bytes together."), "{text}");
    let sets = (0..=limits::SETS).fold(Case::stages("\"a\": Images()"), |case, _| case.set("a.classes=3"));
    assert!(said(&sets).contains("There are more than 1000 `--set` arguments."));
}

#[test]
fn circles_of_any_length_and_number_are_told() {
    let table = |from: usize, to: usize| format!("\"t{from}\": Train(data: \"a\", steps: 1, weights: \"t{to}\"),");
    let n = 20_000;
    let text = stages(&format!("\"a\": Images(), {}", repeated(n, |k| table(k, (k + 1) % n))));
    assert!(text.contains("The stages need each other: t0 -> t1 -> ") && text.contains(" -> … -> "), "{text}");
    let text = stages(&format!("\"a\": Images(), {}", repeated(2000, |k| table(k, k ^ 1))));
    assert!(text.matches("error: The stages need each other").count() >= 10, "{text}");
}
