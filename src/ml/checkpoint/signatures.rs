//! What a file is that is no file of weights, by its first bytes, so that the error names it.

use super::content::Content;
use super::error::Result;
use crate::ml::foreign::{self, Foreign, Packing};

/// Formats of arrays that are not read: how each starts, and what to say of it.
const ARRAYS: [(&[u8], &str, &str); 4] = [
    (
        b"\x89HDF\r\n",
        "HDF5, as Keras writes it",
        "Save it in Keras as a TensorFlow checkpoint: model.save_weights(\"prefix\", save_format=\"tf\").",
    ),
    (b"GGUF", "GGUF", ANOTHER),
    (b"PAR1", "Parquet", ANOTHER),
    (b"%PDF", "a PDF", PAGE),
];

const UNPACK: &str = "Unpack it, and name the file of weights that it holds.";
const ANOTHER: &str = "Save the weights as `.safetensors`, `.npz` or `.pth`.";
const PAGE: &str = "The download gave a page instead of the file; fetch the file again.";

/// What PyTorch before 0.1.10 had in its archives.
const TORCH: [&[u8]; 4] = [b"sys_info\0", b"pickle\0", b"storages\0", b"tensors\0"];

/// What the file is in words, and what to do; none where its start says nothing.
pub fn recognised(content: &Content) -> Result<Option<(&'static str, &'static str)>> {
    let start = content.start(4096)?;
    let at = |place: usize, word: &[u8]| start.get(place..).is_some_and(|rest| rest.starts_with(word));
    if let Some((_, what, hint)) = ARRAYS.iter().find(|(word, ..)| at(0, word)) {
        return Ok(Some((what, hint)));
    }
    // The first entry may be one of attributes, which stands before the entry's own header.
    let torch = || [0, 1024].iter().any(|entry| TORCH.iter().any(|name| at(*entry, name)));
    Ok(foreign::of(&start).map(|foreign| match foreign {
        Foreign::Packed(Packing::Tar) if torch() => (
            "a tar archive, as PyTorch before 0.1.10 wrote it",
            "Load it in PyTorch, and save it again: torch.save(torch.load(\"old.pth\"), \"new.pth\").",
        ),
        Foreign::Packed(packing) => (packing.in_words(), UNPACK),
        Foreign::Pointer => ("a pointer of Git LFS, which stands for the file", "Fetch the file itself: git lfs pull."),
        Foreign::Page | Foreign::Svg | Foreign::Xml => ("a web page", PAGE),
    }))
}
