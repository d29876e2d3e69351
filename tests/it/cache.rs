//! What makes a stage run, and what does not.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Bench, SMALL, copy_folder, events, files, started};

const NOTHING: [&str; 0] = [];

#[test]
fn a_second_run_executes_nothing_and_says_so() {
    let bench = Bench::small();
    assert_eq!(bench.ran("small.ron").len(), 9);
    let out = bench.ok("run small.ron --json");
    assert_eq!(started(&out), NOTHING);
    assert_eq!(events(&out).iter().filter(|event| event["event"] == "node_hit").count(), 9);
    let record = bench.record("latest");
    assert!(record["nodes"].as_array().unwrap().iter().all(|node| node["status"] == "hit"), "{record}");
    assert!(bench.ok("run small.ron").contains("Nothing to do: all 9 nodes are cached"));
}

#[test]
fn a_changed_parameter_runs_what_depends_on_it() {
    let bench = Bench::small();
    bench.ran("small.ron");
    let ran = bench.ran("small.ron --set train.steps=4");
    assert_eq!(ran, ["train[1]", "train[2]", "predict", "validate[1]", "validate[2]", "table"]);
    let ran = bench.ran("small.ron --set others.source.images=3");
    assert_eq!(ran, ["others", "predict", "validate[1]", "validate[2]", "table"]);
    let ran = bench.ran("small.ron --set start.source.seed=2");
    assert_eq!(ran[..2], ["start", "train[1]"]);
    assert!(!ran.contains(&"pictures".to_owned()) && ran.len() == 7, "{ran:?}");
}

#[test]
fn a_changed_report_runs_alone_and_its_looks_run_nothing() {
    let bench = Bench::small();
    bench.ran("small.ron");
    assert_eq!(bench.ran("small.ron --set table.from=[\"validate[2]\"]"), ["table"]);
    bench.ran("small.ron");
    let shown = |folder: &str| std::fs::read_to_string(bench.path("results").join(folder).join("table/table.md"));
    let before = shown("small").unwrap();
    // Nothing runs, and the files below `results/` follow all the same: those of a trial in a folder of its own.
    assert_eq!(bench.ran("small.ron --set table.digits=3"), NOTHING);
    assert_ne!(shown("small@table.digits=3").unwrap(), before);
    assert_eq!(bench.ran("small.ron --set table.print=false --set table.digits=3"), NOTHING);
    bench.edit("small.ron", "from: [\"validate\"]", "from: [\"validate\"], formats: [Latex, Csv]");
    assert_eq!(bench.ran("small.ron"), NOTHING);
    assert!(bench.path("results/small/table/table.tex").exists() && shown("small").is_err());
    bench.edit("small.ron", ", formats: [Latex, Csv]", "");
    assert_eq!(bench.ran("small.ron"), NOTHING);
    assert_eq!(shown("small").unwrap(), before);
    assert!(!bench.path("results/small/table/table.tex").exists());
}

#[test]
fn names_order_layout_and_threads_run_nothing() {
    let bench = Bench::small();
    bench.ran("small.ron --threads 2");
    assert_eq!(bench.ran("small.ron --threads 1 --jobs 2"), NOTHING);

    // Another order of fields, comments, other spellings of the same values, defaults written out.
    bench.edit(
        "small.ron",
        "data: \"pictures\", weights: \"start\",",
        "weights: \"start\", // first\n /* then */ data: \"pictures\",",
    );
    bench.edit("small.ron", "prefilter: Average()", "prefilter: Average");
    bench.edit("small.ron", "crop: (33, 33)", "crop: (33,33,), horizon: None, augment: (mirror: true)");
    bench.edit("small.ron", "seed: 7", "seed: 0x7");
    bench.edit("small.ron", "        ", "\t");
    assert_eq!(bench.ran("small.ron"), NOTHING);

    // Stages renamed and in another order, the pipeline renamed and in another folder.
    let mut text = std::fs::read_to_string(bench.path("small.ron")).unwrap();
    for name in ["pictures", "others", "start", "train", "validate", "predict", "table", "small"] {
        text = text.replace(&format!("\"{name}\""), &format!("\"x_{name}\""));
    }
    let table = "\"x_table\": Report(from: [\"x_validate\"]),";
    assert!(text.contains(table), "{text}");
    let text = text.replace(table, "").replace("stages: {", &format!("stages: {{ {table}"));
    bench.write("elsewhere/other.ron", text);
    assert_eq!(bench.ran("elsewhere/other.ron"), NOTHING);
}

