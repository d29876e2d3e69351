//! Safetensors: a header in JSON, then the values as they are.

use prost::bytes::Bytes;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use super::error::{Error, Result};
use super::{Checkpoint, Tensor};

/// Writes tensors as they are: names, types, shapes and bytes.
pub fn write(tensors: &[Tensor]) -> Result<Vec<u8>> {
    let wrong = |error: safetensors::SafeTensorError| {
        Error::refused("", format!("Safetensors cannot hold this: {error}."), "Leave the tensor out where it was made.")
    };
    let values: Vec<Bytes> = tensors.iter().map(Tensor::bytes).collect::<Result<_>>()?;
    let mut views = Vec::with_capacity(tensors.len());
    for (tensor, bytes) in tensors.iter().zip(&values) {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), bytes).map_err(wrong)?;
        views.push((tensor.name.as_str(), view));
    }
    safetensors::serialize(views, None).map_err(wrong)
}

/// Reads a safetensors file.
pub fn read(content: Bytes) -> Result<Checkpoint> {
    let file = SafeTensors::deserialize(&content)
        .map_err(|error| Error::damaged("", format!("The file is not a whole safetensors file: {error}.")))?;
    let tensor = |(name, view): (String, TensorView<'_>)| {
        Tensor::new(name, view.dtype(), view.shape().to_vec(), content.slice_ref(view.data()))
    };
    Checkpoint::new("safetensors", file.tensors().into_iter().map(tensor).collect())
}
