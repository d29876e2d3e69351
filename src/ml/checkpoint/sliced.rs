//! TensorFlow V1: a table, or several, of `SavedTensorSlices`; the one without a key says what there is.
//! (TensorFlow, core/util/tensor_slice_reader.cc and tensor_slice_writer.cc.)

use std::collections::BTreeMap;

use prost::Message;
use prost::bytes::Bytes;
use safetensors::Dtype;

use super::content::Content;
use super::error::{Error, Result};
use super::partition::{Part, Partition};
use super::sstable::{self, Entries};
use super::tensorflow::{Shape, Slice, Values, dtype, ranges, shape};
use super::tensors::{Checkpoint, Source, Tensor, width};

/// `SavedTensorSlices`: what there is, or the values of a slice.
#[derive(Clone, PartialEq, Message)]
pub struct Saved {
    #[prost(message, optional, tag = "1")]
    pub meta: Option<Meta>,
    #[prost(message, optional, tag = "2")]
    pub data: Option<Data>,
}

/// `SavedTensorSliceMeta`.
#[derive(Clone, PartialEq, Message)]
pub struct Meta {
    #[prost(message, repeated, tag = "1")]
    pub tensor: Vec<SliceMeta>,
}

/// `SavedSliceMeta`: a tensor and the slices of it that are here.
#[derive(Clone, PartialEq, Message)]
pub struct SliceMeta {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
    #[prost(int32, tag = "3")]
    pub dtype: i32,
    #[prost(message, repeated, tag = "4")]
    pub slice: Vec<Slice>,
}

/// `SavedSlice`. The values stay as they lie in the file until they are asked for.
#[derive(Clone, PartialEq, Message)]
pub struct Data {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub slice: Option<Slice>,
    #[prost(bytes = "bytes", tag = "3")]
    pub values: Bytes,
}

/// A tensor while the files are read: its declaration, and its slices that were found.
struct Pieces {
    meta: SliceMeta,
    /// By the message of the slice.
    found: BTreeMap<Vec<u8>, Bytes>,
}

/// Reads a checkpoint: its first file, and the others.
pub fn read(name: &str, content: &Content, others: &[(String, Content)]) -> Result<Checkpoint> {
    let files = std::iter::once((name, content)).chain(others.iter().map(|(name, content)| (name.as_str(), content)));
    let entries = |(name, content)| Ok((name, sstable::entries(content).map_err(|error| error.of_file(name))?));
    assemble(files.map(entries).collect::<Result<_>>()?)
}

/// Reads the entries of its files, by name.
pub fn assemble(files: Vec<(&str, Entries)>) -> Result<Checkpoint> {
    let mut known: BTreeMap<String, Pieces> = BTreeMap::new();
    for (name, entries) in files {
        add(&mut known, entries).map_err(|error| error.of_file(name))?;
    }
    let (mut tensors, mut passed_over) = (Vec::new(), Vec::new());
    for (name, known) in known {
        match tensor(&name, known).map_err(|error| error.of_tensor(&name))? {
            Ok(tensor) => tensors.push(tensor),
            Err(why) => passed_over.push((name, why)),
        }
    }
    Ok(Checkpoint { passed_over, ..Checkpoint::new("TensorFlow V1", tensors)? })
}

/// Adds what one file declares and holds. A tensor may have slices in several files.
fn add(known: &mut BTreeMap<String, Pieces>, entries: Entries) -> Result<()> {
    let mut entries = entries.into_iter();
    let decode = |value: Bytes, place: &str| {
        Saved::decode(value).map_err(|error| Error::damaged(place, format!("The entry cannot be read: {error}.")))
    };
    let meta = match entries.next() {
        Some((key, value)) if key.is_empty() => decode(value, "the first entry")?.meta,
        _ => None,
    };
    let meta = meta.ok_or_else(|| Error::damaged("", "The entry that says what there is is missing."))?;
    for mut meta in meta.tensor {
        match known.get_mut(&meta.name) {
            None => drop(known.insert(meta.name.clone(), Pieces { meta, found: BTreeMap::new() })),
            Some(other) if other.meta.shape == meta.shape && other.meta.dtype == meta.dtype => {
                other.meta.slice.append(&mut meta.slice);
            }
            Some(_) => {
                let what = "Another part gives it another shape or type.";
                return Err(Error::damaged("", what).of_tensor(&meta.name));
            }
        }
    }
    for (key, value) in entries {
        let place = || format!("entry {}", key.escape_ascii());
        let data = decode(value, &place())?.data.ok_or_else(|| Error::damaged(place(), "The entry has no values."))?;
        let tensor = known.get_mut(&data.name).ok_or_else(|| {
            Error::damaged(place(), format!("The tensor `{}` is not among those that the file says it has.", data.name))
        })?;
        tensor.found.insert(data.slice.unwrap_or_default().encode_to_vec(), data.values);
    }
    Ok(())
}

