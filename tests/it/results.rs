//! What `repro run` writes below `results`, and `repro export` into an archive: all of it, and nothing outside.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::harness::{Answer, Bench, events, files, unpacked};

/// A pipeline `p` with one stage `c`: a shell's script that is given its outputs as `$0`, `$1`.
fn script(script: &str, outputs: &[(&str, &str)]) -> String {
    let list = |item: &dyn Fn(&(&str, &str)) -> String| outputs.iter().map(item).collect::<Vec<_>>().join(", ");
    let arguments = list(&|(name, _)| format!("\"{{out:{name}}}\""));
    let outputs = list(&|(name, path)| format!("{name:?}: {path:?}"));
    format!(
        "Pipeline(name: \"p\", stages: {{ \"c\": Command(run: [\"sh\", \"-c\", {script:?}, {arguments}], outputs: {{{outputs}}}) }})"
    )
}

fn bench(text: &str, outputs: &[(&str, &str)]) -> Bench {
    let bench = Bench::new();
    bench.write("p.ron", script(text, outputs));
    bench
}

fn read(bench: &Bench, name: &str) -> String {
    fs::read_to_string(bench.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs the program through a shell, in which `$R` is a call of it and all that comes with it.
fn shell(bench: &Bench, line: &str) -> Answer {
    let mut command = Command::new("sh");
    let call = bench.command("version");
    command.current_dir(bench.path("")).arg("-c").arg(line).stdin(Stdio::null());
    command
        .env("R", call.get_program())
        .env("REPRO_STORE", bench.path("store"))
        .env("XDG_CONFIG_HOME", bench.path("config"));
    Answer::of(command.output().unwrap())
}

#[test]
fn a_manifest_of_somebody_else_deletes_nothing_outside() {
    let bench = bench("echo new > $0", &[("o", "o")]);
    bench.write("precious.txt", "1");
    bench.write("results/other/precious.txt", "1");
    bench.write("results/p/mine.txt", "longer than it says");
    let absolute = bench.path("precious.txt").display().to_string();
    let entry = format!("{{\"digest\": \"{}\", \"bytes\": 1}}", "0".repeat(64));
    let names =
        ["../../precious.txt", &absolute, "../other/precious.txt", "c/../../other/precious.txt", "mine.txt", ""];
    let entries: Vec<String> = names.iter().map(|name| format!("{name:?}: {entry}")).collect();
    let manifest = format!("{{\"version\": 1, \"files\": {{{}}}}}", entries.join(", "));
    bench.write("results/p/manifest.json", &manifest);
    bench.ok("run p.ron");
    for name in ["precious.txt", "results/other/precious.txt", "results/p/mine.txt"] {
        assert!(bench.path(name).exists(), "{name}");
    }
    assert_eq!(read(&bench, "results/p/c/o"), "new\n");
    assert!(!read(&bench, "results/p/manifest.json").contains("precious"));
}

#[test]
fn nothing_is_written_or_deleted_through_a_link() {
    // A pipeline's folder, a stage's, a file, the manifest, the folder of locks, that of parts.
    for link in ["p", "p/c", "p/c/o", "p/manifest.json", ".locks", ".locks/p", "p/.partial"] {
        let bench = bench("echo new > $0", &[("o", "o")]);
        bench.ok("run p.ron");
        let (place, elsewhere) = (bench.path("results").join(link), bench.path("elsewhere"));
        if place.exists() {
            fs::rename(&place, &elsewhere).unwrap();
        } else {
            fs::create_dir(&elsewhere).unwrap();
        }
        let before = |path: &Path| match path.is_dir() {
            true => files(path).into_iter().map(|name| (fs::read(path.join(&name)).unwrap(), name)).collect(),
            false => vec![(fs::read(path).unwrap(), String::new())],
        };
        let content = before(&elsewhere);
        symlink(&elsewhere, &place).unwrap();
        bench.write("p.ron", script("echo newer > $0; echo more > $1", &[("o", "o"), ("a", "a")]));
        let said = bench.ok("run p.ron");
        assert_eq!(before(&elsewhere), content, "{link}: {said}");
        assert_eq!((read(&bench, "results/p/c/o"), read(&bench, "results/p/c/a")), ("newer\n".into(), "more\n".into()));
        assert!(said.contains("in the way of a result") && said.contains(".~1~`"), "{link}: {said}");
        // Told once.
        assert!(!bench.ok("run p.ron").contains("in the way"), "{link}");
    }
    // The folder of all results may lie elsewhere.
    let bench = bench("echo new > $0", &[("o", "o")]);
    fs::create_dir(bench.path("disk")).unwrap();
    symlink(bench.path("disk"), bench.path("results")).unwrap();
    bench.ok("run p.ron");
    assert_eq!(read(&bench, "disk/p/c/o"), "new\n");
}

#[test]
fn two_folders_with_files_of_one_name_both_arrive() {
    let outputs = [("a", "one"), ("b", "two"), ("c", "same")];
    let bench =
        bench("mkdir -p $0 $1/deep; echo 1 > $0/same; echo 2 > $1/same; echo 3 > $1/deep/same; echo 4 > $2", &outputs);
    bench.ok("run p.ron");
    let paths = ["c/one/same", "c/two/same", "c/two/deep/same", "c/same"];
    assert_eq!(paths.map(|path| read(&bench, &format!("results/p/{path}"))), ["1\n", "2\n", "3\n", "4\n"]);
    bench.ok("export p p.tar.zst");
    let archive = unpacked(&bench, "p.tar.zst");
    for (path, text) in paths.iter().zip(["1\n", "2\n", "3\n", "4\n"]) {
        let (_, bytes) =
            archive.iter().find(|(name, _)| *name == format!("p/{path}")).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(bytes, text.as_bytes());
    }
}

#[test]
fn a_file_that_becomes_a_folder_and_back_is_published_and_the_users_own_stays() {
    let file = script("mkdir $0; echo file > $0/x", &[("o", "o")]);
    let folder = script("mkdir -p $0/x; echo folder > $0/x/y", &[("o", "o")]);
    let bench = Bench::new();
    bench.write("p.ron", &file);
    bench.ok("run p.ron");
    bench.write("p.ron", &folder);
    let said = bench.ok("run p.ron");
    assert!(read(&bench, "results/p/c/x/y") == "folder\n" && !said.contains("in the way"), "{said}");
    bench.write("p.ron", &file);
    let said = bench.ok("run p.ron");
    assert!(read(&bench, "results/p/c/x") == "file\n" && !said.contains("in the way"), "{said}");
    // The user keeps a note in the folder.
    bench.write("p.ron", &folder);
    bench.ok("run p.ron");
    bench.write("results/p/c/x/note.txt", "mine");
    bench.write("p.ron", &file);
    let said = bench.ok("run p.ron");
    assert!(said.contains("in the way of a result"), "{said}");
    assert_eq!(
        (read(&bench, "results/p/c/x").as_str(), read(&bench, "results/p/c/x.~1~/note.txt").as_str()),
        ("file\n", "mine")
    );
    // Nothing that says what was published: all of it counts as the user's.
    fs::remove_file(bench.path("results/p/manifest.json")).unwrap();
    bench.write("p.ron", &folder);
    bench.ok("run p.ron");
    assert_eq!(
        (read(&bench, "results/p/c/x/y").as_str(), read(&bench, "results/p/c/x.~2~").as_str()),
        ("folder\n", "file\n")
    );
}

#[test]
fn folders_of_stages_that_are_gone_go_and_hold_what_is_the_users() {
    let stage = |name: &str| format!("{name:?}: Command(run: [\"touch\", \"{{out:o}}\"], outputs: {{\"o\": \"o\"}})");
    let all = format!("Pipeline(name: \"p\", stages: {{{}, {}, {}}})", stage("a"), stage("b"), stage("c"));
    let bench = Bench::new();
    bench.write("p.ron", all);
    bench.ok("run p.ron");
    bench.write("results/p/b/note.txt", "mine");
    bench.write("results/p/.notes.tmp", "mine");
    bench.write("p.ron", format!("Pipeline(name: \"p\", stages: {{{}}})", stage("c")));
    bench.ok("run p.ron");
    assert!(!bench.path("results/p/a").exists());
    let left = files(&bench.path("results/p"));
    assert_eq!(left, [".notes.tmp", "b/note.txt", "c/o", "manifest.json"]);
}

#[test]
fn names_that_are_not_text_and_read_only_results_are_no_hindrance() {
    use std::os::unix::ffi::OsStrExt as _;
    let bench = bench("echo 1 > $0", &[("o", "o")]);
    bench.ok("run p.ron");
    fs::write(bench.path("results/p/c").join(std::ffi::OsStr::from_bytes(b"\xff")), "mine").unwrap();
    bench.write("p.ron", script("echo 2 > $0", &[("o", "o")]));
    bench.ok("run p.ron");
    assert_eq!(read(&bench, "results/p/c/o"), "2\n");
    // Where all is there, nothing is written, also no lock.
    fs::remove_dir_all(bench.path("results/.locks")).unwrap();
    bench.ok("run p.ron");
    assert!(!bench.path("results/.locks").exists());
}

#[test]
fn a_wait_for_another_run_is_told_and_ends_with_ctrl_c() {
    let bench = bench("echo 1 > $0", &[("o", "o")]);
    let held = bench.write("results/.locks/p", "process 7 on elsewhere");
    let file = fs::OpenOptions::new().read(true).write(true).open(&held).unwrap();
    file.lock().unwrap();
    let mut command = bench.command("run p.ron");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let told = lines.by_ref().map(Result::unwrap).find(|line| line.contains("Another run")).unwrap();
    assert!(told.contains("(process 7 on elsewhere) writes to") && told.contains("results/p"), "{told}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(lines.filter(|line| line.as_ref().unwrap().contains("Another run")).count(), 0);
    let answer = Answer::of(child.wait_with_output().unwrap());
    assert!(answer.code == Some(130) && answer.err.contains("Stopped while another run wrote"), "{answer:?}");
    drop(file);
    bench.ok("run p.ron");
    assert_eq!(read(&bench, "results/p/c/o"), "1\n");
}

#[test]
fn what_looks_or_is_wrong_makes_no_store() {
    let bench = bench("echo 1 > $0", &[("o", "o")]);
    bench.write("wrong.ron", "Pipeline(");
    for (line, code) in [
        ("runs", 0),
        ("show", 2),
        ("diff a b", 2),
        ("export latest x.tar.zst", 2),
        ("plan p.ron", 0),
        ("graph p.ron", 0),
        ("run p.ron --dry-run", 0),
        ("run .", 2),
        ("run gone.ron", 2),
        ("run wrong.ron", 2),
        ("run p.ron --only d", 2),
        ("run p.ron --force d", 2),
        ("run p.ron --set d.x=1", 2),
        ("run p.ron --profile no", 2),
        ("run p.ron --data a=gone", 4),
        ("run p.ron --jobs 0", 2),
    ] {
        let answer = bench.call(line);
        assert_eq!(answer.code, Some(code), "{line}: {answer:?}");
        assert!(!bench.path("store").exists() && !bench.path("results").exists(), "{line}");
    }
    assert_eq!(files(&bench.path("")), ["p.ron", "wrong.ron"]);
}

/// A stage that is done, one that fails, and one that needs it.
const FAILING: &str = r#"Pipeline(name: "p", stages: {
    "good": Command(run: ["touch", "{out:o}"], outputs: {"o": "o"}),
    "bad": Command(run: ["false"], outputs: {"o": "o"}),
    "after": Command(run: ["cp", "{in:bad}", "{out:o}"], inputs: {"bad": "bad"}, outputs: {"o": "o"}),
})"#;

#[test]
fn an_export_of_a_run_that_did_not_finish_says_so() {
    let bench = Bench::new();
    bench.write("p.ron", FAILING);
    assert_eq!(bench.call("run p.ron --keep-going").code, Some(3));
    let answer = bench.call("export latest p.tar.zst");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.err.contains("warning: The run ") && answer.err.contains("did not finish (failed)"), "{answer:?}");
    assert!(answer.err.contains("2 of its 3 nodes"), "{answer:?}");
    let manifest: Json = serde_json::from_slice(&unpacked(&bench, "p.tar.zst")[0].1).unwrap();
    assert_eq!(
        (&manifest["status"], &manifest["unfinished"]),
        (&"failed".into(), &serde_json::json!(["bad", "after"]))
    );
}

