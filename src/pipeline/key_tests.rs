//! What changes an identity, and what does not.

use std::collections::BTreeMap;

use super::testing::{Case, WHOLE, outputs};
use super::tests::{param, recipes};
use super::*;
use crate::hash::Digest;
use crate::stage::{Outputs, Value};

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
    let key = |node: usize| {
        key::action(&one.nodes[node], &|_| Outputs::new(), &files, &[], None, None, &BTreeMap::new()).digest()
    };
    assert_eq!(key(0), key(1), "equal lists at two places are equal");
}

#[test]
fn what_is_told_of_arithmetic_and_by_programs_can_be_read_back_from_a_key() {
    let pipeline = Case::stages(WHOLE).good();
    let one = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let (numeric, answers) = (one("isa", "avx512"), one("[\"python\"]", "Python 3.12.1"));
    let of = |_| Outputs::new();
    let action = |answers| key::action(&pipeline.nodes[2], &of, &BTreeMap::new(), &[], Some(&numeric), None, answers).0;
    let components = action(&answers);
    assert_eq!(components["tool[\"python\"]"], "Python 3.12.1");
    assert_eq!((key::numeric(&components), key::answers(&components)), (numeric.clone(), answers.clone()));
    assert_eq!(key::answers(&action(&BTreeMap::new())), BTreeMap::new());
}

#[test]
fn a_measurement_of_another_machine_has_another_key() {
    let pipeline = Case::stages(WHOLE).good();
    let of = |_| Outputs::new();
    let action = |host: Option<&str>| {
        let machine = host.map(|host| BTreeMap::from([("host".to_owned(), host.to_owned())]));
        key::action(&pipeline.nodes[2], &of, &BTreeMap::new(), &[], None, machine.as_ref(), &BTreeMap::new())
    };
    assert_eq!(action(Some("a")).digest(), action(Some("a")).digest());
    let changes = action(Some("b")).changes(&action(Some("a")));
    assert_eq!((changes.len(), changes[0].component.as_str()), (1, "machine.host"));
    assert!(action(None).0.keys().all(|component| !component.starts_with(key::MACHINE)));
}

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
    let train = key::action(&pipeline.nodes[2], &of, &files, &externals, Some(&numeric), None, &BTreeMap::new());
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
    let table = key::action(&pipeline.nodes[5], &of, &BTreeMap::new(), &[], None, None, &BTreeMap::new());
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
        key::action(&pipeline.nodes[1], &|_| outputs("index", "x"), &BTreeMap::new(), &[], None, None, &BTreeMap::new())
    };
    let change = |component: &str, old: Option<&str>, new: Option<&str>| key::KeyChange {
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
