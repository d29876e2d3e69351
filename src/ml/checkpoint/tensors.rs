//! What every reader of weights makes: tensors by name, whose values are read when they are asked for; and how much of
//! them a file may claim.

use std::collections::BTreeMap;
use std::fmt;

use prost::bytes::Bytes;
use safetensors::Dtype;

use super::error::{Error, Result};

/// A file of weights that was opened: what it holds is known, its values are read one tensor at a time.
#[derive(Debug)]
pub struct Checkpoint {
    /// The format, as "TensorFlow V2".
    pub format: &'static str,
    /// The tensors, sorted by name.
    pub tensors: Vec<Tensor>,
    /// What has a name but no numbers that could be read, as a tensor of strings: the name and the reason.
    pub passed_over: Vec<(String, String)>,
    /// What a safetensors file says of itself, by name.
    pub metadata: BTreeMap<String, String>,
}

impl Checkpoint {
    /// A file of this format with these tensors, whose names differ.
    ///
    /// # Errors
    /// Two tensors of one name, a name that is too long or has control characters, and too many dimensions.
    pub(super) fn new(format: &'static str, mut tensors: Vec<Tensor>) -> Result<Self> {
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        for Tensor { name, shape, .. } in &tensors {
            if name.len() > NAME || name.chars().any(char::is_control) {
                let what = format!("A tensor's name has control characters or over {NAME} bytes: `{name}`.");
                return Err(Error::damaged("", what));
            }
            if shape.len() > RANK {
                return Err(Error::damaged("", format!("It has {} dimensions.", shape.len())).of_tensor(name));
            }
        }
        match tensors.windows(2).find(|pair| pair[0].name == pair[1].name) {
            None => Ok(Checkpoint { format, tensors, passed_over: Vec::new(), metadata: BTreeMap::new() }),
            Some(pair) => Err(Error::damaged("", format!("Two tensors have the name `{}`.", pair[0].name))),
        }
    }

    /// The same checkpoint, read from files of `held` bytes.
    ///
    /// # Errors
    /// Its tensors together are far more than its files. A tensor that is so by itself is an error when it is read.
    pub(super) fn within(self, held: usize) -> Result<Self> {
        let sizes = self.tensors.iter().filter_map(|tensor| size(tensor.dtype, &tensor.shape));
        let all: usize = sizes.filter(|size| *size <= limit(held)).fold(0, usize::saturating_add);
        if all <= limit(held) {
            return Ok(self);
        }
        let what = format!("The tensors have {all} bytes together, and the files {held}: they lie over one another.");
        Err(Error::refused("", what, "Save each tensor with values of its own, and without compression."))
    }
}

/// A tensor in a file.
pub struct Tensor {
    /// The name in the file.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its shape, in the file's order of axes.
    pub shape: Vec<usize>,
    source: Box<dyn Source>,
}

/// Where a tensor's values come from.
pub(super) trait Source: Send + Sync {
    /// The values: little-endian and row-major, as many bytes as type and shape ask for.
    fn read(&self) -> Result<Bytes>;
}

impl Tensor {
    pub(super) fn new(name: impl Into<String>, dtype: Dtype, shape: Vec<usize>, source: impl Source + 'static) -> Self {
        Tensor { name: name.into(), dtype, shape, source: Box::new(source) }
    }

    /// The values: little-endian and row-major. Checksums are compared here.
    pub fn bytes(&self) -> Result<Bytes> {
        let bytes = self.source.read().map_err(|error| error.of_tensor(&self.name))?;
        if size(self.dtype, &self.shape) == Some(bytes.len()) {
            return Ok(bytes);
        }
        let what = format!("The shape {:?} does not go with {} bytes of {:?}.", self.shape, bytes.len(), self.dtype);
        Err(Error::damaged("", what).of_tensor(&self.name))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} {:?}", self.name, self.dtype, self.shape)
    }
}

/// The elements of a shape; none where they are more than can be counted.
pub(super) fn elements(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))
}

/// The bytes of an element; none for types smaller than a byte.
pub(super) fn width(dtype: Dtype) -> Option<usize> {
    let bits = dtype.bitsize();
    bits.is_multiple_of(8).then_some(bits / 8)
}

/// The bytes of a tensor; none where they are more than can be counted.
pub(super) fn size(dtype: Dtype, shape: &[usize]) -> Option<usize> {
    elements(shape)?.checked_mul(width(dtype)?)
}

/// The bytes that may become of a file's: what compression, shared bytes and the like can make of weights that someone
/// trained is far less.
pub(super) fn limit(held: usize) -> usize {
    held.saturating_mul(32).saturating_add(16 << 20)
}

/// The bytes that a name may have, and the dimensions a tensor; both are far above what any program writes.
pub(super) const NAME: usize = 4096;
pub(super) const RANK: usize = 32;
