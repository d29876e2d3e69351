//! What a `Command` may touch: `repro` changes nothing outside the job's folder, takes only what is the job's own, and
//! leaves no process behind.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Answer, Bench, files};

/// A store on another file system than the project. It goes with this.
struct Elsewhere(PathBuf);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = Command::new("chmod").args(["-R", "u+rwx"]).arg(&self.0).status();
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Calls `test` with a store beside the project, and with one on another file system where `/dev/shm` is one.
fn on_each_disk(test: impl Fn(&Bench)) {
    test(&Bench::new());
    let bench = Bench::new();
    let folder = PathBuf::from(format!("/dev/shm/repro-{}-{:?}", std::process::id(), std::thread::current().id()));
    let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    if std::fs::create_dir(&folder).is_err() || device(&folder) == device(&bench.path("")) {
        eprintln!("skipped: /dev/shm is no other file system that can be written");
        return;
    }
    let elsewhere = Elsewhere(folder);
    symlink(&elsewhere.0, bench.path("store")).unwrap();
    test(&bench);
}

/// Writes a pipeline `p.ron` of one command, a shell script whose `$0` is the path of its output `o`.
fn shell(bench: &Bench, script: &str, output: &str) {
    bench.write("script.sh", script);
    bench.write(
        "p.ron",
        format!(
            r#"Pipeline(name: "p", stages: {{ "c": Command(
                run: ["sh", "-c", ". \"$1\"", "{{out:o}}", "{{file:script}}"],
                files: {{"script": "script.sh"}}, outputs: {{"o": "{output}"}},
            ) }})"#
        ),
    );
}

