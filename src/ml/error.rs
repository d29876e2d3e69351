//! What can go wrong in the numerics.

/// A failure in the numerics. Each says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tensor library refused an operation.
    #[error("The tensor library failed: {0}.")]
    Candle(#[from] candle_core::Error),
    /// The requested device is not there.
    #[error("{message}")]
    Device {
        /// What was looked for.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A model cannot be built as described.
    #[error("{0}")]
    Model(String),
    /// A tensor does not have the shape that an operation needs.
    #[error("{what} has the shape {found:?}, but {expected} is needed.")]
    Shape {
        /// The tensor.
        what: String,
        /// Its shape.
        found: Vec<usize>,
        /// The needed shape, in words.
        expected: String,
    },
    /// Stored weights do not fit the model; every fault that was found.
    #[error("{}", .0.join("\n"))]
    Weights(Vec<String>),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] crate::fsio::Error),
    /// Another rank of a training failed, or cannot be reached.
    #[error("Rank {rank} of the training failed: {why}")]
    Rank {
        /// The rank, from 0.
        rank: usize,
        /// Why, as it said itself or as it seems.
        why: String,
    },
    /// A loss or a weight is infinite or not a number.
    #[error(
        "The loss is {loss} at step {step} with learning rate {rate}; the first tensor that is not finite is `{tensor}`."
    )]
    NonFinite {
        /// The step, from 0.
        step: u64,
        /// The base learning rate at that step.
        rate: f32,
        /// The loss.
        loss: f64,
        /// The tensor.
        tensor: String,
    },
}

impl Error {
    /// A GPU that fails at `what`, with the words of its driver or library.
    pub fn gpu(what: &str, error: &candle_core::Error) -> Self {
        let text = error.to_string();
        // Behind the first line there may be where in this program it happened.
        let line = text.lines().next().unwrap_or_default();
        if line.contains("OUT_OF_MEMORY") {
            return Error::Device {
                message: format!("The GPU has too little memory for {what}: {line}."),
                hint: "Less memory is needed with a smaller batch or crop, or with `recompute`.".to_owned(),
            };
        }
        Error::Device {
            message: format!("The GPU failed at {what}: {line}."),
            hint: "Run again. If it fails again, `repro doctor --device cuda` checks the GPU and its libraries."
                .to_owned(),
        }
    }

    /// What to do; may be empty.
    pub fn hint(&self) -> &str {
        match self {
            Error::Device { hint, .. } => hint,
            Error::NonFinite { .. } => "Lower the learning rate, or check the images and the weights it started from.",
            Error::Rank { .. } => "The log tells what its process said last; one that ends early often lacked memory.",
            Error::Weights(_) => "Check that the file is whole and made for this encoder.",
            _ => "",
        }
    }
}

/// So that our layers are modules of candle, whose errors are candle's.
impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(error) => error,
            other => candle_core::Error::wrap(other),
        }
    }
}

/// The result of a numeric operation.
pub type Result<T> = std::result::Result<T, Error>;
