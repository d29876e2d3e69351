//! How large a text may be, and how long the messages about it.
//!
//! These limits are also in `docs/limits.md`, which a test of `pipeline::limits` holds against
//! this file. A limit is checked before the memory is taken.

/// Brackets inside each other.
pub const DEPTH: usize = 128;
/// Values in the files; in all stages over all cells; in all nodes. A text counts once more for each [`TEXT_UNIT`] bytes.
pub const VALUES: usize = 2_500_000;
/// The bytes of a text that count as one value.
pub const TEXT_UNIT: usize = 64;
/// Characters of any other name: of a field, a key, an axis, a profile.
pub const NAME: usize = 255;
/// Bytes of one text in quotes.
pub const TEXT: usize = 1 << 20;
/// Characters of a label.
pub const LABEL: usize = 80;
/// Faults that are shown.
pub const FAULTS: usize = 20;
/// Bytes of all messages of a pipeline.
pub const MESSAGES: usize = 1 << 16;
/// Columns of a line that is shown.
pub const COLUMNS: usize = 140;
/// Characters of a message.
pub const MESSAGE: usize = 400;
/// Characters of a hint.
pub const HINT: usize = 1200;
/// Names that are listed in a message.
pub const LISTED: usize = 40;
/// Names among which one is sought that was meant.
pub const CANDIDATES: usize = 1000;
