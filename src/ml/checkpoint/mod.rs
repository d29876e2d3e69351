//! Files of weights, whoever wrote them: TensorFlow's checkpoints (V1 and V2), PyTorch's `.pth`, NumPy's `.npz`, and
//! safetensors.
//!
//! Invariants:
//! - a file is recognised by its content, never by its extension alone;
//! - nothing in a file is executed; a pickle is read by an interpreter that knows a few names and refuses all others;
//! - whatever a file says of sizes, no more is allocated than the file has bytes, times a constant ([`limit`]): neither
//!   compression nor tensors that share their bytes nor names that share theirs make more of it;
//! - every checksum that a format has is compared, at the latest when the tensor is read;
//! - a file is opened by what says what there is; the values of a tensor are read, from the disk, when they are asked for;
//! - values are handed out as they lie in the file: little-endian, row-major, their axes in the file's order.
//!
//! Damaged files of every format are a property test in `tests`, files that lie are in `hostile`, and `fuzz/` has targets
//! for cargo-fuzz; `cargo test --release checkpoint` runs the former.
//!
//! A format is one file here: a function from bytes to a [`Checkpoint`], and how one of its tensors is read.

mod bundle;
mod content;
mod error;
mod files;
pub mod fuzz;
#[cfg(test)]
mod hostile;
mod npz;
mod partition;
mod pickle;
mod plain;
mod sliced;
mod sstable;
mod state_dict;
mod strided;
mod tensorflow;
#[cfg(test)]
mod tests;
mod torch;
mod zipped;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use prost::bytes::Bytes;
pub use safetensors::Dtype;

use content::Content;
pub use error::{Error, Result};
pub use files::Files;

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
trait Source: Send + Sync {
    /// The values: little-endian and row-major, as many bytes as type and shape ask for.
    fn read(&self) -> Result<Bytes>;
}

impl Tensor {
    fn new(name: impl Into<String>, dtype: Dtype, shape: Vec<usize>, source: impl Source + 'static) -> Self {
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

    /// The values of an f32 tensor; none where it has another type.
    pub fn floats(&self) -> Result<Option<Vec<f32>>> {
        if self.dtype != Dtype::F32 {
            return Ok(None);
        }
        let bytes = self.bytes()?;
        Ok(Some(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} {:?}", self.name, self.dtype, self.shape)
    }
}

/// The elements of a shape; none where they are more than can be counted.
fn elements(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))
}

/// The bytes of an element; none for types smaller than a byte.
fn width(dtype: Dtype) -> Option<usize> {
    let bits = dtype.bitsize();
    bits.is_multiple_of(8).then_some(bits / 8)
}

/// The bytes of a tensor; none where they are more than can be counted.
fn size(dtype: Dtype, shape: &[usize]) -> Option<usize> {
    elements(shape)?.checked_mul(width(dtype)?)
}

/// The bytes that may become of a file's: what compression, shared bytes and the like can make of weights that someone
/// trained is far less.
fn limit(held: usize) -> usize {
    held.saturating_mul(32).saturating_add(16 << 20)
}

/// The bytes that a name may have, and the dimensions a tensor; both are far above what any program writes.
const NAME: usize = 4096;
const RANK: usize = 32;

impl Checkpoint {
    fn new(format: &'static str, mut tensors: Vec<Tensor>) -> Result<Self> {
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

    /// Opens the weights behind `path`: a file of any format, or the prefix, the index or any part of a checkpoint
    /// that is several files.
    ///
    /// # Errors
    /// A missing file or part, an unknown format, a header or an index that is not whole. Tensors that are damaged
    /// are found when they are read.
    pub fn open(path: &Path) -> Result<Self> {
        let files = Files::find(path)?;
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let first = name(&files.first);
        let open = |path: &std::path::PathBuf| Ok((name(path), Content::open(path)?));
        let others: Vec<(String, Content)> = files.others.iter().map(open).collect::<Result<_>>()?;
        Checkpoint::of(&first, &Content::open(&files.first)?, &others)
    }

    /// The tensors as a safetensors file: names, types, shapes and bytes as they are.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write_safetensors(&mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// The same, handed to `put` in parts, of which the largest is a tensor.
    pub fn write_safetensors(&self, put: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        plain::write(&self.tensors, put)
    }

    /// Reads weights from the content of their files: that of the first, and those of the others in their order, all
    /// with their names.
    pub fn read(name: &str, content: Bytes, others: &[(String, Bytes)]) -> Result<Self> {
        let others: Vec<_> = others.iter().map(|(name, bytes)| (name.clone(), bytes.clone().into())).collect();
        Checkpoint::of(name, &content.into(), &others)
    }

    fn of(name: &str, content: &Content, others: &[(String, Content)]) -> Result<Self> {
        let others_hold = others.iter().map(|(_, content)| content.len()).fold(0, usize::saturating_add);
        let held = content.len().saturating_add(others_hold);
        let read = Format::of(name, content).and_then(|format| match format {
            Some(Format::TensorFlowV2) => bundle::read(content, others),
            Some(Format::TensorFlowV1) => sliced::read(name, content, others),
            Some(Format::Zip) => zipped::read(content),
            Some(Format::Pickle) => torch::read_legacy(content),
            Some(Format::Safetensors) => plain::read(content),
            None => Err(unknown(content)),
        });
        read.and_then(|file| file.within(held)).map_err(|error| error.of_file(name))
    }

    /// The same where its tensors are not together far more than the `held` bytes of its files. A tensor that is that by
    /// itself is an error of its own when it is read.
    fn within(self, held: usize) -> Result<Self> {
        let sizes = self.tensors.iter().filter_map(|tensor| size(tensor.dtype, &tensor.shape));
        let all: usize = sizes.filter(|size| *size <= limit(held)).fold(0, usize::saturating_add);
        if all <= limit(held) {
            return Ok(self);
        }
        let what = format!("The tensors have {all} bytes together, and the files {held}: they lie over one another.");
        Err(Error::refused("", what, "Save each tensor with values of its own, and without compression."))
    }
}

/// The formats, as far as the first and last bytes tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    TensorFlowV2,
    TensorFlowV1,
    Zip,
    Pickle,
    Safetensors,
}

impl Format {
    /// The format of a file with this content. A name decides only between faults: what calls itself an index or a
    /// checkpoint and is none is told as that.
    fn of(name: &str, content: &Content) -> Result<Option<Self>> {
        if content.ends_with(&sstable::MAGIC)? {
            return Ok(Some(if bundle::is_index(content) { Format::TensorFlowV2 } else { Format::TensorFlowV1 }));
        }
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        Ok(match &content.start(16)?[..] {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Format::Zip),
            [0x80, ..] if extension != "safetensors" => Some(Format::Pickle),
            [_, _, _, _, _, _, _, _, b'{', ..] => Some(Format::Safetensors),
            _ => match extension {
                "index" => Some(Format::TensorFlowV2),
                "ckpt" => Some(Format::TensorFlowV1),
                "npz" => Some(Format::Zip),
                "safetensors" => Some(Format::Safetensors),
                _ => None,
            },
        })
    }
}

fn unknown(content: &Content) -> Error {
    let what = match content.len() {
        0 => "The file is empty.",
        _ => {
            "The file is in none of the formats that are read: TensorFlow V1 and V2, PyTorch, safetensors, NumPy's npz."
        }
    };
    let hint = "Name a whole file of weights; a TensorFlow checkpoint ends with a magic number, so one that was cut off is not recognised.";
    Error::refused("", what, hint)
}
