//! `Command`: any external program as a stage, so that a step in Python can join.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use crate::fsio;
use crate::params;
use crate::stage::params::{FileRef, Param, Ref};
use crate::stage::schema::Structure;
use crate::stage::{ArtifactKind, Event, Fault, InputNode, Job, Kind, Made, Produced, Program, Publication};
use crate::stage::{Question, StageError, Value};

params! {
    /// Runs an external program. Its arguments may hold `{in:NAME}` (the path of an input's output, a folder where it
    /// has several files: `{in:table}`, `{in:table.summary}`, or `{in:table[2].summary}` of a stage with iterations),
    /// `{root:NAME}` (the data root that an input's paths are relative to), `{file:NAME}`, `{out:NAME}` and
    /// `{param:NAME}`. The stage runs again when an argument, an input, a file or a parameter changes, the program where it
    /// is a file of the project, or what one of its tools says; what else the program reads, nobody knows.
    struct CommandParams {
        /// The program and its arguments. A name alone is looked for on the PATH. A relative path with a `/` starts from the
        /// folder of the pipeline's file. The content of a program that is named so, or by a path into the project, enters
        /// the key. Whether the program is there is seen when the run is planned.
        run: Vec<String>, where nonempty();
        /// Stages whose outputs are inputs.
        inputs: BTreeMap<String, Ref> = BTreeMap::new(),
            where to(&["dataset", "weights", "model", "metrics", "erf", "report", "files"]);
        /// Files that are inputs, as the script itself.
        files: BTreeMap<String, FileRef> = BTreeMap::new();
        /// What the program makes: output names and file names.
        outputs: BTreeMap<String, String>;
        /// Values for `{param:NAME}`.
        parameters: BTreeMap<String, String> = BTreeMap::new();
        /// Environment variables to set. All others but PATH, HOME and TMPDIR are removed.
        env: BTreeMap<String, String> = BTreeMap::new();
        /// Programs whose version enters the key, each with the arguments that let it print that, as
        /// `{"python": ["python3", "--version"]}`. They are started when a run is planned, and again before the stage
        /// runs. They may print up to 4096 bytes within 30 seconds, and must end with 0. `{param:NAME}` may stand here too.
        tools: BTreeMap<String, Vec<String>> = BTreeMap::new(), where since("0.1.0");
    }
}

/// How long a request to stop, and the program's end, may go unnoticed.
const TICK: Duration = Duration::from_millis(20);

/// The kind.
pub struct Command;

impl Kind for Command {
    fn name(&self) -> &'static str {
        "Command"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> Structure {
        super::support::structure(CommandParams::ty())
    }

