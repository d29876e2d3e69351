//! Programs outside the store: where they are, and what they print about their versions.
//!
//! Invariants:
//! - a missing program is reported when the run is planned, before anything is computed;
//! - what a program prints is read up to a limit of bytes and of time, and counts only if the program ends with success. It
//!   must be text, in lines;
//! - once a program has answered, no process that it started is left behind.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::local::await_end;
use crate::fsio;
use crate::stage::{DataFault, Program, StageError};

/// The most bytes that an answer may have.
const MOST: usize = 4096;
/// How long a program may take to answer: an interpreter that loads a large library takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where programs are looked for if nothing says a PATH, as the system does it.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The place of a program that is a file of the project: one that is named by a relative path, which starts from `folder`,
/// or by a path into the `project`.
pub(super) fn of_project(program: &Program, folder: &Path, project: Option<&Path>) -> Option<PathBuf> {
    if !program.name.contains('/') {
        return None;
    }
    let named = Path::new(&program.name);
    let path = tidy(&folder.join(named));
    let inside = |path: &Path| project.is_some_and(|project| path.starts_with(project));
    // The folder's own links lead to where it is; the file's link is the project's.
    let real = path.parent().and_then(|parent| fsio::canonical(parent).ok()).zip(path.file_name());
    let real = real.map(|(parent, name)| parent.join(name));
    (named.is_relative() || inside(&path) || real.is_some_and(|real| inside(&real))).then_some(path)
}

/// A path without `.` and `..`.
fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
    }
    out
}

/// Where a program is, or what is wrong. `files` has those of the project.
fn look_for(program: &Program, files: &BTreeMap<String, PathBuf>) -> Result<PathBuf, (String, &'static str)> {
    let Program { name, env, .. } = program;
    let named = files.get(&program.slot).cloned().or_else(|| name.contains('/').then(|| PathBuf::from(name)));
    if let Some(path) = named {
        let shown = path.display();
        return match (fsio::is_program(&path), fsio::exists(&path)) {
            (true, _) => Ok(path),
            (false, true) => {
                Err((format!("`{shown}` cannot be started: it is no program."), "Make it executable: `chmod +x`."))
            }
            (false, false) => Err((format!("There is no program `{shown}`."), "Check the path.")),
        };
    }
    let path = env.get("PATH").cloned().unwrap_or_else(|| OsString::from(DEFAULT_PATH));
    // A relative folder would start from the job's own, which is empty.
    let mut places = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
    places.find(|path| fsio::is_program(path)).ok_or_else(|| {
        let hint = "Install it, or put its folder on the PATH. A program of the project is named by a path with a `/`.";
        (format!("There is no program `{name}` on the PATH."), hint)
    })
}

fn fault(stage: &str, program: &Program, message: String, hint: &str) -> DataFault {
    DataFault::new(format!("stage `{stage}`, `{}`", program.slot), message, hint)
}

/// The programs of a stage that are not there.
pub(super) fn lacking(stage: &str, programs: &[Program], files: &BTreeMap<String, PathBuf>) -> Vec<DataFault> {
    let wrong = |program: &Program| {
        let (message, hint) = look_for(program, files).err()?;
        Some(fault(stage, program, message, hint))
    };
    programs.iter().filter_map(wrong).collect()
}

/// What programs answered, so that none is asked the same twice.
#[derive(Default)]
pub(super) struct Asked(BTreeMap<(PathBuf, Program), Result<Vec<String>, String>>);

