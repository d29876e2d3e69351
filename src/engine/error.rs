//! Why a plan could not be made, or why a run could not be recorded.

use super::failure::{NodeFailure, stage_hint};
use crate::stage::{DataFault, NodeName, StageError};
use crate::store;
use crate::syntax::Diagnostics;

/// Why a plan could not be made, or a run not be recorded. A stage's failure is no such error: see [`NodeFailure`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The run ended, but its record, which is here, could not be written.
    #[error("The record of this run could not be written, so that it reads as one that was killed. {1}")]
    Unrecorded(Box<store::RunRecord>, store::Error),
    /// `--only` or `--force` names a stage or a node that is not in the pipeline, or `--no-train` forbids what would run.
    #[error("{0}")]
    Selection(Diagnostics),
    /// Data roots, files or programs outside the store are missing or at fault: all of them.
    #[error("{}", StageError::Data(.0.clone()))]
    Inputs(Vec<DataFault>),
    /// The device is missing or refuses.
    #[error(transparent)]
    Device(#[from] StageError),
    /// The device cannot compute as a node asks.
    #[error("`{0}`: {1}")]
    Refused(NodeName, StageError),
    /// A plan that does not fit the registry.
    #[error("There is no stage kind `{0}`. This is a bug in repro.")]
    UnknownKind(String),
}

impl Error {
    /// What to do; may be empty.
    pub fn hint(&self) -> String {
        match self {
            Error::Store(error) | Error::Unrecorded(_, error) => error.hint(),
            Error::Device(error) | Error::Refused(_, error) => stage_hint(error),
            Error::Selection(_) | Error::Inputs(_) | Error::UnknownKind(_) => String::new(),
        }
    }
}

impl From<Error> for NodeFailure {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            error => NodeFailure::setup(&error, error.hint()),
        }
    }
}