/// Changes the record of the newest run as a program with another schema, or somebody else, would have written it: whole
/// in one file, which is format 1.
fn rewrite_run(bench: &Bench, change: impl FnOnce(&mut Json)) {
    let mut record = bench.record("latest");
    record["format"] = 1.into();
    change(&mut record);
    let runs = bench.path("store/runs");
    let name = files(&runs).into_iter().rfind(|name| name.ends_with(".json")).unwrap();
    let body = serde_json::to_string_pretty(&record).unwrap();
    fs::write(runs.join(&name), format!("{}\n{body}", blake3::hash(body.as_bytes()))).unwrap();
}

#[test]
fn an_old_run_is_exported_and_shown_by_its_parameters_as_they_were() {
    let bench = Bench::small();
    bench.ran("small.ron");
    bench.ok("export latest before.tar.zst");
    let names = |name: &str| unpacked(&bench, name).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let before = names("before.tar.zst");
    assert!(before.iter().any(|name| name == "small/table/table.md"));
    rewrite_run(&bench, |record| {
        for params in record["params"].as_object_mut().unwrap().values_mut() {
            // One field more than this program knows, and one less.
            let fields = params["Struct"]["fields"].as_object_mut().unwrap();
            fields.insert("older".into(), serde_json::json!({"Bool": true}));
            for gone in ["over", "seed", "inference"] {
                fields.remove(gone);
            }
        }
    });
    assert!(bench.ok("show").contains("small.ron"));
    bench.ok("export latest after.tar.zst");
    assert_eq!(names("after.tar.zst"), before);
}