impl Asked {
    /// What the programs of a stage say of themselves: the lines by name, numbered where there are several.
    ///
    /// # Errors
    /// All programs that are missing, or do not answer as they should.
    pub(super) fn answers(
        &mut self,
        stage: &str,
        programs: &[Program],
        files: &BTreeMap<String, PathBuf>,
    ) -> Result<BTreeMap<String, String>, Vec<DataFault>> {
        let (mut answers, mut faults) = (BTreeMap::new(), Vec::new());
        for program in programs {
            let Some(question) = &program.question else { continue };
            let path = match look_for(program, files) {
                Ok(path) => path,
                Err((message, hint)) => {
                    faults.push(fault(stage, program, message, hint));
                    continue;
                }
            };
            let known = self.0.entry((path.clone(), program.clone())).or_insert_with(|| ask(&path, program, PATIENCE));
            match known {
                Ok(lines) if lines.len() == 1 => {
                    drop(answers.insert(format!("[{:?}]", question.name), lines[0].clone()))
                }
                Ok(lines) => answers.extend(
                    lines.iter().enumerate().map(|(at, line)| (format!("[{:?}][{at}]", question.name), line.clone())),
                ),
                Err(why) => {
                    let asked = [std::slice::from_ref(&program.name), &question.arguments].concat().join(" ");
                    let hint =
                        "It is asked for its version when a run is planned: it has to print it and to end with 0.";
                    faults.push(fault(stage, program, format!("`{asked}` {why}."), hint));
                }
            }
        }
        if faults.is_empty() { Ok(answers) } else { Err(faults) }
    }
}

/// An error where programs say something else than when the run was planned.
pub(super) fn still_answer(
    programs: &[Program],
    files: &BTreeMap<String, PathBuf>,
    planned: &BTreeMap<String, String>,
) -> Result<(), StageError> {
    let found = Asked::default().answers("", programs, files).map_err(StageError::Data)?;
    let differs = found.keys().chain(planned.keys()).find(|name| found.get(*name) != planned.get(*name));
    let Some(name) = differs else { return Ok(()) };
    let told = |side: &BTreeMap<String, String>| side.get(name).map_or("nothing", String::as_str).to_owned();
    let message =
        format!("The program says `{}`, and said `{}` when the run was planned.", told(&found), told(planned));
    Err(DataFault::new(format!("`tools{name}`"), message, "Run again: a result of this version has another key.")
        .into())
}

/// What a program prints to standard output, or, where that is nothing, to standard error: the lines that are not blank.
fn ask(path: &Path, program: &Program, patience: Duration) -> Result<Vec<String>, String> {
    let arguments = program.question.iter().flat_map(|question| &question.arguments);
    let mut command = Command::new(path);
    command.args(arguments).env_clear().envs(&program.env).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("could not be started: {error}"))?;
    let pid = Pid::from_child(&child);
    let (out, err) = (child.stdout.take().map(read), child.stderr.take().map(read));
    let (ended, watch) = channel();
    thread::spawn(move || {
        await_end(pid);
        // Nobody listens any more where it took too long.
        let _ = ended.send(());
    });
    let deadline = Instant::now() + patience;
    let in_time = watch.recv_timeout(patience).is_ok();
    if !in_time {
        // It is not reaped yet, so the number is still its own.
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let status = child.wait().map_err(|error| format!("was lost: {error}"))?;
    if !in_time {
        return Err(format!("did not answer within {} seconds", patience.as_secs()));
    }
    let [out, err] = [out, err].map(|pipe| heard(pipe, deadline));
    verdict(status, out?, err?)
}

