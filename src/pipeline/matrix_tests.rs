//! What a matrix becomes: cells, what they share, and how they are named.

use std::time::{Duration, Instant};

use super::testing::Case;
use super::tests::{inputs, param, recipes};
use super::*;

/// Images, and in each cell a training and its scores; a table over all.
const STAGES: &str = r#"
    "images": Images(classes: 5),
    "train": Train(data: "images", steps: 10, iterations: 2, optimizer: Sgd(lr: 0.5)),
    "score": Score(model: "train", data: "images", every_iteration: true),
    "table": Table(from: ["score"]),
"#;

const AXES: &str = r#"axes: {
    "way": (set: ["train.optimizer"], values: [Adam(), (momentum: 0.5)]),
    "seed": (set: ["train.seed"], values: [10, 2, 3]),
}"#;

fn case(matrix: &str) -> Case {
    Case::new(&format!("Pipeline(name: \"test\", matrix: ({matrix}), stages: {{ {STAGES} }})"))
}

/// The cells of a stage, in the order that a table gathers them in.
fn cells(pipeline: &Pipeline, stage: &str) -> Vec<String> {
    let mut parts: Vec<&Stage> = pipeline.stages.values().filter(|part| part.name.stage == stage).collect();
    parts.sort_by_key(|part| part.nodes[0]);
    parts.iter().map(|part| part.name.cell.values().cloned().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn axes_are_crossed_and_what_cells_share_is_there_once() {
    let pipeline = case(AXES).good();
    let all = ["10 Adam", "2 Adam", "3 Adam", "10 (momentum: 0.5)", "2 (momentum: 0.5)", "3 (momentum: 0.5)"];
    assert_eq!(cells(&pipeline, "train"), all);
    assert_eq!(cells(&pipeline, "score"), all, "what refers to a stage is in its cells");
    assert_eq!((cells(&pipeline, "images").len(), cells(&pipeline, "table").len()), (1, 1));
    assert_eq!(pipeline.nodes.len(), 1 + 12 + 12 + 1);
    let name = "score[seed=3,way=Adam]";
    let node = pipeline.stages[name].nodes[1];
    assert_eq!(inputs(&pipeline, node), ["data: images", "model: train[seed=3,way=Adam][2]"]);
    let table = inputs(&pipeline, pipeline.nodes.len() - 1).join("");
    let gathered: Vec<&str> = table.split(" score").skip(1).collect();
    assert_eq!(gathered[..3], ["[seed=10,way=Adam][1]", "[seed=10,way=Adam][2]", "[seed=2,way=Adam][1]"]);
    assert_eq!(gathered.len(), 12);
    let merged = param(&pipeline, "train[seed=2,way=(momentum: 0.5)]", "optimizer");
    assert_eq!(merged.to_string(), "Sgd(lr: 0.5, momentum: 0.5)", "a structure without a name changes what is there");
}

#[test]
fn a_cell_is_the_same_stage_written_out() {
    let pipeline = case(AXES).good();
    let stages =
        STAGES.replace("Sgd(lr: 0.5)", "Adam(), seed: 2").replace("    \"table\": Table(from: [\"score\"]),", "");
    let out = Case::stages(&stages).good();
    assert!(recipes(&out).is_subset(&recipes(&pipeline)), "neither cells nor labels enter an identity");
    let renamed = AXES.replace("\"way\"", "\"x\"").replace("[10, 2, 3]", "{\"a\": 10, \"b\": 2, \"c\": 3}");
    assert_eq!(recipes(&case(&renamed).good()), recipes(&pipeline));
}

#[test]
fn axes_are_zipped_and_cells_excluded_and_included() {
    let axes = r#"axes: {
        "way": (set: "train.optimizer", values: [Adam, Frozen(), Sgd(lr: 1)]),
        "seed": (set: "train.seed", values: [1, 2]),
        "steps": (set: "train.steps", values: {"few": 1, "some": 2, "many": 3}),
    }, zip: [["steps", "way"]]"#;
    let of = |more: &str| cells(&case(&format!("{axes}{more}")).good(), "train");
    assert_eq!(
        of(""),
        ["1 few Adam", "2 few Adam", "1 some Frozen", "2 some Frozen", "1 many Sgd(lr: 1)", "2 many Sgd(lr: 1)"]
    );
    assert_eq!(
        of(
            r#", exclude: [{"way": "Adam", "seed": 2}, (steps: "many")], include: [(way: Frozen(), seed: 7, steps: 9)]"#
        ),
        ["1 few Adam", "1 some Frozen", "2 some Frozen", "7 9 Frozen"]
    );
}

#[test]
fn references_are_narrowed_to_cells_and_iterations() {
    let stages = r#"
        "images": Images(classes: 5),
        "train": Train(data: "images", steps: 10, iterations: 2),
        "one": Score(model: "train[seed=1]", data: "images", every_iteration: true),
        "last": Score(model: "train[seed=1,rate=5e-1][1]", data: "images"),
        "some": Table(from: ["one", "last", "all[rate=0.25]"]),
        "all": Score(model: "train", data: "images"),
    "#;
    let matrix = r#"axes: {
        "rate": (set: ["train.optimizer.lr"], values: [0.5, 0.25]), "seed": (set: ["train.seed"], values: [1, 2]),
    }"#;
    let pipeline = Case::new(&format!("Pipeline(name: \"x\", matrix: ({matrix}), stages: {{ {stages} }})")).good();
    assert_eq!(cells(&pipeline, "one"), ["0.5", "0.25"]);
    assert_eq!(cells(&pipeline, "last"), [""]);
    let of = |name: &str| inputs(&pipeline, pipeline.stages[name].nodes[0]);
    assert_eq!(of("one[rate=0.25]")[1], "model: train[rate=0.25,seed=1][1]");
    assert_eq!(of("last")[1], "model: train[rate=0.5,seed=1][1]");
    assert_eq!(of("some")[2], "from[2]: all[rate=0.25,seed=1] all[rate=0.25,seed=2]");
    assert_eq!(of("some")[0].matches("one[").count(), 4);
}

