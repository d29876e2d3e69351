//! Entries for fuzzing (`fuzz/`) and for tests: files in memory, and the readers behind what recognises a format and behind
//! checksums.

use prost::bytes::Bytes;

use super::pickle::Pickle;
use super::tensors::limit;
use super::{Checkpoint, bundle, npz, plain, sliced, sstable, state_dict};

impl Checkpoint {
    /// Reads weights from the content of their files: that of the first, and those of the others in their order, all
    /// with their names.
    pub fn read(name: &str, content: Bytes, others: &[(String, Bytes)]) -> super::Result<Self> {
        let others: Vec<_> = others.iter().map(|(name, bytes)| (name.clone(), bytes.clone().into())).collect();
        Checkpoint::of(name, &content.into(), &others)
    }
}

/// The size of the storages beside the input.
const HELD: usize = 1 << 16;

fn exhaust(file: super::Result<Checkpoint>) {
    for tensor in file.into_iter().flat_map(|file| file.tensors) {
        drop(tensor.bytes());
    }
}

/// Reads the input as an index of TensorFlow V2, and as the one block of such an index; and all tensors.
pub fn tensorflow_v2(input: &[u8]) {
    let (input, data) = (Bytes::copy_from_slice(input), [("data".to_owned(), Bytes::from(vec![0; HELD]).into())]);
    exhaust(bundle::read(&input.clone().into(), &data));
    if let Some(entries) = sstable::parse(&input, &mut limit(input.len())) {
        exhaust(bundle::assemble(entries, &data));
    }
}

/// Reads the input as a checkpoint of TensorFlow V1, and as the one block of such a checkpoint; and all tensors.
pub fn tensorflow_v1(input: &[u8]) {
    let input = Bytes::copy_from_slice(input);
    exhaust(sliced::read("fuzz", &input.clone().into(), &[]));
    if let Some(entries) = sstable::parse(&input, &mut limit(input.len())) {
        exhaust(sliced::assemble(vec![("fuzz", entries)]));
    }
}

/// Reads a pickle, and the tensors of its state dict.
pub fn pickle(input: &[u8]) {
    if let Ok(pickle) = Pickle::read(input) {
        let storages = [("0".to_owned(), Bytes::from(vec![0; HELD]).into())].into();
        exhaust(state_dict::read("fuzz", &pickle, &storages));
    }
}

/// Reads a file of any format that is one file, and all tensors.
pub fn file(input: &[u8]) {
    exhaust(Checkpoint::read("fuzz", Bytes::copy_from_slice(input), &[]));
}

/// Reads the input as the header of a safetensors file with values of 4 KiB, and all tensors.
pub fn safetensors(input: &[u8]) {
    let length = (input.len() as u64).to_le_bytes();
    exhaust(plain::read(&Bytes::from([&length, input, &[0; 4096]].concat()).into()));
}

/// Reads the input as an array of NumPy's.
pub fn array(input: &[u8]) {
    if let Ok(Ok(tensor)) = npz::array("fuzz", &Bytes::copy_from_slice(input).into()) {
        drop(tensor.bytes());
    }
}
