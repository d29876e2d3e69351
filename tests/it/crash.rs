//! Death at any moment, damage, full disks, two runs at once: the next run ends as an undisturbed one.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::harness::{Answer, Bench, copy_folder, events, files, started};

/// One node of each kind that computes, as small as they come.
const LEAST: &str = r#"Pipeline(
    name: "least",
    stages: {
        "pictures": Dataset(source: Shapes(images: 2, size: (32, 32)), classes: Shapes),
        "start": Weights(encoder: Tiny, source: Seeded()),
        "train": Train(
            data: "pictures", weights: "start", model: DeepLabV2(encoder: Tiny, classes: 6),
            steps: 1, batch: 1, crop: (17, 17),
        ),
        "validate": Validate(model: "train", data: "pictures"),
        "predict": Predict(model: "train", data: "pictures"),
        "table": Report(from: ["validate"]),
    },
)"#;

fn least() -> Bench {
    let bench = Bench::new();
    bench.write("least.ron", LEAST);
    bench
}

/// What an undisturbed run leaves: the digests, and the files below `results`.
type Left = (std::collections::BTreeMap<String, String>, Vec<(String, Vec<u8>)>);

fn left(bench: &Bench) -> Left {
    let results = bench.path("results");
    let read = |name: String| (name.clone(), std::fs::read(results.join(&name)).unwrap());
    // The lock says who held it last.
    let names = files(&results).into_iter().filter(|name| !name.starts_with(".locks/"));
    (bench.digests(), names.map(read).collect())
}

/// Equal digests, and equal files; where not, says which.
fn assert_same(found: &Left, wanted: &Left, after: &str) {
    assert_eq!(found.0, wanted.0, "after {after}");
    let names = |left: &Left| left.1.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(found), names(wanted), "after {after}");
    for ((name, found), (_, wanted)) in found.1.iter().zip(&wanted.1) {
        assert!(found == wanted, "after {after}: {name} differs: {}", String::from_utf8_lossy(found));
    }
}

/// Nothing is left half made, and every object is what its name says.
fn check_store(bench: &Bench) {
    let objects = bench.path("store/objects");
    for name in files(&objects) {
        let digest = blake3::hash(&std::fs::read(objects.join(&name)).unwrap()).to_hex();
        assert_eq!(name.replace('/', ""), digest.as_str());
    }
    assert!(!bench.path("store/quarantine").exists());
    let temporary: Vec<String> =
        files(&bench.path("results")).into_iter().filter(|name| name.ends_with(".tmp")).collect();
    assert!(temporary.len() <= 1, "{temporary:?}");
}

/// Breaks the write, sync and rename number 1, 2, 3, … of processes of `role` while `line` runs on a copy of `base`,
/// until there is no such operation any more; after each break the same line must succeed and leave `wanted`. Gives
/// the number of breaks.
fn break_everywhere(base: &Bench, line: &str, role: &str, actions: &[&str], wanted: &Left) -> usize {
    let mut hits = 0;
    for point in ["write", "sync", "rename"] {
        'operations: for n in 1.. {
            for action in actions {
                let bench = Bench::new();
                copy_folder(&base.path(""), &bench.path(""));
                let what = format!("{role}:{point}@{n}={action}");
                let broken = bench.call_failing(line, &what);
                // The first action is `kill`, which nobody can swallow: it tells whether there is such an operation.
                if broken.code == Some(0) && *action == "kill" {
                    break 'operations;
                }
                hits += 1;
                check_broken(&bench, &what, &broken);
                let again = bench.call(line);
                assert_eq!(again.code, Some(0), "after {what}: {again:?}");
                assert_same(&left(&bench), wanted, &what);
                check_store(&bench);
            }
        }
    }
    hits
}

/// What is told of a broken operation.
fn check_broken(bench: &Bench, what: &str, broken: &Answer) {
    let text = broken.all();
    let (role, action) = (what.split(':').next().unwrap(), what.rsplit('=').next().unwrap());
    match (role, action) {
        ("run", "kill") => assert_eq!(broken.code, None, "{what}: {broken:?}"),
        (_, "kill") => {
            assert_eq!(broken.code, Some(3), "{what}: {broken:?}");
            assert!(text.contains("SIGKILL") && text.contains("memory"), "{what}: {text}");
        }
        (_, "full") => {
            assert_eq!(broken.code, Some(5), "{what}: {broken:?}");
            // The folder itself is synced too, when the store is made in it: its path has no slash at the end.
            let place = text.contains(bench.path("").display().to_string().trim_end_matches('/'));
            assert!(place && text.contains("no storage space") && text.contains("Free some space"), "{what}: {text}");
        }
        (_, "denied") => {
            assert_eq!(broken.code, Some(5), "{what}: {broken:?}");
            assert!(text.contains("permission denied") && text.contains("Check the owner"), "{what}: {text}");
        }
        _ => {
            assert!(matches!(broken.code, Some(3 | 101)), "{what}: {broken:?}");
            assert!(text.contains("failpoint"), "{what}: the log's end must be shown: {text}");
        }
    }
}

