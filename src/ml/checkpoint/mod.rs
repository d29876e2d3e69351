//! Files of weights, whoever wrote them: TensorFlow's checkpoints (V1 and V2), PyTorch's `.pth`, NumPy's `.npz` and `.npy`,
//! and safetensors.
//!
//! Only the formats of files are here. The names of tensors are mapped by [`naming`](super::naming), by the tables in
//! `stages/names/`, and [`import`](super::import) applies them to a network.
//!
//! Invariants:
//! - a file is recognised by its content, never by its extension alone;
//! - nothing in a file is executed; a pickle is read by an interpreter that knows a few names, and makes nothing of others;
//! - whatever a file says of sizes, no more is allocated than the file has bytes, times a constant ([`tensors::limit`]): neither
//!   compression nor tensors that share their bytes nor names that share theirs make more of it;
//! - every checksum that a format has is compared, at the latest when the tensor is read;
//! - a file is opened by what says what there is; the values of a tensor are read, from the disk, when they are asked for;
//! - values are handed out as they lie in the file: little-endian, row-major, their axes in the file's order.
//!
//! Damaged files of every format are a property test in `tests`, files that lie are in `hostile`, and `fuzz/` has targets
//! for cargo-fuzz; `cargo test --release checkpoint` runs the former.
//!
//! A format is one file here: a function from bytes to a [`Checkpoint`], and how one of its tensors is read. Which format a
//! file has is decided in this file alone; readers know what lies below them (`tensors`, `content`, `archive`, `sstable`,
//! `pickle`), and not one another.

mod archive;
#[cfg(test)]
mod beside;
mod bundle;
mod content;
mod error;
mod files;
mod floats;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(test)]
mod hostile;
mod npz;
mod out;
mod partition;
mod pickle;
mod plain;
mod signatures;
mod sliced;
mod sstable;
mod state_dict;
mod strided;
mod tensorflow;
mod tensors;
#[cfg(test)]
mod tests;
mod torch;

use std::path::Path;

pub use safetensors::Dtype;

use archive::Archive;
use content::Content;
pub use error::{Error, Result};
pub use files::Files;
pub use out::Written;
pub use tensors::{Checkpoint, Tensor};

impl Checkpoint {
    /// Opens the weights behind `path`: a file of any format, the prefix, the index or any part of a checkpoint that is
    /// several files, or what leads to a checkpoint ([`Files::find`]).
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

    fn of(name: &str, content: &Content, others: &[(String, Content)]) -> Result<Self> {
        let others_hold = others.iter().map(|(_, content)| content.len()).fold(0, usize::saturating_add);
        let held = content.len().saturating_add(others_hold);
        let read = Format::of(name, content).and_then(|format| match format {
            Some(Format::TensorFlowV2) => bundle::read(content, others),
            Some(Format::TensorFlowV1) => sliced::read(name, content, others),
            Some(Format::Zip) => read_archive(content),
            Some(Format::Npy) => npz::read_one(name, content),
            Some(Format::Pickle) => torch::read_legacy(content),
            Some(Format::Safetensors) => plain::read(content),
            None => Err(unknown(content)?),
        });
        read.and_then(|file| file.within(held)).map_err(|error| error.of_file(name))
    }
}

/// The formats, as far as the first and last bytes tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    TensorFlowV2,
    TensorFlowV1,
    Zip,
    Npy,
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
            // The length of a header, which may begin like a pickle.
            [_, _, _, _, 0, 0, 0, 0, b'{', ..] => Some(Format::Safetensors),
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Format::Npy),
            [0x80, ..] if extension != "safetensors" => Some(Format::Pickle),
            _ if torch::is_legacy(content)? => Some(Format::Pickle),
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

/// Reads a zip archive: PyTorch's has a pickle, NumPy's has arrays alone.
fn read_archive(content: &Content) -> Result<Checkpoint> {
    let archive = Archive::open(content)?;
    match archive.names.iter().find(|name| name.as_str() == "data.pkl" || name.ends_with("/data.pkl")) {
        Some(name) => {
            let folder = name.trim_end_matches("data.pkl").to_owned();
            torch::read_zip(archive, &folder)
        }
        None if archive.names.iter().any(|name| name.ends_with(".npy")) => npz::read(archive),
        None => {
            let some: Vec<&str> = archive.names.iter().take(3).map(String::as_str).collect();
            let what = match &some[..] {
                [] => "The archive is empty.".to_owned(),
                some => format!(
                    "The archive holds neither NumPy's arrays (`.npy`) nor a PyTorch state (`data.pkl`), but `{}`.",
                    some.join("`, `")
                ),
            };
            Err(Error::refused("", what, "Name a `.pth` or `.npz` file; unpack an archive that holds one."))
        }
    }
}

fn unknown(content: &Content) -> Result<Error> {
    if let Some((what, hint)) = signatures::recognised(content)? {
        return Ok(Error::refused("", format!("The file is {what}, not a file of weights."), hint));
    }
    let what = match content.len() {
        0 => "The file is empty.",
        _ => {
            "The file is in none of the formats that are read: TensorFlow V1 and V2, PyTorch, safetensors, NumPy's npz and npy."
        }
    };
    let hint = "Name a whole file of weights; a TensorFlow checkpoint ends with a magic number, so one that was cut off is not recognised.";
    Ok(Error::refused("", what, hint))
}
