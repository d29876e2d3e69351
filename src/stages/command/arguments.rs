//! A program's arguments: each placeholder becomes a path or a value, and the result is not read again.
//!
//! A program is never given the path of a stored object. Its inputs are copies below the job's folder, read-only and
//! checked against their digests before the program starts and after it ended.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::fsio;
use crate::hash::Digest;
use crate::stage::{Artifact, ArtifactKind, DataFault, InputNode, Job, StageError};
use crate::stages::data::Data;
use crate::stages::params::command::CommandParams;

/// The kinds of placeholders.
const KINDS: [&str; 5] = ["in", "root", "file", "out", "param"];

/// The permissions of an input's copy: nobody writes. It may be run, since an input can be a program.
const READ_ONLY: u32 = 0o555;

/// A part of an argument.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// As it stands.
    Text(&'a str),
    /// `{kind:name}`.
    Place { kind: &'a str, name: &'a str },
}

/// The parts of an argument. Braces around anything else than a placeholder are text.
pub fn parts(argument: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), argument);
    while let Some(start) = rest.find('{') {
        let inside = &rest[start + 1..];
        let place = inside.split_once('}').and_then(|(inside, after)| {
            let (kind, name) = inside.split_once(':').filter(|_| !inside.contains('{'))?;
            KINDS.contains(&kind).then_some((kind, name, after))
        });
        match place {
            Some((kind, name, after)) => {
                parts.extend([Part::Text(&rest[..start]), Part::Place { kind, name }]);
                rest = after;
            }
            None => {
                parts.push(Part::Text(&rest[..=start]));
                rest = inside;
            }
        }
    }
    parts.push(Part::Text(rest));
    parts
}

/// The placeholders of an argument: kind and name.
pub fn placeholders(argument: &str) -> impl Iterator<Item = (&str, &str)> {
    parts(argument).into_iter().filter_map(|part| match part {
        Part::Place { kind, name } => Some((kind, name)),
        Part::Text(_) => None,
    })
}

/// A file that the program was given, and what it must be.
struct Given {
    path: PathBuf,
    digest: Digest,
}

/// The inputs of a program as it is given them.
pub struct Inputs<'a> {
    job: &'a Job<'a>,
    /// The path of each input's output, by `NAME` and output.
    paths: BTreeMap<(String, String), PathBuf>,
    given: Vec<(String, Given)>,
    /// The inputs whose data roots the program was told.
    roots: Vec<String>,
}

impl<'a> Inputs<'a> {
    /// None yet.
    pub fn new(job: &'a Job<'a>) -> Self {
        Inputs { job, paths: BTreeMap::new(), given: Vec::new(), roots: Vec::new() }
    }

    /// Fills an argument's placeholders. What stands in a value is not looked at again.
    pub fn fill(&mut self, argument: &str, p: &CommandParams) -> Result<String, StageError> {
        let mut out = String::new();
        for part in parts(argument) {
            let (kind, name) = match part {
                Part::Text(text) => {
                    out += text;
                    continue;
                }
                Part::Place { kind, name } => (kind, name),
            };
            match kind {
                "in" => {
                    let (input, output) = name.split_once('.').unwrap_or((name, ""));
                    out += &self.path(input, output)?.display().to_string();
                }
                "root" => out += &self.root(name)?.display().to_string(),
                "file" => match self.job.files.get(&format!("files[{name:?}]")) {
                    Some(path) => out += &path.display().to_string(),
                    None => return Err(StageError::Bug(format!("The file `{name}` was not handed over."))),
                },
                "out" => out += &self.job.out.join(&p.outputs[name]).display().to_string(),
                _ => out += &p.parameters[name],
            }
        }
        Ok(out)
    }

    fn root(&mut self, name: &str) -> Result<&'a Path, StageError> {
        let Some(root) = &input_node(self.job, name)?.root else {
            return Err(StageError::Command {
                message: format!("`{{root:{name}}}`: the input `{name}` has no data root."),
                hint: "Its files are among its outputs.".to_owned(),
            });
        };
        self.roots.push(name.to_owned());
        Ok(root)
    }

    /// The path of the copy of an input's output; without a name, of its only one.
    fn path(&mut self, input: &str, output: &str) -> Result<&Path, StageError> {
        let (output, artifact) = find(input_node(self.job, input)?, input, output)?;
        let key = (input.to_owned(), output.to_owned());
        if !self.paths.contains_key(&key) {
            // Numbered, since an input may have any text for its name.
            let folder = self.job.temp.join((self.paths.len() + 1).to_string());
            let (path, given) = copy(artifact, &folder)?;
            self.given.extend(given.into_iter().map(|file| (format!("{{in:{input}.{output}}}"), file)));
            self.paths.insert(key.clone(), path);
        }
        Ok(&self.paths[&key])
    }

    /// An error where an input is not what it was when the program started: what was made of it is not kept.
    pub fn check_unchanged(&self) -> Result<(), StageError> {
        let same = |file: &Given| fsio::blake3(&file.path).is_ok_and(|now| Digest::from(now) == file.digest);
        if let Some((name, _)) = self.given.par_iter().find_first(|(_, file)| !same(file)) {
            return Err(StageError::Command {
                message: format!("The program changed its input `{name}`, so that its result is not kept."),
                hint: "Let it change a copy of the input, which it makes in its own folder.".to_owned(),
            });
        }
        for name in &self.roots {
            check_root(input_node(self.job, name)?)?;
        }
        Ok(())
    }
}