/// A store in which all that `stage` needs is done, and what the run of it leaves.
fn before(stage: &str, needs: &str) -> (Bench, String, Left) {
    let base = least();
    if !needs.is_empty() {
        base.ran(&format!("least.ron --only {needs}"));
        std::fs::remove_dir_all(base.path("results")).unwrap();
    }
    let line = format!("run least.ron --only {stage}");
    let whole = Bench::new();
    copy_folder(&base.path(""), &whole.path(""));
    whole.ok(&line);
    let left = left(&whole);
    (base, line, left)
}

#[test]
fn a_run_broken_at_any_write_sync_or_rename_leaves_a_good_store() {
    let (base, line, wanted) = before("start", "");
    let hits = break_everywhere(&base, &line, "run", &["kill", "full", "panic"], &wanted);
    assert!(hits >= 50, "{hits}");
}

#[test]
fn a_data_set_broken_at_any_write_sync_or_rename_leaves_a_good_store() {
    let (base, line, wanted) = before("pictures", "");
    let hits = break_everywhere(&base, &line, "exec", &["kill", "full"], &wanted);
    assert!(hits >= 40, "{hits}");
}

#[test]
fn a_training_broken_at_any_write_sync_or_rename_leaves_a_good_store() {
    let (base, line, wanted) = before("train", "pictures,start");
    let hits = break_everywhere(&base, &line, "exec", &["kill", "full", "panic"], &wanted);
    assert!(hits >= 40, "{hits}");
}

#[test]
fn every_other_stage_killed_at_any_write_sync_or_rename_leaves_a_good_store() {
    for (stage, needs) in [("start", ""), ("validate", "train"), ("predict", "train"), ("table", "validate")] {
        let (base, line, wanted) = before(stage, needs);
        let hits = break_everywhere(&base, &line, "exec", &["kill"], &wanted);
        assert!(hits >= 8, "{stage}: {hits}");
    }
}

#[test]
fn a_folder_that_may_not_be_written_is_told() {
    let bench = least();
    for role in ["run", "exec"] {
        let what = format!("{role}:write@1=denied");
        check_broken(&bench, &what, &bench.call_failing("run least.ron --only start", &what));
    }
}

/// Some seconds of training.
const LONG: &str = r#"Pipeline(
    name: "long",
    stages: {
        "pictures": Dataset(source: Shapes(images: 4, size: (96, 96)), classes: Shapes),
        "start": Weights(encoder: Tiny, source: Seeded()),
        "train": Train(
            data: "pictures", weights: "start", model: DeepLabV2(encoder: Tiny, classes: 6, prefilter: Average),
            steps: 900, batch: 2, crop: (97, 97), optimizer: Sgd(lr: 0.01),
        ),
        "validate": Validate(model: "train", data: "pictures"),
    },
)"#;

fn long() -> Bench {
    let bench = Bench::new();
    bench.write("long.ron", LONG);
    bench
}

static UNDISTURBED: LazyLock<std::collections::BTreeMap<String, String>> = LazyLock::new(|| {
    let bench = long();
    bench.ran("long.ron");
    bench.digests()
});

/// A run whose events are read one by one.
struct Live {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Live {
    fn start(bench: &Bench, line: &str) -> Self {
        let mut child = bench.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Live { child, lines }
    }

    /// Reads on to the first event that passes.
    fn until(&mut self, wanted: impl Fn(&Json) -> bool) -> Json {
        for line in self.lines.by_ref() {
            let event: Json = serde_json::from_str(&line.unwrap()).unwrap();
            if wanted(&event) {
                return event;
            }
        }
        panic!("the run ended before the event came");
    }

    /// The process of a stage that started.
    fn pid_of(&mut self, stage: &str) -> u32 {
        let event = self.until(|event| event["event"] == "node_started" && event["node"]["stage"] == stage);
        let file = Path::new(event["log"].as_str().unwrap()).with_file_name("events");
        wait_for("the stage to say its process number", || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let started: Json = serde_json::from_str(text.lines().next()?).ok()?;
            Some(started["started"]["pid"].as_u64()? as u32)
        })
    }