#[test]
fn names_in_a_record_that_lead_outside_are_refused() {
    for outside in ["../../x", "/x", "..", "", "a/../../../x"] {
        let bench = bench("echo 1 > $0", &[("o", "o")]);
        bench.ok("run p.ron");
        rewrite_run(&bench, |record| record["nodes"][0]["outputs"]["o"]["file"] = outside.into());
        let answer = bench.call("export latest x.tar.zst");
        assert!(answer.code == Some(5) && answer.err.contains("outside the results"), "{outside}: {answer:?}");
        assert!(answer.err.contains("--force") && !bench.path("x.tar.zst").exists(), "{answer:?}");
        rewrite_run(&bench, |record| {
            record["nodes"][0]["outputs"]["o"]["file"] = "o".into();
            record["pipeline"] = outside.into();
        });
        let answer = bench.call("export latest x.tar.zst");
        assert!(answer.code == Some(5) && answer.err.contains("no name of one"), "{outside}: {answer:?}");
    }
}

#[test]
fn a_tree_that_lists_what_lies_outside_is_made_again() {
    let bench = bench("mkdir $0; echo 1 > $0/x", &[("o", "o")]);
    bench.ok("run p.ron");
    let good = bench.digests()["c.o"].clone();
    let text = fs::read_to_string(bench.object(&good)).unwrap();
    let evil = text.replace("\"x\"", "\"../../../x\"");
    let digest = blake3::hash(evil.as_bytes()).to_string();
    bench.write(&format!("store/objects/{}/{}", &digest[..2], &digest[2..]), &evil);
    let name = files(&bench.path("store/actions")).remove(0);
    let text = read(&bench, &format!("store/actions/{name}"));
    let body = text.split_once('\n').unwrap().1.replace(&good, &digest);
    bench.write(&format!("store/actions/{name}"), format!("{}\n{body}", blake3::hash(body.as_bytes())));
    fs::remove_dir_all(bench.path("results")).unwrap();
    bench.ok("run p.ron");
    assert_eq!((bench.digests()["c.o"].as_str(), read(&bench, "results/p/c/x").as_str()), (good.as_str(), "1\n"));
    assert!(!bench.path("x").exists() && !bench.path("results/x").exists());
}