/// Runs a command line that must end by itself.
fn call(bench: &Bench, line: &str) -> Answer {
    let mut child = bench.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("repro {line} hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Answer::of(child.wait_with_output().unwrap())
}

/// Content, permissions and inode of a file.
fn state(path: &Path) -> (Vec<u8>, u32, u64) {
    let found = std::fs::symlink_metadata(path).unwrap();
    (std::fs::read(path).unwrap(), found.mode(), found.ino())
}

fn nothing_recorded(bench: &Bench) {
    let actions = bench.path("store/actions");
    assert!(!actions.exists() || files(&actions).is_empty());
}

#[test]
fn links_in_outputs_are_refused_and_what_they_lead_to_stays() {
    let scripts = [
        ("o", "ln -s MINE $0"),
        ("o", "ln -s MINE/a.txt $0"),
        ("o", "ln -s nowhere $0"),
        ("o", "ln -s /dev/zero $0"),
        ("o", "mkdir $0; ln -s MINE $0/images"),
        ("o", "mkdir $0; ln -s MINE/a.txt $0/a.txt"),
        ("o", "mkdir -p $0/deep/er; echo x > $0/x; ln -s ../../../../../../../../../MINE $0/deep/er/up"),
        ("o", "mkdir -p $0/sub; echo x > $0/sub/x; ln -s sub $0/twin"),
        ("o", "mkdir $0; ln -s nowhere $0/lost"),
        ("o", "mkdir $0; ln -s . $0/loop"),
        ("o", "mkdir $0; ln -s /dev/zero $0/zeros"),
        ("s/a.txt", "rmdir s; ln -s MINE s"),
        ("s/t/a.txt", "rm -r s; mkdir MINE/t; echo mine > MINE/t/a.txt; ln -s MINE s"),
        ("a.txt", "d=$(pwd); cd /; rmdir $d; ln -s MINE $d"),
        ("a.txt", "d=$(dirname $(pwd)); mkdir MINE/out; cp MINE/a.txt MINE/out; cd /; mv $d $d.old; ln -s MINE $d"),
    ];
    on_each_disk(|bench| {
        for (output, script) in scripts {
            let mine = bench.write("mine/a.txt", "precious");
            let before = state(&mine);
            shell(bench, &script.replace("MINE", &bench.path("mine").display().to_string()), output);
            let answer = call(bench, "run p.ron");
            assert_eq!(answer.code, Some(3), "{script}: {answer:?}");
            let told = ["symbolic link", "was removed or replaced"].iter().any(|text| answer.all().contains(text));
            assert!(told && answer.all().contains("/jobs/"), "{script}: {answer:?}");
            assert_eq!(state(&mine), before, "{script}");
            for made in ["t", "out"].into_iter().filter(|made| script.contains(&format!("mkdir MINE/{made}"))) {
                assert!(bench.path("mine").join(made).join("a.txt").exists(), "{script}");
            }
            nothing_recorded(bench);
            std::fs::remove_dir_all(bench.path("mine")).unwrap();
        }
    });
}

#[test]
fn a_link_to_a_file_of_the_same_output_folder_is_a_file_of_that_content() {
    on_each_disk(|bench| {
        shell(bench, "mkdir -p $0/runs; echo best > $0/runs/7; ln -s runs/7 $0/best; ln -s $0/best $0/again", "o");
        let answer = call(bench, "run p.ron");
        assert_eq!(answer.code, Some(0), "{answer:?}");
        for name in ["best", "again", "runs/7"] {
            let path = bench.path("results/p/c").join(name);
            assert!(std::fs::symlink_metadata(&path).unwrap().is_file());
            assert_eq!(std::fs::read_to_string(path).unwrap(), "best\n");
        }
    });
}

#[test]
fn a_hard_link_is_copied_and_the_file_stays_the_users_own() {
    on_each_disk(|bench| {
        for script in ["ln MINE $0", "mkdir $0; ln MINE $0/a; ln $0/a $0/b", "ln MINE twin; mv twin $0"] {
            let mine = bench.write("mine.txt", "mine");
            // Links do not reach to another disk: there the program's own file gets two names.
            let across = bench.path("store").is_symlink();
            let source = if across { "kept".to_owned() } else { mine.display().to_string() };
            let prefix = if across { "echo -n mine > kept; " } else { "" };
            shell(bench, &format!("{prefix}{}", script.replace("MINE", &source)), "o");
            let before = state(&mine);
            let answer = call(bench, "run p.ron");
            assert_eq!(answer.code, Some(0), "{script}: {answer:?}");
            assert_eq!(state(&mine), before, "{script}");
            bench.write("mine.txt", "changed");
            for name in files(&bench.path("store/objects")) {
                let object = bench.path("store/objects").join(&name);
                assert_eq!(std::fs::metadata(&object).unwrap().nlink(), 1, "{script}");
                let digest = blake3::hash(&std::fs::read(&object).unwrap()).to_hex();
                assert_eq!(name.replace('/', ""), digest.as_str(), "{script}");
            }
        }
    });
}

#[test]
fn outputs_that_are_no_files_are_told_and_not_opened() {
    on_each_disk(|bench| {
        let socket = "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local=>shift,Listen=>1)' ";
        let has_perl = Command::new("perl").args(["-MIO::Socket::UNIX", "-e", "1"]).status().is_ok_and(|s| s.success());
        let mut scripts = vec![
            ("mkfifo $0".to_owned(), "a pipe"),
            ("mkdir -p $0/x; echo a > $0/x/a; mkfifo $0/x/p".to_owned(), "a pipe"),
        ];
        if has_perl {
            // A socket's path may be no longer than about 100 bytes.
            scripts.push((format!("{socket} s; mv s $0"), "a socket"));
            scripts.push((format!("mkdir $0; {socket} s; mv s $0/s"), "a socket"));
        }
        for (script, name) in scripts {
            shell(bench, &script, "o");
            let answer = call(bench, "run p.ron");
            assert_eq!(answer.code, Some(3), "{script}: {answer:?}");
            let all = answer.all();
            assert!(all.contains(name) && all.contains("/out/o") && all.contains("regular file"), "{script}: {all}");
            nothing_recorded(bench);
        }
    });
}

/// A pipe, and links that lead to one and to a device.
fn irregular(bench: &Bench) -> Vec<String> {
    assert!(Command::new("mkfifo").arg(bench.path("pipe")).status().unwrap().success());
    symlink("pipe", bench.path("link")).unwrap();
    symlink("/dev/zero", bench.path("zeros")).unwrap();
    ["pipe", "link", "zeros"].map(str::to_owned).into()
}

#[test]
fn inputs_that_are_no_files_are_told_and_not_opened() {
    let bench = Bench::new();
    for name in irregular(&bench) {
        let told = |line: &str, code: i32| {
            let answer = call(&bench, line);
            assert_eq!(answer.code, Some(code), "{name}: {line}: {answer:?}");
            let all = answer.all();
            let what = if name == "zeros" { "it is a device" } else { "it is a pipe" };
            assert!(all.contains(what) && all.contains("not a regular file"), "{name}: {line}: {all}");
        };
        let pipeline = |stage: &str| drop(bench.write("p.ron", format!("Pipeline(name: \"p\", {stage})")));
        pipeline(&format!(
            r#"stages: {{ "c": Command(run: ["cp", "{{file:f}}", "{{out:o}}"], files: {{"f": "{name}"}}, outputs: {{"o": "o"}}) }}"#
        ));
        told("plan p.ron", 4);
        told("run p.ron", 4);
        pipeline(&format!(r#"include: ["{name}"], stages: {{}}"#));
        told("plan p.ron", 2);
        told(&format!("plan {name}"), 2);
        told(&format!("graph {name}"), 2);
        pipeline(&format!(r#"stages: {{ "d": Dataset(source: Listed(root: "r", list: "{name}"), classes: Shapes) }}"#));
        told("run p.ron --data r=.", 4);
        bench.write("list.txt", format!("/{name} /{name}\n"));
        pipeline(r#"stages: { "d": Dataset(source: Listed(root: "r", list: "list.txt"), classes: Shapes) }"#);
        told("run p.ron --data r=.", 4);
        pipeline(&format!(
            r#"stages: {{ "d": Dataset(source: Listed(list: "l", archives: [Archive(file: "{name}")]), classes: Shapes) }}"#
        ));
        told("run p.ron", 4);
        pipeline(&format!(r#"stages: {{ "w": Weights(encoder: Tiny, source: Checkpoint(file: "{name}")) }}"#));
        told("run p.ron", 4);
        told(&format!("weights inspect {name}"), 4);
        pipeline(r#"stages: { "c": Command(run: ["true"], outputs: {"o": "o"}) }"#);
        bench.write("config/repro/beside", "");
        let config = bench.path("config/repro/config.ron");
        symlink(bench.path(&name), &config).unwrap();
        told("run p.ron", 2);
        std::fs::remove_file(config).unwrap();
    }
}

/// `p.ron`: a stage that makes a file and a folder, and one that runs `script` with copies of both and an output.
fn reader(bench: &Bench, script: &str) {
    bench.write("script.sh", script);
    bench.write(
        "p.ron",
        r#"Pipeline(name: "p", stages: {
            "make": Command(
                run: ["sh", "-c", "echo true > $0; mkdir -p $1/sub; echo one > $1/sub/1; echo two > $1/2", "{out:x}", "{out:t}"],
                outputs: {"x": "x.txt", "t": "tree"},
            ),
            "calm": Command(
                run: ["sh", "-c", "sleep 1; cat $0 $1/sub/1 $1/2 > $2", "{in:m.x}", "{in:m.t}", "{out:o}"],
                inputs: {"m": "make"}, outputs: {"o": "calm.txt"},
            ),
            "rude": Command(
                run: ["sh", "-c", ". \"$3\"", "{in:m.x}", "{in:m.t}", "{out:o}", "{file:s}"],
                inputs: {"m": "make"}, files: {"s": "script.sh"}, outputs: {"o": "rude.txt"},
            ),
        })"#,
    );
}

#[test]
fn a_program_that_changes_its_inputs_changes_nothing_and_is_not_recorded() {
    let scripts = [
        "chmod u+w $0; echo false > $0",
        "chmod u+w $(dirname $0); sed -i s/true/false/ $0",
        "chmod u+w $(dirname $0); rm $0; mkfifo $0",
        "chmod -R u+w $1; echo false > $1/sub/1",
        "chmod -R u+w $1; rm $1/2",
        "chmod -R u+w $1; rm $1/2; ln -s /dev/zero $1/2",
    ];
    on_each_disk(|bench| {
        for script in scripts {
            reader(bench, &format!("sleep 0.3; {script}; echo done > $2"));
            let answer = call(bench, "run p.ron --jobs 2 --keep-going --force calm");
            assert_eq!(answer.code, Some(3), "{script}: {answer:?}");
            assert!(answer.all().contains("changed its input `{in:m."), "{script}: {answer:?}");
            let read = |name: &str| std::fs::read_to_string(bench.path("results/p").join(name)).unwrap();
            assert_eq!((read("make/x.txt"), read("calm/calm.txt")), ("true\n".into(), "true\none\ntwo\n".into()));
            assert!(!bench.path("results/p/rude/rude.txt").exists(), "{script}");
            let told = call(bench, "plan p.ron").out;
            assert!(told.contains("2 cached, 1 to run"), "{script}: {told}");
        }
    });
}

#[test]
fn inputs_are_copies_that_nobody_may_write_and_that_go_with_the_job() {
    on_each_disk(|bench| {
        let list = "stat -c '%a %h %n' $0 $(dirname $0) $1 $1/2 $1/sub $1/sub/1 | sed 's: .*/: :'; ls -i $0 $1/2";
        reader(bench, &format!("({list}) > $2; test -x $0"));
        bench.ok("run p.ron --jobs 2");
        let told = std::fs::read_to_string(bench.path("results/p/rude/rude.txt")).unwrap();
        let modes: Vec<&str> = told.lines().take(6).map(|line| line.split(' ').next().unwrap()).collect();
        assert!(modes.iter().all(|mode| *mode == "555"), "{told}");
        let objects = bench.path("store/objects");
        for object in files(&objects) {
            let inode = std::fs::metadata(objects.join(object)).unwrap().ino().to_string();
            assert!(told.lines().skip(6).all(|line| !line.trim_start().starts_with(&format!("{inode} "))), "{told}");
        }
        let jobs = files(&bench.path("store/jobs"));
        assert!(jobs.iter().all(|name| !name.contains("/out/") && !name.contains("/temp/")), "{jobs:?}");
    });
}

#[test]
fn a_data_root_that_changes_under_a_program_keeps_its_result_out() {
    let bench = Bench::new();
    bench.write(
        "scenes.ron",
        r#"Pipeline(name: "scenes", stages: { "d": Dataset(source: Shapes(images: 2, size: (32, 32)), classes: Shapes) })"#,
    );
    bench.ok("run scenes.ron");
    let digests = bench.digests();
    let tree: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bench.object(&digests["d.files"])).unwrap()).unwrap();
    let mut lines = String::new();
    for (name, entry) in tree["files"].as_object().unwrap() {
        bench.write(&format!("root/{name}"), std::fs::read(bench.object(entry["digest"].as_str().unwrap())).unwrap());
        if let Some(id) = name.strip_prefix("JPEGImages/").and_then(|name| name.strip_suffix(".jpg")) {
            lines += &format!("/{name} /SegmentationClassAug/{id}.png\n");
        }
    }
    bench.write("root/list.txt", lines);
    bench.write("root/other.txt", "not of the data set");
    let run = |script: &str| {
        bench.write("script.sh", script);
        bench.write(
            "p.ron",
            r#"Pipeline(name: "p", stages: {
                "d": Dataset(source: Listed(root: "r", list: "list.txt"), classes: Shapes),
                "c": Command(
                    run: ["sh", "-c", ". \"$2\"", "{root:d}", "{out:o}", "{file:s}"],
                    inputs: {"d": "d"}, files: {"s": "script.sh"}, outputs: {"o": "o"},
                ),
            })"#,
        );
        call(&bench, "run p.ron --data r=root")
    };
    let answer = run("ls $0 > $1; echo more >> $0/other.txt");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    for script in ["for f in $0/SegmentationClassAug/*; do echo >> $f; done", "rm $0/JPEGImages/*"] {
        let answer = run(&format!("ls $0 > $1; {script}"));
        assert_eq!(answer.code, Some(4), "{script}: {answer:?}");
        assert!(answer.all().contains("so that the result is not kept"), "{script}: {answer:?}");
    }
}

#[test]
fn folders_of_outputs_are_made_and_placeholders_are_filled_once() {
    let bench = Bench::new();
    bench.write(
        "p.ron",
        r#"Pipeline(name: "p", stages: { "c": Command(
            run: ["sh", "-c", "echo \"$0\" > \"$1\"; echo x > $2", "{param:a}{param:b}", "{out:o}", "{out:p}"],
            parameters: {"a": "{out:o} {param:b}", "b": "{param:a}{x:y}"}, outputs: {"o": "sub/deep/x.txt", "p": "sub/y.txt"},
        ) })"#,
    );
    bench.ok("run p.ron");
    let read = |name: &str| std::fs::read_to_string(bench.path("results/p/c").join(name)).unwrap();
    assert_eq!(read("x.txt"), "{out:o} {param:b}{param:a}{x:y}\n");
    assert_eq!(read("y.txt"), "x\n");
}