    fn after_checkpoint(&mut self) {
        self.until(|event| event["what"]["event"] == "checkpoint");
    }

    fn signal(&self, signal: &str) {
        kill(self.child.id(), signal);
    }

    /// The rest of the run: exit code and all that it still says.
    fn end(mut self) -> (Option<i32>, String) {
        let rest: Vec<String> = self.lines.by_ref().map(Result::unwrap).collect();
        let status = self.child.wait().unwrap();
        (status.code(), rest.join("\n"))
    }
}

fn kill(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs again and checks that training was taken up in the middle and ends as ever.
fn goes_on(bench: &Bench) {
    let out = bench.ok("run long.ron --json");
    let resumed: Vec<u64> = events(&out)
        .iter()
        .filter(|event| event["what"]["event"] == "resumed")
        .map(|event| event["what"]["step"].as_u64().unwrap())
        .collect();
    assert!(resumed.len() == 1 && resumed[0] > 0, "{resumed:?}");
    assert_eq!(started(&out), ["train", "validate"]);
    assert_eq!(bench.digests(), *UNDISTURBED);
    assert!(files(&bench.path("store/scratch")).is_empty(), "a finished stage leaves no checkpoint");
}

#[test]
fn a_stage_killed_alone_is_told_and_goes_on_inside_the_iteration() {
    let bench = long();
    let mut run = Live::start(&bench, "run long.ron --json");
    let pid = run.pid_of("train");
    run.after_checkpoint();
    kill(pid, "-KILL");
    let (code, rest) = run.end();
    assert_eq!(code, Some(3), "{rest}");
    let failed = events(&rest).into_iter().find(|event| event["event"] == "node_failed").unwrap();
    assert_eq!(failed["failure"]["killed"]["name"], "SIGKILL");
    let told = bench.record("latest")["nodes"].to_string();
    assert!(told.contains("killed by SIGKILL") && told.contains("out-of-memory killer"), "{told}");
    goes_on(&bench);
}

#[test]
fn a_run_killed_with_its_stage_goes_on_inside_the_iteration() {
    let bench = long();
    let mut run = Live::start(&bench, "run long.ron --json");
    let pid = run.pid_of("train");
    run.after_checkpoint();
    run.signal("-KILL");
    kill(pid, "-KILL");
    assert_eq!(run.end().0, None);
    goes_on(&bench);
}

#[test]
fn a_stage_whose_run_was_killed_stops_by_itself_and_goes_on_later() {
    let bench = long();
    let mut run = Live::start(&bench, "run long.ron --json");
    let pid = run.pid_of("train");
    run.after_checkpoint();
    run.signal("-KILL");
    run.end();
    wait_for("the orphan to stop", || (!Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
    goes_on(&bench);
}

#[test]
fn ctrl_c_stops_within_seconds_and_the_next_run_goes_on() {
    let bench = long();
    let mut run = Live::start(&bench, "run long.ron --json");
    run.after_checkpoint();
    let begin = Instant::now();
    run.signal("-INT");
    let (code, rest) = run.end();
    assert_eq!(code, Some(130), "{rest}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let record = bench.record("latest");
    assert_eq!(record["status"], "interrupted");
    goes_on(&bench);
}

#[test]
fn a_run_with_two_jobs_killed_at_any_moment_ends_as_ever() {
    let whole = Bench::small();
    let begin = Instant::now();
    whole.ran("small.ron --jobs 2");
    let length = begin.elapsed();
    for moment in 0..10 {
        let bench = Bench::small();
        let run = Live::start(&bench, "run small.ron --json --jobs 2");
        std::thread::sleep(length * (2 * moment + 1) / 20);
        run.signal("-KILL");
        run.end();
        // Its orphans may still be at work: the next run waits for them, and neither repeats nor loses anything.
        bench.ran("small.ron --jobs 2");
        assert_eq!(bench.digests(), whole.digests(), "killed at {moment} of 10");
        check_store(&bench);
    }
}

/// Changes one bit of a file, which may be read-only, and keeps it so.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 4;
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The first file of a tree that is an output.
fn leaf(bench: &Bench, tree: &str) -> String {
    let listing: Json = serde_json::from_slice(&std::fs::read(bench.object(tree)).unwrap()).unwrap();
    listing["files"].as_object().unwrap().values().next().unwrap()["digest"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_published_and_damaged_or_gone_is_made_again_by_the_same_run() {
    let bench = least();
    bench.ran("least.ron");
    let undisturbed = left(&bench);
    let digests = bench.digests();
    std::fs::remove_dir_all(bench.path("results")).unwrap();
    flip(&bench.object(&digests["pictures.index"]));
    flip(&bench.object(&leaf(&bench, &digests["predict.pictures"])));
    flip(&bench.object(&digests["table.table"]));
    let out = bench.ok("run least.ron --json");
    assert_eq!(started(&out), ["pictures", "predict", "table"].map(str::to_owned), "{out}");
    assert_same(&left(&bench), &undisturbed, "damage");
    std::fs::remove_dir_all(bench.path("store/quarantine")).unwrap();
    check_store(&bench);
    assert!(started(&bench.ok("run least.ron --json")).is_empty());
}

#[test]
fn a_flipped_bit_in_any_object_is_found_by_who_reads_it_and_the_object_is_made_again() {
    let base = least();
    base.ran("least.ron");
    let digests = base.digests();
    let cases = [
        ("pictures.files", false, "train"),
        ("pictures.files", true, "train"),
        ("pictures.index", false, "train"),
        ("pictures.info", false, "validate"),
        ("start.weights", false, "train"),
        ("train.model", false, "predict"),
        ("validate.summary", false, "table"),
        ("validate.classes", false, "table"),
    ];
    for (output, inside, reader) in cases {
        let bench = Bench::new();
        copy_folder(&base.path(""), &bench.path(""));
        let digest = if inside { leaf(&bench, &digests[output]) } else { digests[output].clone() };
        flip(&bench.object(&digest));
        let out = bench.ok(&format!("run least.ron --json --force {reader}"));
        let maker = output.split('.').next().unwrap();
        let ran = started(&out);
        assert!(ran.contains(&maker.to_owned()) && ran.last() == Some(&reader.to_owned()), "{output}: {ran:?}");
        let remade = events(&out).into_iter().any(|e| e["event"] == "node_remade" || e["event"] == "warning");
        assert!(remade, "{output}: {out}");
        assert_eq!(bench.digests(), digests, "{output}");
        assert_eq!(files(&bench.path("store/quarantine")).len(), 1, "{output}");
        std::fs::remove_dir_all(bench.path("store/quarantine")).unwrap();
        check_store(&bench);
    }
}

#[test]
fn a_flipped_bit_in_what_is_published_is_found_and_made_again() {
    let base = least();
    base.ran("least.ron");
    let wanted = left(&base);
    for (output, inside) in [("table.table", false), ("predict.pictures", false), ("predict.pictures", true)] {
        let bench = Bench::new();
        copy_folder(&base.path(""), &bench.path(""));
        let digest = if inside { leaf(&bench, &wanted.0[output]) } else { wanted.0[output].clone() };
        flip(&bench.object(&digest));
        std::fs::remove_dir_all(bench.path("results")).unwrap();
        // Nothing was to run, so the damage is met when the results are written; the next run makes it again.
        let first = bench.call("run least.ron");
        if first.code != Some(0) {
            assert_eq!(first.code, Some(5), "{output}: {first:?}");
            assert!(
                first.err.contains(&digest) && first.err.contains("`repro run` makes it again"),
                "{output}: {first:?}"
            );
            let second = bench.call("run least.ron");
            assert_eq!(second.code, Some(0), "{output}: {second:?}");
        }
        assert_same(&left(&bench), &wanted, output);
    }
}

#[test]
fn a_flipped_bit_in_a_record_is_a_miss() {
    let bench = least();
    bench.ran("least.ron");
    let digests = bench.digests();
    let key =
        bench.record("latest")["nodes"].as_array().unwrap().iter().find(|n| n["stage"] == "train").unwrap()["key"]
            .as_str()
            .unwrap()
            .to_owned();
    let path = bench.path("store/actions").join(&key[..2]).join(format!("{}.json", &key[2..]));
    flip(&path);
    assert_eq!(bench.ran("least.ron"), ["train"]);
    assert_eq!(bench.digests(), digests);
    // A torn one as well.
    std::fs::write(&path, b"").unwrap();
    let answer = bench.call("run least.ron");
    assert!(answer.code == Some(0) && answer.all().contains("set aside"), "{answer:?}");
    // And a run's own record: it is no more in the list, and nothing else suffers.
    let runs = bench.path("store/runs");
    let name = files(&runs).into_iter().find(|name| name.ends_with(".json")).unwrap();
    flip(&runs.join(name));
    assert!(bench.ran("least.ron").is_empty());
    bench.ok("runs");
}

/// A disk of its own, taken away in the end.
struct Disk(PathBuf);

impl Disk {
    /// None where this user may not mount one.
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Disk(path))
    }

    fn grow(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_and_the_next_run_goes_on() {
    let whole = least();
    whole.ran("least.ron");
    for size in ["16k", "100k", "400k", "800k"] {
        let bench = least();
        let Some(disk) = Disk::mount(bench.path("store"), size) else {
            eprintln!("skipped: mounting a small disk needs root");
            return;
        };
        let answer = bench.call("run least.ron");
        assert_eq!(answer.code, Some(5), "{size}: {answer:?}");
        let text = answer.all();
        assert!(text.contains(&bench.path("store").display().to_string()), "{size}: {text}");
        assert!(text.contains("No space left") && text.contains("Free some space"), "{size}: {text}");
        disk.grow("64m");
        bench.ran("least.ron");
        assert_eq!(bench.digests(), whole.digests(), "{size}");
        check_store(&bench);
    }
}

#[test]
fn two_runs_at_once_compute_each_node_once() {
    let bench = Bench::small();
    let start = || Live::start(&bench, "run small.ron --json");
    let runs = [start(), start()];
    let ends = runs.map(|run| {
        let (code, out) = run.end();
        assert_eq!(code, Some(0), "{out}");
        events(&out)
    });
    let count = |name: &str| ends.iter().flatten().filter(|event| event["event"] == name).count();
    assert_eq!((count("node_done"), count("node_hit")), (9, 9));
    let alone = Bench::small();
    alone.ran("small.ron");
    assert_eq!(bench.digests(), alone.digests());
}

/// A pipeline of one command.
fn command(script: &str) -> Bench {
    let bench = Bench::new();
    bench.write("script.sh", script);
    bench.write("input.txt", "first\n");
    bench.write(
        "one.ron",
        r#"Pipeline(name: "one", stages: {
            "one": Command(
                run: ["sh", "{file:script}", "{file:input}", "{out:text}"],
                files: {"script": "script.sh", "input": "input.txt"}, outputs: {"text": "text.txt"},
            ),
        })"#,
    );
    bench
}

#[test]
fn an_input_that_changes_during_its_stage_is_not_cached() {
    let bench = command("cat $1 > $2; grep -q more $1 || echo more >> $1\n");
    let answer = bench.call("run one.ron");
    assert_eq!(answer.code, Some(4), "{answer:?}");
    let place = format!("{}: This file changed while the stage was reading", bench.path("input.txt").display());
    assert!(answer.all().contains(&place), "{answer:?}");
    assert!(!bench.path("store/actions").exists() || files(&bench.path("store/actions")).is_empty());
    assert_eq!(bench.ran("one.ron"), ["one"]);
    assert_eq!(std::fs::read_to_string(bench.object(&bench.digests()["one.text"])).unwrap(), "first\nmore\n");
    assert!(bench.ran("one.ron").is_empty());
}

#[test]
fn a_program_that_is_killed_or_fails_or_kills_its_stage_is_told() {
    let told = |script: &str| {
        let answer = command(script).call("run one.ron");
        assert_eq!(answer.code, Some(3), "{answer:?}");
        answer.all()
    };
    let killed = told("echo working >&2; kill -9 $$\n");
    assert!(killed.contains("SIGKILL") && killed.contains("memory") && killed.contains("working"), "{killed}");
    let stage = told("kill -9 $PPID\n");
    assert!(stage.contains("SIGKILL") && stage.contains("memory"), "{stage}");
    let failed = told("echo no such luck >&2; exit 7\n");
    assert!(failed.contains("7") && failed.contains("no such luck"), "{failed}");
    let nothing = told("true\n");
    assert!(nothing.contains("made no `text.txt`"), "{nothing}");
}

#[test]
fn a_stage_that_asks_for_too_much_memory_is_told() {
    let bench = least();
    let mut run = bench.command("run least.ron --threads 1 --set train.crop=(2049,2049) --set train.batch=64");
    let program = run.get_program().to_owned();
    let arguments: Vec<_> = run.get_args().map(ToOwned::to_owned).collect();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 2000000; exec \"$@\"", "sh"]).arg(program).args(arguments);
    limited.current_dir(bench.path("")).env("XDG_CONFIG_HOME", bench.path("config"));
    run.stdin(Stdio::null());
    let answer = Answer::of(limited.output().unwrap());
    assert_eq!(answer.code, Some(3), "{answer:?}");
    assert!(answer.all().contains("SIGABRT") && answer.all().contains("memory allocation of"), "{answer:?}");
    assert_eq!(bench.ran("least.ron"), ["train", "predict", "validate", "table"]);
}
