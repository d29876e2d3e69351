//! How tensors lie in memory.

use candle_core::{Storage, Tensor};

use super::error::{Error, Result};

/// Whether the elements lie in the order `N, H, W, C`.
pub fn is_channels_last(tensor: &Tensor) -> bool {
    tensor.permute((0, 2, 3, 1)).is_ok_and(|tensor| tensor.is_contiguous())
}

/// An error where an input shares memory with the output: it would be read while that is written.
pub fn check_apart(name: &str, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    let memory = |tensor: &Tensor| std::ptr::from_ref::<Storage>(&tensor.storage_and_layout().0);
    let written = memory(output);
    if inputs.iter().any(|input| memory(input) == written) {
        return Err(Error::Model(format!("An input of {name} shares memory with its output.")));
    }
    Ok(())
}
