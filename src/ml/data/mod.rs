//! Images and labels: decoding, checking, indexing, augmenting, batching, and making.
//!
//! Invariants:
//! - a [`Sample`](list::Sample) names its files by relative paths with `/`; where they lie is the caller's business;
//! - decoders, resize and writers use integers or plain `f32` arithmetic: the same bytes on every instruction set;
//! - every fault of the data is reported, not the first: checks return lists of [`Fault`], cut where they are long;
//! - what a file claims is compared with [`bounds`] before memory, time or disk is taken for it;
//! - all draws are functions of (seed, purpose, index), so that nothing here has a state to save.

pub mod advice;
pub mod ahead;
pub mod archive;
pub mod augment;
pub mod bounds;
pub mod cityscapes;
pub mod colours;
pub mod crop;
mod fault;
mod format;
pub mod index;
pub mod info;
pub mod jpeg;
pub mod labels;
pub mod list;
pub mod look;
pub mod orientation;
pub mod photo;
pub mod pictures;
mod pngs;
pub mod raster;
pub mod sampler;
pub mod shapes;
pub mod source;
pub mod spelling;
#[cfg(test)]
pub(crate) mod steps;
mod strange;
pub mod subset;
mod tensors;
pub mod voc;

pub use fault::Fault;
pub use raster::{Image, Labels, Raster, Rgb};

use std::path::Path;

use crate::{fsio, syntax};

/// Why data could not be read, checked or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data are at fault; every fault that was found.
    #[error("{}", lines(.0))]
    Faults(Vec<Fault>),
    /// The disk refused.
    #[error(transparent)]
    Io(#[from] fsio::Error),
    /// A tensor could not be made.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error::Faults(vec![fault])
    }
}

impl Error {
    /// The faults of the data; none where another thing failed.
    #[cfg(test)]
    pub fn faults(&self) -> &[Fault] {
        match self {
            Error::Faults(faults) => faults,
            _ => &[],
        }
    }
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads a file of the data, of at most [`bounds::FILE`] bytes; one that cannot be read is a fault of `place`.
fn read(path: &Path, place: &str) -> Result<Vec<u8>, Fault> {
    fsio::read_within(path, bounds::FILE).map_err(|error| {
        if error.is_missing() {
            let near =
                spelling::nearest(path).map(|name| format!("`{}` lies there: is it meant?", syntax::shown(&name)));
            let hint = near.as_deref().unwrap_or("Check the list against the folder that the data root names.");
            Fault::new(place, format!("The file is not there (looked for `{}`).", path.display()), hint)
        } else {
            Fault::new(place, error.to_string(), error.hint())
        }
    })
}

/// The values in order, or every fault of all results; another error than faults stands alone.
fn all<T>(results: Vec<Result<T, Error>>) -> Result<Vec<T>, Error> {
    let mut values = Vec::with_capacity(results.len());
    let mut faults = bounds::Faults::default();
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(Error::Faults(more)) => faults.extend(more),
            Err(other) => return Err(other),
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(Error::Faults(faults.into_vec())) }
}

/// Both values, or the faults of both.
fn both<A, B>(a: Result<A, Fault>, b: Result<B, Fault>) -> Result<(A, B), Error> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (a, b) => Err(Error::Faults(a.err().into_iter().chain(b.err()).collect())),
    }
}