    fn yields(&self) -> &'static str {
        "files"
    }

    fn check(&self, params: &Value) -> Vec<Fault> {
        let Some(p) = CommandParams::read(params) else { return Vec::new() };
        let mut faults = Vec::new();
        if p.outputs.is_empty() {
            faults.push(Fault {
                field: "outputs".into(),
                message: "A command without outputs leaves nothing to keep.".into(),
                hint: "Name what it makes, as `{\"table\": \"table.csv\"}`.".into(),
            });
        }
        for (name, path) in &p.outputs {
            if path.starts_with('/') || path.split('/').any(|part| part == ".." || part.is_empty()) {
                faults.push(Fault {
                    field: "outputs".into(),
                    message: format!("The output `{name}` has the path `{path}`, which leaves the job's folder."),
                    hint: "Give a relative path without `..`.".into(),
                });
            }
        }
        let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        for (name, path) in &p.outputs {
            if let Some((other, _)) = p.outputs.iter().find(|(other, known)| *other < name && last(known) == last(path))
            {
                faults.push(Fault {
                    field: "outputs".into(),
                    message: format!("The outputs `{other}` and `{name}` have the same file name."),
                    hint: "Give them different names: they are published side by side.".into(),
                });
            }
        }
        for (at, argument) in p.run.iter().enumerate() {
            for (kind, name) in placeholders(argument) {
                let stem = name.split(['.', '[']).next().unwrap_or(name);
                let known = match kind {
                    "in" | "root" => p.inputs.contains_key(stem),
                    "file" => p.files.contains_key(name),
                    "out" => p.outputs.contains_key(name),
                    "param" => p.parameters.contains_key(name),
                    _ => continue,
                };
                if !known {
                    faults.push(Fault {
                        field: format!("run[{at}]"),
                        message: format!("`{{{kind}:{name}}}` names nothing."),
                        hint: "Name it in `inputs`, `files`, `outputs` or `parameters`.".into(),
                    });
                }
            }
        }
        for (name, command) in &p.tools {
            let field = format!("tools[{name:?}]");
            if command.is_empty() {
                let message = format!("The tool `{name}` names no program.");
                let hint = "Name it, with what lets it print its version, as `[\"python3\", \"--version\"]`.".into();
                faults.push(Fault { field: field.clone(), message, hint });
            }
            for (at, argument) in command.iter().enumerate() {
                let of_file = |name: &&String| at == 0 && *argument == format!("{{file:{name}}}");
                if planned(argument, &p).is_none() && !p.files.keys().any(|name| of_file(&name)) {
                    let message = format!("`{argument}` has no value yet when the tool is asked.");
                    let hint = "A tool is asked when a run is planned: `{param:NAME}` has a value then, and `{file:NAME}` \
                                as the program.";
                    faults.push(Fault { field: format!("{field}[{at}]"), message, hint: hint.into() });
                }
            }
        }
        faults
    }

    fn programs(&self, params: &Value) -> Vec<Program> {
        let Some(p) = CommandParams::read(params) else { return Vec::new() };
        let started = p.run.first().and_then(|text| program("run[0]".to_owned(), text, &p, None));
        let tools = p.tools.iter().filter_map(|(name, command)| {
            let (text, arguments) = command.split_first()?;
            let arguments = arguments.iter().filter_map(|argument| planned(argument, &p)).collect();
            let question = Question { name: name.clone(), arguments };
            program(format!("tools[{name:?}][0]"), text, &p, Some(question))
        });
        started.into_iter().chain(tools).collect()
    }

    fn publish(&self, params: &Value) -> Vec<Publication> {
        // By the field alone, so that what an older program recorded is published as it asked for.
        match params.field("outputs") {
            Some(Value::Map(outputs)) => outputs.keys().map(|output| Publication::copy(output)).collect(),
            _ => Vec::new(),
        }
    }

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        let p: CommandParams = super::support::read(job.params)?;
        let arguments: Vec<String> = p.run.iter().map(|argument| fill(argument, &p, job)).collect::<Result<_, _>>()?;
        let failed = |message: String, hint: &str| StageError::Command { message, hint: hint.to_owned() };
        let program = job.files.get("run[0]").cloned().unwrap_or_else(|| PathBuf::from(&arguments[0]));
        let mut process = Process::new(program);
        process.args(&arguments[1..]).current_dir(job.out).stdin(Stdio::null()).stdout(Stdio::piped());
        process.env_clear().envs(environment(&p));
        let mut child = process.spawn().map_err(|error| {
            failed(
                format!("Could not start `{}`: {error}.", arguments[0]),
                "Install the program or put it on the PATH.",
            )
        })?;
        let stdout = child.stdout.take();
        let cancel = job.cancel.clone();
        let done = std::thread::spawn(move || {
            loop {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
                if cancel.requested() {
                    // The program may be gone already; either way it is over.
                    let _ = child.kill();
                }
                std::thread::sleep(TICK);
            }
        });
        if let Some(stdout) = stdout {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                job.events.emit(Event::Log { text: String::from_utf8_lossy(&line).into_owned() });
            }
        }
        let status = done.join().unwrap_or_else(|_| Err(std::io::Error::other("its watcher panicked")));
        let status = status.map_err(|error| failed(format!("Lost `{}`: {error}.", arguments[0]), ""))?;
        job.cancel.check()?;
        if !status.success() {
            let hint = match status.signal() {
                Some(9) => {
                    "If nobody killed it, the kernel's out-of-memory killer did. Its output is in the stage's log."
                }
                _ => "Its output is in the stage's log.",
            };
            return Err(failed(format!("`{}` ended with {status}.", arguments.join(" ")), hint));
        }
        let mut produced = Produced::default();
        for (name, path) in &p.outputs {
            let stat = fsio::stat(&job.out.join(path)).map_err(|_| {
                failed(format!("`{}` ended well but made no `{path}`.", arguments[0]), "Write it to `{out:NAME}`.")
            })?;
            let kind = if stat.is_dir { ArtifactKind::Tree } else { ArtifactKind::File };
            produced.outputs.insert(name.clone(), Made { path: path.clone(), kind });
        }
        Ok(produced)
    }
}

/// All variables that the program sees.
fn environment(p: &CommandParams) -> BTreeMap<String, OsString> {
    let kept =
        ["PATH", "HOME", "TMPDIR"].into_iter().filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?)));
    kept.chain(p.env.iter().map(|(name, value)| (name.clone(), value.into()))).collect()
}

/// The program that `text`, at `slot`, names; none where that is known only when the stage runs.
fn program(slot: String, text: &str, p: &CommandParams, question: Option<Question>) -> Option<Program> {
    let env = environment(p);
    if let Some((name, file)) = p.files.iter().find(|(name, _)| text == format!("{{file:{name}}}")) {
        return Some(Program { slot: format!("files[{name:?}]"), name: file.0.clone(), env, question });
    }
    Some(Program { slot, name: planned(text, p)?, env, question })
}

