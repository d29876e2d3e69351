//! Comparing runs, finding them by name, and the switches of a run.

use serde_json::Value as Json;

use crate::harness::{Bench, SMALL, digests, events, node, started};

/// `repro diff A B --format json`: exit code and value.
pub(crate) fn diff(bench: &Bench, runs: &str) -> (Option<i32>, Json) {
    let answer = bench.call(&format!("diff {runs} --format json"));
    (answer.code, serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {answer:?}")))
}

pub(crate) fn paths(section: &Json) -> Vec<&str> {
    section.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect()
}

/// Two pipelines that differ in their name and their pre-filter, both run.
fn regular_and_average() -> Bench {
    let bench = Bench::new();
    bench.write("average.ron", SMALL.replace("name: \"small\"", "name: \"average\""));
    bench.write("regular.ron", SMALL.replace("name: \"small\"", "name: \"regular\"").replace("Average()", "Regular"));
    bench.ran("regular.ron");
    bench.ran("average.ron");
    bench
}

#[test]
fn regular_and_average_differ_in_the_prefilter_alone() {
    let bench = regular_and_average();
    let (code, found) = diff(&bench, "regular average");
    assert_eq!(code, Some(1));
    assert_eq!(paths(&found["parameters"]), ["train.model.prefilter"]);
    let change = &found["parameters"][0];
    assert!(change["values"][0].as_str().unwrap().starts_with("Regular"), "{change}");
    assert!(change["values"][1].as_str().unwrap().starts_with("Average"), "{change}");
    assert_eq!(
        (&found["inputs"], &found["environment"]),
        (&Json::from(Vec::<Json>::new()), &Json::from(Vec::<Json>::new()))
    );
    let artifacts = paths(&found["artifacts"]);
    assert!(artifacts.contains(&"train[2].model") && artifacts.contains(&"table.table"), "{artifacts:?}");
    assert!(!artifacts.iter().any(|path| path.starts_with("pictures") || path.starts_with("start")), "{artifacts:?}");
    let metrics = found["metrics"].as_array().unwrap();
    assert!(paths(&found["metrics"]).contains(&"train[1].mean_loss"));
    for metric in metrics {
        let value = |run: usize| metric["values"][run].as_f64().unwrap();
        assert_eq!(metric["differences"][0].as_f64().unwrap(), value(1) - value(0), "{metric}");
    }
    let verdict = found["verdict"].as_str().unwrap();
    assert!(
        verdict.starts_with("`train.model.prefilter` alone differs (Regular -> Average(learned: true)), "),
        "{verdict}"
    );
}

#[test]
fn all_formats_tell_the_same_facts() {
    let bench = regular_and_average();
    let (_, found) = diff(&bench, "regular average");
    let last = |path: &str| !path.contains("[1]");
    for format in ["text", "markdown", "html"] {
        let answer = bench.call(&format!("diff regular average --artifacts --format {format}"));
        assert_eq!(answer.code, Some(1));
        assert!(answer.out.contains(&told(format, found["verdict"].as_str().unwrap())), "{}", answer.out);
        let line = |path: &str| {
            let whole = |line: &&str| line.split([' ', '|', '<', '>']).any(|word| word == told(format, path));
            let lines: Vec<&str> = answer.out.lines().collect();
            let at = lines.iter().position(whole).unwrap_or_else(|| panic!("{path} is not told: {}", answer.out));
            // A row of HTML has a line for each cell.
            lines[at..(at + if format == "html" { 4 } else { 1 }).min(lines.len())].join(" ")
        };
        for section in ["parameters", "artifacts"] {
            assert!(answer.out.contains(section), "{section}: {}", answer.out);
            for entry in found[section].as_array().unwrap() {
                for value in entry["values"].as_array().unwrap() {
                    let text = value.as_str().unwrap_or("-");
                    let shown = if text.len() == 64 { &text[..12] } else { text };
                    let line = line(entry["path"].as_str().unwrap());
                    assert!(line.contains(&told(format, shown)), "{shown} is not in: {line}");
                }
            }
        }
        for entry in found["metrics"].as_array().unwrap() {
            let path = entry["path"].as_str().unwrap();
            if !last(path)
                || ["mean_iou", "pixel_accuracy", "boundary_iou"]
                    .iter()
                    .any(|name| path.ends_with(&format!("2].{name}")))
            {
                continue;
            }
            for value in entry["values"].as_array().unwrap() {
                let shown = format!("{:.6}", value.as_f64().unwrap());
                assert!(line(path).contains(&shown), "{shown} is not in: {}", line(path));
            }
        }
        // Figures that have a test are told in percent, and nowhere without it.
        let figure = format!("{:.2}", 100.0 * found["figures"][0]["values"][1].as_f64().unwrap());
        assert!(answer.out.contains(&figure), "{figure} is not told: {}", answer.out);
        assert!(!answer.out.contains("validate[2].mean_iou"), "{}", answer.out);
        assert!(!answer.out.contains("inputs") && !answer.out.contains("environment"), "{}", answer.out);
    }
    let answer = bench.call("diff regular average");
    assert!(answer.out.starts_with(found["verdict"].as_str().unwrap()), "{}", answer.out);
    assert!(!answer.out.contains("train[2].model"), "{}", answer.out);
    assert!(answer.out.contains("outputs differ; `--artifacts` lists them."), "{}", answer.out);
}

/// A text as a format writes it.
fn told(format: &str, text: &str) -> String {
    match format {
        "markdown" => text.replace('`', "\\`"),
        "html" => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
        _ => text.to_owned(),
    }
}

#[test]
fn equal_runs_and_renamed_stages_are_no_difference() {
    let bench = Bench::small();
    bench.ran("small.ron");
    bench.ran("small.ron");
    let (code, found) = diff(&bench, "latest~1 latest");
    assert_eq!((code, found["verdict"].as_str()), (Some(0), Some("Nothing differs.")), "{found}");
    bench.edit("small.ron", "\"train\"", "\"learn\"");
    bench.edit("small.ron", "\"start\"", "\"begin\"");
    bench.edit("small.ron", "\"validate\"", "\"measure\"");
    assert!(bench.ran("small.ron").is_empty());
    let (code, found) = diff(&bench, "latest~1 latest");
    assert_eq!((code, paths(&found["parameters"]), paths(&found["artifacts"])), (Some(0), vec![], vec![]), "{found}");
    // What is not keyed does not count either.
    bench.ran("small.ron --set table.digits=5");
    assert_eq!(diff(&bench, "latest~1 latest").0, Some(0));
    // A stage more is a difference.
    bench.edit(
        "small.ron",
        "\"table\": Report",
        "\"more\": Predict(model: \"learn[1]\", data: \"others\"),\n\"table\": Report",
    );
    bench.ran("small.ron");
    let (code, found) = diff(&bench, "latest~1 latest");
    assert_eq!((code, paths(&found["parameters"])), (Some(1), vec!["more"]), "{found}");
}

#[test]
fn changed_contents_are_changed_inputs() {
    let bench = Bench::new();
    bench.write("script.sh", "cp $1 $2\n");
    bench.write("album/input.txt", "one\n");
    bench.write(
        "one.ron",
        r#"Pipeline(name: "one", stages: {
            "copy": Command(
                run: ["sh", "{file:script}", "{file:input}", "{out:text}"],
                files: {"script": "script.sh", "input": "album:input.txt"}, outputs: {"text": "text.txt"},
            ),
        })"#,
    );
    let line = format!("one.ron --data album={}", bench.path("album").display());
    bench.ran(&line);
    bench.write("album/input.txt", "two\n");
    bench.ran(&line);
    let (code, found) = diff(&bench, "one~1 one");
    assert_eq!((code, paths(&found["parameters"])), (Some(1), vec![]), "{found}");
    let inputs = paths(&found["inputs"]);
    assert!(inputs.len() == 1 && inputs[0].starts_with("copy.file.") && inputs[0].contains("input"), "{inputs:?}");
    assert_eq!(paths(&found["artifacts"]), ["copy.text"]);
    let cause = paths(&found["inputs"])[0];
    assert_eq!(found["verdict"], format!("`{cause}` alone differs."));
}

