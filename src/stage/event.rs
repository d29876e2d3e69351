//! What a stage says while it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What happens while a stage runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// How far the stage is.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
        /// The unit: `steps`, `images`.
        unit: String,
    },
    /// Figures at a step, as loss and running mIoU.
    Scalars {
        /// The step, counted over all iterations.
        step: u64,
        /// The figures by name.
        values: BTreeMap<String, f64>,
    },
    /// Work already done by a killed process was taken up.
    Resumed {
        /// The first step that is still to do.
        step: u64,
    },
    /// An inner checkpoint is safe on disk.
    Checkpoint {
        /// The next step after it.
        step: u64,
    },
    /// A line for the log.
    Log {
        /// The text.
        text: String,
    },
    /// Something that the user should know.
    Warning {
        /// The text.
        text: String,
    },
}

/// Takes events. Implementations never fail and never block for long.
pub trait Events: Sync {
    /// Takes one event.
    fn emit(&self, event: Event);
}
