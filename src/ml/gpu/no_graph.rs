//! A program built without CUDA captures nothing.

use candle_core::Device;

use crate::ml::error::{Error, Result};

/// Captured work, of which there is none.
#[derive(Debug)]
pub enum Graph {}

impl Graph {
    /// Asks for the work again.
    ///
    /// # Errors
    /// None: there is no such work.
    pub fn replay(&self) -> Result<()> {
        match *self {}
    }
}

/// Says that nothing can be captured.
///
/// # Errors
/// Always.
pub fn capture<T>(_: &Device, _: impl FnOnce() -> Result<T>) -> Result<(T, Graph)> {
    Err(Error::Device {
        message: "The passes of a step can be captured on a GPU only.".to_owned(),
        hint: "Train without `graph`.".to_owned(),
    })
}