#[test]
fn what_is_damaged_when_it_is_published_is_made_again_in_the_same_run() {
    let bench = Bench::new();
    bench.write(
        "p.ron",
        r#"Pipeline(name: "p", stages: {
            "a": Command(run: ["sh", "-c", "mkdir $0; echo 1 > $0/x; echo 2 > $0/y", "{out:o}"], outputs: {"o": "o"}),
            "b": Command(run: ["cp", "{in:a.o}/x", "{out:o}"], inputs: {"a": "a"}, outputs: {"o": "o"}),
        })"#,
    );
    bench.ran("p.ron");
    let digests = bench.digests();
    for (times, damage) in ["", "3\n"].iter().enumerate() {
        let listing: Json = serde_json::from_slice(&fs::read(bench.object(&digests["a.o"])).unwrap()).unwrap();
        let leaf = bench.object(listing["files"]["y"]["digest"].as_str().unwrap());
        fs::remove_file(&leaf).unwrap();
        if !damage.is_empty() {
            fs::write(&leaf, damage).unwrap();
        }
        fs::remove_dir_all(bench.path("results")).unwrap();
        let told = events(&bench.ok("run p.ron --json"));
        let count = |name: &str| told.iter().filter(|event| event["event"] == name).count();
        assert_eq!([count("run_started"), count("node_started"), count("run_finished")], [1, 1, 1], "{told:?}");
        let runs: Json = serde_json::from_str(&bench.ok("runs --format json")).unwrap();
        assert_eq!((runs.as_array().unwrap().len(), &runs[0]["ran"]), (times + 2, &1.into()), "{runs}");
        assert_eq!((bench.digests(), read(&bench, "results/p/a/y").as_str()), (digests.clone(), "2\n"));
    }
}

