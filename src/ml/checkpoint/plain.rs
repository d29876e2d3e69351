//! Safetensors: a header in JSON, then the values as they are.

use prost::bytes::Bytes;
use safetensors::SafeTensors;

use super::error::{Error, Result};
use super::{Checkpoint, Tensor};

/// Reads a safetensors file.
pub fn read(content: Bytes) -> Result<Checkpoint> {
    let file = SafeTensors::deserialize(&content)
        .map_err(|error| Error::damaged("", format!("The file is not a whole safetensors file: {error}.")))?;
    let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        Tensor::new(name, view.dtype(), view.shape().to_vec(), content.slice_ref(view.data()))
    };
    Checkpoint::new("safetensors", file.tensors().into_iter().map(tensor).collect())
}