#[test]
fn outputs_without_a_place_of_their_own_are_faults_of_the_pipeline() {
    let bench = Bench::new();
    let outputs = [
        r#"{"o": "."}"#,
        r#"{"o": ""}"#,
        r#"{"o": "./a"}"#,
        r#"{"o": "a/./b"}"#,
        r#"{"o": "a/"}"#,
        r#"{"o": "a//b"}"#,
        r#"{"o": "a/../../b"}"#,
        r#"{"o": "/tmp/b"}"#,
        r#"{"o": "a", "p": "a/b"}"#,
        r#"{"o": "a/b/c", "p": "a"}"#,
        r#"{"o": "a", "p": "a"}"#,
    ];
    for outputs in outputs {
        let text =
            format!("Pipeline(name: \"p\", stages: {{\n\"c\": Command(run: [\"true\"],\noutputs: {outputs}) }})");
        bench.write("p.ron", text);
        let answer = call(&bench, "run p.ron");
        assert_eq!(answer.code, Some(2), "{outputs}: {answer:?}");
        assert!(answer.err.contains("p.ron:3:"), "{outputs}: {answer:?}");
    }
}

/// A time that nobody else sleeps.
fn marked(number: u32) -> String {
    format!("{}.{}", 3600 + number, std::process::id())
}

