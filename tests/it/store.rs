//! Stores that cannot be written, lost their mark, come from other versions, or hold what is out of place: what is in them
//! is served, what is missing is made again, nothing is lost, and no command ends there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use repro::hash::Digest;
use serde_json::Value as Json;

use crate::harness::{Answer, Bench, events, files};

/// A file that is read, a command with a folder of files, a table of it: no kind that takes time.
const PLAIN: &str = r#"Pipeline(name: "plain", stages: {
    "copy": Command(
        run: ["sh", "-c", "cp $0 $1; mkdir -p $2/b; echo 1 > $2/a; echo 2 > $2/b/c", "{file:text}", "{out:text}", "{out:tree}"],
        files: {"text": "text.txt"}, outputs: {"text": "text.txt", "tree": "tree"},
    ),
    "again": Command(run: ["cp", "-r", "{in:copy.tree}", "{out:tree}"], inputs: {"copy": "copy"}, outputs: {"tree": "tree"}),
})"#;

fn plain() -> Bench {
    let bench = Bench::new();
    bench.write("plain.ron", PLAIN);
    bench.write("text.txt", "text\n");
    bench
}

/// Every file below the store, by path and content.
fn content(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    let store = bench.path("store");
    files(&store).into_iter().map(|name| (name.clone(), std::fs::read(store.join(name)).unwrap())).collect()
}

/// Lets nobody but root write below a folder, or lets its owner again.
fn permit(folder: &Path, write: bool) {
    let status = Command::new("chmod").args(["-R", if write { "u+w" } else { "a-w" }]).arg(folder).status();
    assert!(status.unwrap().success());
}

