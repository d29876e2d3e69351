//! `repro doctor`: a line for each check, with what to do, and nothing is changed.

use serde_json::Value as Json;

use crate::harness::{Bench, files};

/// The checks by name: the level, what was seen, and the advice.
fn checks(bench: &Bench, more: &str, code: i32) -> Vec<(String, String, String, String)> {
    let answer = bench.call(&format!("doctor --json {more}"));
    assert_eq!(answer.code, Some(code), "{answer:?}");
    let list: Vec<Json> = serde_json::from_str(&answer.out).unwrap();
    let text = |check: &Json, name: &str| check[name].as_str().unwrap().to_owned();
    list.iter().map(|c| (text(c, "name"), text(c, "level"), text(c, "seen"), text(c, "advice"))).collect()
}

fn of<'a>(checks: &'a [(String, String, String, String)], name: &str) -> &'a (String, String, String, String) {
    checks.iter().find(|check| check.0 == name).unwrap_or_else(|| panic!("{name} is not in {checks:?}"))
}

#[test]
fn a_sound_store_passes_and_is_not_changed() {
    let bench = Bench::small();
    let none = checks(&bench, "", 0);
    assert!(of(&none, "store").2.starts_with("none yet; the first run would make"), "{none:?}");
    assert!(!bench.path("store").exists(), "none was made");
    bench.ok("run small.ron --only pictures");
    let before = files(&bench.path("store"));
    let found = checks(&bench, "small.ron", 0);
    for name in
        ["program", "processor", "memory", "clock", "driver", "store", "store's disk", "rename", "locks", "results"]
    {
        assert_ne!(of(&found, name).1, "fail", "{found:?}");
    }
    assert_eq!(of(&found, "locks").2, "another process sees a lock of this one");
    assert_eq!(of(&found, "data roots").2, "the pipeline `small` reads none");
    assert_eq!(files(&bench.path("store")), before);
    let text = bench.ok("doctor");
    assert!(text.lines().any(|line| line.starts_with("ok    program ")) && text.contains(" 0 FAIL"), "{text}");
}

#[test]
fn what_is_missing_fails_with_its_code_and_what_to_do() {
    let bench = Bench::new();
    bench.write(
        "p.ron",
        r#"Pipeline(name: "p", stages: {"set": Dataset(source: Listed(root: "fields", list: "l.txt"), classes: Voc)})"#,
    );
    let found = checks(&bench, "p.ron", 4);
    let root = of(&found, "data fields");
    assert!(root.1 == "fail" && root.2.contains("Name its folder by `--data fields=PATH`"), "{root:?}");
    let data = format!("p.ron --data fields={}", bench.path("").display());
    assert_eq!(of(&checks(&bench, &data, 0), "data fields").1, "ok");
    assert_eq!(checks(&bench, "--data fields=/nowhere/at/all", 4).last().unwrap().0, "data roots");
    bench.write("broken.ron", "Pipeline(");
    assert_eq!(of(&checks(&bench, "broken.ron", 2), "pipeline").1, "fail");
    // This program was built without CUDA, or there is no such GPU.
    let gpu = checks(&bench, "--device cuda:63", 6);
    let gpu = of(&gpu, "cuda:63");
    assert!(gpu.1 == "fail" && gpu.3.contains("--device cpu"), "{gpu:?}");
}

#[test]
fn a_store_that_cannot_be_written_or_read_fails() {
    let bench = Bench::small();
    bench.ok("run small.ron --only pictures");
    // As on a disk that is read-only.
    let denied = bench.call_failing("doctor", "write@1=denied");
    assert_eq!(denied.code, Some(5), "{denied:?}");
    let line = denied.out.lines().position(|line| line.starts_with("FAIL  store's files")).unwrap();
    let advice = denied.out.lines().skip(line).take(4).collect::<String>();
    assert!(advice.contains("Permission denied") || advice.contains("permission denied"), "{denied:?}");
    assert!(denied.out.contains("A read-only store serves `plan`"), "{denied:?}");
    bench.write("store/format", "repro store 2\n");
    let newer = bench.call("doctor");
    assert!(newer.code == Some(5) && newer.out.contains("FAIL  store"), "{newer:?}");
    assert_eq!(std::fs::read(bench.path("store/format")).unwrap(), b"repro store 2\n");
    let other = Bench::new();
    other.write("store/photos/a.jpg", "x");
    assert_eq!(other.call("doctor").code, Some(5));
    assert_eq!(files(&other.path("store")), ["photos/a.jpg"]);
}

#[test]
fn a_killed_doctor_leaves_only_what_the_next_run_removes() {
    let bench = Bench::small();
    bench.ok("run small.ron --only pictures");
    // The process ends before its first rename, with its files made.
    let answer = bench.call_failing("doctor", "sync@1=kill");
    assert_eq!(answer.code, None, "{answer:?}");
    assert!(!files(&bench.path("store/tmp")).is_empty());
    bench.ok("run small.ron --only others");
    let left: Vec<String> = files(&bench.path("store/tmp"));
    assert!(left.is_empty(), "{left:?}");
}