/// The processes that sleep for a marked time.
fn sleeping(mark: &str) -> Vec<u32> {
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let sleeps = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == mark.as_bytes())
    };
    processes.filter_map(|name| name.parse().ok()).filter(sleeps).collect()
}

/// Waits until something is so, for a while.
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !ready() {
        assert!(begin.elapsed() < Duration::from_secs(40), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ways to leave a process behind, `SLEEP` being the process.
const BEHIND: [&str; 5] = [
    "SLEEP &",
    "(SLEEP &) &",
    "setsid SLEEP &",
    "(setsid sh -c 'SLEEP & SLEEP' > /dev/null 2>&1 < /dev/null &) &",
    "setsid sh -c 'trap \"\" TERM HUP INT; SLEEP; SLEEP' &",
];

#[test]
fn what_a_program_leaves_running_is_ended_with_the_stage() {
    for (at, behind) in (0..).zip(BEHIND) {
        let bench = Bench::new();
        let mark = marked(at);
        shell(&bench, &format!("{}\nsleep 0.2; echo x > $0", behind.replace("SLEEP", &format!("sleep {mark}"))), "o");
        let answer = call(&bench, "run p.ron");
        assert_eq!(answer.code, Some(0), "{behind}: {answer:?}");
        assert!(sleeping(&mark).is_empty(), "{behind}");
    }
}

#[test]
fn what_goes_on_writing_is_ended_before_the_outputs_are_taken() {
    on_each_disk(|bench| {
        shell(
            bench,
            "(setsid sh -c 'while :; do echo x >> \"$0\"; done' $0 &) &\nwhile ! test -s $0; do sleep 0.1; done",
            "o",
        );
        let answer = call(bench, "run p.ron");
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let digest = &bench.digests()["c.o"];
        let content = std::fs::read(bench.object(digest)).unwrap();
        assert_eq!(blake3::hash(&content).to_hex().as_str(), digest);
    });
}

/// A run whose program and all that it left behind are at work.
fn working(bench: &Bench, mark: &str, trap: &str) -> Child {
    let behind: Vec<String> = BEHIND.iter().map(|way| way.replace("SLEEP", &format!("sleep {mark}"))).collect();
    shell(bench, &format!("{trap}{}\nsleep {mark}; sleep {mark}; echo x > $0", behind.join("\n")), "o");
    let child = bench.command("run p.ron").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the program and its processes", || sleeping(mark).len() == 7);
    child
}

/// The processes that a process started.
pub fn children(pid: u32) -> Vec<u32> {
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let is_child = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse::<u32>().ok());
        parent == Some(pid)
    };
    processes.filter_map(|name| name.parse().ok()).filter(is_child).collect()
}

