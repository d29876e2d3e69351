//! The job file: everything that a job is told.
//!
//! A job computes its action key itself, from its parameters and the contents of its inputs, with the same code that the
//! plan used. The job file also holds the planned key. If the two keys differ, the job computes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fsio;
use crate::hash::Digest;
use crate::pipeline::key::{self, Preimage};
use crate::pipeline::{Node, RunNode, Source};
use crate::program;
use crate::stage::{
    DeviceSpec, External, InputNode, Kind, MatrixCell, NodeName, Outputs, StageError, Type, Value, identity,
};

/// The newest format of job files.
pub(super) const FORMAT: u32 = 2;

/// All that a child process needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct JobFile {
    pub format: u32,
    /// The program that planned the run. Older programs did not say it.
    #[serde(default)]
    pub program: program::Id,
    #[serde(with = "crate::fsio::exact")]
    pub store: PathBuf,
    pub run: String,
    pub node: NodeName,
    pub version: u32,
    pub recipe: Digest,
    /// The action key that was planned, and its components.
    pub key: Digest,
    pub preimage: BTreeMap<String, String>,
    pub params: Value,
    /// The fields of `params` that say which nodes the stage has. They are not in the key.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// The inputs by slot; where the contents are, the child finds in the store.
    pub inputs: BTreeMap<String, Vec<InputNode>>,
    #[serde(with = "crate::fsio::exact::map")]
    pub files: BTreeMap<String, PathBuf>,
    #[serde(with = "crate::fsio::exact::map")]
    pub roots: BTreeMap<String, PathBuf>,
    pub device: DeviceSpec,
    pub threads: usize,
    /// How long the stage may go on after it was asked to stop.
    pub grace: Duration,
    /// Whether to run even if there is a record.
    pub force: bool,
    /// The files outside the store that the stage reads, to be checked again when it is done: `files` first, in their
    /// order.
    pub checks: Vec<Check>,
}

/// The part of a job file that every version has.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

impl JobFile {
    /// Reads the job file at `path`.
    pub fn read(path: &Path) -> Result<Self, StageError> {
        let text = fsio::read(path)?;
        let unread = |error| StageError::Bug(format!("The job file `{}` does not read: {error}.", path.display()));
        let Versioned { format } = serde_json::from_slice(&text).map_err(unread)?;
        match format {
            // Format 2 names the files outside the store. A job of format 1 is of an older program, and refused as that.
            1 | 2 => serde_json::from_slice(&text).map_err(unread),
            other => Err(StageError::Io {
                message: format!(
                    "The job file `{}` has the format {other}; this program reads {FORMAT}.",
                    path.display()
                ),
                hint: "Use the program that wrote it.".to_owned(),
                full: false,
            }),
        }
    }
}

impl JobFile {
    /// The components of the job's action key, by what it is given, by the arithmetic of this device, and by the machine
    /// where it measures.
    pub fn identity(
        &self,
        kind: &dyn Kind,
        numeric: Option<&BTreeMap<String, String>>,
        machine: Option<&BTreeMap<String, String>>,
    ) -> Preimage {
        let done = |input: &InputNode| Source::Run {
            reference: String::new(),
            node: RunNode {
                outputs: input.outputs.clone(),
                yields: String::new(),
                key: Digest::of(&[]),
                cell: MatrixCell::new(),
            },
        };
        let node = Node {
            stage: self.node.stage.clone(),
            iteration: self.node.iteration,
            kind: self.node.kind.clone(),
            version: kind.version(&self.params),
            identity: identity(&Type::Struct(kind.schema()), &self.params, &self.left_out),
            left_out: self.left_out.clone(),
            params: self.params.clone(),
            inputs: self
                .inputs
                .iter()
                .map(|(slot, inputs)| (slot.clone(), inputs.iter().map(done).collect()))
                .collect(),
            notes: BTreeMap::new(),
            recipe: self.recipe,
        };
        let (files, externals) = self.checks.split_at(self.files.len().min(self.checks.len()));
        let named = |check: &Check| (check.name.clone(), check.digest);
        let externals: Vec<(String, Digest)> = externals.iter().map(named).collect();
        let answers = key::answers(&self.preimage);
        let files = files.iter().map(named).collect();
        key::action(&node, &|_| Outputs::new(), &files, &externals, numeric, machine, &answers)
    }
}

