//! Safetensors: a header in JSON, then the values as they are.

use std::fmt::Display;

use safetensors::tensor::{Metadata, TensorInfo};

use super::content::Content;
use super::error::{Error, Result};
use super::tensors::{Checkpoint, Source as _, Tensor, size};

/// The bytes that a header may have: what the format's own library takes.
const HEADER: u64 = 100_000_000;

/// Writes tensors as they are: names, types, shapes and bytes, one after the other. The bytes are those of
/// `safetensors::serialize`.
pub fn write(tensors: &[Tensor], put: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let hint = "Leave the tensor out where it was made.";
    let cannot = |what: &dyn Display| Error::refused("", format!("Safetensors cannot hold this: {what}."), hint);
    let mut tensors: Vec<&Tensor> = tensors.iter().collect();
    // The library's order.
    tensors.sort_by(|a, b| b.dtype.cmp(&a.dtype).then_with(|| a.name.cmp(&b.name)));
    let (mut places, mut end) = (Vec::with_capacity(tensors.len()), 0);
    for tensor in &tensors {
        let bytes = size(tensor.dtype, &tensor.shape).and_then(|size| Some((end, size.checked_add(end)?)));
        let data_offsets = bytes.ok_or_else(|| cannot(&format!("{tensor:?}")))?;
        end = data_offsets.1;
        let info = TensorInfo { dtype: tensor.dtype, shape: tensor.shape.clone(), data_offsets };
        places.push((tensor.name.clone(), info));
    }
    let header = Metadata::new(None, places).map_err(|error| cannot(&error))?;
    let mut header = serde_json::to_vec(&header).map_err(|error| cannot(&error))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    put(&(header.len() as u64).to_le_bytes())?;
    put(&header)?;
    tensors.iter().try_for_each(|tensor| put(&tensor.bytes()?))
}

/// Reads a safetensors file: its header, and where in it each tensor is.
pub fn read(content: &Content) -> Result<Checkpoint> {
    let wrong = |what: String| Error::damaged("", format!("The file is not a whole safetensors file: {what}."));
    let start = content.start(8)?;
    let length = start.first_chunk().map(|eight| u64::from_le_bytes(*eight));
    let length = length.filter(|length| *length <= HEADER.min(content.len() as u64 - 8)).ok_or_else(|| {
        let claimed = length.map_or("too short".to_owned(), |length| format!("of {length} bytes"));
        wrong(format!("its header is {claimed}, in a file of {} bytes", content.len()))
    })?;
    let values = 8 + length as usize;
    let header = content.part(8..values).map(|header| header.read()).transpose()?.unwrap_or_default();
    let header: Metadata = serde_json::from_slice(&header).map_err(|error| wrong(error.to_string()))?;
    let mut infos: Vec<_> = header.tensors().into_iter().collect();
    infos.sort_unstable_by(|(a, x), (b, y)| (x.data_offsets, a).cmp(&(y.data_offsets, b)));
    let behind = infos.iter().try_fold(0, |end, (_, info)| (info.data_offsets.0 == end).then_some(info.data_offsets.1));
    match behind {
        None => return Err(wrong("its tensors overlap, or leave a gap".to_owned())),
        Some(needed) if needed != content.len() - values => {
            let held = content.len() - values;
            return Err(wrong(format!("its tensors need {needed} bytes, and there are {held}")));
        }
        Some(_) => {}
    }
    let mut tensors = Vec::with_capacity(infos.len());
    for (name, info) in infos {
        let (start, end) = info.data_offsets;
        // Some of their types are smaller than a byte, and not read here.
        let part = content.part(values + start..values + end);
        let part = part.filter(|part| size(info.dtype, &info.shape).is_none_or(|size| size == part.len()));
        let part = part.ok_or_else(|| {
            let what = format!("Its bytes {start} to {end} are not those of {:?} {:?}.", info.dtype, info.shape);
            Error::damaged("", what).of_tensor(&name)
        })?;
        tensors.push(Tensor::new(name, info.dtype, info.shape.clone(), part));
    }
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok(Checkpoint { metadata, ..Checkpoint::new("safetensors", tensors)? })
}
