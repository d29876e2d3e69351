//! What a data set says of itself beside its index.

use serde::{Deserialize, Serialize};

use super::labels::Coding;

/// What a data set says of itself beside its index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The classes in the order of their ids.
    pub classes: Vec<String>,
    /// The colours that classes are shown in, in the same order.
    pub colors: Vec<[u8; 3]>,
    /// The id of pixels that are ignored.
    pub ignore: u8,
    /// What the values in the label files are.
    pub coding: Coding,
}
