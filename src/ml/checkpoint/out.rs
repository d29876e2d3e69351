//! Files of weights that are written: safetensors, NumPy's `.npz`, PyTorch's `.pth`.
//!
//! The same tensors give the same bytes. A file is handed out in parts, of which the largest is a tensor.

use std::io::{self, Write};

use safetensors::Dtype;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::error::{Error, Result};
use super::plain;
use super::tensors::{Checkpoint, Tensor};

/// The formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Safetensors.
    Safetensors,
    /// NumPy's archive of arrays.
    Npz,
    /// PyTorch's state dict, as `torch.load` reads it since 1.6.
    Torch,
}

/// What takes a file in parts.
pub type Put<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

impl Written {
    /// The format of a file of this name; none where its ending names none.
    pub fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "safetensors" => Some(Written::Safetensors),
            "npz" => Some(Written::Npz),
            "pth" | "pt" => Some(Written::Torch),
            _ => None,
        }
    }
}

impl Checkpoint {
    /// Writes the tensors in another format, with names, types, shapes and bytes as they are.
    ///
    /// # Errors
    /// The format has no such type, a tensor is damaged, or `put` fails.
    pub fn write(&self, format: Written, put: &mut Put<'_>) -> Result<()> {
        match format {
            Written::Safetensors => plain::write(&self.tensors, put),
            Written::Npz => npz(&self.tensors, put),
            Written::Torch => torch(&self.tensors, put),
        }
    }
}

fn npz(tensors: &[Tensor], put: &mut Put<'_>) -> Result<()> {
    let descriptions = tensors.iter().map(|tensor| description(tensor.dtype).ok_or_else(|| cannot("NumPy", tensor)));
    let descriptions = descriptions.collect::<Result<Vec<_>>>()?;
    let mut archive = Archive::new(put);
    for (tensor, description) in tensors.iter().zip(descriptions) {
        let sizes: String = tensor.shape.iter().map(|size| format!("{size}, ")).collect();
        let sizes = if tensor.shape.len() == 1 { sizes.trim_end() } else { sizes.trim_end_matches(", ") };
        let mut header = format!("{{'descr': '{description}', 'fortran_order': False, 'shape': ({sizes}), }}");
        // The values start at a multiple of 64, as NumPy writes them.
        let start = 10;
        let padded = (start + header.len() + 1).next_multiple_of(64) - start - 1;
        header.extend(std::iter::repeat_n(' ', padded - header.len()));
        header.push('\n');
        let length = u16::try_from(header.len()).map_err(|_| cannot("NumPy", tensor))?;
        let head = [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], header.as_bytes()].concat();
        archive.add(&format!("{}.npy", tensor.name), &head, &tensor.bytes()?)?;
    }
    archive.finish()
}