#[test]
fn an_axis_may_set_a_reference_and_tables_may_be_in_cells() {
    let stages = r#"
        "small": Images(classes: 2), "large": Images(classes: 9),
        "train": Train(data: "small", steps: 10),
        "score": Score(model: "train", data: "small"),
        "table": Table(from: ["score"]),
    "#;
    let matrix = r#"axes: {
        "data": (set: ["train.data", "score.data", "table.labels[\"iou\"]"], values: ["small", "large"]),
        "seed": (set: ["train.seed"], values: [1, 2]),
    }"#;
    let text = format!("Pipeline(name: \"x\", matrix: ({matrix}), stages: {{ {stages} }})");
    let pipeline = Case::new(&text.replace("from: [\"score\"]", "from: [\"score\"], labels: {}")).good();
    assert_eq!(cells(&pipeline, "train"), ["small 1", "small 2", "large 1", "large 2"]);
    let of = |name: &str| inputs(&pipeline, pipeline.stages[name].nodes[0]);
    assert_eq!(of("train[data=large,seed=2]"), ["data: large"]);
    assert_eq!(of("table[data=large]"), ["from[0]: score[data=large,seed=1] score[data=large,seed=2]"]);
}

#[test]
fn an_axis_sets_an_entry_of_a_map() {
    let matrix = r#"axes: { "word": (set: ["table.labels.iou", "table.labels[\"my key\"]"], values: ["a", "b"]) }"#;
    for stated in ["", ", labels: {\"iou\": \"x\", \"acc\": \"y\"}", ", labels: (acc: \"y\")"] {
        let stages = STAGES.replace("from: [\"score\"]", &format!("from: [\"score\"]{stated}"));
        let case = Case::new(&format!("Pipeline(name: \"x\", matrix: ({matrix}), stages: {{{stages}}})"));
        let pipeline = case.good();
        let acc = if stated.is_empty() { "" } else { r#""acc": "y", "# };
        let expected = format!(r#"{{{acc}"iou": "b", "my key": "b"}}"#);
        assert_eq!(param(&pipeline, "table[word=b]", "labels").to_string(), expected);
        let again = Case::new(&pipeline.resolved).good();
        assert_eq!((&again.resolved, recipes(&again)), (&pipeline.resolved, recipes(&pipeline)));
        let added = case.set("table.labels[\"new key\"]=\"z\"").good();
        let labels = param(&added, "table[word=a]", "labels").to_string();
        assert!(labels.ends_with(r#""iou": "a", "my key": "a", "new key": "z"}"#), "{labels}");
        let again = Case::new(&added.resolved).good();
        assert_eq!((&again.resolved, recipes(&again)), (&added.resolved, recipes(&added)));
    }
}

#[test]
fn profiles_and_single_changes_reach_the_matrix() {
    let text = format!(
        "Pipeline(name: \"test\", matrix: ({AXES}), stages: {{ {STAGES} }}, profiles: {{
            \"tiny\": {{ \"matrix\": (axes: {{\"seed\": (values: [1])}}), \"train\": (steps: 1) }},
            \"one\": {{ \"matrix\": (axes: (seed: None)) }},
            \"none\": {{ \"matrix\": None }},
        }})"
    );
    let of = |profile: &str| cells(&Case::new(&text).profile(profile).good(), "train");
    assert_eq!(of("tiny"), ["1 Adam", "1 (momentum: 0.5)"]);
    assert_eq!(of("one"), ["Adam", "(momentum: 0.5)"]);
    assert_eq!(of("none"), [""]);
    let set = Case::new(&text).set("matrix.axes.way.values=[Frozen]").set("matrix.axes.seed.values[1]=9").good();
    assert_eq!(cells(&set, "train"), ["10 Frozen", "9 Frozen", "3 Frozen"]);
}

#[test]
fn the_resolved_matrix_loads_again_and_means_the_same() {
    let stages = STAGES.replace("Images(classes: 5)", "Images(list: \"a/list.txt\")");
    let matrix = format!(
        "{}, \"list\": (set: [\"images.list\"], values: [\"b.txt\", \"root:c.txt\"]) }}",
        &AXES[..AXES.len() - 3]
    );
    let first = Case::new(&format!("Pipeline(name: \"test\", matrix: ({matrix}), stages: {{ {stages} }})")).good();
    let again = Case::new(&first.resolved).good();
    assert_eq!(again.resolved, first.resolved);
    assert_eq!(cells(&again, "train"), cells(&first, "train"));
    let params = |pipeline: &Pipeline| pipeline.stages.values().map(|stage| stage.params.clone()).collect::<Vec<_>>();
    assert_eq!(params(&again), params(&first));
    assert!(first.resolved.contains("optimizer: Sgd(lr: 0.5),\n"), "{}", first.resolved);
    assert!(first.resolved.contains("augment: Some(Augment(mirror: false, "), "{}", first.resolved);
}

#[test]
fn cells_are_selected() {
    let pipeline = case(AXES).good();
    let select = |names: &[&str]| pipeline.select(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let count = |name: &str| select(&[name]).unwrap().len();
    assert_eq!((count("train"), count("train[way=Adam]"), count("train[way=Adam,seed=2]")), (12, 6, 2));
    assert_eq!((count("train[2]"), count("train[seed=2.0, way=Adam][1]")), (6, 1));
    let faults = select(&["train[sed=1]", "train[seed=4]", "images[seed=2]", "train[seed=2][3]", "tabel"]).unwrap_err();
    let told: Vec<String> = faults.faults.iter().map(|fault| format!("{} {}", fault.message, fault.hint)).collect();
    assert_eq!(
        told,
        [
            "There is no `train[seed=2][3]`. The iterations of `train` are 1 to 2.",
            "There is no stage `tabel`, did you mean `table`? The stages are `images`, `score`, `table`, `train`.",
            "`images` has no axis `seed`. `images` is the same in all cells; write its name alone.",
            "`train` has no axis `sed`, did you mean `seed`? Its axes are `seed`, `way`.",
            "`train` has no cell with `seed=4`. The values of `seed` are `10`, `2`, `3`.",
        ]
    );
}

#[test]
fn a_thousand_cells_are_quick() {
    let seeds: Vec<String> = (0..1000).map(|seed| seed.to_string()).collect();
    let case = case(&format!("axes: {{\"seed\": (set: [\"train.seed\"], values: [{}])}}", seeds.join(", ")))
        .set("train.iterations=1");
    let begin = Instant::now();
    let pipeline = case.good();
    let took = begin.elapsed();
    eprintln!("{} nodes took {took:?}", pipeline.nodes.len());
    assert_eq!(pipeline.nodes.len(), 2002);
    assert!(took < Duration::from_secs(1), "{took:?}");
}
