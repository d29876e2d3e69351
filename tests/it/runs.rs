//! Runs as others see them: in their order, while they go on, after they were killed, and by what they leave.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::harness::{Bench, files};

/// A stage that is done at once, one that waits for the file `go`, one that needs it, and one that waits for a turn.
fn slow() -> Bench {
    let bench = Bench::new();
    let wait = format!("while [ ! -e {} ]; do sleep 0.02; done", bench.path("go").display());
    let stage = |name: &str, script: &str, inputs: &str| {
        format!(
            r#""{name}": Command(run: ["sh", "-c", "{script}; echo {name} > $0", "{{out:o}}"], inputs: {{{inputs}}}, outputs: {{"o": "o.txt"}}),"#
        )
    };
    let stages = [
        stage("first", "true", ""),
        stage("second", &wait, r#""first": "first""#),
        stage("third", "true", r#""second": "second""#),
    ];
    bench.write("slow.ron", format!("Pipeline(name: \"slow\", stages: {{ {} }})", stages.join("\n")));
    bench
}

fn start(bench: &Bench) -> Child {
    let mut command = bench.command("run slow.ron");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn statuses(record: &Json) -> Vec<String> {
    let nodes = record["nodes"].as_array().unwrap().iter();
    nodes.map(|node| node["status"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the newest run has nodes of these statuses.
fn until(bench: &Bench, wanted: &[&str]) -> Json {
    let begin = Instant::now();
    loop {
        let answer = bench.call("show latest --format json");
        if let Some(record) = (answer.code == Some(0)).then(|| serde_json::from_str::<Json>(&answer.out).unwrap())
            && statuses(&record) == wanted
        {
            return record;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "waited for {wanted:?}: {answer:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

fn size(folder: &Path) -> u64 {
    files(folder).iter().map(|file| std::fs::metadata(folder.join(file)).unwrap().len()).sum()
}

#[test]
fn a_run_that_goes_on_is_shown_so_and_what_it_finished_outlives_its_kill() {
    let bench = slow();
    let mut run = start(&bench);
    let record = until(&bench, &["ran", "running", "waiting"]);
    assert_eq!(record["status"], "running");
    let text = bench.ok("show");
    for word in ["status    running", "running", "waiting", "slow.ron"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let list: Json = serde_json::from_str(&bench.ok("runs --format json")).unwrap();
    let counts = ["ran", "cached", "failed", "running", "waiting"].map(|name| list[0][name].as_u64().unwrap());
    assert_eq!((list[0]["status"].as_str(), counts), (Some("running"), [1, 0, 0, 1, 1]));
    signal(&run, "-KILL");
    run.wait().unwrap();
    let record = until(&bench, &["ran", "interrupted", "skipped"]);
    assert_eq!(record["status"], "interrupted");
    // What it finished is found by name.
    bench.write(
        "use.ron",
        r#"Pipeline(name: "use", stages: {
            "copy": Command(run: ["cp", "{in:a.o}", "{out:o}"], inputs: {"a": "run:slow/first"}, outputs: {"o": "o.txt"}),
        })"#,
    );
    bench.ran("use.ron");
    assert_eq!(std::fs::read_to_string(bench.path("results/use/copy/o.txt")).unwrap(), "first\n");
    // Once its stage has ended too, a run that sweeps makes a record of its own for the killed one, which says the same.
    let begin = Instant::now();
    while files(&bench.path("store/runs")).iter().any(|name| name.ends_with(".nodes")) {
        assert!(begin.elapsed() < Duration::from_secs(60));
        bench.ran("use.ron");
    }
    assert_eq!(statuses(&bench.record(record["id"].as_str().unwrap())), ["ran", "interrupted", "skipped"]);
}

#[test]
fn the_end_of_the_terminal_stops_a_run_as_ctrl_c_does() {
    for name in ["-HUP", "-TERM", "-INT"] {
        let bench = slow();
        let mut run = start(&bench);
        until(&bench, &["ran", "running", "waiting"]);
        signal(&run, name);
        assert_eq!(run.wait().unwrap().code(), Some(130), "{name}");
        let record = bench.record("latest");
        assert_eq!((record["status"].as_str(), statuses(&record)[0].as_str()), (Some("interrupted"), "ran"), "{name}");
    }
    // One that was started to outlive its terminal does not heed it.
    let bench = slow();
    let line = bench.command("run slow.ron");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(line.get_program()).args(line.get_args());
    command.current_dir(bench.path("")).stdin(Stdio::null()).stdout(Stdio::null());
    let mut run = command.spawn().unwrap();
    until(&bench, &["ran", "running", "waiting"]);
    signal(&run, "-HUP");
    bench.write("go", "");
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn a_run_that_waits_for_another_says_so_and_ctrl_c_ends_the_wait() {
    let bench = slow();
    let mut one = start(&bench);
    until(&bench, &["ran", "running", "waiting"]);
    let mut two = start(&bench);
    let record = until(&bench, &["hit", "waiting", "waiting"]);
    let message = record["nodes"][1]["message"].as_str().unwrap();
    assert_eq!(message, "It waits for another stage that computes the same.");
    signal(&two, "-INT");
    assert_eq!(two.wait().unwrap().code(), Some(130));
    bench.write("go", "");
    assert_eq!(one.wait().unwrap().code(), Some(0));
    assert_eq!(statuses(&bench.record("latest~1")), ["ran"; 3]);
}

#[test]
fn a_run_with_nothing_to_do_leaves_a_head_and_no_more() {
    let bench = Bench::small();
    bench.ran("small.ron");
    let before = size(&bench.path("store"));
    for _ in 0..5 {
        assert!(bench.ran("small.ron").is_empty());
    }
    let more = (size(&bench.path("store")) - before) / 5;
    assert!(more < 2048, "a run with nothing to do leaves {more} bytes");
    // And it is as complete as the first one.
    let (first, last) = (bench.record("latest~5"), bench.record("latest"));
    for name in ["resolved", "params", "numeric", "machine", "versions", "sets"] {
        assert_eq!(first[name], last[name], "{name}");
    }
    for (first, last) in first["nodes"].as_array().unwrap().iter().zip(last["nodes"].as_array().unwrap()) {
        for name in ["stage", "iteration", "kind", "key", "outputs", "metrics", "preimage"] {
            assert_eq!(first[name], last[name], "{name}");
        }
    }
    assert_eq!(bench.call("diff latest~5 latest").code, Some(0));
    bench.ok("export latest run.tar.zst");
}

#[test]
fn a_full_disk_at_the_last_record_skips_no_publishing_and_is_told() {
    let mut told = 0;
    for n in 1.. {
        let bench = slow();
        bench.write("go", "");
        let answer = bench.call_failing("run slow.ron", &format!("run:write@{n}=full"));
        if answer.code == Some(0) {
            break;
        }
        assert_eq!(answer.code, Some(5), "{n}: {answer:?}");
        if answer.err.contains("The record of this run could not be written") {
            told += 1;
            assert!(answer.err.contains("no storage space") && answer.err.contains("Free some space"), "{answer:?}");
            assert_eq!(std::fs::read_to_string(bench.path("results/slow/third/o.txt")).unwrap(), "third\n");
            let record = bench.record("latest");
            assert_eq!(
                (record["status"].as_str(), statuses(&record)),
                (Some("interrupted"), vec!["ran".to_owned(); 3])
            );
        }
        assert_eq!(bench.call("run slow.ron").code, Some(0), "{n}");
    }
    assert!(told >= 2, "{told}");
}

#[test]
fn every_terminal_sees_how_far_a_stage_at_work_is_and_the_log_has_the_lines_that_were_printed() {
    let bench = Bench::small();
    bench.edit("small.ron", "iterations: 2, steps: 3", "iterations: 1, steps: 100000");
    let mut command = bench.command("run small.ron --only train --json");
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    let text = loop {
        let text = bench.call("show").out;
        if text.contains(" of 100000 steps; loss ") {
            break text;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{text}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let train = text.lines().find(|line| line.starts_with("train")).unwrap();
    assert!(train.contains("running") && train.contains(" of 100000 steps; loss "), "{text}");
    let list = bench.ok("runs");
    assert!(list.lines().any(|line| line.contains(": train: ") && line.contains(" of 100000 steps")), "{list}");
    // A run that waits for the same follows what the other one's stage says.
    let mut waits = bench.command("run small.ron --only train --json");
    let mut waits = waits.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(waits.stdout.take().unwrap()).lines();
    let mut until = |wanted: &str| lines.by_ref().map(Result::unwrap).find(|line| line.contains(wanted)).unwrap();
    until("\"node_waiting\"");
    assert!(until("\"progress\"").contains("\"stage\":\"train\""));
    signal(&waits, "-INT");
    assert_eq!(waits.wait().unwrap().code(), Some(130));
    signal(&run, "-INT");
    let mut printed = String::new();
    std::io::Read::read_to_string(&mut run.stdout.take().unwrap(), &mut printed).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    let logs: Vec<String> =
        files(&bench.path("store/runs")).into_iter().filter(|name| name.ends_with(".events")).collect();
    assert_eq!(logs.len(), 2, "{logs:?}");
    assert_eq!(std::fs::read_to_string(bench.path("store/runs").join(&logs[0])).unwrap(), printed);
    assert!(!bench.ok("runs").contains(": train: "), "a run that ended is not at work");
    // A run that has nothing to do writes no log.
    bench.ran("small.ron --only pictures");
    let count = |end: &str| files(&bench.path("store/runs")).iter().filter(|name| name.ends_with(end)).count();
    assert_eq!((count(".json"), count(".events")), (3, 2));
}

/// The lines of standard error of a call that succeeds, without run ids.
fn said(bench: &Bench, line: &str) -> String {
    let answer = bench.call(line);
    assert!(matches!(answer.code, Some(0 | 1)), "{line}: {answer:?}");
    let lines = answer.err.lines().filter(|line| line.starts_with("note: ") || line.starts_with("warning: "));
    let lines = lines.map(|line| bench.normal(line).split(", finished ").next().unwrap_or_default().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// A pipeline that writes a text, with a profile, and a pipeline that takes the text of the newest such run.
fn texts() -> Bench {
    let bench = Bench::new();
    bench.write(
        "text.ron",
        r#"Pipeline(name: "text", stages: {
            "made": Command(run: ["sh", "-c", "echo $K > $0", "{out:o}"], env: {"K": "whole"}, outputs: {"o": "o.txt"}),
            "other": Command(run: ["sh", "-c", "test $K != bad && echo $K > $0", "{out:o}"], env: {"K": "good"}, outputs: {"o": "o.txt"}),
        }, profiles: {"tiny": {"made": (env: {"K": "tiny"})}})"#,
    );
    let take = |name: &str| {
        let copy = format!(
            r#"Command(run: ["cp", "{{in:a.o}}", "{{out:o}}"], inputs: {{"a": "run:{name}/made"}}, outputs: {{"o": "o.txt"}})"#
        );
        format!(r#"Pipeline(name: "take", stages: {{"one": {copy}, "two": {copy}}})"#)
    };
    for (file, name) in [("take.ron", "text"), ("tiny.ron", "text@tiny"), ("latest.ron", "latest")] {
        bench.write(file, take(name));
    }
    bench
}

#[test]
fn a_pipelines_name_means_its_newest_finished_run_that_is_no_trial() {
    let bench = texts();
    let trial = r#"text.ron --set made.env.K="trial""#;
    bench.ran(trial);
    let id = |name: &str| bench.record(name)["id"].as_str().unwrap().to_owned();
    let only_trials = bench.call("show text");
    assert_eq!(only_trials.code, Some(2));
    let latest = id("latest");
    assert!(only_trials.err.contains(&format!("{latest} is a trial (made.env.K=\"trial\")")), "{only_trials:?}");
    assert!(only_trials.err.contains(&format!("by its id, as `{latest}`")), "{only_trials:?}");

    bench.ran("text.ron");
    let whole = id("latest");
    bench.ran("text.ron --profile tiny");
    let tiny = id("latest");
    bench.ran("text.ron --only made");
    assert_eq!(bench.call(r#"run text.ron --set other.env.K="bad""#).code, Some(3));
    let failed = id("latest");
    assert_eq!([id("text"), id("text@tiny"), id(&failed)], [whole.clone(), tiny.clone(), failed]);
    // Every command says which run it took; what it prints is not mixed with that.
    let warning = "warning: For `text`, newer runs were passed over: [run] is a trial (other.env.K=\"bad\"); [run] is a trial (only \
                   made); [run] has the profile `tiny`.";
    for line in ["show text", "show text --format json", "export text x.tar.zst"] {
        assert_eq!(said(&bench, line), format!("note: run [run] of text\n{warning}"), "{line}");
    }
    assert_eq!(
        said(&bench, "diff text@tiny text"),
        format!("note: run [run] of text@tiny\nnote: run [run] of text\n{warning}")
    );
    assert_eq!(said(&bench, "show text@tiny"), "note: run [run] of text@tiny");
    assert!(said(&bench, "show").starts_with("note: run [run] of text (a trial: other.env.K=\"bad\"), failed "));
    assert_eq!(crate::harness::unpacked(&bench, "x.tar.zst")[0].0, "text/manifest.json");

    // References mean the same runs. Which ones these are is said once, also where stages share them.
    let taken = |file: &str| {
        bench.ran(file);
        std::fs::read_to_string(bench.path("results/take/two/o.txt")).unwrap()
    };
    assert_eq!(["take.ron", "tiny.ron"].map(taken), ["whole\n", "tiny\n"]);
    for line in ["plan take.ron", "run take.ron", "run take.ron --json", "graph take.ron"] {
        assert_eq!(said(&bench, line), format!("note: `run:text/made`: run [run] of text\n{warning}"), "{line}");
    }
    bench.ran(trial);
    assert_eq!(taken("latest.ron"), "trial\n");
}

#[test]
fn what_an_unfinished_run_finished_is_taken_where_no_finished_run_has_it() {
    let bench = texts();
    bench.edit("text.ron", "\"good\"", "\"bad\"");
    bench.edit("text.ron", "\"whole\"", "\"early\"");
    assert_eq!(bench.call("run text.ron").code, Some(3));
    let taken = || {
        let answer = bench.call("run take.ron");
        assert_eq!(answer.code, Some(0), "{answer:?}");
        (std::fs::read_to_string(bench.path("results/take/one/o.txt")).unwrap(), answer.err)
    };
    let (text, told) = taken();
    assert_eq!(text, "early\n");
    assert!(told.contains("`run:text/made`: run ") && told.contains(" of text, failed "), "{told}");
    // A finished run comes first, also if a newer one finished the stage and failed later.
    bench.edit("text.ron", "\"bad\"", "\"good\"");
    bench.edit("text.ron", "\"early\"", "\"whole\"");
    bench.ran("text.ron");
    bench.edit("text.ron", "\"good\"", "\"bad\"");
    bench.edit("text.ron", "\"whole\"", "\"late\"");
    assert_eq!(bench.call("run text.ron").code, Some(3));
    let (text, told) = taken();
    assert_eq!(text, "whole\n");
    assert!(told.contains("warning: For `text`, a newer run was passed over: ") && told.contains(" failed."), "{told}");
}
