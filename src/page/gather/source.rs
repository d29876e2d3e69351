//! What a page is made of: the outputs of nodes, wherever they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::hash::Digest;
use crate::table::Table;

/// Why something cannot be read. The caller knows its own errors again by their types; any other is a sentence.
pub type Fault = Box<dyn std::error::Error>;

/// What a node left.
#[derive(Default)]
pub struct Source<'a> {
    /// The run that it is of, where several are shown side by side; empty: there is one.
    pub run: String,
    /// What tells its stage from other stages. It is the stage's name only where [`Wanted::named`](super::Wanted) says so.
    pub stage: String,
    /// The labels of its cell in the matrix, by axis.
    pub cell: BTreeMap<String, String>,
    /// The outputs that can be read, by name.
    pub outputs: BTreeMap<String, Box<dyn Given + 'a>>,
    /// The digests of all outputs by name, also of those that cannot be read.
    pub digests: BTreeMap<String, Digest>,
    /// The images and labels that its tables name.
    pub files: Option<Box<dyn Files + 'a>>,
}

/// An output that is read when it is needed.
pub trait Given {
    /// The content of a file.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    fn bytes(&self) -> Result<Vec<u8>, Fault>;

    /// A table.
    ///
    /// # Errors
    /// As [`Given::bytes`].
    fn table(&self) -> Result<Table, Fault>;

    /// These files of a folder by their names. A name that the folder does not have is left out.
    ///
    /// # Errors
    /// As [`Given::bytes`].
    fn files(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>, Fault>;
}

/// The files of a data set.
pub trait Files {
    /// The content of the file at a relative path, if it has this digest. The inner error is a sentence that says why it is not
    /// at hand: the page is made without it.
    ///
    /// # Errors
    /// Nothing may be shown without it.
    fn read(&self, path: &str, digest: &Digest) -> Result<Result<Vec<u8>, String>, Fault>;
}

/// The outputs that a page shows something of.
const SHOWN: [&str; 8] = ["claims", "table", "confusion", "steps", "map", "pictures", "index", "measurements"];

impl Source<'_> {
    /// Whether a page shows something of it.
    pub fn is_shown(&self) -> bool {
        SHOWN.iter().any(|name| self.outputs.contains_key(*name))
    }

    /// An output.
    pub(super) fn output(&self, name: &str) -> Option<&dyn Given> {
        self.outputs.get(name).map(|given| &**given)
    }

    /// Whether it has outputs of all of these names.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.outputs.contains_key(*name))
    }

    /// A table that [`Source::has`].
    ///
    /// # Errors
    /// It cannot be read, or there is none.
    pub(super) fn table(&self, name: &str) -> Result<Table, Fault> {
        self.output(name).ok_or_else(|| Fault::from(format!("There is no output `{name}`.")))?.table()
    }
}
