//! `Command`: any external program as a stage, so that a step in Python can join.
//!
//! Invariants:
//! - the program gets copies of its inputs, never the path of a stored object. If an input changes meanwhile, the result
//!   is not kept;
//! - nothing that the program started outlives the stage, whoever dies first ([`guard`]);
//! - the program's output is read in bounded memory, and a bounded part of it is kept.

mod arguments;
pub mod guard;
mod output;
mod processes;
mod running;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use self::arguments::{Inputs, placeholders};
use self::guard::Order;
use crate::fsio::{self, Found};
use crate::stage::{
    ArtifactKind, Job, Output, ParamFault, Peers, Produced, Program, Publish, Question, Role, StageError, TypedKind,
    Yield,
};

use super::params::command::CommandParams;
use super::yields::{FILES, LOG};

/// The longest name of a file or folder that file systems take, in bytes.
const NAME: usize = 255;

/// The longest path of an output, in bytes: a system takes some 4096, and results or store may lie deep.
const PATH: usize = 1024;

/// The kind.
pub struct Command;

impl TypedKind for Command {
    type Params = CommandParams;
    const NAME: &'static str = "Command";
    const VERSION: u32 = 1;
    const YIELDS: Yield = FILES;
    const OUTPUTS: &'static [Output] = &[];
    const EXAMPLE: &'static str = r#""best": Command(
    run: ["python3", "{file:script}", "{in:table.table}", "{out:best}"],
    inputs: {"table": "table"}, files: {"script": "best.py"},
    outputs: {"best": "best.csv"},
    tools: {"python": ["python3", "--version"]},
),"#;

    fn outputs(&self, p: &CommandParams) -> Vec<Output> {
        p.outputs.iter().map(|(name, path)| output(name, path)).collect()
    }

    fn check(&self, p: &CommandParams) -> Vec<ParamFault> {
        let mut faults = Vec::new();
        if p.outputs.is_empty() {
            faults.push(ParamFault {
                field: "outputs".into(),
                message: "A command without outputs leaves nothing to keep.".into(),
                hint: "Name what it makes, as `{\"table\": \"table.csv\"}`.".into(),
            });
        }
        check_outputs(&p.outputs, &mut faults);
        for (at, argument) in p.run.iter().enumerate() {
            for (kind, name) in placeholders(argument) {
                let stem = name.split(['.', '[']).next().unwrap_or(name);
                let known = match kind {
                    "in" | "root" => p.inputs.contains_key(stem),
                    "file" => p.files.contains_key(name),
                    "out" => p.outputs.contains_key(name),
                    _ => p.parameters.contains_key(name),
                };
                if !known {
                    faults.push(ParamFault {
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
                faults.push(ParamFault { field: field.clone(), message, hint });
            }
            for (at, argument) in command.iter().enumerate() {
                let of_file = |name: &&String| at == 0 && *argument == format!("{{file:{name}}}");
                if planned(argument, p).is_none() && !p.files.keys().any(|name| of_file(&name)) {
                    let message = format!("`{argument}` has no value yet when the tool is asked.");
                    let hint = "A tool is asked when a run is planned: `{param:NAME}` has a value then, and `{file:NAME}` \
                                as the program.";
                    faults.push(ParamFault { field: format!("{field}[{at}]"), message, hint: hint.into() });
                }
            }
        }
        faults
    }

    fn agrees(&self, p: &CommandParams, peers: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
        let mut faults = Vec::new();
        for (at, argument) in p.run.iter().enumerate() {
            for (_, place) in placeholders(argument).filter(|(kind, _)| *kind == "in") {
                let (input, output) = place.split_once('.').unwrap_or((place, ""));
                // An input that is not stated is told by the check.
                let Some(reference) = p.inputs.get(input.split('[').next().unwrap_or(input)) else { continue };
                for peer in peers(&reference.0) {
                    let outputs = peer.kind.outputs(peer.params)?;
                    if let Some((message, hint)) = undeclared(input, output, &reference.0, &outputs) {
                        faults.push(ParamFault::new(format!("run[{at}]"), message, hint));
                        break;
                    }
                }
            }
        }
        Ok(faults)
    }

    fn programs(&self, p: &CommandParams) -> Vec<Program> {
        let started = p.run.first().and_then(|text| program("run[0]".to_owned(), text, p, None));
        let tools = p.tools.iter().filter_map(|(name, command)| {
            let (text, arguments) = command.split_first()?;
            let arguments = arguments.iter().filter_map(|argument| planned(argument, p)).collect();
            let question = Question { name: name.clone(), arguments };
            program(format!("tools[{name:?}][0]"), text, p, Some(question))
        });
        started.into_iter().chain(tools).collect()
    }

    fn run(&self, p: &CommandParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let mut inputs = Inputs::new(job);
        let arguments = p.run.iter().map(|argument| inputs.fill(argument, p)).collect::<Result<Vec<_>, _>>()?;
        for path in p.outputs.values() {
            if let Some(folder) = job.out.join(path).parent() {
                fsio::create_dir_all(folder)?;
            }
        }
        let failed = |message: String, hint: &str| StageError::Command { message, hint: hint.to_owned() };
        let env = environment(p).into_iter().map(|(name, value)| (name.into(), value)).collect();
        let mut order = Order { arguments: arguments.iter().map(Into::into).collect(), env };
        if let Some(program) = job.files.get("run[0]") {
            order.arguments[0] = program.into();
        }
        let status = running::run(&order, job)?;
        if !status.success() {
            let hint = match status.signal() {
                Some(9) => {
                    "If nobody killed it, the kernel's out-of-memory killer did. Its output is in the stage's log."
                }
                _ => "Its output is in the stage's log.",
            };
            return Err(failed(format!("`{}` ended with {status}.", arguments.join(" ")), hint));
        }
        inputs.check_unchanged()?;
        let mut produced = Produced::default();
        for (name, path) in &p.outputs {
            let kind = match fsio::found_below(job.out, Path::new(path)) {
                Ok(Found::Folder) => ArtifactKind::Tree,
                Ok(Found::Nothing) => {
                    let message = format!("`{}` ended well but made no `{path}`.", arguments[0]);
                    return Err(failed(message, "Write it to `{out:NAME}`."));
                }
                // What is no regular file is refused where it is to be stored.
                _ => ArtifactKind::File,
            };
            output(name, path).add(&mut produced, kind);
        }
        Ok(produced)
    }
}

/// What is wrong, and what to do, where the `output` of an input is not one of the `outputs` that its stage declares. It
/// may be left out where there is only one.
fn undeclared(input: &str, output: &str, stage: &str, outputs: &[Output]) -> Option<(String, String)> {
    let names: Vec<&str> = outputs.iter().map(|output| &*output.name).collect();
    let message = match output {
        "" if outputs.iter().filter(|output| !output.optional).count() < 2 => return None,
        "" => format!("`{{in:{input}}}` needs the name of an output, as `{{in:{input}.{}}}`.", names[0]),
        name if names.contains(&name) => return None,
        name => format!("`{{in:{input}.{name}}}`: the stage `{stage}` has no output `{name}`."),
    };
    Some((message, format!("Its outputs are {}.", names.join(", "))))
}

/// What the program makes at `path`: a file or a folder. One that is named `log` is a part of the run's log.
fn output(name: &str, path: &str) -> Output {
    Output {
        name: name.to_owned().into(),
        file: path.to_owned().into(),
        doc: "What the program makes.",
        form: None,
        optional: false,
        publish: Publish::Copy,
        role: if *name == *LOG.name { Role::Log } else { Role::Plain },
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

fn check_outputs(outputs: &BTreeMap<String, String>, faults: &mut Vec<ParamFault>) {
    let mut fault = |name: &str, message: String, hint: &str| {
        faults.push(ParamFault { field: format!("outputs[{name:?}]"), message, hint: hint.to_owned() });
    };
    for (name, path) in outputs.iter().filter(|(_, path)| !fsio::is_beneath(path)) {
        let message = format!("The output `{name}` has the path `{path}`, which names no place in the job's folder.");
        fault(name, message, "Give a relative path of plain names, as `table.csv` or `pictures/a.png`.");
    }
    for (name, path) in outputs.iter().filter(|(_, path)| path.len() > PATH || path.split('/').any(|p| p.len() > NAME))
    {
        let start: String = path.chars().take(40).collect();
        let message = format!("The output `{name}` has the path `{start}…`, which is longer than disks take.");
        fault(name, message, "Give each folder and file a name of at most 255 bytes, and a path at most 1024.");
    }
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    for (name, path) in outputs {
        let others = || outputs.iter().filter(|(other, _)| *other != name);
        let around =
            others().find(|(_, other)| path.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/')));
        if let Some((other, folder)) = around {
            let message = format!("The output `{name}` lies in the output `{other}`, the folder `{folder}`.");
            fault(name, message, "Make the folder alone an output, or give them places of their own.");
        } else if let Some((other, _)) = others().find(|(other, known)| *other < name && last(known) == last(path)) {
            let message = format!("The outputs `{other}` and `{name}` have the same file name.");
            fault(name, message, "Give them different names: they are published side by side.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_placeholders_and_paths_that_lead_out_are_refused() {
        let params = CommandParams {
            run: vec!["python3".into(), "{file:script}".into(), "{out:table}".into()],
            inputs: BTreeMap::new(),
            files: BTreeMap::new(),
            outputs: BTreeMap::from([("table".into(), "../t.csv".into())]),
            parameters: BTreeMap::new(),
            env: BTreeMap::new(),
            tools: BTreeMap::new(),
        };
        let faults = Command.check(&params);
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, [r#"outputs["table"]"#, "run[1]"]);
    }

    #[test]
    fn outputs_that_no_disk_takes_are_refused() {
        for (path, refused) in [("n".repeat(256), true), ("n".repeat(255), false), ("d/".repeat(600) + "f", true)] {
            let mut faults = Vec::new();
            check_outputs(&BTreeMap::from([("o".to_owned(), path)]), &mut faults);
            assert_eq!(faults.iter().any(|fault| fault.message.contains("longer than disks take")), refused);
        }
    }

    #[test]
    fn outputs_have_plain_places_of_their_own() {
        let faults = |outputs: &[(&str, &str)]| {
            let outputs = outputs.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect();
            let mut faults = Vec::new();
            check_outputs(&outputs, &mut faults);
            faults.into_iter().map(|fault| fault.field).collect::<Vec<_>>()
        };
        for path in ["", ".", "..", "/", "/a", "a/", "./a", "a/.", "a//b", "a/./b", "a/../b", "../a", "a\0b"] {
            assert_eq!(faults(&[("o", path)]), [r#"outputs["o"]"#], "{path:?}");
        }
        assert_eq!(faults(&[("o", "a"), ("p", "a/b")]), [r#"outputs["p"]"#]);
        assert_eq!(faults(&[("o", "a/b/c"), ("p", "a")]), [r#"outputs["o"]"#]);
        assert_eq!(faults(&[("o", "a/x"), ("p", "b/x")]), [r#"outputs["p"]"#]);
        assert!(faults(&[("o", "a/b"), ("p", "a/c"), ("q", "ab"), ("r", "..x"), ("s", ".hidden")]).is_empty());
    }
}