fn signal(pids: &[u32], signal: &str) {
    for pid in pids {
        assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
    }
}

#[test]
fn whoever_is_killed_nothing_of_the_program_goes_on() {
    // The run, its stage and the guard of the program: who is killed, by what, and the exit code.
    let cases: [(&str, &[usize], &str, Option<i32>); 9] = [
        ("", &[0], "-KILL", None),
        ("", &[0], "-HUP", Some(130)),
        ("", &[0], "-QUIT", None),
        ("", &[0], "-TERM", Some(130)),
        ("", &[0], "-INT", Some(130)),
        ("", &[1], "-KILL", Some(3)),
        ("", &[2], "-KILL", Some(3)),
        ("trap '' TERM INT HUP; ", &[0, 1], "-KILL", None),
        ("trap '' TERM INT HUP; ", &[1, 0], "-TERM", None),
    ];
    std::thread::scope(|scope| {
        for (at, (trap, who, by, code)) in (100..).zip(cases) {
            scope.spawn(move || {
                let bench = Bench::new();
                let mark = marked(at);
                let mut run = working(&bench, &mark, trap);
                let stage = children(run.id())[0];
                let guard = children(stage)[0];
                let pids = [run.id(), stage, guard];
                signal(&who.iter().map(|&at| pids[at]).collect::<Vec<_>>(), by);
                let status = run.wait().unwrap();
                if who == [0] || who == [1] || who == [2] {
                    assert_eq!(status.code(), code, "{who:?} {by}");
                }
                wait_until(&format!("the end of everything after {who:?} {by}"), || sleeping(&mark).is_empty());
                nothing_recorded(&bench);
            });
        }
    });
}

