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

/// Two runs with figures that differ, and one of another pipeline without figures.
fn listed() -> Bench {
    let bench = texts();
    bench.write("small.ron", crate::harness::SMALL);
    bench.ran("small.ron");
    bench.ran("small.ron --set others.source.seed=8");
    bench.ran("text.ron --profile tiny");
    bench
}

fn json(bench: &Bench, line: &[&str]) -> Vec<Json> {
    let mut command = bench.command("runs --format json");
    let answer = crate::harness::Answer::of(command.args(line).output().unwrap());
    assert_eq!(answer.code, Some(0), "{line:?}: {answer:?}");
    serde_json::from_str(&answer.out).unwrap()
}

#[test]
fn runs_are_listed_with_their_figures_filtered_and_sorted() {
    let bench = listed();
    let figure = |run: &str| {
        let record = bench.record(run);
        let nodes = record["nodes"].as_array().unwrap();
        let last = nodes.iter().rfind(|node| node["stage"] == "validate").unwrap();
        (record["id"].as_str().unwrap().to_owned(), 100.0 * last["metrics"]["mean_iou"].as_f64().unwrap())
    };
    let mut runs = [figure("latest~1"), figure("latest~2")];
    assert!(runs[0].1 != runs[1].1, "{runs:?}");
    runs.sort_by(|a, b| a.1.total_cmp(&b.1));
    let [(low, least), (high, most)] = runs;
    let ids = |line: &[&str]| -> Vec<String> {
        json(&bench, line).iter().map(|run| run["run"].as_str().or(run["id"].as_str()).unwrap().to_owned()).collect()
    };
    let text = bench.record("latest")["id"].as_str().unwrap().to_owned();
    let columns = ["--columns", "run,mean_iou"];
    assert_eq!(ids(&["--sort", "mean_iou"]), [low.clone(), high.clone(), text.clone()]);
    assert_eq!(ids(&["--sort", "-mean_iou", "-n", "2"]), [high.clone(), low.clone()]);
    let middle = format!("mean_iou > {}", (least + most) / 2.0);
    assert_eq!(ids(&["--where", &middle]), [high.as_str()]);
    assert_eq!(ids(&[&["--where", &middle, "--where", "status = done"][..], &columns].concat()), [high.as_str()]);
    assert_eq!(ids(&["--where", &middle, "--where", "seconds < 0"]), [""; 0]);
    assert_eq!(ids(&["--where", "others.source.seed = 8", "--where", "trial != ''"]).len(), 1);
    assert_eq!(ids(&["--where", "train.model.prefilter = Average", "--where", "trial = ''"]).len(), 1);
    assert_eq!(ids(&["text@tiny"]), [text.as_str()]);
    assert_eq!(ids(&["--where", "pipeline=text", "--where", "profile != tiny"]), [""; 0]);
    // The values are those of the records, in percent.
    let shown = json(&bench, &["--columns", "mean_iou,validate.mean_iou,run", "--sort=-mean_iou"]);
    assert!((shown[0]["mean_iou"].as_f64().unwrap() - most).abs() < 1e-9, "{shown:?}");
    assert_eq!((&shown[0]["validate.mean_iou"], &shown[2]["mean_iou"]), (&shown[0]["mean_iou"], &Json::Null));
    let all = json(&bench, &["small"]);
    let figures = [&all[0], &all[1]].map(|run| run["metrics"]["validate.mean_iou"].as_f64().unwrap());
    assert!(figures.iter().any(|figure| (figure - least).abs() < 1e-9), "{all:?}");
    // A list without arguments fits 80 columns and tells them too.
    let list = bench.ok("runs");
    let whole = bench.ok("runs --where trial=''");
    assert!(whole.lines().all(|line| line.chars().count() <= 80) && whole.contains("small "), "{whole}");
    assert!(list.contains(&format!("{most:.2}")) && list.contains("small (others.source.seed=8)"), "{list}");
    assert!(list.contains("text (tiny)"), "{list}");
}

#[test]
fn a_list_of_runs_is_a_table_for_programs() {
    let bench = listed();
    let csv = bench.ok("runs --format csv --columns run,pipeline,profile,seconds,mean_iou --sort pipeline");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines[0], lines.len()), ("run,pipeline,profile,seconds,mean_iou", 4));
    assert!(lines[3].contains(",text,tiny,") && lines[3].ends_with(','), "{csv}");
    bench.ok("runs --out runs.csv --columns run,pipeline,profile,seconds,mean_iou --sort pipeline");
    assert_eq!(std::fs::read_to_string(bench.path("runs.csv")).unwrap(), csv);
    assert_eq!(bench.ok("runs --out runs.parquet"), "");
    let written = std::fs::read(bench.path("runs.parquet")).unwrap();
    let printed = bench.command("runs --format parquet").output().unwrap();
    assert!(written.starts_with(b"PAR1") && printed.stdout == written);
    assert!(bench.ok("runs --format markdown").starts_with("| run "));
    assert!(bench.ok("runs --format csv").starts_with("run,pipeline,profile,trial,status,started,seconds,ran,"));
}

#[test]
fn a_list_that_cannot_be_is_told() {
    let bench = listed();
    let told = |line: &[&str]| {
        let answer = crate::harness::Answer::of(bench.command("runs").args(line).output().unwrap());
        assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""), "{line:?}: {answer:?}");
        answer.err
    };
    assert!(told(&["--sort", "mean_iuo"]).contains("No run has a column `mean_iuo`, did you mean `mean_iou`?"));
    assert!(told(&["--where", "sttus = done"]).contains("did you mean `status`?"));
    let wrong = told(&["--columns", "train.stpes", "--where", "status = failed"]);
    assert!(wrong.contains("did you mean `train.steps`?"), "{wrong}");
    assert!(told(&["--where", "mean_iou"]).contains("`mean_iou` has no operator."));
    assert!(told(&["--where", "mean_iou > high"]).contains("`high` is none"));
    assert!(told(&["--where", "status > 3"]).contains("`status` is no number"));
    assert!(told(&["--out", "runs.xls"]).contains("txt, md, json, csv and parquet"));
    // No run has failed, so none is listed; a column that other runs have is known.
    assert!(bench.ok("runs --where status=failed --sort mean_iou").contains("There are no such runs."));
}