/// A call as a user whom permissions hold; none where there is no such user.
fn as_user(bench: &Bench, line: &str) -> Option<Answer> {
    let call = bench.command(line);
    if !is_root() {
        return Some(bench.call(line));
    }
    let mut user = Command::new("setpriv");
    user.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(call.get_program()).args(call.get_args());
    user.current_dir(bench.path("")).env("XDG_CONFIG_HOME", bench.path("config"));
    match user.output() {
        Ok(output) => Some(Answer::of(output)),
        Err(error) => {
            eprintln!("skipped: setpriv, which drops root's rights, does not start: {error}");
            None
        }
    }
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

#[test]
fn a_store_that_may_not_be_written_serves_what_is_in_it() {
    let bench = plain();
    bench.ran("plain.ron");
    let before = content(&bench);
    let everyone = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(bench.path(""), everyone).unwrap();
    // A young file's digest is to be remembered, which cannot be done.
    std::fs::remove_dir_all(bench.path("store/externals")).unwrap();
    permit(&bench.path("store"), false);
    for line in
        ["plan plain.ron", "runs", "show latest", "diff latest latest", "export latest out.tar.zst", "run plain.ron"]
    {
        let Some(answer) = as_user(&bench, line) else { return };
        assert_eq!(answer.code, Some(0), "{line}: {answer:?}");
    }
    let answer = as_user(&bench, "run plain.ron --force copy").unwrap();
    assert_eq!(answer.code, Some(5), "{answer:?}");
    assert!(answer.err.contains("`--store PATH`"), "{answer:?}");
    permit(&bench.path("store"), true);
    let after = content(&bench);
    assert!(after.iter().all(|file| before.contains(file)), "something was written");
}

#[test]
fn a_look_where_there_is_no_store_makes_none() {
    let bench = plain();
    for line in ["plan plain.ron", "runs", "run ."] {
        bench.call(line);
        assert!(!bench.path("store").exists(), "{line}");
    }
    bench.ok("runs");
}

#[test]
fn a_store_without_its_mark_is_the_same_store() {
    let bench = plain();
    bench.ran("plain.ron");
    let mark = bench.path("store/format");
    for damage in [None, Some(&b""[..]), Some(b"repro storf 1\n"), Some(b"\xff")] {
        std::fs::remove_file(&mark).unwrap();
        if let Some(bytes) = damage {
            std::fs::write(&mark, bytes).unwrap();
        }
        bench.ok("show latest");
        let answer = bench.call("run plain.ron");
        assert!(answer.code == Some(0) && answer.all().contains("made again"), "{answer:?}");
        assert_eq!(std::fs::read(&mark).unwrap(), b"repro store 1\n");
        assert!(!bench.call("run plain.ron").all().contains("made again"));
    }
    std::fs::write(&mark, "repro store 3\n").unwrap();
    let answer = bench.call("run plain.ron");
    assert!(answer.code == Some(5) && answer.err.contains("newer than this program"), "{answer:?}");
    assert!(!answer.err.contains("empty"), "{answer:?}");
}

/// Does `damage` to one stored file at a time, in a store of its own: no command ends there, the next run leaves the same
/// digests, and what was set aside is `told`, once.
fn each_file(damage: &dyn Fn(&Path), told: bool) {
    let whole = plain();
    whole.ran("plain.ron");
    let digests = whole.digests();
    let stored = |bench: &Bench| -> Vec<String> {
        files(&bench.path("store")).into_iter().filter(|name| !name.starts_with("jobs/")).collect()
    };
    let count = stored(&whole).len();
    assert!(count >= 9, "{:?}", stored(&whole));
    for at in 0..count {
        let bench = plain();
        bench.ran("plain.ron");
        let name = &stored(&bench)[at];
        damage(&bench.path("store").join(name));
        std::fs::remove_dir_all(bench.path("results")).unwrap();
        // A run that has nothing to explain reads no record of another: who lists the runs is told of that.
        let mut seen = false;
        for line in ["runs", "plan plain.ron"] {
            let answer = bench.call(line);
            assert_eq!(answer.code, Some(0), "{name}: {line}: {answer:?}");
            seen |= said(&answer);
        }
        let answer = bench.call("run plain.ron");
        assert_eq!(answer.code, Some(0), "{name}: {answer:?}");
        // Nothing of this reads an execution or an event log.
        let unread = ["locks/", "executions/", ".events"].iter().any(|part| name.contains(part));
        assert!(!told || unread || seen || said(&answer), "{name}: {answer:?}");
        assert_eq!(bench.digests(), digests, "{name}");
        let again = bench.call("run plain.ron");
        assert!(again.code == Some(0) && !said(&again), "{name}: {again:?}");
        assert!(bench.ran("plain.ron").is_empty(), "{name}");
    }
}

fn said(answer: &Answer) -> bool {
    ["set aside", "made again", "damaged"].iter().any(|words| answer.all().contains(words))
}

#[test]
fn a_folder_in_the_place_of_any_stored_file_is_no_dead_end() {
    each_file(
        &|path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir_all(path.join("a/b")).unwrap();
            std::fs::write(path.join("a/c"), "something").unwrap();
        },
        true,
    );
}

#[test]
fn any_stored_file_that_is_gone_is_no_dead_end() {
    each_file(&|path| std::fs::remove_file(path).unwrap(), false);
}

#[test]
fn a_folder_in_the_place_of_a_run_record_is_set_aside() {
    let bench = plain();
    bench.ran("plain.ron");
    let runs = bench.path("store/runs");
    let record = files(&runs).into_iter().find(|name| name.ends_with(".json")).unwrap();
    std::fs::remove_file(runs.join(&record)).unwrap();
    std::fs::create_dir_all(runs.join(&record).join("a")).unwrap();
    for line in ["runs", "plan plain.ron"] {
        let answer = bench.call(line);
        assert!(answer.code == Some(0), "{line}: {answer:?}");
    }
    bench.ran("plain.ron");
    bench.ok("show latest");
}

