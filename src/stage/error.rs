//! Why a stage failed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::hash::Digest;

/// Why a stage failed. Each says what, where and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum StageError {
    /// The input data are at fault; every fault that was found.
    #[error("{}", list(.0))]
    Data(Vec<DataFault>),
    /// The disk or another part of the machine refused.
    #[error("{message}")]
    Io {
        /// What happened, with the path.
        message: String,
        /// What to do.
        hint: String,
        /// Whether the disk is full.
        full: bool,
    },
    /// The arithmetic went wrong: a loss that is not finite.
    #[error("{message}")]
    Numeric {
        /// What happened, with step and tensor.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The device is missing or cannot do what is asked.
    #[error("{message}")]
    Device {
        /// What was looked for.
        message: String,
        /// What to do.
        hint: String,
    },
    /// An input in the store is not what its digest says.
    #[error("The stored object {digest} is corrupt or missing.")]
    CorruptInput {
        /// Its digest.
        digest: Digest,
    },
    /// An external program failed.
    #[error("{message}")]
    Command {
        /// What happened.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Somebody asked to stop.
    #[error("The stage was stopped.")]
    Cancelled,
    /// A bug in this program.
    #[error("{0} This is a bug in repro.")]
    Bug(String),
}

/// One fault of the input data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFault {
    /// The file, with line and column where it has lines.
    pub place: String,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl DataFault {
    /// A fault of `place`.
    pub fn new(place: impl std::fmt::Display, message: impl Into<String>, hint: impl Into<String>) -> Self {
        DataFault { place: place.to_string(), message: message.into(), hint: hint.into() }
    }
}

impl From<DataFault> for StageError {
    fn from(fault: DataFault) -> Self {
        StageError::Data(vec![fault])
    }
}

impl From<crate::fsio::Error> for StageError {
    fn from(error: crate::fsio::Error) -> Self {
        StageError::Io { hint: error.hint().to_owned(), full: error.is_full(), message: error.to_string() }
    }
}

/// A line a fault. What to do is told once, by the first of the faults that say the same.
fn list(faults: &[DataFault]) -> String {
    let mut told = BTreeSet::from([""]);
    let mut lines = Vec::with_capacity(faults.len());
    for DataFault { place, message, hint } in faults {
        let line = format!("{place}: {message}");
        lines.push(if told.insert(hint) { format!("{line} {hint}") } else { line });
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hint_is_told_once() {
        let fault = |place: &str, hint: &str| DataFault::new(place, "It is wrong.", hint);
        let all = [
            fault("a", "Mend it."),
            fault("b", "Mend it."),
            fault("c", ""),
            fault("d", "Drop it."),
            fault("e", "Mend it."),
        ];
        let told = StageError::Data(all.to_vec()).to_string();
        assert_eq!(
            told,
            "a: It is wrong. Mend it.\nb: It is wrong.\nc: It is wrong.\nd: It is wrong. Drop it.\ne: It is wrong."
        );
    }
}
