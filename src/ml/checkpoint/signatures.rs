//! What a file is that is no file of weights, by its first bytes: so that the error names it.

use super::content::Content;
use super::error::Result;

/// A format by where its signature stands, and what to say of it.
const SIGNATURES: [(usize, &[u8], &str, &str); 16] = [
    (0, b"\x1f\x8b", "compressed by gzip", UNPACK),
    (0, b"\xfd7zXZ\0", "compressed by xz", UNPACK),
    (0, b"BZh", "compressed by bzip2", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (
        0,
        b"\x89HDF\r\n",
        "HDF5, as Keras writes it",
        "Save it in Keras as a TensorFlow checkpoint: model.save_weights(\"prefix\", save_format=\"tf\").",
    ),
    (0, b"GGUF", "GGUF", ANOTHER),
    (0, b"PAR1", "Parquet", ANOTHER),
    (0, b"%PDF", "a PDF", PAGE),
    (0, b"<!DOCTYPE", "a web page", PAGE),
    (0, b"<!doctype", "a web page", PAGE),
    (0, b"<html", "a web page", PAGE),
    (0, b"<HTML", "a web page", PAGE),
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS, which stands for the file",
        "Fetch the file itself: git lfs pull.",
    ),
    (TAR, b"ustar", "a tar archive", UNPACK),
];

const UNPACK: &str = "Unpack it, and name the file of weights that it holds.";
const ANOTHER: &str = "Save the weights as `.safetensors`, `.npz` or `.pth`.";
const PAGE: &str = "The download gave a page instead of the file; fetch the file again.";

/// Where the header of a tar archive has its magic word, and what PyTorch before 0.1.10 had in its archives.
const TAR: usize = 257;
const TORCH: [&[u8]; 4] = [b"sys_info\0", b"pickle\0", b"storages\0", b"tensors\0"];

/// What the file is in words, and what to do; none where its start says nothing.
pub fn recognised(content: &Content) -> Result<Option<(&'static str, &'static str)>> {
    let start = content.start(4096)?;
    let at = |place: usize, word: &[u8]| start.get(place..).is_some_and(|rest| rest.starts_with(word));
    let Some((place, _, what, hint)) = SIGNATURES.iter().find(|(place, word, ..)| at(*place, word)) else {
        return Ok(None);
    };
    // The first entry may be one of attributes, which stands before the entry's own header.
    let torch = [0, 1024].iter().any(|entry| TORCH.iter().any(|name| at(*entry, name)));
    if *place == TAR && torch {
        let hint = "Load it in PyTorch, and save it again: torch.save(torch.load(\"old.pth\"), \"new.pth\").";
        return Ok(Some(("a tar archive, as PyTorch before 0.1.10 wrote it", hint)));
    }
    Ok(Some((what, hint)))
}
