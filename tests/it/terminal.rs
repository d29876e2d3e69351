//! What is seen on a terminal: lines that are drawn again and gone at the end, colours, nothing of others that a terminal
//! obeys; and `repro watch`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Answer, Bench, like};

/// A terminal of so many columns, on which nothing may wrap. It knows the codes that the program writes, and no other.
struct Screen {
    columns: usize,
    lines: Vec<String>,
    row: usize,
    /// The column of the cursor. Only codes that go to the beginning of a line move it back.
    column: usize,
    /// How often lines were erased.
    erased: usize,
    colors: usize,
}

impl Screen {
    fn of(columns: usize, text: &str) -> Self {
        let mut screen = Screen { columns, lines: vec![String::new()], row: 0, column: 0, erased: 0, colors: 0 };
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\r' => screen.column = 0,
                '\n' => screen.down(),
                '\u{1b}' => {
                    let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                    screen.obey(&rest[..=end], text);
                    rest = &rest[end + 1..];
                }
                c => screen.put(c, text),
            }
        }
        screen
    }

    fn down(&mut self) {
        self.row += 1;
        if self.row == self.lines.len() {
            self.lines.push(String::new());
        }
    }

    fn obey(&mut self, code: &str, text: &str) {
        match code {
            "[J" => {
                self.erased += 1;
                self.lines.truncate(self.row + 1);
                self.cut();
            }
            "[K" => self.cut(),
            "[?7l" | "[?7h" => {}
            _ if code.starts_with('[') && code.ends_with('m') => self.colors += 1,
            _ if code.starts_with('[') && code.ends_with('A') => {
                self.row -= code[1..code.len() - 1].parse::<usize>().unwrap();
            }
            _ => panic!("the terminal was told {code:?} in {text:?}"),
        }
    }

    fn cut(&mut self) {
        let line = &mut self.lines[self.row];
        *line = line.chars().take(self.column).collect();
    }

    fn put(&mut self, c: char, text: &str) {
        assert!(!c.is_control() && c != '\u{202e}', "the terminal was told {c:?} in {text:?}");
        let line = &mut self.lines[self.row];
        let before: String = line.chars().take(self.column).collect();
        let after: String = line.chars().skip(self.column + 1).collect();
        *line = format!("{before}{c}{after}");
        self.column += 1;
        assert!(self.column <= self.columns, "wider than {}: {line}", self.columns);
    }

    fn text(&self) -> String {
        self.lines.join("\n")
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Calls the program on a terminal of this size, by `script` of util-linux.
fn on_terminal(bench: &Bench, line: &str, columns: usize, variables: &[(&str, &str)]) -> (Answer, Screen) {
    let command = bench.command(line);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let call: Vec<String> = words.map(|word| quoted(word.to_str().unwrap())).collect();
    let mut script = like(&command, "script");
    script.arg("-qec").arg(format!("stty cols {columns} rows 24 && exec {}", call.join(" "))).arg("/dev/null");
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        script.env_remove(name);
    }
    script.env("TERM", "xterm").env("LC_ALL", "C.UTF-8").envs(variables.iter().copied());
    script.stdin(Stdio::null());
    let answer = Answer::of(script.output().unwrap());
    let screen = Screen::of(columns, &answer.out);
    (answer, screen)
}

