//! Whole pipelines: what they become, and what changes an identity and what does not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use super::testing::{Case, WHOLE, outputs};
use super::*;
use crate::hash::Digest;
use crate::stage::{Outputs, Value};

pub(super) fn recipes(pipeline: &Pipeline) -> BTreeSet<String> {
    pipeline.nodes.iter().map(|node| node.recipe.to_string()).collect()
}

pub(super) fn param<'a>(pipeline: &'a Pipeline, stage: &str, path: &str) -> &'a Value {
    pipeline.stages[stage].params.at(path).unwrap()
}

pub(super) fn inputs(pipeline: &Pipeline, node: usize) -> Vec<String> {
    let name = |source: &Source| match source {
        Source::Node(node) => pipeline.node_ref(*node).to_string(),
        Source::Run { reference, node } => format!("{reference}={}", node.key.short()),
    };
    let slots = pipeline.nodes[node].inputs.iter();
    slots.map(|(slot, sources)| format!("{slot}: {}", sources.iter().map(name).collect::<Vec<_>>().join(" "))).collect()
}

#[test]
fn a_pipeline_becomes_a_chain_of_nodes_with_their_sources() {
    let pipeline = Case::stages(WHOLE).good();
    let names: Vec<String> = (0..pipeline.nodes.len()).map(|node| pipeline.node_ref(node).to_string()).collect();
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
fn names_order_format_and_spelling_enter_no_identity() {
    let one = Case::stages(WHOLE).good();
    let other = Case::stages(
        r#"
        /* The same, in other words. */
        "a.table": Table(labels: { "iou": "\u{49}oU", }, formats: [Markdown(), Csv], from: ["figures", "run:old/score"]),
        "figures": Score(every_iteration: true, data: "pictures", model: "model"),
        "model": Train(
            augment: Some(Augment(scale: (0.75, 1.250), mirror: true)),
            optimizer: Sgd(momentum: 9e-1, lr: 0.002), crop: (0x141, 3_21),
            steps: 10, iterations: 2, data: "pictures",
        ),
        "pictures": Images(title: r"images", classes: 5, list: None),
        "#,
    )
    .good();
    assert_eq!(recipes(&one), recipes(&other));
    assert_eq!(recipes(&one).len(), 6);
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
    let names: Vec<String> = (0..pipeline.nodes.len()).map(|node| pipeline.node_ref(node).to_string()).collect();
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
fn everything_that_counts_changes_the_recipes_behind_it() {
    let base = recipes(&Case::stages(WHOLE).good());
    let kept = |set: &str| recipes(&Case::stages(WHOLE).set(set).good()).intersection(&base).count();
    assert_eq!(kept("table.formats=[Csv]"), 5);
    assert_eq!(kept("train.seed=1"), 1);
    assert_eq!(kept("train.augment=None"), 1);
    assert_eq!(kept("images.classes=6"), 0);
    assert_eq!(kept("train.iterations=3"), 5, "more iterations are only added, and the table has more inputs");
    assert_eq!(kept("train.steps=10"), 6);
    assert_eq!(kept("train.optimizer.lr=0.2e-2"), 6);
    let scale = |scale: &str| recipes(&Case::stages(WHOLE).set(&format!("train.augment.scale={scale}")).good());
    assert_eq!(scale("(1, 2)"), scale("(1.0, 20e-1)"));
}

#[test]
fn files_differ_by_path_in_recipes_and_by_content_in_keys() {
    let stages = r#"
        "a": Images(list: "lists/a.txt"), "b": Images(list: "lists/b.txt"), "c": Images(list: "camvid:a.txt"),
    "#;
    let (one, other) = (Case::stages(stages).good(), Case::stages(stages).good());
    assert_eq!(recipes(&one), recipes(&other), "where the folder is does not count");
    assert_eq!(recipes(&one).len(), 3);
    let Value::Option(Some(list)) = param(&one, "a", "list") else { panic!("no list") };
    assert!(matches!(&**list, Value::File(path) if path.starts_with('/') && path.ends_with("/lists/a.txt")), "{list}");
    let files = BTreeMap::from([("list".to_owned(), Digest::of(b"content"))]);
    let key =
        |node: usize| key::action(&one.nodes[node], &|_| Outputs::new(), &files, &[], None, &BTreeMap::new()).digest();
    assert_eq!(key(0), key(1), "equal lists at two places are equal");
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

#[test]
fn what_is_told_of_arithmetic_and_by_programs_can_be_read_back_from_a_key() {
    let pipeline = Case::stages(WHOLE).good();
    let one = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let (numeric, answers) = (one("isa", "avx512"), one("[\"python\"]", "Python 3.12.1"));
    let of = |_| Outputs::new();
    let action = |answers| key::action(&pipeline.nodes[2], &of, &BTreeMap::new(), &[], Some(&numeric), answers).0;
    let components = action(&answers);
    assert_eq!(components["tool[\"python\"]"], "Python 3.12.1");
    assert_eq!((key::numeric(&components), key::answers(&components)), (numeric.clone(), answers.clone()));
    assert_eq!(key::answers(&action(&BTreeMap::new())), BTreeMap::new());
}

/// The encoding of identities. If this fails, every cache in the world is lost: find out why before changing it.
#[test]
fn golden_preimages() {
    let pipeline = Case::stages(WHOLE).good();
    let of = |node: usize| match node {
        0 => outputs("index", "images"),
        _ => outputs("weights", &format!("node {node}")),
    };
    let externals = [("b/2.jpg".to_owned(), Digest::of(b"2")), ("a/1.jpg".to_owned(), Digest::of(b"1"))];
    let numeric = BTreeMap::from([("isa".to_owned(), "avx512".to_owned())]);
    let files = BTreeMap::from([("script".to_owned(), Digest::of(b"script"))]);
    let train = key::action(&pipeline.nodes[2], &of, &files, &externals, Some(&numeric), &BTreeMap::new());
    let text = |preimage: &key::Preimage| {
        let lines: Vec<String> = preimage.0.iter().map(|(component, text)| format!("{component} = {text}")).collect();
        format!("{}\n{}", lines.join("\n"), preimage.digest())
    };
    insta::assert_snapshot!(text(&train), @r"
    externals = aab7ea53b07bef44f4bd0b91488d98911d314296b3ce0dbb731974a49c4a835b
    externals.count = 2
    file.script = 6c737280e30ad499f0612336da629536d6af3f7b06d40284620b99a59a60e342
    input.data.index = a4cf1c7ce5df043b27cbb98fb4ff77d3cf672e92b31d43932336e30398111623
    input.previous.weights = b1e4898724a4f3d717da36c96129321269495573c7a63462f36dc5e042766294
    kind = Train
    numeric.isa = avx512
    params.augment = Augment
    params.augment.mirror = true
    params.augment.scale[0] = 0.75
    params.augment.scale[1] = 1.25
    params.crop[0] = 321
    params.crop[1] = 321
    params.first = 10
    params.optimizer = Sgd
    params.optimizer.lr = 0.002
    params.optimizer.momentum = 0.9
    params.seed = 1234
    params.steps = 10
    params.warmup = 0
    params.weights = None
    version = 1
    0025f32a2d5608fb17cfbc80d8410dc2adf660f6c4515d91384c662eac9ec684
    ");
    let table = key::action(&pipeline.nodes[5], &of, &BTreeMap::new(), &[], None, &BTreeMap::new());
    insta::assert_snapshot!(text(&table), @r#"
    input.from[0][0].weights = 133f9aa0f2b0b36bfd936fa827ad5ba6ef7fa1f264fecb7fa48031dc9bf0c99a
    input.from[0][1].weights = cc022d324667d4c3a0a6f0422587f187446f7493820434025f2097bc1d447718
    input.from[1][0].metrics = d33fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492
    input.from[1][1].metrics = dc770fff53f50835f8cc957e01c0d5731d3c2ed544c375493a28c09be5e09763
    kind = Table
    params.formats[0] = Markdown
    params.formats[1] = Csv
    params.labels["iou"] = "IoU"
    version = 1
    74076062184aed5e20e9cfe4e6590f4e85268683c33ff1df7fcd505c75554a11
    "#);
    insta::assert_snapshot!(pipeline.nodes.iter().map(|n| n.recipe.to_string()).collect::<Vec<_>>().join("\n"), @r"
    e1e44cc062da0892fda59e27fc05c8c273ba5c6ef3ece90101025bcd69473983
    3a91fff5bca2b6c146bae808f54710c08e8dbb6ead3598d13b055460415894e6
    44b0687ded35402a71290339068676b75a18bbe692fb1605eae4dc5d9f7ee51e
    2be36c516dc1978c15598818c613e95e3a2442624407046646db8574d6ccbebb
    e7674eb74cefeb55e69730a44f84e59e9f90bf5db24a484ab2a0c1c46224ae5c
    1d2ad611274bc9345396e10d91daee3809a035c56644067152f951442c49c6aa
    ");
}

#[test]
fn a_change_is_told_as_old_and_new() {
    let key = |set: &str| {
        let pipeline = Case::stages(WHOLE).set(set).good();
        key::action(&pipeline.nodes[1], &|_| outputs("index", "x"), &BTreeMap::new(), &[], None, &BTreeMap::new())
    };
    let change = |component: &str, old: Option<&str>, new: Option<&str>| key::Change {
        component: component.to_owned(),
        old: old.map(str::to_owned),
        new: new.map(str::to_owned),
    };
    let changes = key("train.optimizer=Adam()").changes(&key("train.steps=10"));
    assert_eq!(
        changes,
        [
            change("params.optimizer", Some("Sgd"), Some("Adam")),
            change("params.optimizer.lr", Some("0.002"), Some("0.001")),
            change("params.optimizer.momentum", Some("0.9"), None),
        ]
    );
}

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