/// A file outside the store as it was when the key was computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Check {
    /// The slot of a file parameter, or the name that enters the key.
    #[serde(default)]
    pub name: String,
    #[serde(with = "crate::fsio::exact")]
    pub path: PathBuf,
    pub digest: Digest,
}

impl Check {
    /// The file for the memory of fingerprints.
    pub fn external(&self) -> External {
        External { name: String::new(), path: self.path.clone() }
    }
}

/// The exit codes of a job: for people, and for schedulers. The verdict is in the store.
pub(super) mod code {
    /// Its outputs are in the store.
    pub const DONE: u8 = 0;
    /// The stage failed.
    pub const FAILED: u8 = 1;
    /// Another process holds the lock.
    pub const BUSY: u8 = 3;
    /// It ended, and the disk was too full for its verdict.
    pub const FULL: u8 = 5;
    /// It ended, and its verdict could not be written.
    pub const UNRECORDED: u8 = 6;
    /// It was stopped.
    pub const STOPPED: u8 = 130;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn sample() -> JobFile {
        JobFile {
            format: FORMAT,
            program: program::Id::default(),
            store: "/store".into(),
            run: "20260101-000000-000-abcd".into(),
            node: NodeName { stage: "train".into(), iteration: Some(2), kind: "Train".into() },
            version: 1,
            recipe: Digest::of(b"recipe"),
            key: Digest::of(b"key"),
            preimage: BTreeMap::from([("kind".into(), "Train".into())]),
            params: Value::Map(BTreeMap::new()),
            left_out: vec!["iterations".to_owned()],
            inputs: BTreeMap::from([(
                "data".to_owned(),
                vec![InputNode { root: Some("/data".into()), ..InputNode::default() }],
            )]),
            files: BTreeMap::from([("script".to_owned(), PathBuf::from("/a.py"))]),
            roots: BTreeMap::from([("voc".to_owned(), PathBuf::from("/voc"))]),
            device: DeviceSpec::Cuda(1),
            threads: 2,
            grace: Duration::from_millis(1500),
            force: false,
            checks: vec![Check { name: "script".into(), path: "/a.py".into(), digest: Digest::of(b"a") }],
        }
    }

    #[test]
    fn a_job_file_of_every_format_reads_and_a_newer_one_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("job.json");
        let mut old = JobFile { format: 1, ..sample() };
        old.checks[0].name.clear();
        old.left_out.clear();
        for (text, job) in [(include_str!("samples/job-1.json"), old), (include_str!("samples/job-2.json"), sample())] {
            fsio::write_atomic(&path, text.as_bytes()).unwrap();
            assert_eq!(JobFile::read(&path).unwrap(), job);
        }
        let text = include_str!("samples/job-2.json");
        assert_eq!(serde_json::to_string(&sample()).unwrap(), text.trim_end());
        fsio::write_atomic(&path, text.replace("\"format\":2", "\"format\":3").as_bytes()).unwrap();
        let error = JobFile::read(&path).unwrap_err().to_string();
        assert!(error.contains("has the format 3; this program reads 2") && error.contains("job.json"), "{error}");
    }

    #[test]
    fn paths_that_are_not_utf_8_come_to_the_child_as_they_are() {
        let path = || PathBuf::from(OsStr::from_bytes(b"/a\xff"));
        let job = JobFile {
            store: path(),
            files: BTreeMap::from([("f".to_owned(), path())]),
            roots: BTreeMap::from([("r".to_owned(), path())]),
            inputs: BTreeMap::from([("i".to_owned(), vec![InputNode { root: Some(path()), ..InputNode::default() }])]),
            checks: vec![Check { name: String::new(), path: path(), digest: Digest::of(b"a") }],
            ..sample()
        };
        let text = serde_json::to_vec(&job).unwrap();
        assert_eq!(serde_json::from_slice::<JobFile>(&text).unwrap(), job);
    }
}
