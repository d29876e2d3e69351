//! Why a node failed, and what to do about it.

use serde::{Deserialize, Serialize};

use crate::stage::StageError;

/// Why a node failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeFailure {
    /// The stage says why.
    #[error(transparent)]
    Stage(StageError),
    /// A signal ended the process.
    #[error("The stage's process was killed by {name} (signal {signal}).")]
    Killed {
        /// The signal's number.
        signal: i32,
        /// Its name.
        name: String,
    },
    /// The process ended without saying why.
    #[error("The stage's process ended with exit code {code} and no result.")]
    Exited {
        /// The exit code.
        code: i32,
    },
    /// The process could not be started, or its result not be read.
    #[error("{message}")]
    Setup {
        /// What happened.
        message: String,
        /// What to do.
        hint: String,
        /// Whether the disk is full.
        full: bool,
    },
}

impl NodeFailure {
    /// What to do; may be empty.
    pub fn hint(&self) -> String {
        match self {
            NodeFailure::Stage(error) => stage_hint(error),
            NodeFailure::Killed { signal: 9, .. } => {
                "If nobody killed it, the kernel's out-of-memory killer did: use a smaller batch or crop, or fewer \
                 jobs at once. Run again to go on from the last checkpoint."
                    .to_owned()
            }
            NodeFailure::Killed { .. } => "Look into its log; run again to go on from the last checkpoint.".to_owned(),
            NodeFailure::Exited { .. } => "Look into its log.".to_owned(),
            NodeFailure::Setup { hint, .. } => hint.clone(),
        }
    }

    /// A failure outside the stage itself.
    pub(super) fn setup(message: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        NodeFailure::Setup { message: message.to_string(), hint: hint.into(), full: false }
    }
}

impl From<crate::store::Error> for NodeFailure {
    fn from(error: crate::store::Error) -> Self {
        NodeFailure::Setup { message: error.to_string(), hint: error.hint(), full: error.is_full() }
    }
}

impl From<crate::fsio::Error> for NodeFailure {
    fn from(error: crate::fsio::Error) -> Self {
        crate::store::Error::from(error).into()
    }
}

/// What to do about a stage's error; may be empty.
pub(super) fn stage_hint(error: &StageError) -> String {
    match error {
        StageError::Io { hint, .. }
        | StageError::Numeric { hint, .. }
        | StageError::Device { hint, .. }
        | StageError::Command { hint, .. } => hint.clone(),
        StageError::Bug(_) => "Please report it with the log.".to_owned(),
        StageError::CorruptInput { .. } => {
            "It cannot be made again from here: run the pipeline that made it, or check the disk.".to_owned()
        }
        // Faults of data carry their own hints.
        StageError::Data(_) | StageError::Cancelled => String::new(),
    }
}

/// The name of a signal.
pub(super) fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        _ => "a signal",
    };
    name.to_owned()
}
