//! Why a table could not be made, read or written.

/// Why a table could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Rows or columns do not fit together.
    #[error("{0}")]
    Shape(String),
    /// Bytes that are no canonical rows.
    #[error("The table is not readable at line {line}: {message}.")]
    Canonical {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// Canonical rows of a later format.
    #[error("The table has format version {found}, and this program reads up to {known}: use a newer `repro`.")]
    Newer {
        /// The version of the bytes.
        found: u64,
        /// The latest version known here.
        known: u64,
    },
    /// A layout that is not readable, or that does not fit the table.
    #[error("{0}")]
    Layout(String),
    /// Polars refused.
    #[error("The table could not be processed: {0}.")]
    Polars(#[from] polars::error::PolarsError),
}