#[test]
fn a_name_that_is_not_utf_8_anywhere_in_the_store_is_no_dead_end() {
    let bench = plain();
    bench.ran("plain.ron");
    let digests = bench.digests();
    let mut folders = vec![bench.path("store")];
    let mut at = 0;
    while at < folders.len() {
        for entry in std::fs::read_dir(&folders[at]).unwrap() {
            let path = entry.unwrap().path();
            folders.extend(path.is_dir().then_some(path));
        }
        at += 1;
    }
    for folder in folders {
        std::fs::write(folder.join(OsStr::from_bytes(b"x\xff.json")), "{}").unwrap();
        std::fs::create_dir(folder.join(OsStr::from_bytes(b"\xfe"))).unwrap();
    }
    for line in ["runs", "show latest", "plan plain.ron", "run plain.ron", "run plain.ron --force copy,again", "runs"] {
        let answer = bench.call(line);
        assert_eq!(answer.code, Some(0), "{line}: {answer:?}");
    }
    assert_eq!(bench.digests(), digests);
}

#[test]
fn a_pipeline_a_store_and_results_whose_names_are_not_utf_8_leave_their_record() {
    let bench = Bench::new();
    let stages = r#""pictures": Dataset(source: Shapes(images: 2, size: (32, 32)), classes: Shapes)"#;
    bench.write("plain.ron", format!("Pipeline(name: \"plain\", stages: {{{stages}}})"));
    let name = |bytes: &[u8]| bench.path("").join(OsStr::from_bytes(bytes));
    std::fs::copy(bench.path("plain.ron"), name(b"p\xff.ron")).unwrap();
    let call = |arguments: &[&OsStr]| {
        let mut command = Command::new(bench.command("runs").get_program());
        command.args(arguments).arg("--store").arg(name(b"store\xfe")).current_dir(bench.path(""));
        Answer::of(command.env("XDG_CONFIG_HOME", bench.path("config")).output().unwrap())
    };
    let (file, results) = (name(b"p\xff.ron"), name(b"results\xfd"));
    let run = [OsStr::new("run"), file.as_os_str(), OsStr::new("--results"), results.as_os_str(), OsStr::new("--json")];
    let first = call(&run);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(events(&first.out).iter().any(|event| event["event"] == "node_done"));
    let shown = call(&[OsStr::new("show"), OsStr::new("latest"), OsStr::new("--format"), OsStr::new("json")]);
    let record: Json = serde_json::from_str(&shown.out).unwrap();
    assert!(record["file"].as_str().unwrap().ends_with("p\u{fffd}.ron"), "{record}");
    assert!(call(&[OsStr::new("runs")]).out.contains("plain"));
    assert!(results.join("plain/manifest.json").is_file());
}

/// The file of an action record.
fn action(bench: &Bench, node: usize) -> PathBuf {
    let key = bench.record("latest")["nodes"][node]["key"].as_str().unwrap().to_owned();
    bench.path("store/actions").join(&key[..2]).join(format!("{}.json", &key[2..]))
}

/// Changes the fields of a stored record and gives it its right digest again.
fn change(path: &Path, change: &dyn Fn(&mut serde_json::Map<String, Json>)) -> Vec<u8> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut record: Json = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
    change(record.as_object_mut().unwrap());
    let body = record.to_string();
    let bytes = format!("{}\n{body}", Digest::of(body.as_bytes())).into_bytes();
    std::fs::write(path, &bytes).unwrap();
    bytes
}

