//! Whole pipelines: what they become.

use std::collections::BTreeSet;
use std::io::Write as _;

use super::testing::{Case, WHOLE};
use super::*;
use crate::hash::Digest;
use crate::stage::Value;

pub(super) fn recipes(pipeline: &Pipeline) -> BTreeSet<String> {
    pipeline.nodes.iter().map(|node| node.recipe.to_string()).collect()
}

pub(super) fn param<'a>(pipeline: &'a Pipeline, stage: &str, path: &str) -> &'a Value {
    pipeline.stages[stage].params.at(path).unwrap()
}

pub(super) fn inputs(pipeline: &Pipeline, node: usize) -> Vec<String> {
    let name = |source: &Source| match source {
        Source::Node(node) => pipeline.node_name(*node).to_string(),
        Source::Run { reference, node } => format!("{reference}={}", node.key.short()),
    };
    let slots = pipeline.nodes[node].inputs.iter();
    slots.map(|(slot, sources)| format!("{slot}: {}", sources.iter().map(name).collect::<Vec<_>>().join(" "))).collect()
}

#[test]
fn a_pipeline_becomes_a_chain_of_nodes_with_their_sources() {
    let pipeline = Case::stages(WHOLE).good();
    let names: Vec<String> = (0..pipeline.nodes.len()).map(|node| pipeline.node_name(node).to_string()).collect();
    assert_eq!(names, ["images", "train[1]", "train[2]", "score[1]", "score[2]", "table"]);
    assert_eq!(inputs(&pipeline, 1), ["data: images"]);
    assert_eq!(inputs(&pipeline, 2), ["data: images", "previous: train[1]"]);
    assert_eq!(inputs(&pipeline, 4), ["data: images", "model: train[2]"]);
    let old = ["one", "two"].map(|content| format!("run:old/score={}", Digest::of(content.as_bytes()).short()));
    assert_eq!(inputs(&pipeline, 5), ["from[0]: score[1] score[2]".to_owned(), format!("from[1]: {}", old.join(" "))]);
    assert_eq!(pipeline.stages["train"].nodes, [1, 2]);
    assert_eq!(pipeline.stages["train"].origin.line, 4);
    assert!(pipeline.nodes[1].identity.field("iterations").is_none(), "an unkeyed field enters no identity");
}

#[test]
fn references_mean_the_last_node_or_all_or_one() {
    let stages = r#"
        "images": Images(),
        "train": Train(data: "images", iterations: 3, steps: 10),
        "last": Score(model: "train", data: "images"),
        "second": Score(model: "train[2]", data: "images", every_iteration: true),
        "old": Score(model: "run:old/train", data: "images"),
        "table": Table(from: ["last", "run:old/score[2]"]),
    "#;
    let pipeline = Case::stages(stages).good();
    let of = |stage: &str| inputs(&pipeline, pipeline.stages[stage].nodes[0]);
    assert_eq!(of("last"), ["data: images", "model: train[3]"]);
    assert_eq!(of("second"), ["data: images", "model: train[2]"]);
    assert_eq!(of("old")[1], format!("model: run:old/train={}", Digest::of(b"weights").short()));
    assert_eq!(of("table")[1], format!("from[1]: run:old/score[2]={}", Digest::of(b"two").short()));
}

#[test]
fn values_are_complete_and_every_spelling_means_the_same() {
    let pipeline = Case::stages(
        r#"
        "images": Images,
        "a": Train(data: "images", steps: 10, optimizer: Adam()),
        "b": Train(data: "images", steps: 10, optimizer: Adam, augment: None),
        "c": Train(data: "images", steps: 10, optimizer: Adam(lr: 0.001), augment: Some(Augment(mirror: false))),
        "d": Train(data: "images", steps: 10, optimizer: (lr: 1)),
        "#,
    )
    .good();
    let optimizer = |stage| param(&pipeline, stage, "optimizer").to_string();
    assert_eq!(optimizer("a"), "Adam(lr: 0.001)");
    assert_eq!(optimizer("a"), optimizer("b"));
    assert_eq!(optimizer("a"), optimizer("c"));
    assert_eq!(optimizer("d"), "Sgd(lr: 1.0, momentum: 0.25)", "without a name, the default is changed");
    let augment = |stage| param(&pipeline, stage, "augment").to_string();
    assert_eq!(augment("a"), "Some(Augment(mirror: false, scale: (0.75, 1.25)))");
    assert_eq!(augment("b"), "None");
    assert_eq!(augment("c"), "Some(Augment(mirror: false, scale: (0.5, 1.5)))");
}