#[test]
fn runs_are_found_by_id_prefix_pipeline_and_age() {
    let bench = Bench::new();
    for (name, seed) in [("small", 1), ("other", 1), ("small", 3)] {
        let start = format!(r#""start": Weights(encoder: Tiny, source: Seeded(encoder: Stable, seed: {seed}))"#);
        bench.write("p.ron", format!("Pipeline(name: \"{name}\", stages: {{ {start} }})"));
        bench.ran("p.ron");
    }
    let list: Json = serde_json::from_str(&bench.ok("runs --format json")).unwrap();
    let ids: Vec<&str> = list.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    let id = |name: &str| bench.record(name)["id"].as_str().unwrap().to_owned();
    assert_eq!([id("latest"), id("latest~1"), id("latest~2")], [ids[0], ids[1], ids[2]]);
    assert_eq!([id("small"), id("small~1"), id("other")], [ids[0], ids[2], ids[1]]);
    let prefix = (1..).map(|n| &ids[1][..n]).find(|prefix| ids.iter().filter(|id| id.starts_with(prefix)).count() == 1);
    assert_eq!([id(ids[1]), id(prefix.unwrap())], [ids[1], ids[1]]);
    let shown: Json = serde_json::from_str(&bench.ok("runs small -n 1 --format json")).unwrap();
    assert!(shown.as_array().unwrap().len() == 1 && shown[0]["id"] == ids[0], "{shown}");

    let told = |name: &str| {
        let answer = bench.call(&format!("show {name}"));
        assert_eq!(answer.code, Some(2), "{answer:?}");
        answer.err
    };
    assert!(told("smal").contains("Did you mean `small`?"), "{}", told("smal"));
    assert!(told("small~2").contains("has 2 finished runs of `small`"), "{}", told("small~2"));
    assert!(told("latest~x").contains("is not a number of runs"), "{}", told("latest~x"));
    assert!(told("2").contains("is the start of 3 run ids"), "{}", told("2"));
}

#[test]
fn runs_and_show_tell_the_same_in_all_formats() {
    let bench = Bench::small();
    assert!(bench.ok("runs").contains("There are no runs yet."));
    bench.ran("small.ron --set train.seed=9");
    let record = bench.record("latest");
    let id = record["id"].as_str().unwrap();
    for format in ["text", "markdown"] {
        let line = bench.ok(&format!("runs --format {format}"));
        assert!(line.contains(id) && line.contains("small") && line.contains("done"), "{line}");
        let shown = bench.ok(&format!("show --format {format}"));
        for entry in record["nodes"].as_array().unwrap() {
            assert!(shown.contains(&node(entry)) && shown.contains(&entry["key"].as_str().unwrap()[..12]), "{shown}");
        }
        assert!(shown.contains("train.seed=9") && shown.contains("seed: 9"), "{shown}");
    }
    assert_eq!(record["sets"][0], "train.seed=9");
    assert!(record["resolved"].as_str().unwrap().starts_with("Pipeline("));
    assert!(record["machine"]["cores"].is_string() && record["versions"]["repro"].is_string());
    // The resolved pipeline is a pipeline: run again from it, nothing is to do.
    bench.write("again.ron", record["resolved"].as_str().unwrap());
    assert!(bench.ran("again.ron").is_empty());
    assert_eq!(digests(&bench.record("latest")), digests(&record));
}

#[test]
fn a_dry_run_runs_nothing_and_leaves_nothing() {
    let bench = Bench::small();
    let plan = bench.ok("run small.ron --dry-run");
    assert_eq!(plan, bench.ok("plan small.ron"));
    assert!(bench.ok("runs").contains("There are no runs yet."));
    assert!(!bench.path("results").exists() && !bench.path("store/objects").exists());
}

#[test]
fn only_and_force_choose_stages_and_nodes() {
    let bench = Bench::small();
    let mut ran = bench.ran("small.ron --only validate[1]");
    ran.sort();
    assert_eq!(ran, ["others", "pictures", "start", "train[1]", "validate[1]"]);
    assert_eq!(bench.ran("small.ron --only predict,start"), ["train[2]", "predict"]);
    assert_eq!(bench.ran("small.ron"), ["validate[2]", "table"]);
    let before = bench.digests();
    assert_eq!(bench.ran("small.ron --force validate[2]"), ["validate[2]"]);
    assert_eq!(bench.ran("small.ron --force train --only predict"), ["train[1]", "train[2]"]);
    bench.ran("small.ron");
    assert_eq!(bench.digests(), before);
}

/// A chain that fails beside one that does not.
const FAILING: &str = r#"Pipeline(name: "failing", stages: {
    "bad": Command(run: ["sh", "-c", "echo so bad >&2; exit 9"], outputs: {"text": "text.txt"}),
    "after": Command(run: ["cp", "{in:bad}", "{out:text}"], inputs: {"bad": "bad"}, outputs: {"text": "text.txt"}),
    "good": Command(run: ["sh", "-c", "echo good > $0", "{out:text}"], outputs: {"text": "text.txt"}),
    "well": Command(run: ["cp", "{in:good}", "{out:text}"], inputs: {"good": "good"}, outputs: {"text": "text.txt"}),
})"#;

