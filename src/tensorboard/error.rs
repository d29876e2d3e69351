//! What can be wrong with an event file.

/// Why bytes are no event file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file ends within a record.
    #[error("The record at byte {at} is cut short. Write the file again.")]
    Short {
        /// Where the record starts.
        at: usize,
    },
    /// A checksum does not fit.
    #[error("The checksum of the record at byte {at} is wrong. Write the file again.")]
    Checksum {
        /// Where the record starts.
        at: usize,
    },
    /// A record holds something else than an event.
    #[error("Record {number} is no event: {why}. Is this an event file?")]
    Event {
        /// The number of the record, from 0.
        number: usize,
        /// What the decoder says.
        why: String,
    },
}