#[test]
fn a_profile_and_a_trial_publish_to_folders_of_their_own_and_are_told_so() {
    let bench = Bench::new();
    let stage = |name: &str, text: &str| {
        format!(
            "{name:?}: Command(run: [\"sh\", \"-c\", \"echo {text} > $0\", \"{{out:o}}\"], outputs: {{\"o\": \"o\"}})"
        )
    };
    bench.write(
        "p.ron",
        format!(
            "Pipeline(name: \"p\", stages: {{ {}, {} }}, profiles: {{ \"tiny\": {{ \"a\": (env: {{\"K\": \"1\"}}) }} }})",
            stage("a", "1"),
            stage("b", "2")
        ),
    );
    bench.ran("p.ron");
    let whole = || files(&bench.path("results/p"));
    let before = whole();
    bench.ran("p.ron --profile tiny");
    bench.ran("p.ron --only b");
    bench.ran("p.ron --profile tiny --set b.env={\"K\":\"2\"} --only b,a");
    assert_eq!(files(&bench.path("results/p@tiny")), before);
    assert_eq!(files(&bench.path("results/p@only=b")), ["b/o", "manifest.json"]);
    let trial = bench.newest("p");
    assert!(trial.to_str().unwrap().contains("/p@tiny@b.env="), "{}", trial.display());
    assert!(whole() == before && before == ["a/o", "b/o", "manifest.json"], "{before:?}");
    // The record, the list and the archive say what it was.
    let list = bench.ok("runs");
    for told in ["p (tiny)", "p (only b)", "p (tiny; b.env={\"K\":\"2\"}; only b, a)"] {
        assert!(list.contains(told), "{told}: {list}");
    }
    assert!(bench.ok("show latest").contains("only      b, a\n"));
    bench.ok("export latest x.tar.zst");
    let archive = unpacked(&bench, "x.tar.zst");
    let folder = trial.file_name().unwrap().to_str().unwrap();
    assert!(archive.iter().all(|(name, _)| name.starts_with(folder)), "{folder}");
    let manifest: Json = serde_json::from_slice(&archive[0].1).unwrap();
    assert_eq!((&manifest["profile"], &manifest["only"]), (&"tiny".into(), &serde_json::json!(["b", "a"])));
}

