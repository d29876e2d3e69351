//! A program built without CUDA records nothing.

use candle_core::Device;

use crate::ml::error::{Error, Result};

/// Recorded work, of which there is none.
#[derive(Debug)]
pub enum Graph {}

impl Graph {
    /// Asks for the work again.
    pub fn run(&self) -> Result<()> {
        match *self {}
    }
}

/// Says that nothing can be recorded.
pub fn record<T>(_: &Device, _: impl FnOnce() -> Result<T>) -> Result<(T, Graph)> {
    Err(Error::Device {
        message: "The passes of a step can be recorded on a GPU alone.".to_owned(),
        hint: "Train without `graph`.".to_owned(),
    })
}
