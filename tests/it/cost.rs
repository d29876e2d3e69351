//! The kind `Cost`: what it measures, that it is measured anew elsewhere, and that nothing of it outlives a run.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::Bench;
use crate::outside::{children, wait_until};

const COST: &str = r#"Pipeline(
    name: "cost",
    stages: {
        "cost": Cost(
            model: DeepLabV2(encoder: Tiny, classes: 6, prefilter: Average()),
            batch: 2, crop: (33, 41), repeats: 3, rounds: 2, MORE
        ),
    },
)
"#;

fn bench(more: &str) -> Bench {
    let bench = Bench::new();
    bench.write("cost.ron", COST.replace("MORE", more));
    bench
}

/// The rows of a published table, each with its cells by column.
fn rows(bench: &Bench, table: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let text = std::fs::read_to_string(bench.newest("cost").join(format!("cost/{table}.csv"))).unwrap();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines
        .map(|line| head.iter().map(|name| (*name).to_owned()).zip(line.split(',').map(str::to_owned)).collect())
        .collect()
}

#[test]
fn each_repeat_is_a_row_and_the_figure_is_their_median() {
    for (work, passes) in [("", "training"), ("work: Prediction,", "prediction")] {
        let bench = bench(work);
        bench.ok("run cost.ron --threads 1");
        let repeats = rows(&bench, "measurements");
        let number = |row: &std::collections::BTreeMap<String, String>, name: &str| row[name].parse::<f64>().unwrap();
        assert_eq!(repeats.iter().map(|row| row["repeat"].as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
        let mut seconds: Vec<f64> = repeats.iter().map(|row| number(row, "seconds_per_step")).collect();
        seconds.sort_by(f64::total_cmp);
        for row in &repeats {
            assert!((number(row, "images_per_s") * number(row, "seconds_per_step") - 2.0).abs() < 1e-9, "{row:?}");
            assert!(number(row, "memory_mib") > 1.0 && number(row, "peak_gflop_per_s") > 0.0, "{row:?}");
            assert!(number(row, "load_before") >= 0.0 && number(row, "load_after") >= 0.0, "{row:?}");
        }
        let all = rows(&bench, "cost");
        assert_eq!((all.len(), all[0]["work"].as_str(), all[0]["prefilter"].as_str()), (1, passes, "Average"));
        assert_eq!([&all[0]["height"], &all[0]["width"], &all[0]["batch"], &all[0]["threads"]], ["33", "41", "2", "1"]);
        assert_eq!(number(&all[0], "seconds_per_step"), seconds[1]);
        assert_eq!([number(&all[0], "least_s"), number(&all[0], "greatest_s")], [seconds[0], seconds[2]]);
        assert!((number(&all[0], "spread") - (seconds[2] - seconds[0]) / seconds[1]).abs() < 1e-12);
        assert!(number(&all[0], "parameters") > 1e4 && number(&all[0], "gflop") > 0.0 && !all[0]["host"].is_empty());
        let record = bench.record("latest");
        let metrics = &record["nodes"][0]["metrics"];
        assert_eq!(metrics["seconds_per_step"].as_f64().unwrap(), seconds[1]);
        assert_eq!(metrics["memory_mib"].as_f64().unwrap(), number(&all[0], "memory_mib"));
    }
}

#[test]
fn a_measurement_is_made_once_a_machine_and_number_of_threads() {
    let bench = bench("");
    assert_eq!(bench.ran("cost.ron --threads 1"), ["cost"]);
    let before = bench.digests();
    assert!(bench.ran("cost.ron --threads 1").is_empty());
    assert_eq!(bench.digests(), before);
    let plan = bench.ok("plan cost.ron --threads 2 --oversubscribe");
    assert!(plan.contains("run      cost  machine.threads: 1 -> 2\n"), "{plan}");
    let record = bench.record("latest");
    let preimage = &record["nodes"][0]["preimage"];
    assert_eq!(preimage["machine.host"], record["machine"]["host"]);
    assert_eq!(preimage["machine.cores"], record["machine"]["cores"]);
}

#[test]
fn what_cannot_be_measured_is_told_when_it_is_planned() {
    for (more, code, told) in [
        ("work: Prediction, recompute: 2,", 2, "`recompute` is of training steps"),
        ("work: Prediction, precision: Bf16,", 2, "`precision` is of training steps"),
        ("work: Prediction, deterministic: false,", 2, "`deterministic` is of training steps"),
        ("work: Predicting,", 2, "`Prediction`"),
        ("warm_up: 2,", 2, "`warmup`"),
        ("graph: true,", 6, "`cpu` records no work"),
        ("precision: Tf32,", 6, "Tf32"),
    ] {
        let answer = bench(more).call("plan cost.ron");
        assert_eq!(answer.code, Some(code), "{more}: {answer:?}");
        assert!(answer.all().contains(told), "{more}: {answer:?}");
    }
    let few = bench("");
    few.edit("cost.ron", "repeats: 3", "repeats: 1");
    let answer = few.call("plan cost.ron");
    assert!(answer.code == Some(2) && answer.all().contains("repeats"), "{answer:?}");
    few.edit("cost.ron", "repeats: 1", "repeats: 2");
    few.edit("cost.ron", "prefilter: Average()", "prefilter: Average(), head: Aspp(rates: [6, 6])");
    let answer = few.call("plan cost.ron");
    assert!(answer.code == Some(2) && answer.all().contains("each dilation once"), "{answer:?}");
}

#[test]
fn nothing_that_measures_outlives_its_run() {
    // Who is killed, by what, and how the run ends: the run, its stage, or the process that measures.
    for (who, by, code) in [(0, "-KILL", None), (0, "-INT", Some(130)), (1, "-KILL", Some(3)), (2, "-KILL", Some(3))] {
        // One pass takes long: nobody waits for its end.
        let bench = bench("rounds: 5000,");
        bench.edit("cost.ron", "rounds: 2, rounds: 5000", "rounds: 5000");
        bench.edit("cost.ron", "crop: (33, 41)", "crop: (1200, 1200)");
        let mut run = bench.command("run cost.ron").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let first = |pid: u32| children(pid).first().copied();
        let mut chain = None;
        wait_until("the process that measures", || {
            chain = first(run.id()).and_then(|stage| Some((stage, first(stage)?)));
            chain.is_some()
        });
        let (stage, worker) = chain.unwrap();
        let line = std::fs::read_to_string(format!("/proc/{worker}/cmdline")).unwrap();
        assert!(line.contains("bench-worker"), "{line}");
        let begin = Instant::now();
        let victim = [run.id(), stage, worker][who].to_string();
        assert!(Command::new("kill").args([by, &victim]).status().unwrap().success());
        assert_eq!(run.wait().unwrap().code(), code, "{who} {by}");
        let gone = |pid: u32| !std::path::Path::new(&format!("/proc/{pid}")).exists();
        wait_until("the end of the stage and of what it started", || gone(stage) && gone(worker));
        assert!(begin.elapsed() < Duration::from_secs(60), "{who} {by}: {:?}", begin.elapsed());
        assert!(bench.ok("runs").contains("cost") || code.is_none());
    }
}
