//! Receptive fields of parts of a network, as a user states them.

use super::harness::{Bench, SMALL};

const FIELDS: &str = r#"
        "network": Erf(model: "train", data: "others"),
        "followers": Erf(model: "train", data: "others", target: Block(name: "group5/block1")),
        "block": Erf(model: "train", data: "others", target: Blocks()),
        "conv": Erf(model: "train", data: "others", target: Conv()),
        "table": Report(from: ["validate", "network", "followers", "block", "conv"]),
"#;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("small.ron", SMALL.replace(r#""table": Report(from: ["validate"]),"#, FIELDS.trim()));
    bench
}

/// A cell of a published table's last row.
fn cell(bench: &Bench, table: &str, column: &str) -> String {
    let text = std::fs::read_to_string(bench.newest("small").join(table)).unwrap();
    let (head, last) = (text.lines().next().unwrap(), text.lines().last().unwrap());
    let at = head.split(',').position(|name| name == column).unwrap_or_else(|| panic!("no `{column}` in {head}"));
    last.split(',').nth(at).unwrap().to_owned()
}

#[test]
fn every_part_has_a_map_and_figures_in_the_report() {
    let bench = bench();
    for (prefilter, dead) in [("Regular", 72.0 / 81.0), ("SeparableShared", 0.0)] {
        bench.ok(&format!("run small.ron --only table --set train.model.prefilter={prefilter}"));
        let found: f64 = cell(&bench, "conv/figures.csv", "dead").parse().unwrap();
        assert!((found - dead).abs() < 1e-12, "{prefilter}: {found}");
        for (stage, target) in [
            ("network", "image"),
            ("followers", "group5/block1"),
            ("block", "group4/block1 to group5/block2"),
            ("conv", "conv group5/block1"),
        ] {
            assert_eq!(cell(&bench, &format!("{stage}/figures.csv"), "target"), target);
            assert!(bench.newest("small").join(stage).join("erf.png").exists());
            let column = if target == "image" { "ERF area 99%".to_owned() } else { format!("ERF {target} area 99%") };
            assert!(cell(&bench, "table/table.csv", &column).parse::<f64>().unwrap() > 0.0, "{column}");
        }
    }
}

#[test]
fn a_part_that_is_not_there_is_told_with_those_that_are() {
    let bench = bench();
    for (target, message, hint) in [
        ("Block(name:\"group6\")", "no block `group6`", "group2/block1, group3/block1, group4/block1"),
        ("Blocks(to:\"block2\")", "no block `block2`", "group5/block1, group5/block2"),
        (
            "Blocks(from:\"group5/block2\",to:\"group4/block1\")",
            "`group5/block2` comes after `group4/block1`",
            "`from`",
        ),
        (
            "Conv(name:\"group3/block1\")",
            "no dilated convolution in a block `group3/block1`",
            "There are group4/block1,",
        ),
    ] {
        let answer = bench.call(&format!("run small.ron --only block --set block.target={target}"));
        assert_eq!(answer.code, Some(4), "{answer:?}");
        let told = answer.all();
        assert!(told.contains(message) && told.contains(hint) && told.contains("target."), "{told}");
    }
}
