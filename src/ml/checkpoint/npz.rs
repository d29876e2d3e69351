//! NumPy's `.npz`: an archive of `.npy`, each a magic word, a header in Python's notation, and the values. A `.npy` by itself
//! is a file of one tensor. Arrays of objects are pickles, which are not read.
//! (NumPy, doc/neps/nep-0001-npy-format.rst.)

use prost::bytes::Bytes;
use safetensors::Dtype;

use super::archive::Archive;
use super::content::Content;
use super::error::{Error, Result};
use super::strided::Strided;
use super::tensors::{Checkpoint, Source, Tensor, size, width};

/// The bytes that an array's header may have: type, order and shape take a hundred, the names of a structure's fields more.
const HEADER: usize = 1 << 20;

/// What an array of objects is.
const PICKLED: &str = "is a pickled object of Python, which is not read";

/// Reads every array of an archive, under its name without `.npy`.
pub fn read(mut archive: Archive) -> Result<Checkpoint> {
    let mut found = Vec::new();
    for entry in archive.names.clone() {
        let Some(name) = entry.strip_suffix(".npy") else {
            found.push((entry, Err("is no array of NumPy's".to_owned())));
            continue;
        };
        let content = archive.entry(&entry)?.ok_or_else(|| Error::damaged("", "It is not in the archive."))?;
        let array = array(name, &content).map_err(|error| error.of_tensor(name))?;
        found.push((name.to_owned(), array));
    }
    collect("NumPy npz", found)
}

/// Reads a file of one array, under the file's name without `.npy`.
pub fn read_one(file: &str, content: &Content) -> Result<Checkpoint> {
    let name = file.strip_suffix(".npy").unwrap_or(file);
    let array = array(name, content).map_err(|error| error.of_tensor(name))?;
    collect("NumPy npy", vec![(name.to_owned(), array)])
}

/// The arrays that are tensors, and those that are not.
///
/// # Errors
/// All that could be read are pickles.
fn collect(format: &'static str, found: Vec<(String, std::result::Result<Tensor, String>)>) -> Result<Checkpoint> {
    let (mut tensors, mut passed_over) = (Vec::new(), Vec::new());
    for (name, array) in found {
        match array {
            Ok(tensor) => tensors.push(tensor),
            Err(why) => passed_over.push((name, why)),
        }
    }
    match passed_over.iter().find(|(_, why)| why == PICKLED).filter(|_| tensors.is_empty()) {
        Some((name, why)) => {
            let what = format!("The file holds no arrays of numbers: `{name}` {why}, as a dictionary becomes one.");
            Err(Error::refused(
                "",
                what,
                "Save each array under its own name: numpy.savez(\"weights.npz\", **weights).",
            ))
        }
        None => Ok(Checkpoint { passed_over, ..Checkpoint::new(format, tensors)? }),
    }
}

/// Reads an array; why it is no tensor, where it is none.
pub fn array(name: &str, content: &Content) -> Result<std::result::Result<Tensor, String>> {
    let wrong = |what: &str| Error::damaged("", what);
    let head = content.start(HEADER)?;
    let length = |from: usize, to: usize| {
        let bytes = head.get(from..to)?;
        Some(bytes.iter().rev().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let (start, count) = match head.get(..8) {
        Some([0x93, b'N', b'U', b'M', b'P', b'Y', 1, _]) => (10, length(8, 10)),
        Some([0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _]) => (12, length(8, 12)),
        _ => return Err(wrong("It is not an array of a known version of NumPy's format.")),
    };
    let end = count.map(|count| start + count).filter(|end| *end <= head.len());
    let end = end.ok_or_else(|| wrong("Its header is cut off, or has over a million bytes."))?;
    let header = std::str::from_utf8(&head[start..end]).ok().and_then(Header::parse);
    let header = header.ok_or_else(|| wrong("Its header cannot be read."))?;
    if header.descr.ends_with('O') {
        return Ok(Err(PICKLED.to_owned()));
    }
    let Some((dtype, big)) = dtype(&header.descr) else {
        return Ok(Err(format!("has NumPy's type `{}`, which is not read", header.descr)));
    };
    let values = content.part(end..content.len()).ok_or_else(|| wrong("It has no values."))?;
    if size(dtype, &header.shape) != Some(values.len()) {
        let what = format!("Its shape {:?} does not go with {} bytes of {dtype:?}.", header.shape, values.len());
        return Err(Error::damaged("", what));
    }
    let strides = Strided::dense(&header.shape, header.fortran);
    let view = Strided::new(values, dtype, 0, &header.shape, &strides)?;
    let swapped = width(dtype).filter(|_| big).unwrap_or(1);
    Ok(Ok(Tensor::new(name, dtype, header.shape, Array { view, swapped })))
}

/// The values of an array, in elements whose bytes are swapped, so many at a time.
struct Array {
    view: Strided,
    swapped: usize,
}

impl Source for Array {
    fn read(&self) -> Result<Bytes> {
        let bytes = self.view.read()?;
        match self.swapped {
            1 => Ok(bytes),
            width => Ok(bytes.chunks_exact(width).flat_map(|value| value.iter().rev().copied()).collect()),
        }
    }
}

/// The type of a description as `<f4`, and whether it is big-endian.
fn dtype(descr: &str) -> Option<(Dtype, bool)> {
    let (order, kind) = descr.split_at_checked(1)?;
    let dtype = match kind {
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        "i1" => Dtype::I8,
        "i2" => Dtype::I16,
        "i4" => Dtype::I32,
        "i8" => Dtype::I64,
        "u1" => Dtype::U8,
        "u2" => Dtype::U16,
        "u4" => Dtype::U32,
        "u8" => Dtype::U64,
        "b1" => Dtype::BOOL,
        _ => return None,
    };
    match order {
        "<" | "|" | "=" => Some((dtype, false)),
        ">" => Some((dtype, true)),
        _ => None,
    }
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, in any order of its keys.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, after) = quoted(rest)?;
            let value = after.trim_start().strip_prefix(':')?.trim_start();
            rest = match key {
                "descr" if value.starts_with(['\'', '"']) => {
                    let (text, rest) = quoted(value)?;
                    descr = Some(text.to_owned());
                    rest
                }
                // A structured type is a list; its text serves to name it.
                "descr" => {
                    let end = value.rfind(']')?;
                    descr = Some(value[..=end].to_owned());
                    &value[end + 1..]
                }
                "fortran_order" => {
                    fortran = Some(value.starts_with("True"));
                    value.strip_prefix("True").or_else(|| value.strip_prefix("False"))?
                }
                "shape" => {
                    let (inside, rest) = value.strip_prefix('(')?.split_once(')')?;
                    let sizes = inside.split(',').map(str::trim).filter(|size| !size.is_empty());
                    shape = Some(sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?);
                    rest
                }
                _ => return None,
            }
            .trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Some(Header { descr: descr?, fortran: fortran?, shape: shape? })
    }
}

/// A text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| ['\'', '"'].contains(c))?;
    text[1..].split_once(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_python_literals() {
        let header = |text| Header::parse(text).map(|header| (header.descr, header.fortran, header.shape));
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }     \n";
        assert_eq!(header(text), Some(("<f4".to_owned(), false, vec![3, 4])));
        assert_eq!(header("{\"shape\":(),'fortran_order':True,'descr':'|b1'}"), Some(("|b1".to_owned(), true, vec![])));
        assert_eq!(header("{'descr': '<f4', 'fortran_order': False, 'shape': (7,)}").unwrap().2, [7]);
        for text in ["", "{", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "{'é: 1}"]
        {
            assert_eq!(header(text), None, "{text}");
        }
    }
}
