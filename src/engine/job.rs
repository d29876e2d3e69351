//! What parent and child say to each other: the job file, and the frames on the child's standard output.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fsio;
use crate::hash::Digest;
use crate::program;
use crate::stage::{DeviceSpec, Event, External, InputNode, NodeName, StageError, Value};

/// The newest format of job files.
pub(super) const FORMAT: u32 = 1;

/// The byte that begins a frame. Standard output without it is text for the log.
pub(super) const FRAME: u8 = 0x1e;

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
    pub key: Digest,
    pub preimage: BTreeMap<String, String>,
    pub params: Value,
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
    /// The files outside the store that the stage reads, to be checked again when it is done.
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
            1 => serde_json::from_slice(&text).map_err(unread),
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

/// A file outside the store as it was when the key was computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Check {
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

/// What a child says: one line of JSON behind the byte [`FRAME`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Frame {
    /// The lock is taken and the stage begins.
    Started { pid: u32 },
    /// The stage says something.
    Event(Event),
    /// The action record is written; `reused`: it was there when the lock was taken.
    Done { key: Digest, reused: bool },
    /// The stage failed.
    Failed(StageError),
    /// Another process holds the lock.
    Busy,
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
            inputs: BTreeMap::from([(
                "data".to_owned(),
                vec![InputNode { outputs: BTreeMap::new(), root: Some("/data".into()) }],
            )]),
            files: BTreeMap::from([("script".to_owned(), PathBuf::from("/a.py"))]),
            roots: BTreeMap::from([("voc".to_owned(), PathBuf::from("/voc"))]),
            device: DeviceSpec::Cuda(1),
            threads: 2,
            grace: Duration::from_millis(1500),
            force: false,
            checks: vec![Check { path: "/a.py".into(), digest: Digest::of(b"a") }],
        }
    }

    #[test]
    fn a_job_file_of_every_format_reads_and_a_newer_one_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("job.json");
        let text = include_str!("samples/job-1.json");
        fsio::write_atomic(&path, text.as_bytes()).unwrap();
        assert_eq!(JobFile::read(&path).unwrap(), sample());
        fsio::write_atomic(&path, text.replace("\"format\":1", "\"format\":2").as_bytes()).unwrap();
        let error = JobFile::read(&path).unwrap_err().to_string();
        assert!(error.contains("has the format 2; this program reads 1") && error.contains("job.json"), "{error}");
    }

    #[test]
    fn paths_that_are_not_utf_8_come_to_the_child_as_they_are() {
        let path = || PathBuf::from(OsStr::from_bytes(b"/a\xff"));
        let job = JobFile {
            store: path(),
            files: BTreeMap::from([("f".to_owned(), path())]),
            roots: BTreeMap::from([("r".to_owned(), path())]),
            inputs: BTreeMap::from([(
                "i".to_owned(),
                vec![InputNode { outputs: BTreeMap::new(), root: Some(path()) }],
            )]),
            checks: vec![Check { path: path(), digest: Digest::of(b"a") }],
            ..sample()
        };
        let text = serde_json::to_vec(&job).unwrap();
        assert_eq!(serde_json::from_slice::<JobFile>(&text).unwrap(), job);
    }
}