/// An error where a file of a data set, outside the store, is not what the index says.
fn check_root(node: &InputNode) -> Result<(), StageError> {
    let data = Data::of(node)?;
    let changed = |(path, digest): (PathBuf, Digest)| {
        let what = match fsio::blake3(&path) {
            Ok(now) if Digest::from(now) == digest => return None,
            Ok(_) => "changed",
            Err(error) if error.is_missing() => "went away",
            Err(_) => "cannot be read any more",
        };
        let message = format!("This file of the data set {what}, so that the result is not kept.");
        Some(DataFault::new(path.display(), message, "Run again when nothing writes there any more."))
    };
    let faults: Vec<DataFault> = data.outside().par_iter().cloned().filter_map(changed).collect();
    if faults.is_empty() { Ok(()) } else { Err(StageError::Data(faults)) }
}

/// Copies an artifact into a new folder. Gives the path of the copy, and its files.
fn copy(artifact: &Artifact, folder: &Path) -> Result<(PathBuf, Vec<Given>), StageError> {
    let name = Path::new(&artifact.file).file_name().unwrap_or("output".as_ref());
    let path = folder.join(name);
    if artifact.kind != ArtifactKind::Tree {
        let given = vec![copy_file(artifact, path.clone())?];
        fsio::close(folder)?;
        return Ok((path, given));
    }
    fsio::create_dir_all(&path)?;
    if let Some(name) = artifact.tree.keys().find(|name| !fsio::is_beneath(name)) {
        let message = format!("The stored folder {} names the file `{name}`, which is not in it.", artifact.digest);
        return Err(StageError::Io { message, hint: "Remove that object from the store.".to_owned(), full: false });
    }
    let files: Vec<(&String, &Artifact)> = artifact.tree.iter().collect();
    let given = files.par_iter().map(|(relative, file)| copy_file(file, path.join(relative)));
    let given = given.collect::<Result<_, StageError>>()?;
    fsio::close(folder)?;
    Ok((path, given))
}

fn copy_file(artifact: &Artifact, to: PathBuf) -> Result<Given, StageError> {
    let digest = artifact.digest;
    let from = artifact.path.as_ref().ok_or(StageError::CorruptInput { digest })?;
    fsio::copy_new(from, &to, READ_ONLY).map_err(|error| match error.is_missing() {
        true => StageError::CorruptInput { digest },
        false => error.into(),
    })?;
    match Digest::from(fsio::blake3(&to)?) == digest {
        true => Ok(Given { path: to, digest }),
        false => Err(StageError::CorruptInput { digest }),
    }
}

/// The node that `NAME` or `NAME[2]` stands for. A stage of several nodes needs the number.
fn input_node<'a>(job: &Job<'a>, input: &str) -> Result<&'a InputNode, StageError> {
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

/// An input's output by name; without one, its only output.
fn find<'a>(node: &'a InputNode, input: &str, output: &str) -> Result<(&'a str, &'a Artifact), StageError> {
    let found = match output {
        "" if node.outputs.len() == 1 => node.outputs.iter().next(),
        name => node.outputs.get_key_value(name),
    };
    found.map(|(name, artifact)| (name.as_str(), artifact)).ok_or_else(|| {
        let names: Vec<&str> = node.outputs.keys().map(String::as_str).collect();
        let message = match output {
            "" => format!(
                "`{{in:{input}}}` needs the name of an output, as `{{in:{input}.{}}}`.",
                names.first().unwrap_or(&"")
            ),
            other => format!("`{{in:{input}.{other}}}`: the input `{input}` has no output `{other}`."),
        };
        StageError::Command { message, hint: format!("Its outputs are {}.", names.join(", ")) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_and_other_braces_are_text() {
        let found = |argument| placeholders(argument).collect::<Vec<_>>();
        assert_eq!(found("--x={in:a.b} {out:c}"), [("in", "a.b"), ("out", "c")]);
        assert_eq!(found("{{in:a}} {\"in\": {param:b}"), [("in", "a"), ("param", "b")]);
        assert!(found("{x:y} {in} {in:a {").is_empty());
        for argument in ["", "{", "a{b}c{", "{{in:a}}", "{in:é}ß{out:{x}"] {
            let whole: Vec<String> = parts(argument)
                .into_iter()
                .map(|part| match part {
                    Part::Text(text) => text.to_owned(),
                    Part::Place { kind, name } => format!("{{{kind}:{name}}}"),
                })
                .collect();
            assert_eq!(whole.concat(), argument);
        }
    }
}