#[test]
fn what_a_failed_run_leaves_in_place_is_marked_until_a_run_makes_it() {
    let bench = Bench::new();
    bench.write("p.ron", FAILING.replace("\"false\"", "\"touch\", \"{out:o}\""));
    bench.ran("p.ron");
    let first = bench.record("latest")["id"].as_str().unwrap().to_owned();
    let before = files(&bench.path("results/p"));
    assert_eq!(before, ["after/o", "bad/o", "good/o", "manifest.json"]);
    bench.write("p.ron", FAILING);
    for _ in 0..2 {
        assert_eq!(bench.call("run p.ron").code, Some(3));
        let last = bench.record("latest")["id"].as_str().unwrap().to_owned();
        let note = read(&bench, "results/p/INCOMPLETE.txt");
        assert!(note.starts_with(&format!("The run {last} failed, ")), "{note}");
        assert!(note.contains("did not finish:\n  bad\n  after\n"), "{note}");
        assert!(note.contains(&format!("Left as the run {first} made it:\n  after\n  bad\n")), "{note}");
        let manifest: Json = serde_json::from_str(&read(&bench, "results/p/manifest.json")).unwrap();
        let of = |path: &str| manifest["files"][path].get("run").cloned();
        assert_eq!(
            [of("after/o"), of("bad/o"), of("good/o")],
            [Some(first.clone().into()), Some(first.clone().into()), None]
        );
    }
    // Also where a run was killed while it published, so that no manifest lists the note.
    fs::remove_file(bench.path("results/p/manifest.json")).unwrap();
    bench.write("p.ron", FAILING.replace("\"false\"", "\"touch\", \"{out:o}\""));
    bench.ran("p.ron");
    assert_eq!(files(&bench.path("results/p")), before);
    assert!(!read(&bench, "results/p/manifest.json").contains("\"run\""));
}

#[test]
fn names_as_long_as_a_disk_takes_are_published_and_longer_ones_found_first() {
    let (long, longer) = ("n".repeat(200), "n".repeat(201));
    let bench = Bench::new();
    let p = |pipeline: &str, stage: &str| {
        script("echo 1 > $0", &[("o", "o")])
            .replace("\"p\"", &format!("{pipeline:?}"))
            .replace("\"c\"", &format!("{stage:?}"))
    };
    for (pipeline, stage) in [(&longer, &long), (&long, &longer)] {
        bench.write("p.ron", p(pipeline, stage));
        let answer = bench.call("run p.ron");
        assert!(answer.code == Some(2) && answer.err.contains("has 201 characters; at most 200"), "{answer:?}");
    }
    bench.write("p.ron", p(&long, &long));
    bench.ok("run p.ron");
    assert_eq!(read(&bench, &format!("results/{long}/{long}/o")), "1\n");
    bench.ok("export latest x.tar.zst");
    let longest = "n".repeat(255);
    bench.write("p.ron", script(&format!("mkdir $0; echo 1 > $0/{longest}"), &[("o", "o")]));
    bench.ok("run p.ron");
    assert_eq!(read(&bench, &format!("results/p/c/{longest}")), "1\n");
    bench.ok(&format!("export latest {}.tar.zst", "n".repeat(247)));
}

