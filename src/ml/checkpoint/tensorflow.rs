//! What both of TensorFlow's formats share: their messages, types, shapes, and slices of tensors.
//!
//! Only the fields that matter are declared; the numbers are those of TensorFlow's protocol buffers
//! (core/framework/{types,tensor,tensor_shape,tensor_slice}.proto, core/protobuf/{tensor_bundle,saved_tensor_slice}.proto).

use prost::Message;
use prost::bytes::Bytes;
use safetensors::Dtype;

use super::error::{Error, Result};

/// `TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    #[prost(message, repeated, tag = "2")]
    pub dim: Vec<Dim>,
    #[prost(bool, tag = "3")]
    pub unknown_rank: bool,
}

/// `TensorShapeProto.Dim`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Dim {
    #[prost(int64, tag = "1")]
    pub size: i64,
}

/// `TensorSliceProto`: an extent a dimension.
#[derive(Clone, PartialEq, Message)]
pub struct Slice {
    #[prost(message, repeated, tag = "1")]
    pub extent: Vec<Extent>,
}

/// `TensorSliceProto.Extent`. Without a length it is the whole dimension.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Extent {
    #[prost(int64, tag = "1")]
    pub start: i64,
    #[prost(int64, optional, tag = "2")]
    pub length: Option<i64>,
}

/// `TensorProto`: the values in one of its fields, by type.
#[derive(Clone, PartialEq, Message)]
pub struct Values {
    #[prost(bytes = "bytes", tag = "4")]
    pub content: Bytes,
    #[prost(float, repeated, tag = "5")]
    pub float: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    pub double: Vec<f64>,
    #[prost(int32, repeated, tag = "7")]
    pub int: Vec<i32>,
    #[prost(int64, repeated, tag = "10")]
    pub int64: Vec<i64>,
    #[prost(bool, repeated, tag = "11")]
    pub bool: Vec<bool>,
    #[prost(int32, repeated, tag = "13")]
    pub half: Vec<i32>,
    #[prost(uint32, repeated, tag = "16")]
    pub uint32: Vec<u32>,
    #[prost(uint64, repeated, tag = "17")]
    pub uint64: Vec<u64>,
}

/// The type of a `DataType`; a word on those that have no numbers that could be read.
pub fn dtype(number: i32) -> std::result::Result<Dtype, String> {
    Ok(match number {
        1 => Dtype::F32,
        2 => Dtype::F64,
        3 => Dtype::I32,
        4 => Dtype::U8,
        5 => Dtype::I16,
        6 => Dtype::I8,
        9 => Dtype::I64,
        10 => Dtype::BOOL,
        14 => Dtype::BF16,
        17 => Dtype::U16,
        19 => Dtype::F16,
        22 => Dtype::U32,
        23 => Dtype::U64,
        7 => return Err("holds texts".to_owned()),
        other => return Err(format!("has TensorFlow's type {other}, which is not read")),
    })
}

/// A shape in numbers.
pub fn shape(shape: Option<&Shape>) -> Result<Vec<usize>> {
    let none = Shape::default();
    let shape = shape.unwrap_or(&none);
    let sizes: Option<Vec<usize>> = shape.dim.iter().map(|dim| usize::try_from(dim.size).ok()).collect();
    sizes
        .filter(|_| !shape.unknown_rank)
        .ok_or_else(|| Error::damaged("", "Its shape is unknown or has a negative dimension."))
}

/// Where a slice starts and how long it is, a dimension each, within a tensor of this shape.
pub fn ranges(slice: &Slice, shape: &[usize]) -> Result<Vec<(usize, usize)>> {
    let wrong = || Error::damaged("", format!("A slice of it does not lie within its shape {shape:?}."));
    // A slice of a scalar, or of the whole, may have no extents at all.
    if slice.extent.is_empty() {
        return Ok(shape.iter().map(|size| (0, *size)).collect());
    }
    if slice.extent.len() != shape.len() {
        return Err(wrong());
    }
    let range = |(extent, size): (&Extent, &usize)| {
        let start = usize::try_from(extent.start).ok()?;
        let length = match extent.length {
            None => size.checked_sub(start)?,
            Some(length) => usize::try_from(length).ok()?,
        };
        (start.checked_add(length)? <= *size).then_some((start, length))
    };
    slice.extent.iter().zip(shape).map(range).collect::<Option<_>>().ok_or_else(wrong)
}

/// The key of a slice in a table: a zero, the name, the rank, then start and length of each dimension in TensorFlow's
/// order-preserving code, the whole of a dimension being 0 and -1 (core/util/saved_tensor_slice_util.cc).
pub fn slice_key(name: &str, slice: &Slice) -> Vec<u8> {
    let mut key = vec![0];
    for byte in name.bytes() {
        match byte {
            0 => key.extend([0, 0xff]),
            0xff => key.extend([0xff, 0]),
            other => key.push(other),
        }
    }
    key.extend([0, 1]);
    let rank = (slice.extent.len() as u64).to_be_bytes();
    let zeros = rank.iter().take_while(|byte| **byte == 0).count();
    key.push((rank.len() - zeros) as u8);
    key.extend(&rank[zeros..]);
    for extent in &slice.extent {
        signed(&mut key, extent.start);
        signed(&mut key, extent.length.unwrap_or(-1));
    }
    key
}

/// A signed number so that the order of bytes is the order of numbers (core/lib/strings/ordered_code.cc): as many
/// leading ones (zeros where it is negative) as it has bytes, then its two's complement, big-endian.
fn signed(out: &mut Vec<u8>, value: i64) {
    let magnitude = if value < 0 { !value } else { value } as u64;
    let bits = (64 - magnitude.leading_zeros()) as usize;
    let len = bits / 7 + 1;
    let sign = if value < 0 { 0xff } else { 0 };
    let mut bytes = [sign; 10];
    bytes[2..].copy_from_slice(&value.to_be_bytes());
    let bytes = &mut bytes[10 - len..];
    let header = !(u16::MAX.checked_shr(len as u32).unwrap_or(0));
    let [first, second] = header.to_be_bytes();
    bytes[0] ^= first;
    if len > 1 {
        bytes[1] ^= second;
    }
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_have_the_keys_of_ordered_code() {
        let slice = Slice { extent: vec![Extent { start: 3, length: Some(2) }, Extent { start: 0, length: None }] };
        assert_eq!(slice_key("a\0", &slice), [0, b'a', 0, 0xff, 0, 1, 1, 2, 0x83, 0x82, 0x80, 0x7f]);
        let code = |value| {
            let mut out = Vec::new();
            signed(&mut out, value);
            out
        };
        assert_eq!((code(63), code(64)), (vec![0xbf], vec![0xc0, 0x40]));
        assert_eq!((code(-64), code(-65)), (vec![0x40], vec![0x3f, 0xbf]));
        let numbers =
            [i64::MIN, -1 << 40, -70000, -8193, -8192, -65, -1, 0, 64, 8191, 8192, 1 << 20, 1 << 62, i64::MAX];
        for pair in numbers.windows(2) {
            assert!(code(pair[0]) < code(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn slices_lie_within_their_tensor() {
        let slice = |start, length| Slice { extent: vec![Extent { start, length }] };
        assert_eq!(ranges(&slice(2, None), &[5]).unwrap(), [(2, 3)]);
        for (start, length) in [(0, Some(6)), (6, None), (-1, Some(1)), (i64::MAX, Some(i64::MAX)), (0, Some(-1))] {
            assert!(ranges(&slice(start, length), &[5]).is_err(), "{start} {length:?}");
        }
    }
}