#[test]
fn a_second_ctrl_c_kills_a_program_that_does_not_heed_the_first() {
    let bench = Bench::new();
    let mark = marked(200);
    let mut run = working(&bench, &mark, "trap : TERM; ");
    signal(&[run.id()], "-INT");
    wait_until("the request to reach what is left behind", || sleeping(&mark).len() < 7);
    signal(&[run.id()], "-INT");
    assert_eq!(run.wait().unwrap().code(), Some(130));
    wait_until("the end of everything", || sleeping(&mark).is_empty());
}

#[test]
fn a_program_that_cannot_be_started_is_told() {
    let bench = Bench::new();
    let program = bench.write("tool.sh", "#!/no/such/interpreter\n");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    bench.write(
        "p.ron",
        r#"Pipeline(name: "p", stages: { "c": Command(run: ["{file:f}"], files: {"f": "tool.sh"}, outputs: {"o": "o"}) })"#,
    );
    let answer = call(&bench, "run p.ron");
    assert_eq!(answer.code, Some(3), "{answer:?}");
    let all = answer.all();
    assert!(
        all.contains("Could not start `") && all.contains("tool.sh`: No such file") && all.contains("PATH"),
        "{all}"
    );
}

#[test]
fn a_flood_of_output_is_read_in_bounded_memory_into_a_bounded_log() {
    let bench = Bench::new();
    // The guard is the shell's parent, and the stage the guard's.
    let peak = "stage=$(cut -d' ' -f4 /proc/$PPID/stat); grep VmHWM /proc/$stage/status > $0";
    let flood =
        "echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo; yes middle | head -c 49999999; echo last >&2";
    shell(&bench, &format!("{flood}; {peak}"), "o");
    let answer = call(&bench, "run p.ron");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let told = std::fs::read_to_string(bench.path("results/p/c/o")).unwrap();
    let peak: u64 = told.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak < 200_000, "{told}");
    let jobs = bench.path("store/jobs");
    let log = files(&jobs).into_iter().find(|name| name.ends_with("log.txt")).unwrap();
    let log = std::fs::read_to_string(jobs.join(log)).unwrap();
    assert!(log.len() < 10 << 20, "{}", log.len());
    assert!(log.starts_with("first\nxxx") && log.ends_with("middle\nlast\n"), "{}", &log[log.len() - 100..]);
    assert!(log.contains("more bytes of this line are left out") && log.contains("the log keeps the first"));
}

