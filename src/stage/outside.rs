//! What a node takes from outside the store: files and programs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A file outside the store that a node reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct External {
    /// The name that enters the identity: relative to its root, with `/`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl External {
    /// The file `relative` below `root`.
    pub fn below(root: &Path, relative: &str) -> Self {
        let relative = relative.trim_start_matches('/');
        External { name: relative.to_owned(), path: root.join(relative) }
    }
}

/// A program outside the store that a node starts.
///
/// One that is named by a path with a `/` is a file of the project where the path is relative, which starts from the
/// folder of the pipeline's file, or leads into the project: then its content enters the key under its slot, and the job is
/// handed its place. Any other is the machine's; of it, only what it says when it is asked enters the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Where the parameters name it, as `run[0]`; where that is a `File` parameter, it is that file.
    pub slot: String,
    /// Its name, to be looked for on the PATH, or its path.
    pub name: String,
    /// All variables that it sees, PATH among them.
    pub env: BTreeMap<String, OsString>,
    /// What it is asked when the run is planned, if anything.
    pub question: Option<Question>,
}

/// What a program is asked, to say which version it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The name under which the answer enters the key.
    pub name: String,
    /// The program's arguments.
    pub arguments: Vec<String>,
}