/// A folder of images with lists, copied from what a made data set left in a store.
fn photographs(bench: &Bench, name: &str) -> PathBuf {
    let root = bench.path(name);
    bench.write("scenes.ron", SMALL);
    bench.ran("scenes.ron --only pictures");
    let record = bench.record("latest");
    let tree = record["nodes"][0]["outputs"]["files"]["digest"].as_str().unwrap();
    let listing: serde_json::Value = serde_json::from_slice(&std::fs::read(bench.object(tree)).unwrap()).unwrap();
    for (name, entry) in listing["files"].as_object().unwrap() {
        let target = root.join(name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        // Not a copy of the object's permissions: the folder is the user's.
        std::fs::write(target, std::fs::read(bench.object(entry["digest"].as_str().unwrap())).unwrap()).unwrap();
    }
    let images: Vec<String> = files(&root).into_iter().filter(|name| name.ends_with(".jpg")).collect();
    let label = |image: &str| image.replace("JPEGImages", "SegmentationClassAug").replace(".jpg", ".png");
    let lines: Vec<String> = images.iter().map(|image| format!("/{image} /{}\n", label(image))).collect();
    assert!(lines.len() == 4 && root.join(label(&images[0])).exists(), "{lines:?}");
    std::fs::write(root.join("train.txt"), lines.concat()).unwrap();
    root
}

const LISTED: &str = r#"Pipeline(
    name: "listed",
    stages: {
        "photographs": Dataset(source: Listed(root: "album", list: "train.txt"), classes: Shapes),
        "start": Weights(encoder: Tiny, source: Seeded()),
        "train": Train(
            data: "photographs", weights: "start", model: DeepLabV2(encoder: Tiny, classes: 6),
            steps: 2, batch: 2, crop: (33, 33),
        ),
        "validate": Validate(model: "train", data: "photographs"),
    },
)"#;

fn listed() -> (Bench, PathBuf) {
    let bench = Bench::new();
    let root = photographs(&bench, "album");
    bench.write("listed.ron", LISTED);
    (bench, root)
}

fn on(root: &Path) -> String {
    format!("listed.ron --data album={}", root.display())
}

#[test]
fn a_data_root_may_be_touched_moved_and_copied() {
    let (bench, root) = listed();
    assert_eq!(bench.ran(&on(&root)), ["photographs", "start", "train", "validate"]);
    for name in files(&root) {
        assert!(Command::new("touch").arg(root.join(name)).status().unwrap().success());
    }
    assert_eq!(bench.ran(&on(&root)), NOTHING);
    let copy = bench.path("copy");
    copy_folder(&root, &copy);
    assert_eq!(bench.ran(&on(&copy)), NOTHING);
    std::fs::rename(&root, bench.path("moved")).unwrap();
    assert_eq!(bench.ran(&on(&bench.path("moved"))), NOTHING);
    // What needs the images again finds them where they are now.
    std::fs::rename(bench.path("moved"), bench.path("again")).unwrap();
    let line = on(&bench.path("again"));
    assert_eq!(bench.ran(&format!("{line} --set train.seed=5")), ["train", "validate"]);
    // The variable and the user's file name the root as well.
    let out = bench.command("run listed.ron --json").env("REPRO_DATA_ALBUM", bench.path("again")).output().unwrap();
    assert_eq!(started(&String::from_utf8(out.stdout).unwrap()), NOTHING);
    bench.write("config/repro/config.ron", format!("(data: {{\"album\": {:?}}})", bench.path("again")));
    assert_eq!(bench.ran("listed.ron"), NOTHING);
}

