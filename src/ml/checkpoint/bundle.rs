//! TensorFlow V2, a "tensor bundle": an index, which is a table of `BundleEntryProto` by name, and files of raw values.
//! (TensorFlow, core/util/tensor_bundle/tensor_bundle.cc.)

use std::collections::BTreeMap;

use prost::Message;
use prost::bytes::Bytes;

use super::content::Content;
use super::error::{Error, Result};
use super::partition::{Part, Partition};
use super::sstable::{self, Entries};
use super::tensorflow::{Shape, Slice, dtype, ranges, shape, slice_key};
use super::tensors::{Checkpoint, Source, Tensor, size};

/// `BundleHeaderProto`, the entry without a key.
#[derive(Clone, PartialEq, Message)]
pub struct Header {
    #[prost(int32, tag = "1")]
    pub shards: i32,
    /// 0 is little.
    #[prost(int32, tag = "2")]
    pub endianness: i32,
}

/// `BundleEntryProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Entry {
    #[prost(int32, tag = "1")]
    pub dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
    #[prost(int32, tag = "3")]
    pub shard: i32,
    #[prost(int64, tag = "4")]
    pub offset: i64,
    #[prost(int64, tag = "5")]
    pub size: i64,
    /// Masked.
    #[prost(fixed32, tag = "6")]
    pub crc: u32,
    #[prost(message, repeated, tag = "7")]
    pub slices: Vec<Slice>,
}

/// Whether a table is an index: the message without a key starts with the number of files, not with a message.
pub fn is_index(table: &Content) -> bool {
    sstable::first(table).is_none_or(|value| value.first() != Some(&0x0a))
}

/// Reads an index, and the data files in their order.
pub fn read(index: &Content, data: &[(String, Content)]) -> Result<Checkpoint> {
    assemble(sstable::entries(index)?, data)
}

/// Reads the entries of an index.
pub fn assemble(entries: Entries, data: &[(String, Content)]) -> Result<Checkpoint> {
    let table: BTreeMap<Vec<u8>, Bytes> = entries.into_iter().collect();
    let header =
        table.get(&b""[..]).ok_or_else(|| Error::damaged("", "The entry that describes the index is missing."))?;
    let header = Header::decode(header.clone()).map_err(|error| Error::damaged("header", format!("{error}.")))?;
    if header.endianness != 0 {
        let hint = "Write it again on a little-endian machine.";
        return Err(Error::refused("header", "The values are big-endian.", hint));
    }
    let Ok(needed) = usize::try_from(header.shards) else {
        return Err(Error::damaged("header", format!("It says that it has {} data files.", header.shards)));
    };
    if needed != data.len() {
        let (found, first) = (data.len(), format!(".data-00000-of-{needed:05}"));
        let what = format!("It needs {needed} data files, the first ending in `{first}`; {found} lie beside it.");
        return Err(Error::refused("", what, "Fetch all parts into one folder."));
    }
    let (mut tensors, mut passed_over) = (Vec::new(), Vec::new());
    // Keys that start with a zero are slices, which the entries of their tensors lead to.
    for (key, value) in table.iter().filter(|(key, _)| key.first().is_some_and(|byte| *byte != 0)) {
        let name = String::from_utf8(key.clone())
            .map_err(|_| Error::damaged("", format!("The name {} is not UTF-8.", key.escape_ascii())))?;
        match tensor(&name, value, &table, data).map_err(|error| error.of_tensor(&name))? {
            Ok(tensor) => tensors.push(tensor),
            Err(why) => passed_over.push((name, why)),
        }
    }
    Ok(Checkpoint { passed_over, ..Checkpoint::new("TensorFlow V2", tensors)? })
}

fn entry(bytes: &Bytes) -> Result<Entry> {
    Entry::decode(bytes.clone()).map_err(|error| Error::damaged("", format!("Its entry cannot be read: {error}.")))
}

fn tensor(
    name: &str,
    bytes: &Bytes,
    table: &BTreeMap<Vec<u8>, Bytes>,
    data: &[(String, Content)],
) -> Result<std::result::Result<Tensor, String>> {
    let whole = entry(bytes)?;
    let dtype = match dtype(whole.dtype) {
        Ok(dtype) => dtype,
        Err(why) => return Ok(Err(why)),
    };
    let shape = shape(whole.shape.as_ref())?;
    if whole.slices.is_empty() {
        return Ok(Ok(Tensor::new(name, dtype, shape, Stored::find(&whole, data)?)));
    }
    let held: usize = data.iter().map(|(_, content)| content.len()).sum();
    if size(dtype, &shape).is_none_or(|size| size > held) {
        return Err(Error::damaged("", format!("Its shape {shape:?} is larger than the data files.")));
    }
    let part = |slice: &Slice| {
        let key = slice_key(name, slice);
        let stored = table.get(&key).ok_or_else(|| Error::damaged("", "A slice of it is missing."))?;
        let stored = Stored::find(&entry(stored)?, data)?;
        Ok(Part { ranges: ranges(slice, &shape)?, source: Box::new(stored) })
    };
    let parts = whole.slices.iter().map(part).collect::<Result<_>>()?;
    let partition = Partition::new(dtype, &shape, parts)?;
    Ok(Ok(Tensor::new(name, dtype, shape, partition)))
}

/// A tensor's bytes in a data file, with their checksum.
struct Stored {
    file: String,
    content: Option<Content>,
    place: String,
    crc: u32,
}

impl Stored {
    fn find(entry: &Entry, data: &[(String, Content)]) -> Result<Self> {
        let shard = usize::try_from(entry.shard).ok().and_then(|shard| data.get(shard));
        let (file, content) = shard
            .ok_or_else(|| Error::damaged("", format!("Its data file, number {}, is none of them.", entry.shard)))?;
        let offset = usize::try_from(entry.offset).ok();
        let part = offset
            .zip(usize::try_from(entry.size).ok())
            .and_then(|(offset, size)| content.part(offset..offset.checked_add(size)?));
        let place = format!("{} bytes from byte {}", entry.size, entry.offset);
        Ok(Stored { file: file.clone(), content: part, place, crc: entry.crc })
    }
}

impl Source for Stored {
    fn read(&self) -> Result<Bytes> {
        let wrong = |what| Error::damaged("", what).of_file(&self.file);
        let outside = || wrong(format!("Its {} do not lie within the file, which may be cut off.", self.place));
        let bytes = self.content.as_ref().ok_or_else(outside)?.read()?;
        let (stored, found) = (sstable::unmask(self.crc), crc32c::crc32c(&bytes));
        if stored == found {
            return Ok(bytes);
        }
        let place = &self.place;
        Err(wrong(format!("The checksum of its {place} is {stored:#010x}, but the values give {found:#010x}.")))
    }
}