fn torch(tensors: &[Tensor], put: &mut Put<'_>) -> Result<()> {
    let classes = tensors.iter().map(|tensor| class(tensor.dtype).ok_or_else(|| cannot("PyTorch before 2.0", tensor)));
    let classes = classes.collect::<Result<Vec<_>>>()?;
    let text = |out: &mut Vec<u8>, text: &str| {
        out.push(b'X');
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let number = |out: &mut Vec<u8>, value: usize| {
        // A number of eight bytes, with a sign: no size has its last bit.
        out.extend(b"\x8a\x08");
        out.extend((value as u64).to_le_bytes());
    };
    let mut pickle = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
    for (at, (tensor, class)) in tensors.iter().zip(classes).enumerate() {
        text(&mut pickle, &tensor.name);
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(format!("ctorch\n{class}\n").bytes());
        text(&mut pickle, &at.to_string());
        text(&mut pickle, "cpu");
        number(&mut pickle, tensor.shape.iter().product());
        pickle.extend(b"tQK\x00(");
        tensor.shape.iter().for_each(|size| number(&mut pickle, *size));
        pickle.extend(b"t(");
        (0..tensor.shape.len()).for_each(|axis| number(&mut pickle, tensor.shape[axis + 1..].iter().product()));
        // No gradient is required, and the hooks are an empty dictionary.
        pickle.extend(b"t\x89ccollections\nOrderedDict\n)RtR");
    }
    pickle.extend(b"u.");
    let mut archive = Archive::new(put);
    archive.add("archive/data.pkl", &pickle, &[])?;
    archive.add("archive/byteorder", b"little", &[])?;
    for (at, tensor) in tensors.iter().enumerate() {
        archive.add(&format!("archive/data/{at}"), &[], &tensor.bytes()?)?;
    }
    archive.add("archive/version", b"3\n", &[])?;
    archive.finish()
}

fn cannot(reader: &str, tensor: &Tensor) -> Error {
    let what = format!("It is {:?}, which {reader} cannot hold.", tensor.dtype);
    Error::refused("", what, "Convert floats by `--dtype f32`, or write `.safetensors`.").of_tensor(&tensor.name)
}

/// What NumPy calls a type.
fn description(dtype: Dtype) -> Option<&'static str> {
    Some(match dtype {
        Dtype::F16 => "<f2",
        Dtype::F32 => "<f4",
        Dtype::F64 => "<f8",
        Dtype::C64 => "<c8",
        Dtype::I8 => "|i1",
        Dtype::I16 => "<i2",
        Dtype::I32 => "<i4",
        Dtype::I64 => "<i8",
        Dtype::U8 => "|u1",
        Dtype::U16 => "<u2",
        Dtype::U32 => "<u4",
        Dtype::U64 => "<u8",
        Dtype::BOOL => "|b1",
        _ => return None,
    })
}

/// The class of storages of a type in PyTorch.
fn class(dtype: Dtype) -> Option<&'static str> {
    Some(match dtype {
        Dtype::F16 => "HalfStorage",
        Dtype::BF16 => "BFloat16Storage",
        Dtype::F32 => "FloatStorage",
        Dtype::F64 => "DoubleStorage",
        Dtype::C64 => "ComplexFloatStorage",
        Dtype::I8 => "CharStorage",
        Dtype::I16 => "ShortStorage",
        Dtype::I32 => "IntStorage",
        Dtype::I64 => "LongStorage",
        Dtype::U8 => "ByteStorage",
        Dtype::BOOL => "BoolStorage",
        _ => return None,
    })
}

/// A zip archive that is written without going back in it.
struct Archive<'a, 'b> {
    zip: ZipWriter<StreamWriter<Parts<'a, 'b>>>,
}

/// A writer over what takes parts.
struct Parts<'a, 'b> {
    put: &'a mut Put<'b>,
}

impl Write for Parts<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.put)(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error of a part, or of the archive itself.
fn unwritten(error: zip::result::ZipError) -> Error {
    let what = match error {
        zip::result::ZipError::Io(error) => match error.downcast::<Error>() {
            Ok(error) => return error,
            Err(error) => error.to_string(),
        },
        error => error.to_string(),
    };
    Error::refused("", format!("The archive cannot be written: {what}."), "Write `.safetensors`.")
}

impl<'a, 'b> Archive<'a, 'b> {
    fn new(put: &'a mut Put<'b>) -> Self {
        Archive { zip: ZipWriter::new_stream(Parts { put }) }
    }

    /// Adds an entry of a head and a body.
    fn add(&mut self, name: &str, head: &[u8], body: &[u8]) -> Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(head.len() + body.len() > u32::MAX as usize / 2);
        self.zip.start_file(name, options).map_err(unwritten)?;
        let written = self.zip.write_all(head).and_then(|()| self.zip.write_all(body));
        written.map_err(|error| unwritten(error.into()))
    }

    fn finish(self) -> Result<()> {
        self.zip.finish().map(drop).map_err(unwritten)
    }
}
