//! The doors through which fuzzing (`fuzz/`) reaches the readers, past what recognises a format.

use prost::bytes::Bytes;

use super::pickle::Pickle;
use super::{Checkpoint, bundle, sliced, state_dict};

/// The size of the storages beside the input.
const HELD: usize = 1 << 16;

fn exhaust(file: super::Result<Checkpoint>) {
    for tensor in file.into_iter().flat_map(|file| file.tensors) {
        drop(tensor.bytes());
    }
}

/// Reads an index of TensorFlow V2 and all tensors.
pub fn tensorflow_v2(index: &[u8]) {
    let data = [("data".to_owned(), Bytes::from(vec![0; HELD]))];
    exhaust(bundle::read(&Bytes::copy_from_slice(index), &data));
}

/// Reads a checkpoint of TensorFlow V1 and all tensors.
pub fn tensorflow_v1(content: &[u8]) {
    exhaust(sliced::read("fuzz", &Bytes::copy_from_slice(content), &[]));
}

/// Reads a pickle, and the tensors of its state dict.
pub fn pickle(content: &[u8]) {
    if let Ok(pickle) = Pickle::read(content) {
        let storages = [("0".to_owned(), Bytes::from(vec![0; HELD]))].into();
        exhaust(state_dict::read("fuzz", &pickle, &storages));
    }
}