/// Reads from a pipe what may be of use, and lets go of it.
fn read(pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is what was said.
        let _ = pipe.take(MOST as u64 + 1).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

fn heard(pipe: Option<Receiver<Vec<u8>>>, deadline: Instant) -> Result<Vec<u8>, String> {
    // A process that it started and that left its group could hold the pipe open for ever.
    let left = deadline.saturating_duration_since(Instant::now());
    let bytes = pipe.and_then(|pipe| pipe.recv_timeout(left).ok());
    bytes.ok_or_else(|| "left a process behind that holds its output open".to_owned())
}

fn verdict(status: ExitStatus, out: Vec<u8>, err: Vec<u8>) -> Result<Vec<String>, String> {
    if out.len().max(err.len()) > MOST {
        return Err(format!("says more than {MOST} bytes"));
    }
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        // What moves a terminal's cursor is shown, not obeyed.
        let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        lines.map(|line| line.chars().map(shown).collect()).collect()
    };
    let (out, err) = (lines(&out), lines(&err));
    if !status.success() {
        let said = err.last().or(out.last()).map_or_else(String::new, |line| format!(", saying `{line}`"));
        return Err(format!("ended with {status}{said}"));
    }
    let said = if out.is_empty() { err } else { out };
    if said.is_empty() { Err("says nothing".to_owned()) } else { Ok(said) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Question;

    fn shell(script: &str) -> Program {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        let env = BTreeMap::from([("PATH".to_owned(), std::env::var_os("PATH").unwrap())]);
        Program {
            slot: String::new(),
            name: "sh".into(),
            env,
            question: Some(Question { name: "sh".into(), arguments }),
        }
    }

    fn answer(script: &str) -> Result<Vec<String>, String> {
        ask(Path::new("/bin/sh"), &shell(script), Duration::from_secs(2))
    }

    #[test]
    fn an_answer_is_what_a_program_prints_in_lines() {
        assert_eq!(answer("echo 1.2; echo; echo ' three '; echo warning >&2").unwrap(), ["1.2", "three"]);
        assert_eq!(answer("echo old >&2").unwrap(), ["old"], "some print their version to standard error");
        assert_eq!(answer("printf 'a\\033[2Jb'").unwrap(), ["a\\u{1b}[2Jb"]);
        assert_eq!(answer("echo ${HOME-none}; pwd").unwrap(), ["none", "/"]);
    }

    #[test]
    fn what_is_no_answer_is_told() {
        assert_eq!(
            answer("echo no such option >&2; exit 3").unwrap_err(),
            "ended with exit status: 3, saying `no such option`"
        );
        assert_eq!(answer("true").unwrap_err(), "says nothing");
        assert_eq!(answer("head -c 4097 /dev/zero").unwrap_err(), "says more than 4096 bytes");
        assert_eq!(answer("while :; do echo y; done").unwrap_err(), "says more than 4096 bytes");
        assert!(answer("kill -9 $$").unwrap_err().contains("signal: 9"));
        assert_eq!(answer("echo 1; exec sleep 1000").unwrap_err(), "did not answer within 2 seconds");
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("there").display().to_string();
        let left =
            format!("setsid sh -c 'echo >{there}; exec sleep 5' & while [ ! -e {there} ]; do sleep 0.01; done; echo 1");
        assert_eq!(answer(&left).unwrap_err(), "left a process behind that holds its output open");
        assert_eq!(answer("sleep 1000 & echo 1").unwrap(), ["1"], "what stays in its group is ended");
    }

    #[test]
    fn the_same_is_asked_once() {
        let dir = tempfile::tempdir().unwrap();
        let count = dir.path().join("count");
        let program = shell(&format!("echo x >>{}; echo 1", count.display()));
        let (mut asked, programs) = (Asked::default(), [program.clone(), program]);
        for _ in 0..2 {
            let answers = asked.answers("a", &programs, &BTreeMap::new()).unwrap();
            assert_eq!(answers, BTreeMap::from([("[\"sh\"]".to_owned(), "1".to_owned())]));
        }
        assert_eq!(fsio::read_to_string(&count).unwrap(), "x\n");
    }

    #[test]
    fn programs_of_the_project_are_those_below_it_and_those_beside_the_pipeline() {
        let dir = tempfile::tempdir().unwrap();
        let root = fsio::canonical(dir.path()).unwrap();
        let (project, folder) = (root.join("project"), root.join("project/pipelines"));
        fsio::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(&project, root.join("link")).unwrap();
        let of = |name: &str| {
            let program = Program { name: name.to_owned(), ..shell("") };
            of_project(&program, &folder, Some(&project)).map(|path| path.display().to_string())
        };
        let inside = |name: &str| Some(format!("{}/{name}", root.display()));
        assert_eq!(of("sh"), None);
        assert_eq!(of("/bin/sh"), None);
        assert_eq!(of("./a.sh"), inside("project/pipelines/a.sh"));
        assert_eq!(of("../tools/a"), inside("project/tools/a"));
        assert_eq!(of("../../a"), inside("a"), "a relative path is the project's wherever it leads");
        assert_eq!(of(&format!("{}/a", project.display())), inside("project/a"));
        assert_eq!(of(&format!("{}/link/a", root.display())), inside("link/a"));
        assert_eq!(of(&format!("{}/other/a", root.display())), None);
        assert_eq!(of_project(&shell(""), &folder, None), None);
    }
}
