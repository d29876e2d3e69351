//! Why something cannot be published, exported or compared.

use std::path::PathBuf;

use crate::fsio;
use crate::hash::Digest;
use crate::stage::{NodeName, StageError};
use crate::store;
use crate::table;

/// A failed operation on results.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused, or an object of it is damaged or gone.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] fsio::Error),
    /// The user ended a wait for another run.
    #[error("Stopped while another run wrote to `{}`.", folder.display())]
    Stopped {
        /// The folder of results.
        folder: PathBuf,
    },
    /// The disk of the results does not take the name of a folder.
    #[error(
        "The results of `{stage}` would lie in a folder with a name of more than {longest} bytes, which the disk of `{}` does not take.",
        folder.display()
    )]
    LongName {
        /// The stage with its cell.
        stage: String,
        /// The folder of all results.
        folder: PathBuf,
        /// The longest name in bytes.
        longest: usize,
    },
    /// A newer program published to the folder.
    #[error(
        "`{}` has version {found}, which is newer than this program reads ({known}). The results stay as they are.",
        path.display()
    )]
    Newer {
        /// The manifest.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this program reads.
        known: u32,
    },
    /// A record names an output that no program of this version records.
    #[error("An output of `{node}` {what}. This program records no such output.")]
    Foreign {
        /// The node.
        node: NodeName,
        /// What is wrong with the output.
        what: String,
    },
    /// The recorded parameters of a stage do not fit its kind, so that its outputs are not known.
    #[error("The outputs of `{node}` are not known. {error}")]
    Undeclared {
        /// The node.
        node: NodeName,
        /// Why.
        error: StageError,
    },
    /// A record names a pipeline that no program of this version records.
    #[error("The run {run} is of a pipeline `{pipeline}`, which is no name of one.")]
    ForeignPipeline {
        /// The run's id.
        run: String,
        /// The pipeline's name.
        pipeline: String,
    },
    /// A stored table cannot be read.
    #[error("The stored table {} cannot be read: {error}", digest.short())]
    Unreadable {
        /// The table.
        digest: Digest,
        /// Why.
        error: table::Error,
    },
    /// A table cannot be written in a format.
    #[error("A table cannot be written as {format}: {error}")]
    Unwritable {
        /// The format's name.
        format: &'static str,
        /// Why.
        error: table::Error,
    },
    /// Runs of which nothing can be shown.
    #[error("There is nothing to show of {runs}: no validation, training, claim or report is done.")]
    NoFigures {
        /// The runs.
        runs: String,
    },
    /// An output that a page cannot show.
    #[error("The page cannot be made: {0}")]
    Unshown(String),
    /// A file is to be written in a folder that is not there.
    #[error("There is no folder `{}`.", .0.display())]
    NoFolder(PathBuf),
    /// A file is to be written where a folder is.
    #[error("`{}` is a folder.", .0.display())]
    IsFolder(PathBuf),
    /// The file is there already, and another program wrote it.
    #[error("`{}` is there already.", .0.display())]
    Exists(PathBuf),
    /// There is no model of the name that is asked for, or there are several.
    #[error("{what}.")]
    NoModel {
        /// Who has none.
        what: String,
        /// What to do.
        hint: String,
    },
    /// An archive that is no exported run, or a damaged one.
    #[error("`{}` {what}.", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// What cannot be compared: another kind, a stage or an iteration that is not there.
    #[error("{what}.")]
    Incomparable {
        /// Why.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The run has nothing that could be exported.
    #[error("The run {0} finished no stage that leaves anything.")]
    Nothing(String),
}

/// The result of an operation on results.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What to do; may be empty.
    pub fn hint(&self) -> String {
        match self {
            Error::Store(error) => error.hint(),
            Error::Disk(error) => error.hint().to_owned(),
            Error::Stopped { .. } => "Run again to write the results there.".to_owned(),
            Error::LongName { .. } => {
                "Name another folder (`--results DIR`), or give the stage a shorter name.".to_owned()
            }
            Error::Newer { .. } => "Use the newer program, or another folder (`--results DIR`).".to_owned(),
            Error::Foreign { node, .. } => format!("Let the stage run again by `--force '{}'`.", node.stage),
            Error::ForeignPipeline { .. } => {
                "Its record was not written by this program; export another run.".to_owned()
            }
            Error::Undeclared { .. } | Error::Unreadable { .. } | Error::Unwritable { .. } => String::new(),
            Error::NoModel { hint, .. } | Error::Incomparable { hint, .. } => hint.clone(),
            Error::Archive { .. } => "`repro export RUN OUT.tar.zst` writes such an archive.".to_owned(),
            Error::NoFigures { .. } => {
                "`repro runs` lists the runs with their figures; `repro run` takes an unfinished one up.".to_owned()
            }
            Error::Unshown(_) => "Let the stage run again by `repro run FILE --force STAGE`.".to_owned(),
            Error::NoFolder(_) => "Make it, or name another file by `-o FILE`.".to_owned(),
            Error::IsFolder(_) => "Name a file by `-o FILE`, as `-o report.html`.".to_owned(),
            Error::Exists(_) => "Name another file, or replace it by `--force`.".to_owned(),
            Error::Nothing(_) => "`repro runs` lists the runs; `repro run` takes an unfinished one up.".to_owned(),
        }
    }

    /// The object of the store that is damaged or gone, if that is the error.
    pub fn damaged(&self) -> Option<Digest> {
        match self {
            Error::Store(store::Error::Corrupt { digest, .. } | store::Error::Missing(digest)) => Some(*digest),
            _ => None,
        }
    }
}