#[test]
fn changed_contents_of_a_data_root_run_what_reads_them() {
    let (bench, root) = listed();
    bench.ran(&on(&root));
    let images: Vec<String> = files(&root).into_iter().filter(|name| name.ends_with(".jpg")).collect();
    // A byte behind the end of the JPEG: another file with the same pixels. The index holds digests, so all runs.
    let path = root.join(&images[0]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.push(0);
    std::fs::write(&path, bytes).unwrap();
    let plan = bench.ok(&format!("plan {}", on(&root)));
    assert!(plan.contains("run      photographs") && plan.contains("externals"), "{plan}");
    assert_eq!(bench.ran(&on(&root)), ["photographs", "train", "validate"]);
    // A list in another order is another list.
    let list = std::fs::read_to_string(root.join("train.txt")).unwrap();
    let reversed: Vec<&str> = list.lines().rev().collect();
    std::fs::write(root.join("train.txt"), reversed.join("\n")).unwrap();
    assert_eq!(bench.ran(&on(&root)), ["photographs", "train", "validate"]);
    // One with blank lines at its end is read again, and gives the same index: there the cascade stops.
    std::fs::write(root.join("train.txt"), reversed.join("\n") + "\n\n").unwrap();
    assert_eq!(bench.ran(&on(&root)), ["photographs"]);
}

#[test]
fn more_iterations_run_alone_where_the_horizon_is_stated() {
    let bench = Bench::small();
    bench.edit("small.ron", "iterations: 2, steps: 3,", "iterations: 2, steps: 3, horizon: 30,");
    bench.ran("small.ron");
    let line = "small.ron --set train.iterations=3";
    let plan = bench.ok(&format!("plan {line}"));
    assert!(plan.contains("cached   train[2]") && plan.contains("run      train[3]"), "{plan}");
    assert_eq!(bench.ran(line), ["train[3]", "predict", "validate[3]", "table"]);
}

#[test]
fn without_a_horizon_the_plan_says_why_all_iterations_run() {
    let bench = Bench::small();
    bench.ran("small.ron");
    let plan = bench.ok("plan small.ron --set train.iterations=3");
    let line = plan.lines().find(|line| line.contains("run      train[1]")).unwrap();
    assert!(line.contains("train.horizon: 6 -> 9") && line.contains("The horizon is not stated"), "{line}");
    assert!(plan.contains("depends  train[2]     on train[1]"), "{plan}");
    assert_eq!(bench.ran("small.ron --set train.iterations=3").len(), 8);
}

#[test]
fn the_plan_says_old_and_new() {
    let bench = Bench::small();
    let plan = bench.ok("plan small.ron");
    assert!(plan.contains("run      pictures") && plan.contains("never made before"), "{plan}");
    assert!(plan.ends_with("0 cached, 3 to run, 6 depend on what runs.\n"), "{plan}");
    bench.ran("small.ron");
    assert!(!bench.ok("plan small.ron").contains("In earlier runs"), "nothing is left to run");
    let plan = bench.ok("plan small.ron --set train.optimizer.lr=0.5");
    assert!(plan.contains("\nIn earlier runs on cpu, 6 of these 6 nodes took "), "{plan}");
    let plan = bench.ok("plan small.ron --set train.optimizer.lr=0.5 --set train.model.prefilter=Regular");
    let line = plan.lines().find(|line| line.contains("train[1]")).unwrap();
    assert!(line.contains("train.optimizer.lr: 0.002 -> 0.5"), "{line}");
    assert!(line.contains("train.model.prefilter: Average -> Regular"), "{line}");
    let plan = bench.ok("plan small.ron --force validate");
    assert!(plan.contains("asked for by --force"), "{plan}");
}

/// A command that writes what it is told; where `{param:noise}` stands it changes nothing in the output.
fn commands(word: &str, noise: &str) -> String {
    format!(
        r#"Pipeline(name: "commands", stages: {{
            "write": Command(
                run: ["sh", "-c", "echo $1 > $2; echo said", "{{param:noise}}", "{{param:word}}", "{{out:text}}"],
                parameters: {{"word": "{word}", "noise": "{noise}"}}, outputs: {{"text": "text.txt"}},
            ),
            "copy": Command(
                run: ["cp", "{{in:write}}", "{{out:text}}"], inputs: {{"write": "write"}}, outputs: {{"text": "copy.txt"}},
            ),
        }})"#
    )
}

#[test]
fn equal_output_stops_the_cascade() {
    let bench = Bench::new();
    bench.write("commands.ron", commands("hello", "a"));
    assert_eq!(bench.ran("commands.ron"), ["write", "copy"]);
    let digests = bench.digests();
    assert_eq!(std::fs::read_to_string(bench.object(&digests["copy.text"])).unwrap(), "hello\n");
    bench.write("commands.ron", commands("hello", "b"));
    assert_eq!(bench.ran("commands.ron"), ["write"]);
    bench.write("commands.ron", commands("world", "b"));
    assert_eq!(bench.ran("commands.ron"), ["write", "copy"]);
    bench.write("commands.ron", commands("hello", "a"));
    assert_eq!(bench.ran("commands.ron"), NOTHING);
    assert_eq!(bench.digests(), digests);
}

#[test]
fn results_that_were_deleted_come_back_from_the_store() {
    let bench = Bench::small();
    bench.ran("small.ron");
    let names = files(&bench.path("results"));
    assert!(names.iter().any(|name| name.ends_with("table.md")), "{names:?}");
    std::fs::remove_dir_all(bench.path("results")).unwrap();
    assert_eq!(bench.ran("small.ron"), NOTHING);
    assert_eq!(files(&bench.path("results")), names);
}

#[test]
fn results_of_stages_that_are_left_out_stay_and_those_of_removed_stages_go() {
    let bench = Bench::small();
    bench.ran("small.ron");
    let published = || files(&bench.path("results/small"));
    let names = published();
    bench.ran("small.ron --only start");
    assert_eq!(published(), names);
    bench.ran("small.ron");
    assert_eq!(published(), names);
    bench.edit("small.ron", "\"predict\": Predict(model: \"train\", data: \"others\"),", "");
    bench.ran("small.ron");
    let left: Vec<String> = names.iter().filter(|name| !name.starts_with("predict/")).cloned().collect();
    assert!(left.len() < names.len());
    assert_eq!(published(), left);
}

#[test]
fn an_object_that_is_gone_is_made_again() {
    let bench = Bench::small();
    bench.ran("small.ron");
    let digests = bench.digests();
    std::fs::remove_file(bench.object(&digests["validate[1].summary"])).unwrap();
    let plan = bench.ok("plan small.ron");
    assert!(plan.contains("is gone from the store"), "{plan}");
    assert_eq!(bench.ran("small.ron"), ["validate[1]"]);
    assert_eq!(bench.digests(), digests);
}