#[test]
fn an_action_record_of_another_version_is_a_miss_and_stays() {
    let bench = plain();
    bench.ran("plain.ron");
    let path = action(&bench, 0);
    let other = change(&path, &|fields| drop(fields.remove("outputs")));
    assert_eq!(bench.ran("plain.ron"), ["copy"]);
    assert!(bench.ran("plain.ron").is_empty());
    let beside = files(path.parent().unwrap());
    assert!(beside.iter().any(|name| std::fs::read(path.with_file_name(name)).unwrap() == other), "{beside:?}");
    assert!(!bench.path("store/quarantine").exists());
    // What explains a record is no reason to make its outputs again.
    change(&path, &|fields| drop(fields.remove("preimage")));
    assert!(bench.ran("plain.ron").is_empty());
    // One of a newer program is refused, and stays.
    let newer = change(&path, &|fields| drop(fields.insert("format".into(), 9.into())));
    for line in ["run plain.ron", "run plain.ron --force copy", "plan plain.ron"] {
        let answer = bench.call(line);
        assert!(answer.code == Some(5) && answer.err.contains("newer than this program"), "{line}: {answer:?}");
        assert!(answer.err.contains(&path.display().to_string()), "{line}: {answer:?}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), newer);
}

#[test]
fn a_run_record_of_another_version_is_read_as_far_as_it_goes() {
    let bench = plain();
    bench.ran("plain.ron");
    let runs = bench.path("store/runs");
    let path = runs.join(files(&runs).into_iter().find(|name| name.ends_with(".json")).unwrap());
    for field in ["machine", "status", "device", "versions", "resolved"] {
        change(&path, &|fields| drop(fields.insert(field.to_owned(), Json::Array(vec![7.into()]))));
        assert!(bench.ok("runs").contains("plain"), "{field}");
        let record = bench.record("latest");
        assert_eq!(record["pipeline"], "plain", "{field}");
    }
    // A newer one does not hide the others, is told, and stays.
    bench.ran("plain.ron");
    let newer = change(&path, &|fields| drop(fields.insert("format".into(), 99.into())));
    let answer = bench.call("runs");
    assert!(answer.code == Some(0) && answer.out.contains("plain"), "{answer:?}");
    assert!(answer.err.contains("newer than this program"), "{answer:?}");
    assert_eq!(std::fs::read(&path).unwrap(), newer);
}

#[test]
fn a_file_of_a_folder_that_is_gone_is_made_by_the_stage_that_made_the_folder() {
    let bench = plain();
    bench.ran("plain.ron");
    let digests = bench.digests();
    let listing: Json = serde_json::from_slice(&std::fs::read(bench.object(&digests["copy.tree"])).unwrap()).unwrap();
    let leaf = bench.object(listing["files"]["b/c"]["digest"].as_str().unwrap());
    let content = std::fs::read(&leaf).unwrap();
    std::fs::remove_file(&leaf).unwrap();
    // The results are there, so nobody reads the file: that it is not there is enough.
    assert_eq!(bench.ran("plain.ron"), ["copy"]);
    assert_eq!(std::fs::read(&leaf).unwrap(), content);
    let runs: Json = serde_json::from_str(&bench.ok("runs --format json")).unwrap();
    assert_eq!(runs.as_array().unwrap().len(), 2, "one record a run: {runs}");
    assert_eq!(bench.digests(), digests);
    assert!(bench.object(&digests["copy.tree"]).exists() && !bench.path("store/quarantine").exists());
}

#[test]
fn objects_of_a_lower_layer_are_hits_and_are_brought_up_for_jobs() {
    let bench = plain();
    bench.ran("plain.ron");
    let digests = bench.digests();
    std::fs::create_dir(bench.path("shared")).unwrap();
    std::fs::rename(bench.path("store/objects"), bench.path("shared/objects")).unwrap();
    bench.write("store/layers", "repro layers 1\n../shared\n");
    permit(&bench.path("shared"), false);
    std::fs::remove_dir_all(bench.path("results")).unwrap();
    assert!(bench.ran("plain.ron").is_empty());
    assert_eq!(bench.digests(), digests);
    assert_eq!(bench.ran("plain.ron --force again"), ["again"]);
    assert_eq!(bench.digests(), digests);
    let tree = &digests["copy.tree"];
    assert!(bench.object(tree).exists(), "the job's input came up");
    assert!(files(&bench.path("store/leases")).is_empty());
    permit(&bench.path("shared"), true);
}
