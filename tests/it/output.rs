//! What the program prints: all of it or an error, and nothing that controls a terminal.

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::harness::{Answer, Bench};

/// One stage that is done at once.
const QUICK: &str = r#"Pipeline(name: "p", stages: {
    "c": Command(run: ["touch", "{out:o}"], outputs: {"o": "o"}),
})"#;

/// Every command that prints, in a folder where there are two runs and a file of weights.
fn lines() -> (Bench, Vec<&'static str>) {
    let bench = Bench::small();
    bench.write("p.ron", QUICK);
    bench.ok("run p.ron");
    bench.ok("run p.ron");
    bench.ran("small.ron --only start");
    let weights = bench.object(&bench.digests()["start.weights"]);
    fs::copy(weights, bench.path("w.safetensors")).unwrap();
    let lines = vec![
        "--help",
        "--version",
        "run --help",
        "kinds",
        "kinds Train",
        "kinds --markdown",
        "graph p.ron",
        "graph p.ron --format dot",
        "plan p.ron",
        "runs",
        "runs --format json",
        "show p",
        "diff p p~1",
        "diff start p",
        "export p x.tar.zst --force",
        "completions bash",
        "man",
        "man pages",
        "weights inspect w.safetensors",
        "weights inspect w.safetensors --format csv",
        "weights convert w.safetensors v.safetensors --force",
        "bench --encoder Tiny --size 33 --rounds 1 --warmup 0 --prefilter Regular --work prediction",
        "run p.ron",
        "run p.ron --json",
        "run p.ron --dry-run",
    ];
    (bench, lines)
}

fn to(mut command: Command, stdout: Stdio, stderr: Stdio) -> Output {
    command.stdout(stdout).stderr(stderr).spawn().unwrap().wait_with_output().unwrap()
}

fn full() -> Stdio {
    fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn what_cannot_be_printed_is_an_error_of_every_command() {
    let (bench, lines) = lines();
    for line in lines {
        let line = line.replace("diff start p", "diff latest p");
        let answer = Answer::of(to(bench.command(&line), full(), Stdio::piped()));
        assert_eq!(answer.code, Some(5), "{line} > /dev/full: {answer:?}");
        assert!(answer.err.contains("error: Could not write to standard output: "), "{line}: {answer:?}");
        // The shell starts it without a standard output. `dash` and `bash` know `>&-`.
        let mut shell = Command::new("sh");
        shell.arg("-c").arg("exec \"$0\" \"$@\" >&-").arg(bench.command("").get_program());
        let command = bench.command(&line);
        shell.args(command.get_args()).envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(command.get_current_dir().unwrap());
        let answer = Answer::of(to(shell, Stdio::null(), Stdio::piped()));
        assert_eq!(answer.code, Some(5), "{line} >&-: {answer:?}");
        assert!(answer.err.contains("error: Could not write to standard output: it is closed."), "{line}: {answer:?}");
        // A reader that went away knows that it did.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let answer = Answer::of(to(bench.command(&line), writer.into(), Stdio::piped()));
        // Which run was taken is told in any case.
        let told = answer.err.lines().find(|line| !line.starts_with("note: run "));
        assert_eq!((answer.code, told), (Some(5), None), "{line} to a closed pipe");
    }
    // The work goes on: only its report is lost.
    bench.edit("p.ron", "\"c\"", "\"d\"");
    to(bench.command("run p.ron"), full(), Stdio::null());
    assert!(bench.path("results/p/d/o").exists());
    // What failed says why all the same.
    bench.edit("p.ron", "\"touch\"", "\"false\"");
    let output = to(bench.command("run p.ron"), full(), Stdio::piped());
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn errors_that_cannot_be_printed_keep_their_exit_code() {
    let bench = Bench::small();
    bench.write("wrong.ron", "Pipeline(");
    for (line, code) in [
        ("run gone.ron", 2),
        ("run wrong.ron", 2),
        ("nothing", 2),
        ("run small.ron --data a=gone", 4),
        ("weights inspect gone", 4),
        ("plan small.ron --threads 60000", 0),
    ] {
        let output = to(bench.command(line), Stdio::null(), full());
        assert_eq!(output.status.code(), Some(code), "{line} 2> /dev/full");
        let output = to(bench.command(line), full(), full());
        assert_eq!(output.status.code(), Some(if code == 0 { 5 } else { code }), "{line} > /dev/full 2> /dev/full");
    }
}

/// No byte of the outputs controls a terminal.
fn assert_clean(answer: &Answer, what: &str) {
    let wild = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || c == '\u{202e}';
    assert!(!answer.all().contains(wild), "{what}: {answer:?}");
}

#[test]
fn names_in_data_control_no_terminal() {
    let evil = "i\u{1b}]0;pwned\u{7}\u{9b}31m\u{202e}";
    let bench = Bench::new();
    bench.write("r/list.txt", format!("{evil}.jpg l.png\n"));
    let dataset = r#"Dataset(source: Listed(root: "r", list: "list.txt"), classes: Named(names: ["a"]))"#;
    bench.write("d.ron", format!("Pipeline(name: \"d\", stages: {{\"d\": {dataset}}})"));
    for line in ["plan d.ron --data r=r", "run d.ron --data r=r", "run d.ron --data r=r --json"] {
        let answer = bench.call(line);
        assert!(answer.code == Some(4) && answer.all().contains("\\u001b]0;pwned\\u0007"), "{line}: {answer:?}");
        assert_clean(&answer, line);
    }
    // A name in the pipeline, on the command line, and of a file.
    bench.write("e.ron", format!("Pipeline(name: \"e\", stages: {{\"{evil}\": Wights(lr: \"{evil}\")}})"));
    let answer = bench.call("plan e.ron");
    assert_eq!(answer.code, Some(2));
    assert_clean(&answer, "a stage");
    for arguments in [["plan", evil], ["show", evil], ["kinds", evil], [evil, "x"]] {
        let mut command = bench.command("");
        let answer = Answer::of(command.args(arguments).output().unwrap());
        assert_eq!(answer.code, Some(2), "{arguments:?}: {answer:?}");
        assert_clean(&answer, arguments[0]);
    }
    // What a program said last.
    let printf = r#"Command(run: ["sh", "-c", "printf 'x\\033]0;pwned\\007\\n' >&2; exit 1"], outputs: {"o": "o"})"#;
    bench.write("f.ron", format!("Pipeline(name: \"f\", stages: {{\"f\": {printf}}})"));
    let answer = bench.call("run f.ron");
    assert!(answer.code == Some(3) && answer.out.contains("x\\u001b]0;pwned\\u0007"), "{answer:?}");
    assert_clean(&answer, "a log");
    assert_clean(&bench.call("show latest"), "a record");
}

#[test]
fn more_threads_than_cores_are_taken_only_from_who_insists() {
    let bench = Bench::small();
    let told = |line: &str| bench.call(line).err;
    for option in ["--threads", "--jobs"] {
        let err = told(&format!("plan small.ron {option} 60000"));
        assert!(err.contains(&format!("`{option} 60000` is taken as ")) && err.contains("--oversubscribe"), "{err}");
        assert_eq!(told(&format!("plan small.ron {option} 60000 --oversubscribe")), "");
        assert_eq!(told(&format!("plan small.ron {option} 1")), "");
    }
}