#[test]
fn permissions_that_a_program_sets_hinder_nobody() {
    on_each_disk(|bench| {
        shell(
            bench,
            "mkdir -p $0/a/b junk/x; echo x > $0/a/b/c; touch junk/x/y; chmod -R a-w junk $0; chmod 0 junk",
            "o",
        );
        let answer = call(bench, "run p.ron");
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let jobs = files(&bench.path("store/jobs"));
        assert!(jobs.iter().all(|name| !name.contains("/out/")), "{jobs:?}");
        // A program's permissions to run as its owner do not get into the store.
        shell(bench, "echo x > $0; chmod 4775 $0", "o");
        assert_eq!(call(bench, "run p.ron").code, Some(0));
        let object = bench.object(&bench.digests()["c.o"]);
        assert_eq!(std::fs::metadata(object).unwrap().permissions().mode() & 0o7222, 0);
    });
}

#[test]
fn all_of_this_holds_for_an_ordinary_user() {
    const NOBODY: u32 = 65534;
    let name = "all_of_this_holds_for_an_ordinary_user";
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let program = std::env::current_exe().unwrap();
    let reachable = |path: &Path| {
        path.ancestors().skip(1).all(|folder| std::fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 != 0))
    };
    if !is_root || !reachable(&program) || !reachable(Path::new(env!("CARGO_BIN_EXE_repro"))) {
        eprintln!("skipped: this is an ordinary user already, or one could not reach the program");
        return;
    }
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = Command::new(program);
    command.args(["outside::", "--skip", name]).uid(NOBODY).gid(NOBODY).env("TMPDIR", folder.path());
    let output = command.env("HOME", folder.path()).current_dir(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("test result: ok"), "{told}");
    assert!(!told.contains(" 0 passed"), "{told}");
}