/// `text` with the values of `{param:NAME}`; none where it has other placeholders, which only a running stage can fill.
fn planned(text: &str, p: &CommandParams) -> Option<String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}').and_then(|(inside, behind)| Some((inside.split_once(':')?, behind))) {
            Some((("param", name), behind)) if p.parameters.contains_key(name) => {
                out.push_str(&p.parameters[name]);
                rest = behind;
            }
            Some((("in" | "root" | "file" | "out", _), _)) => return None,
            _ => {
                out.push('{');
                rest = after;
            }
        }
    }
    Some(out + rest)
}

/// The placeholders `{kind:name}` of an argument.
fn placeholders(argument: &str) -> Vec<(&str, &str)> {
    argument.split('{').skip(1).filter_map(|rest| rest.split_once('}')?.0.split_once(':')).collect()
}

fn fill(argument: &str, p: &CommandParams, job: &Job<'_>) -> Result<String, StageError> {
    let mut out = argument.to_owned();
    for (kind, name) in placeholders(argument) {
        let value = match kind {
            "in" => {
                let (input, output) = name.split_once('.').unwrap_or((name, ""));
                input_path(job, input, output)?
            }
            "root" => match &input_node(job, name)?.root {
                Some(root) => root.display().to_string(),
                None => {
                    return Err(StageError::Command {
                        message: format!("`{{root:{name}}}`: the input `{name}` has no data root."),
                        hint: "Its files are among its outputs.".to_owned(),
                    });
                }
            },
            "file" => match job.files.get(&format!("files[{name:?}]")) {
                Some(path) => path.display().to_string(),
                None => return Err(StageError::Bug(format!("The file `{name}` was not handed over."))),
            },
            "out" => job.out.join(&p.outputs[name]).display().to_string(),
            "param" => p.parameters[name].clone(),
            _ => continue,
        };
        out = out.replace(&format!("{{{kind}:{name}}}"), &value);
    }
    Ok(out)
}

/// The node that `NAME` or `NAME[2]` stands for. A stage of several nodes needs the number.
fn input_node<'a>(job: &'a Job<'_>, input: &str) -> Result<&'a InputNode, StageError> {
    let (name, index) = match input.split_once('[') {
        Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
        None => (input, Some(1)),
    };
    let nodes = job.inputs.get(&format!("inputs[{name:?}]")).map_or(&[][..], Vec::as_slice);
    let named = index.and_then(|index| nodes.get(index.checked_sub(1)?));
    match named.filter(|_| nodes.len() == 1 || input != name) {
        Some(node) => Ok(node),
        None => Err(StageError::Command {
            message: format!("`{input}` does not name one of the {} nodes of the input `{name}`.", nodes.len()),
            hint: format!("Write `{{in:{name}[1].OUTPUT}}` to `{{in:{name}[{}].OUTPUT}}`.", nodes.len()),
        }),
    }
}

/// The path of an input's output, checked against its digest; without a name, of its only one.
fn input_path(job: &Job<'_>, input: &str, output: &str) -> Result<String, StageError> {
    let node = input_node(job, input)?;
    let found = match output {
        "" if node.outputs.len() == 1 => node.outputs.iter().next(),
        name => node.outputs.get_key_value(name),
    };
    let Some((name, artifact)) = found else {
        let names: Vec<&str> = node.outputs.keys().map(String::as_str).collect();
        let message = match output {
            "" => format!(
                "`{{in:{input}}}` needs the name of an output, as `{{in:{input}.{}}}`.",
                names.first().unwrap_or(&"")
            ),
            other => format!("`{{in:{input}.{other}}}`: the input `{input}` has no output `{other}`."),
        };
        return Err(StageError::Command { message, hint: format!("Its outputs are {}.", names.join(", ")) });
    };
    let path: PathBuf = match artifact.kind {
        ArtifactKind::Tree => {
            let folder = job.scratch.join("inputs").join(input).join(name);
            for (relative, file) in &artifact.tree {
                fsio::write_synced(&folder.join(relative), &super::support::content(file)?)?;
            }
            folder
        }
        ArtifactKind::File | ArtifactKind::Table => {
            super::support::content(artifact)?;
            artifact.path.clone().unwrap_or_default()
        }
    };
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_and_unknown_ones_refused() {
        assert_eq!(placeholders("--x={in:a.b} {out:c}"), [("in", "a.b"), ("out", "c")]);
        let params = CommandParams {
            run: vec!["python3".into(), "{file:script}".into(), "{out:table}".into()],
            inputs: BTreeMap::new(),
            files: BTreeMap::new(),
            outputs: BTreeMap::from([("table".into(), "../t.csv".into())]),
            parameters: BTreeMap::new(),
            env: BTreeMap::new(),
            tools: BTreeMap::new(),
        };
        let faults = Command.check(&params.write());
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["outputs", "run[1]"]);
    }
}
