//! A later version that adds fields to kinds, at every depth, finds all that was made before.

use std::collections::{BTreeMap, BTreeSet};

use super::testing::{Case, OldRun, WHOLE, later_registry, outputs, registry};
use super::{Pipeline, key, load};

/// A pipeline with everything stated somewhere: structures in options, variants, lists and maps.
fn case() -> Case {
    let axes = r#"axes: {
        "way": (set: ["train.optimizer"], values: [Adam(), (momentum: 0.5), Frozen, Sgd(lr: 1)]),
        "augment": (set: ["train.augment"], values: {"none": None, "some": (mirror: true), "all": Some(Augment())}),
        "word": (set: ["table.labels.acc"], values: ["a", "b"]),
    }"#;
    let tool = r#""tool": Tool(script: "x.sh", inputs: {"model": "train"}),"#;
    Case::new(&format!("Pipeline(name: \"x\", matrix: ({axes}), stages: {{{WHOLE}{tool}}})"))
}

/// What names a node's results: its recipe and its action key, whatever its inputs hold.
fn identities(pipeline: &Pipeline) -> BTreeSet<String> {
    let files = BTreeMap::new();
    let of = |node: usize| outputs("out", &pipeline.nodes[node].recipe.to_string());
    let key = |node| key::action(node, &of, &files, &[], None, None, &BTreeMap::new()).digest();
    pipeline.nodes.iter().map(|node| format!("{} {}", node.recipe, key(node))).collect()
}

#[test]
fn a_field_of_a_later_version_moves_no_key_at_its_default() {
    let later =
        |case: &Case| load(&case.request, &later_registry(), &OldRun).unwrap_or_else(|faults| panic!("{faults}"));
    let before = load(&case().request, &registry(), &OldRun).unwrap();
    let after = later(&case());
    assert!(before.nodes.len() > 50, "{}", before.nodes.len());
    assert_eq!(identities(&after), identities(&before));
    let fields =
        |pipeline: &Pipeline| pipeline.stages.values().map(|s| s.params.to_string().matches("later").count()).sum();
    let (known, added): (usize, usize) = (fields(&before), fields(&after));
    assert!(known == 0 && added > after.stages.len(), "the fields are there: {known} before, {added} after");
    // Stated at its default, it moves nothing either; at another value, it moves what has it.
    let stated = "train.optimizer.later=None";
    assert_eq!(identities(&later(&Case::stages(WHOLE).set(stated))), identities(&later(&Case::stages(WHOLE))));
    for part in ["images", "train", "train.optimizer", "train.augment", "table.formats[0]"] {
        let changed = identities(&later(&Case::stages(WHOLE).set(&format!("{part}.later=true"))));
        let kept = changed.intersection(&identities(&later(&Case::stages(WHOLE)))).count();
        let expected = match part {
            "images" => 0,
            "table.formats[0]" => 5,
            _ => 1,
        };
        assert_eq!(kept, expected, "{part}");
    }
}