fn tensor(name: &str, known: Pieces) -> Result<std::result::Result<Tensor, String>> {
    let dtype = match dtype(known.meta.dtype) {
        Ok(dtype) => dtype,
        Err(why) => return Ok(Err(why)),
    };
    let shape = shape(known.meta.shape.as_ref())?;
    let part = |slice: &Slice| {
        let ranges = ranges(slice, &shape)?;
        let values = known.found.get(&slice.encode_to_vec());
        let values = values.ok_or_else(|| Error::damaged("", "A slice of it is missing."))?;
        let count = ranges.iter().try_fold(1_usize, |product, (_, length)| product.checked_mul(*length));
        Ok(Part { ranges, source: Box::new(Encoded { dtype, count, values: values.clone() }) })
    };
    let parts = known.meta.slice.iter().map(part).collect::<Result<_>>()?;
    let partition = Partition::new(dtype, &shape, parts)?;
    Ok(Ok(Tensor::new(name, dtype, shape, partition)))
}

/// The values of a slice as a `TensorProto`.
struct Encoded {
    dtype: Dtype,
    count: Option<usize>,
    values: Bytes,
}

impl Source for Encoded {
    fn read(&self) -> Result<Bytes> {
        let values = Values::decode(self.values.clone())
            .map_err(|error| Error::damaged("", format!("Its values cannot be read: {error}.")))?;
        if !values.content.is_empty() {
            return Ok(values.content);
        }
        let bytes = match self.dtype {
            Dtype::F32 => Some(wide(&values.float, f32::to_le_bytes)),
            Dtype::F64 => Some(wide(&values.double, f64::to_le_bytes)),
            Dtype::I32 => Some(wide(&values.int, i32::to_le_bytes)),
            Dtype::I64 => Some(wide(&values.int64, i64::to_le_bytes)),
            Dtype::U32 => Some(wide(&values.uint32, u32::to_le_bytes)),
            Dtype::U64 => Some(wide(&values.uint64, u64::to_le_bytes)),
            Dtype::BOOL => Some(wide(&values.bool, |value| [u8::from(value)])),
            Dtype::U8 => narrow(&values.int, u8::to_le_bytes),
            Dtype::I8 => narrow(&values.int, i8::to_le_bytes),
            Dtype::I16 => narrow(&values.int, i16::to_le_bytes),
            Dtype::U16 => narrow(&values.int, u16::to_le_bytes),
            _ => narrow(&values.half, u16::to_le_bytes),
        };
        let out_of_range = || Error::damaged("", format!("A value of it is out of the range of {:?}.", self.dtype));
        let bytes = bytes.ok_or_else(out_of_range)?;
        let width = width(self.dtype).unwrap_or(1);
        if Some(bytes.len() / width) == self.count {
            return Ok(bytes.into());
        }
        let what = format!("A slice of it has {} values, which is not what its shape asks for.", bytes.len() / width);
        Err(Error::damaged("", what))
    }
}

fn wide<T: Copy, const N: usize>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| bytes(*value)).collect()
}

/// Types of less than 32 bits are kept as numbers of 32; none where one does not fit.
fn narrow<T: TryFrom<i32>, const N: usize>(values: &[i32], bytes: fn(T) -> [u8; N]) -> Option<Vec<u8>> {
    let values: Option<Vec<[u8; N]>> = values.iter().map(|value| T::try_from(*value).ok().map(bytes)).collect();
    Some(values?.concat())
}