#[test]
fn included_and_inline_stages_are_the_same() {
    let whole = Case::stages(WHOLE).good();
    let stage = |name: &str| WHOLE.lines().find(|line| line.contains(&format!("\"{name}\":"))).unwrap();
    let main = format!(
        "Pipeline(name: \"test\", include: [\"lib/train.ron\", \"lib/images.ron\"], stages: {{ {} {} }})",
        stage("score"),
        stage("table")
    );
    let train = format!("Stages(include: [\"../lib/./images.ron\"], stages: {{ {} }})", stage("train"));
    let unused = "\"unused\": Train(data: \"nowhere\", steps: 1)";
    let images = format!("Stages(stages: {{ {} {unused} }})", stage("images"));
    let files = [("main.ron", main.as_str()), ("lib/train.ron", &train), ("lib/images.ron", &images)];
    let pipeline = Case::with(&files).good();
    assert_eq!(recipes(&whole), recipes(&pipeline));
    assert!(!pipeline.stages.contains_key("unused"), "an included stage takes part only where it is needed");
    assert!(pipeline.stages["score"].target && !pipeline.stages["train"].target);
    assert!(pipeline.stages["train"].origin.file.ends_with("lib/train.ron"));
}

#[test]
fn of_included_stages_only_the_needed_nodes_are_there() {
    let lib = r#"Stages(stages: { "i": Images(), "t": Train(data: "i", steps: 1, iterations: 9) })"#;
    let main = r#"Pipeline(name: "x", include: ["lib.ron"], stages: { "s": Score(model: "t[2]", data: "i") })"#;
    let pipeline = Case::with(&[("main.ron", main), ("lib.ron", lib)]).good();
    let names: Vec<String> = (0..pipeline.nodes.len()).map(|node| pipeline.node_name(node).to_string()).collect();
    assert_eq!(names, ["i", "t[1]", "t[2]", "s"]);
    assert_eq!(inputs(&pipeline, 3), ["data: i", "model: t[2]"]);
}