#[test]
fn after_a_failure_the_rest_runs_only_if_asked_for() {
    let bench = Bench::new();
    bench.write("failing.ron", FAILING);
    let answer = bench.call("run failing.ron --json");
    assert_eq!(answer.code, Some(3), "{answer:?}");
    assert_eq!(started(&answer.out), ["bad"]);
    let answer = bench.call("run failing.ron --json --keep-going");
    assert_eq!(answer.code, Some(3), "{answer:?}");
    let mut ran = started(&answer.out);
    ran.sort();
    assert_eq!(ran, ["bad", "good", "well"]);
    let skipped = events(&answer.out).into_iter().find(|event| event["event"] == "node_skipped").unwrap();
    assert!(node(&skipped["node"]) == "after" && skipped["reason"].as_str().unwrap().contains("`bad`"), "{skipped}");
    let record = bench.record("latest");
    assert_eq!(record["status"], "failed");
    let shown = bench.ok("show");
    assert!(shown.contains("exit status: 9") && shown.contains("skipped"), "{shown}");
}

#[test]
fn two_jobs_run_at_once() {
    let bench = Bench::new();
    // Each of the two waits for the other: alone neither would end well.
    let wait =
        "touch $0/$1; for i in $(seq 100); do test -e $0/$2 && echo met > $3 && exit 0; sleep 0.05; done; exit 1";
    let stage = |me: &str, other: &str| {
        let folder = bench.path("");
        format!(
            "\"{me}\": Command(run: [\"sh\", \"-c\", {wait:?}, {folder:?}, \"{me}\", \"{other}\", \"{{out:text}}\"], outputs: {{\"text\": \"text.txt\"}}),"
        )
    };
    bench.write("two.ron", format!("Pipeline(name: \"two\", stages: {{ {} {} }})", stage("a", "b"), stage("b", "a")));
    let mut ran = bench.ran("two.ron --jobs 2 --oversubscribe");
    ran.sort();
    assert_eq!(ran, ["a", "b"]);
}

#[test]
fn completions_and_help_name_every_command() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = bench.ok(&format!("completions {shell}"));
        for command in ["run", "plan", "diff", "runs", "show", "graph", "kinds"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    let help = bench.ok("--help");
    assert!(help.contains("Exit codes:") && help.contains("130") && !help.contains("exec "), "{help}");
}