#[test]
fn a_run_is_drawn_within_the_terminal_and_leaves_its_end() {
    for columns in [80, 40] {
        let bench = Bench::small();
        let (answer, screen) = on_terminal(&bench, "run small.ron", columns, &[]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let text = screen.text();
        assert!(screen.erased > 2 && answer.out.contains("of 9"), "nothing was drawn: {answer:?}");
        assert!(screen.colors > 0 && !text.contains("[#") && !text.contains("1 running"), "{text}");
        let folded = text.replace("\n  ", " ");
        assert!(folded.contains("train[2]: done in ") && folded.contains("9 ran, 0 cached"), "{text}");
        for end in [
            "The results are in `results/small`.",
            "The longest: `",
            "Next: `repro report latest -o report.html --store ",
        ] {
            assert!(folded.contains(end), "{end} is not in\n{text}");
        }
        assert!(text.ends_with('\n'), "the cursor is on a new line: {text}");
    }
}

#[test]
fn a_terminal_that_can_do_little_gets_plain_lines() {
    let bench = Bench::small();
    for (columns, variables) in [(80, [("TERM", "dumb")]), (80, [("TERM", "")])] {
        let (answer, screen) = on_terminal(&bench, "run small.ron", columns, &variables);
        assert_eq!((answer.code, screen.erased, screen.colors), (Some(0), 0, 0), "{answer:?}");
    }
    let (answer, _) = on_terminal(&bench, "run small.ron --force table", 80, &[("TERM", "dumb")]);
    assert!(answer.out.contains("table: started."), "{answer:?}");
}

#[test]
fn colours_are_asked_for_by_option_and_variables() {
    let bench = Bench::new();
    let colored = |line: &str, variables: &[(&str, &str)]| {
        let mut command = bench.command(line);
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        let answer = Answer::of(command.env("TERM", "xterm").envs(variables.iter().copied()).output().unwrap());
        (answer.out.contains('\u{1b}'), answer.err.contains('\u{1b}'))
    };
    let (force, none) = (("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1"));
    assert_eq!(colored("show", &[]), (false, false));
    assert_eq!(colored("show", &[force]), (false, true));
    assert_eq!(colored("show", &[force, none]), (false, false));
    assert_eq!(colored("show --color always", &[none]), (false, true));
    assert_eq!(colored("show --color never", &[force]), (false, false));
    assert_eq!(colored("--help", &[]), (false, false));
    assert_eq!(colored("--help", &[force]), (true, false));
    assert_eq!(colored("--color never --help", &[force]), (false, false));
    assert_eq!(colored("shw --color always", &[]), (false, true));
    assert_eq!(colored("plan gone.ron", &[force]), (false, true));
    assert_eq!(colored("show --color red", &[]), (false, false));
    let (answer, screen) = on_terminal(&bench, "--help", 300, &[]);
    assert!(screen.colors > 0, "{answer:?}");
    let (answer, screen) = on_terminal(&bench, "--help", 300, &[("NO_COLOR", "1")]);
    assert_eq!(screen.colors, 0, "{answer:?}");
}

/// Codes that set the title, clear the screen and turn the direction of writing.
const EVIL: &str = "x\u{1b}]0;x\u{7}\u{1b}[2J\r\u{202e}\u{9b}31m";

#[test]
fn what_others_wrote_controls_no_terminal() {
    let bench = Bench::new();
    let shout = r"printf 'a\033]0;x\007\033[2J\r\302\23331m\342\200\256\n' >&2";
    let pipeline = |status: u8| {
        format!(
            r#"Pipeline(name: "e", stages: {{
                "data": Dataset(source: Shapes(images: 2, seed: 1, size: (33, 33)), classes: Shapes),
                "say": Command(run: ["sh", "-c", "{}; printf '%s' \"$0\" > {{out:o}}; exit {status}", "{EVIL}"], outputs: {{"o": "o"}}),
            }})"#,
            shout.replace('\\', "\\\\"),
        )
    };
    bench.write("good.ron", pipeline(0));
    bench.write("bad.ron", pipeline(1));
    for (line, code) in [
        ("run good.ron --color always", 0),
        ("run bad.ron --color always", 3),
        ("run bad.ron --color never", 3),
        ("show latest --color always", 0),
        ("watch latest --color always", 3),
        ("plan bad.ron --color always", 0),
        ("graph bad.ron", 0),
        ("runs", 0),
    ] {
        let (answer, screen) = on_terminal(&bench, line, 2000, &[]);
        assert_eq!(answer.code, Some(code), "{line}: {answer:?}");
        assert!(!screen.text().is_empty(), "{line}");
    }
    // Names in pipelines, on the command line and of files.
    let names = [
        format!(r#"Pipeline(name: "n", stages: {{"{EVIL}": Wights(lr: "{EVIL}")}})"#),
        format!(r#"Pipeline(name: "n", matrix: {{"a{EVIL}": ["{EVIL}"]}}, stages: {{"a": Model()}})"#),
        format!(r#"Pipeline(name: "{EVIL}", stages: {{"a": Curves(from: ["{EVIL}"])}})"#),
    ];
    for (at, text) in names.iter().enumerate() {
        bench.write(&format!("{at}.ron"), text);
        let (answer, _) = on_terminal(&bench, &format!("plan {at}.ron --color always"), 2000, &[]);
        assert_eq!(answer.code, Some(2), "{answer:?}");
    }
    for words in [["show", EVIL], ["kinds", EVIL], ["watch", EVIL], [EVIL, "x"], ["run", EVIL]] {
        let mut command = bench.command("--color always");
        let answer = Answer::of(command.args(words).output().unwrap());
        assert_eq!(answer.code, Some(2), "{words:?}: {answer:?}");
        let screen = Screen::of(4000, &answer.all());
        assert!(screen.colors > 0, "{words:?}: {answer:?}");
    }
}

#[test]
fn a_run_is_watched_while_it_goes_on_and_when_it_ended() {
    let bench = Bench::new();
    assert_eq!(bench.call("watch").code, Some(2));
    let wait =
        r#"Command(run: ["sh", "-c", "while [ ! -e go ]; do sleep 0.05; done; touch {out:o}"], outputs: {"o": "o"})"#;
    let go = bench.path("go").display().to_string();
    let wait = wait.replace("-e go", &format!("-e {go}"));
    bench.write("w.ron", format!(r#"Pipeline(name: "w", stages: {{"wait": {wait}, "after": Command(run: ["cp", "{{in:x}}", "{{out:o}}"], inputs: {{"x": "wait"}}, outputs: {{"o": "o"}})}})"#));
    let plan = bench.call("plan w.ron");
    assert_eq!(plan.code, Some(0), "{plan:?}");
    let run = |name: &str| bench.command(name).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut running = run("run w.ron");
    let until = Instant::now() + Duration::from_secs(60);
    let at_work = loop {
        let answer = bench.call("watch");
        if answer.out.contains("running") && answer.out.contains("wait") {
            break answer;
        }
        assert!(Instant::now() < until, "{answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(at_work.code == Some(0) && at_work.err.contains("of w, running since"), "{at_work:?}");
    // By the name of its pipeline, on a terminal: it is drawn again until the run has ended.
    let (answer, screen) = std::thread::scope(|scope| {
        let watched = scope.spawn(|| on_terminal(&bench, "watch w", 60, &[]));
        std::thread::sleep(Duration::from_millis(1500));
        bench.write("go", "");
        watched.join().unwrap()
    });
    assert_eq!((answer.code, running.wait().unwrap().code()), (Some(0), Some(0)), "{answer:?}");
    let text = screen.text();
    assert!(screen.erased > 1 && text.contains(": done") && text.contains("after  done"), "{text}");
    // A run that is killed is told as such.
    std::fs::remove_file(bench.path("go")).unwrap();
    let mut killed = run("run w.ron --force wait");
    while !bench.call("watch").out.contains("running") {
        assert!(Instant::now() < until);
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let answer = bench.call("watch latest");
    assert!(answer.code == Some(130) && answer.out.contains("its process died"), "{answer:?}");
    bench.write("go", "");
}

#[test]
fn events_for_tensorboard_are_written_beside_the_results() {
    let bench = Bench::small();
    let out = bench.ok("run small.ron --tensorboard");
    assert!(out.contains("`tensorboard --logdir results/small/tensorboard` shows its curves."), "{out}");
    let read = |folder: &str| {
        let files = crate::harness::files(&bench.path(folder));
        let events: Vec<usize> = files
            .iter()
            .map(|file| {
                let bytes = std::fs::read(bench.path(folder).join(file)).unwrap();
                repro::tensorboard::read(&bytes).unwrap().len()
            })
            .collect();
        (files, events)
    };
    let (files, events) = read("results/small/tensorboard");
    let folders: Vec<&str> = files.iter().map(|file| file.split_once('/').unwrap().0).collect();
    assert_eq!(folders, ["train", "validate"], "{files:?}");
    // The version; then at least one step of each iteration, and one figure for each.
    assert!(events[0] >= 3 && events[1] == 3, "{events:?}");
    // A run that takes all from the store writes nothing; one that trains again begins new files.
    bench.ok("run small.ron --tensorboard");
    assert_eq!(read("results/small/tensorboard").0.len(), 2);
    bench.ok("run small.ron --force train --tensorboard=logs");
    assert_eq!(read("logs/small").0.len(), 1, "what is cached is not written again");
    bench.write("config/repro/config.ron", "(tensorboard: true)");
    bench.ok("run small.ron --force validate");
    assert_eq!(read("results/small/tensorboard").0.len(), 3);
    // What cannot be written is one warning.
    bench.write("taken", "");
    let answer = bench.call("run small.ron --force train --tensorboard=taken");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(answer.out.matches("The events for TensorBoard are no longer written.").count(), 1, "{answer:?}");
    bench.write("config/repro/config.ron", "(tensorboard: 1)");
    let answer = bench.call("run small.ron");
    assert!(answer.code == Some(2) && answer.err.contains("Expected `true` or `false`"), "{answer:?}");
}