#[test]
fn what_a_run_finds_as_it_published_it_gets_the_time_of_the_run() {
    let bench = bench("echo 1 > $0; echo 2 > $1", &[("o", "o"), ("a", "a")]);
    bench.ok("run p.ron");
    let place = |name: &str| bench.path("results/p").join(name);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let age = |name: &str| {
        let file = fs::File::options().append(true).open(place(name)).unwrap();
        file.set_modified(old).unwrap();
    };
    let names = ["c/o", "c/a", "manifest.json"];
    let is_new = |name: &str| fs::metadata(place(name)).unwrap().modified().unwrap() > old;
    names.iter().for_each(|name| age(name));
    assert_eq!(bench.ran("p.ron"), [""; 0]);
    assert_eq!(names.map(is_new), [true; 3]);
    // Also where another file is written again, and not what is of nobody's run.
    bench.write("results/p/c/mine", "");
    ["c/o", "c/mine"].iter().for_each(|name| age(name));
    fs::remove_file(place("c/a")).unwrap();
    bench.ok("run p.ron");
    assert_eq!(["c/o", "c/a", "c/mine"].map(is_new), [true, true, false]);
    // Results that may only be read stay as they are.
    fs::set_permissions(place("c/o"), fs::Permissions::from_mode(0o444)).unwrap();
    bench.ok("run p.ron");
    assert_eq!(read(&bench, "results/p/c/o"), "1\n");
}

#[test]
fn a_user_is_told_where_the_results_are_and_that_there_are_no_runs_yet() {
    let bench = bench("echo 1 > $0", &[("o", "o")]);
    let answer = bench.call("show");
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(answer.err.contains("There are no runs yet.") && answer.err.contains("`repro run FILE`"), "{answer:?}");
    assert!(bench.ok("run p.ron").contains("The results are in `results/p`.\n"));
    // Also with nothing to compute, and for programs not at all.
    assert!(bench.ok("run p.ron").contains("The results are in `results/p`.\n"));
    assert!(!bench.ok("run p.ron --json").contains("The results are in"));
}

#[test]
fn tables_of_an_older_program_are_rendered_again() {
    let bench = Bench::small();
    bench.ok("run small.ron --only table");
    let folder = bench.newest("small");
    let manifest = fs::read_to_string(folder.join("manifest.json")).unwrap();
    let table = fs::read_to_string(folder.join("table/table.csv")).unwrap();
    let model = table.lines().nth(1).and_then(|line| line.split(',').nth(2)).unwrap();
    assert!(model.starts_with("b3-") && model.len() == 15, "{table}");
    // As it was: without versions of renderings, and with another text of the same size.
    let without: Vec<&str> = manifest.lines().filter(|line| !line.contains("\"rendering\"")).collect();
    assert!(without.len() < manifest.lines().count(), "{manifest}");
    fs::write(folder.join("manifest.json"), without.join("\n")).unwrap();
    fs::write(folder.join("table/table.csv"), table.replace("b3-", "B3-")).unwrap();
    assert_eq!(bench.ran("small.ron --only table"), [""; 0]);
    assert_eq!(fs::read_to_string(folder.join("table/table.csv")).unwrap(), table);
    assert_eq!(fs::read_to_string(folder.join("manifest.json")).unwrap(), manifest);
}

#[test]
fn an_output_is_published_and_exported_in_parts() {
    // 256 MiB, where a process may have 160 MiB.
    let bench = bench("truncate -s 256M $0; printf end >> $0", &[("o", "o")]);
    let answer = shell(&bench, "ulimit -d 163840; $R run p.ron && $R export latest p.tar.zst");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let bytes = fs::metadata(bench.path("results/p/c/o")).unwrap().len();
    assert_eq!(bytes, (256 << 20) + 3);
    let archive = unpacked(&bench, "p.tar.zst");
    assert_eq!(archive.iter().find(|(name, _)| name == "p/c/o").unwrap().1.len() as u64, bytes);
}

#[test]
fn a_file_that_may_not_grow_is_an_error_with_its_path() {
    let bench = bench("head -c 200000 /dev/zero > $0", &[("o", "o")]);
    bench.ok("run p.ron");
    fs::remove_dir_all(bench.path("results")).unwrap();
    // In blocks of 512 bytes, so that records fit and the output does not.
    let answer = shell(&bench, "ulimit -f 100; $R run p.ron");
    assert_eq!(answer.code, Some(5), "{answer:?}");
    assert!(answer.err.contains("results/p/c/o`: ") && answer.err.contains("ulimit -f"), "{answer:?}");
    assert!(files(&bench.path("results")).is_empty());
}