#[test]
fn a_pipeline_changes_what_it_includes_and_runs_its_targets() {
    let lib = r#"Stages(
        stages: { "i": Images(), "t": Train(data: "i", steps: 9, optimizer: Adam(lr: 0.5)), "s": Score(model: "t", data: "i") },
        targets: ["s"],
        profiles: { "tiny": { "t": (steps: 1) } },
    )"#;
    let main = |stages: &str| format!(r#"Pipeline(name: "x", include: ["lib.ron"], stages: {{ {stages} }})"#);
    let case = |stages: &str| Case::with(&[("main.ron", &*main(stages)), ("lib.ron", lib)]).profile("tiny").good();
    let changed = case(r#""t": (optimizer: (lr: 0.25), seed: 5)"#);
    assert_eq!(param(&changed, "t", "optimizer").to_string(), "Adam(lr: 0.25)");
    assert_eq!(param(&changed, "t", "seed"), &Value::Int(5));
    assert_eq!(param(&changed, "t", "steps"), &Value::Int(1), "profiles come after");
    assert!(changed.stages["s"].target && changed.stages["t"].target && !changed.stages["i"].target);
    assert_eq!(recipes(&case("")), recipes(&case(r#""t": ()"#)));
}

#[test]
fn profiles_merge_by_field_or_replace_and_the_main_file_wins() {
    let lib = r#"Stages(
        stages: { "i": Images(), "t": Train(data: "i", steps: 100, optimizer: Adam(lr: 0.5)) },
        profiles: { "tiny": { "t": (steps: 7, optimizer: (lr: 0.25), crop: (9, 9)) }, "lib": { "t": () } },
    )"#;
    let main = r#"Pipeline(
        name: "x", include: ["lib.ron"], stages: { "s": Score(model: "t", data: "i") },
        profiles: {
            "tiny": { "t": (steps: 3, augment: (scale: (1, 2))), "i": Images(classes: 9) },
            "mini": (t: (optimizer: Frozen, augment: None)),
        },
    )"#;
    let case = |profile: &str| Case::with(&[("main.ron", main), ("lib.ron", lib)]).profile(profile).good();
    let tiny = case("tiny");
    assert_eq!(param(&tiny, "t", "steps"), &Value::Int(3));
    assert_eq!(param(&tiny, "t", "optimizer").to_string(), "Adam(lr: 0.25)");
    assert_eq!(param(&tiny, "t", "crop").to_string(), "(9, 9)");
    assert_eq!(param(&tiny, "t", "augment").to_string(), "Some(Augment(mirror: false, scale: (1.0, 2.0)))");
    assert_eq!(param(&tiny, "i", "classes"), &Value::Int(9));
    assert_eq!(tiny.profiles, ["lib", "mini", "tiny"]);
    let mini = case("mini");
    assert_eq!(param(&mini, "t", "optimizer").to_string(), "Frozen");
    assert_eq!(param(&mini, "t", "augment").to_string(), "None");
    assert_eq!(param(&case("lib"), "t", "steps"), &Value::Int(100));
}

#[test]
fn single_changes_reach_every_part() {
    let set = |argument: &str| Case::stages(WHOLE).set(argument).good();
    assert_eq!(param(&set("train.steps=5_0"), "train", "steps"), &Value::Int(50));
    assert_eq!(param(&set("train.crop=(65, 65)"), "train", "crop").to_string(), "(65, 65)");
    assert_eq!(
        param(&set("train.optimizer.momentum=0"), "train", "optimizer").to_string(),
        "Sgd(lr: 0.002, momentum: 0.0)"
    );
    assert_eq!(param(&set("train.optimizer=Adam()"), "train", "optimizer").to_string(), "Adam(lr: 0.001)");
    assert_eq!(param(&set("table.formats[1]=Markdown"), "table", "formats").to_string(), "[Markdown, Markdown]");
    assert_eq!(
        param(&set("table.labels[\"acc\"]=\"A\""), "table", "labels").to_string(),
        r#"{"acc": "A", "iou": "IoU"}"#
    );
    assert_eq!(param(&set("train=(steps: 3)"), "train", "steps"), &Value::Int(3));
    assert_eq!(param(&set("train=Train(data: \"images\", steps: 3)"), "train", "iterations"), &Value::Int(1));
    assert_eq!(param(&set("\"train\".\"steps\"=3"), "train", "steps"), &Value::Int(3));
    let twice = Case::stages(WHOLE).set("train.crop=(3, 4)").set("train.crop[1]=5").good();
    assert_eq!(param(&twice, "train", "crop").to_string(), "(3, 5)");
}

#[test]
fn entries_of_a_map_are_set_one_by_one() {
    let labels = |case: Case| param(&case.good(), "table", "labels").to_string();
    let set = |argument: &str| labels(Case::stages(WHOLE).set(argument));
    let both = r#"{"acc": "A", "iou": "IoU"}"#;
    for argument in ["table.labels.acc=\"A\"", "table.labels[\"acc\"]=\"A\"", "table.labels=(acc: \"A\")"] {
        assert_eq!(set(argument), both, "{argument}");
    }
    assert_eq!(set("table.labels.iou=\"A\""), r#"{"iou": "A"}"#);
    assert_eq!(set("table.labels={\"acc\": \"A\"}"), r#"{"acc": "A"}"#, "a map replaces what was there");
    assert_eq!(set("table.labels=()"), r#"{"iou": "IoU"}"#);
    // A map that is not stated is empty.
    let plain = || Case::stages(&WHOLE.replace(", labels: { \"iou\": \"IoU\" }", ""));
    for (first, second) in [("labels.acc", "labels[\"my key\"]"), ("labels[\"my key\"]", "labels.acc")] {
        let case = plain().set(&format!("table.{first}=\"A\"")).set(&format!("table.{second}=\"A\""));
        assert_eq!(labels(case), r#"{"acc": "A", "my key": "A"}"#);
    }
    let of = |profiles: &str| {
        let text =
            format!("Pipeline(name: \"x\", stages: {{{WHOLE}}}, profiles: {{\"p\": {{\"table\": {profiles}}}}})");
        labels(Case::new(&text).profile("p"))
    };
    assert_eq!(of("(labels: (acc: \"A\"))"), both);
    assert_eq!(of("(labels: {\"acc\": \"A\"})"), r#"{"acc": "A"}"#);
}

#[test]
fn the_resolved_text_loads_again_and_means_the_same() {
    let case = Case::stages(WHOLE).set("train.warmup=2").set("images.list=\"/lists/ä \\\"x\\\".txt\"");
    let pipeline = case.good();
    let resolved = pipeline.resolved.clone();
    let again = Case::new(&resolved).good();
    assert_eq!(again.resolved, resolved);
    assert_eq!(again.stages["train"].params, pipeline.stages["train"].params);
    assert!(resolved.contains("            optimizer: Sgd(lr: 0.002, momentum: 0.9),\n"), "{resolved}");
    let plain = Case::stages(WHOLE).good();
    assert_eq!(recipes(&Case::new(&plain.resolved).good()), recipes(&plain));
}

#[test]
fn nodes_are_selected_by_stage_and_iteration() {
    let pipeline = Case::stages(WHOLE).good();
    let select = |names: &[&str]| pipeline.select(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(select(&["train", "score[2]"]), Ok(BTreeSet::from([1, 2, 4])));
    let faults = select(&["tran", "train[3]", "table[1]", "run:a/train"]).unwrap_err();
    let told: Vec<String> = faults.faults.iter().map(|fault| format!("{} {}", fault.message, fault.hint)).collect();
    assert_eq!(
        told,
        [
            "There is no `table[1]`. `table` has no iterations; write its name alone.",
            "There is no `train[3]`. The iterations of `train` are 1 to 2.",
            "There is no stage `run:a/train`. The stages are `images`, `score`, `table`, `train`.",
            "There is no stage `tran`, did you mean `train`? The stages are `images`, `score`, `table`, `train`.",
        ]
    );
}

/// The encoding of identities. If this fails, every cache in the world is lost: find out why before changing it.
/// Whatever happens to the text of a pipeline, there is an answer, and its faults can be shown.
#[test]
fn damaged_text_never_panics() {
    let text = Case::stages(WHOLE);
    let original = crate::fsio::read_to_string(&text.request.file).unwrap();
    let mut state = 1_u64;
    let mut draw = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let pieces =
        ["(", ")", "[", "]", "{", "}", "\"", "'", ",", ":", "\\", "r#\"", "/*", "-", "1e", "0x", "é", "\u{feff}", "\0"];
    let registry = testing::registry();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.ron");
    for round in 0..3000 {
        let mut chars: Vec<String> = original.chars().map(String::from).collect();
        for _ in 0..=draw(4) {
            let at = draw(chars.len());
            match draw(5) {
                0 => drop(chars.remove(at)),
                1 => chars.insert(at, pieces[draw(pieces.len())].to_owned()),
                2 => chars.truncate(at + 1),
                3 => drop(chars.drain(at..(at + draw(40)).min(chars.len()))),
                _ => chars.swap(at, draw(1 + at)),
            }
            chars.push("\n".to_owned());
        }
        crate::fsio::create(&file).unwrap().write_all(chars.concat().as_bytes()).unwrap();
        let request = Request { file: file.clone(), ..Request::default() };
        if let Err(faults) = load(&request, &registry, &testing::OldRun) {
            assert!(!faults.faults.is_empty(), "round {round}");
            assert!(!faults.render(round % 2 == 0).is_empty());
        }
    }
}

#[test]
fn damaged_changes_never_panic() {
    let argument = "\"train\".optimizer[\"é\"][0].lr=Sgd(lr: 'x')";
    let case = Case::stages(WHOLE);
    let chars: Vec<char> = argument.chars().collect();
    for at in 0..chars.len() {
        let (head, tail) = chars.split_at(at);
        for middle in ["", "=", ".", "[", "]", "\"", "é", "\n"] {
            let damaged: String = head.iter().copied().chain(middle.chars()).chain(tail[1..].iter().copied()).collect();
            for set in [damaged, head.iter().collect()] {
                let request = Request { sets: vec![set], ..case.request.clone() };
                let faults = load(&request, &testing::registry(), &testing::OldRun).unwrap_err();
                assert!(faults.to_string().contains("--set"), "{faults}");
            }
        }
    }
    let deep = format!("train{}=1", ".a".repeat(100_000));
    assert!(Case::stages(WHOLE).set(&deep).faults().contains("Expected `=`"));
}
