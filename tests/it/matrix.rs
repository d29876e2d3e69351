//! A matrix from its file to its results.

use crate::harness::{Bench, SMALL};

const MATRIX: &str = r#"matrix: (axes: {
        "prefilter": (set: ["train.model.prefilter"], values: [Regular, Average]),
        "seed": (set: ["train.seed"], values: [1, 2]),
        "rate": (set: ["train.optimizer.lr"], values: {"low": 1e-3, "high": 2e-3}),
    }, zip: [["prefilter", "rate"]]),
    stages: {"#;

fn bench() -> Bench {
    let bench = Bench::new();
    let text =
        SMALL.replace("stages: {", MATRIX).replace("from: [\"validate\"]", "from: [\"validate\"], over: [\"seed\"]");
    assert_ne!(text, SMALL);
    bench.write("cells.ron", text);
    bench
}

fn lines(bench: &Bench, file: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(bench.newest("small").join(file)).unwrap();
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn cells_run_are_cached_and_make_one_table() {
    let bench = bench();
    let ran = bench.ran("cells.ron --only validate,table");
    assert_eq!(ran.len(), 3 + 4 * 2 + 4 * 2 + 1, "{ran:?}");
    let first = "train[prefilter=Regular,rate=low,seed=1]";
    assert_eq!(ran.iter().filter(|node| node.starts_with(first)).count(), 2, "{ran:?}");
    assert_eq!(bench.ran("cells.ron --only validate,table"), [""; 0]);
    // A parameter is named as `--set` takes it, without the cell.
    let plan = bench.ok("plan cells.ron --only train --set train.batch=1");
    let line = plan.lines().find(|line| line.contains(&format!("run      {first}[1]"))).unwrap();
    assert!(line.contains("  train.batch: 2 -> 1"), "{line}");

    let table = lines(&bench, "table/table.csv");
    assert_eq!(table[0][..4], ["rate", "prefilter", "encoder", "model"]);
    let rows: Vec<String> = table[1..].iter().map(|row| format!("{} {} {}", row[0], row[5], row[6])).collect();
    assert_eq!(rows, ["low 1 1", "low 1 2", "low 2 1", "low 2 2", "high 1 1", "high 1 2", "high 2 1", "high 2 2"]);
    let means = lines(&bench, "table/means.csv");
    assert_eq!(means[0][..8], ["rate", "prefilter", "encoder", "data", "iteration", "step", "n", "mIoU"]);
    let rows: Vec<String> = means[1..].iter().map(|row| format!("{} {} {}", row[0], row[4], row[6])).collect();
    assert_eq!(rows, ["low 1 2", "low 2 2", "high 1 2", "high 2 2"]);
    let at = table[0].iter().position(|name| name == "mIoU").unwrap();
    let number = |text: &str| text.parse::<f64>().unwrap();
    let (a, b) = (number(&table[1][at]), number(&table[3][at]));
    assert_eq!(number(&means[1][7]), (a + b) / 2.0);
    assert!((number(&means[1][8]) - (a - b).abs() / 2.0_f64.sqrt()).abs() < 1e-9);

    let id = bench.record("latest")["id"].as_str().unwrap().to_owned();
    // The same stage written out is what the cell has made.
    bench
        .write("out.ron", SMALL.replace("\"small\"", "\"out\"").replace("seed: 1,", "seed: 2, optimizer: (lr: 2e-3),"));
    assert_eq!(bench.ran("out.ron --only validate"), [""; 0]);
    // The run is a trial, which a pipeline's name never means.
    let old = format!("\"old\": Report(from: [\"run:{id}/validate[rate=high,seed=2]\"])");
    bench.write("old.ron", format!("Pipeline(name: \"old\", stages: {{ {old} }})"));
    bench.ran("old.ron");
    assert_eq!(std::fs::read_to_string(bench.path("results/old/old/table.csv")).unwrap().lines().count(), 3);
}

#[test]
fn a_cell_alone_runs_and_the_results_of_others_stay() {
    let bench = bench();
    let one = "cells.ron --only train[prefilter=Average,seed=1],validate[rate=low,seed=2][1]";
    let ran = bench.ran(one);
    assert_eq!(ran.len(), 3 + 2 + 1 + 1, "{ran:?}");
    let place = |cell: &str| format!("validate/{cell}/1/summary.csv");
    let whole = |cell: &str| bench.path("results/small").join(place(cell));
    assert!(bench.newest("small").join(place("prefilter=Regular,rate=low,seed=2")).exists());
    assert!(!bench.path("results/small").exists(), "a part of the pipeline is not the whole");
    bench.ran("cells.ron");
    bench.ran("cells.ron --only validate[seed=1]");
    let part = bench.newest("small");
    assert!(part.to_str().unwrap().contains("/small@only=validate_seed=1_~"), "{}", part.display());
    assert!(!part.join(place("prefilter=Regular,rate=low,seed=2")).exists());
    assert!(part.join(place("prefilter=Average,rate=high,seed=1")).exists());
    let log = std::fs::read_to_string(part.join("log.txt")).unwrap();
    assert!(log.starts_with("Cell: prefilter=Average,rate=high,seed=1\nIteration: 1\n"), "{log}");
    for cell in ["prefilter=Regular,rate=low,seed=2", "prefilter=Average,rate=high,seed=1"] {
        assert!(whole(cell).exists(), "{cell}");
    }
    bench.edit("cells.ron", "values: [1, 2]", "values: [1]");
    bench.ran("cells.ron");
    assert!(!whole("prefilter=Regular,rate=low,seed=2").exists(), "a cell that the pipeline has no more goes");
    assert!(whole("prefilter=Regular,rate=low,seed=1").exists());
    let answer = bench.call("plan cells.ron --only train[seed=3]");
    assert!(answer.code == Some(2) && answer.err.contains("`train` has no cell with `seed=3`."), "{answer:?}");
    let same = bench.call("diff latest latest");
    assert_eq!(same.code, Some(0), "{same:?}");
}

#[test]
fn labels_that_a_disk_takes_for_one_name_have_folders_of_their_own() {
    let labels = ["base", "base*", "α", "β", "\u{e9}", "e\u{301}"];
    let values: Vec<String> = labels.iter().zip(1..).map(|(label, seed)| format!("{label:?}: {seed}")).collect();
    let axes = format!("matrix: (axes: {{\"way\": (set: [\"train.seed\"], values: {{{}}})}}),\n", values.join(", "));
    let bench = Bench::new();
    let events = "\"events\": Events(from: [\"train\"]), \"table\"";
    let text = SMALL.replace("stages: {", &format!("{axes} stages: {{")).replace("\"table\"", events);
    bench.write("cells.ron", text.replace("iterations: 2, steps: 3", "iterations: 1, steps: 1"));
    bench.ran("cells.ron --only train,events");
    let folder = bench.newest("small");
    let found = |below: &str, name: &str| -> Vec<String> {
        let files = crate::harness::files(&folder.join(below)).into_iter();
        files
            .filter_map(|path| path.split_once('/').filter(|(_, file)| file.contains(name)).map(|x| x.0.to_owned()))
            .collect()
    };
    let (mut trainings, mut events) = (found("train", "steps.csv"), found("events/train", "tfevents"));
    for folders in [&mut trainings, &mut events] {
        folders.iter_mut().for_each(|folder| *folder = folder.to_lowercase());
        folders.dedup();
        assert_eq!(folders.len(), labels.len(), "{folders:?}");
        assert!(folders.iter().any(|folder| folder.starts_with("way=α~")), "{folders:?}");
    }
}
