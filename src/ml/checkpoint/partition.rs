//! Tensors that a checkpoint holds in slices: what TensorFlow calls partitioned variables.

use prost::bytes::Bytes;
use safetensors::Dtype;

use super::error::{Error, Result};
use super::tensors::{Source, elements, size, width};

/// A slice: where it starts and how long it is, a dimension each, and its values.
pub struct Part {
    pub ranges: Vec<(usize, usize)>,
    pub source: Box<dyn Source>,
}

/// A tensor that is put together from slices along one dimension, each of which is whole in all others.
pub struct Partition {
    dtype: Dtype,
    /// Elements before the dimension, and bytes behind an index of it.
    outer: usize,
    inner: usize,
    /// The lengths along it, in order.
    parts: Vec<(usize, Box<dyn Source>)>,
}

impl Partition {
    /// Puts slices in order.
    ///
    /// # Errors
    /// They overlap, leave a gap, or are cut along several dimensions.
    pub fn new(dtype: Dtype, shape: &[usize], mut parts: Vec<Part>) -> Result<Self> {
        let cut = |axis: &usize| parts.iter().any(|part| part.ranges[*axis] != (0, shape[*axis]));
        let axes: Vec<usize> = (0..shape.len()).filter(cut).collect();
        let &axis = match &axes[..] {
            [] => &0,
            [axis] => axis,
            _ => {
                let hint = "Save the variable whole, or cut along one dimension.";
                return Err(Error::refused("", "It is cut along several dimensions, which is not read.", hint));
            }
        };
        let extent = |part: &Part| part.ranges.get(axis).copied().unwrap_or((0, 1));
        parts.sort_by_key(|part| extent(part));
        let mut end = 0;
        for part in &parts {
            let (start, length) = extent(part);
            if start != end {
                return Err(Error::damaged(
                    "",
                    format!("Its slices overlap or leave a gap at {end} of dimension {axis}."),
                ));
            }
            end = start + length;
        }
        if end != shape.get(axis).copied().unwrap_or(1) {
            return Err(Error::damaged("", format!("Its slices end at {end} of dimension {axis}.")));
        }
        let product = |sizes: &[usize]| elements(sizes).ok_or_else(|| Error::damaged("", "Its shape is too large."));
        let inner = product(shape.get(axis + 1..).unwrap_or_default())?.checked_mul(width(dtype).unwrap_or(1));
        Ok(Partition {
            dtype,
            outer: product(&shape[..axis])?,
            inner: inner.ok_or_else(|| Error::damaged("", "Its shape is too large."))?,
            parts: parts.into_iter().map(|part| (extent(&part).1, part.source)).collect(),
        })
    }
}

impl Source for Partition {
    fn read(&self) -> Result<Bytes> {
        let mut read = Vec::with_capacity(self.parts.len());
        for (length, source) in &self.parts {
            let bytes = source.read()?;
            let row = length.checked_mul(self.inner);
            if size(Dtype::U8, &[self.outer, row.unwrap_or(usize::MAX)]) != Some(bytes.len()) {
                let what =
                    format!("A slice of it has {} bytes of {:?}, which is not its shape.", bytes.len(), self.dtype);
                return Err(Error::damaged("", what));
            }
            read.push((row.unwrap_or_default(), bytes));
        }
        if let [(_, bytes)] = &read[..] {
            return Ok(bytes.clone());
        }
        let mut out = Vec::with_capacity(read.iter().map(|(_, bytes)| bytes.len()).sum());
        for at in 0..self.outer {
            for (row, bytes) in &read {
                out.extend_from_slice(&bytes[at * row..(at + 1) * row]);
            }
        }
        Ok(out.into())
    }
}
