//! Files of each format that the tests write themselves, whole and damaged.

use std::io::Write as _;

use proptest::prelude::*;
use prost::Message;
use prost::bytes::Bytes;

use super::bundle::{Entry, Header};
use super::sliced::{Data, Meta, Saved, SliceMeta};
use super::tensorflow::{Dim, Extent, Shape, Slice, Values, slice_key};
use super::{Checkpoint, Dtype, Tensor, Written, sstable};

fn view<'a>(dtype: Dtype, shape: &[usize], content: &'a [u8]) -> safetensors::tensor::TensorView<'a> {
    safetensors::tensor::TensorView::new(dtype, shape.to_vec(), content).unwrap()
}

/// A file with its name, and its other parts.
type Files = (String, Vec<u8>, Vec<(String, Bytes)>);

const SHAPE: [usize; 2] = [3, 4];

/// The values that every format's sample has as `a/weights`: 0, 0.5, 1, …
fn values() -> Vec<f32> {
    (0..12).map(|value| value as f32 / 2.0).collect()
}

pub fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn shape() -> Option<Shape> {
    Some(Shape { dim: SHAPE.map(|size| Dim { size: size as i64 }).into(), unknown_rank: false })
}

/// The first rows, and the others: the tensor as two slices.
fn halves() -> [(Slice, std::ops::Range<usize>); 2] {
    let slice = |start, length| Slice {
        extent: vec![Extent { start, length: Some(length) }, Extent { start: 0, length: None }],
    };
    [(slice(0, 1), 0..4), (slice(1, 2), 4..12)]
}

/// A tensor whole and the same in slices over two data files.
fn bundle(snappy: bool) -> Files {
    let data = bytes(&values());
    let entry = |shard, range: std::ops::Range<usize>, slices| Entry {
        dtype: 1,
        shape: shape(),
        shard,
        offset: range.start as i64,
        size: range.len() as i64,
        crc: sstable::tests::mask(crc32c::crc32c(&data[range])),
        slices,
    };
    let header = Header { shards: 2, endianness: 0 };
    let mut entries = vec![
        (Vec::new(), header.encode_to_vec()),
        (b"a/weights".to_vec(), entry(0, 0..48, Vec::new()).encode_to_vec()),
        (b"b/weights".to_vec(), entry(0, 0..0, halves().map(|(slice, _)| slice).into()).encode_to_vec()),
    ];
    for (slice, range) in halves() {
        entries.push((
            slice_key("b/weights", &slice),
            entry(1, range.start * 4..range.end * 4, Vec::new()).encode_to_vec(),
        ));
    }
    entries.sort();
    let shards = [0, 1].map(|at| (format!("m.data-{at:05}-of-00002"), Bytes::from(data.clone())));
    ("m.index".to_owned(), sstable::tests::write(&entries, 2, 2, snappy), shards.into())
}

fn saved(snappy: bool) -> Files {
    let meta = |name: &str, slice: Vec<Slice>| SliceMeta { name: name.to_owned(), shape: shape(), dtype: 1, slice };
    let data = |name: &str, slice: &Slice, range: std::ops::Range<usize>| {
        let content = Values { float: values()[range].to_vec(), ..Values::default() };
        let data = Data { name: name.to_owned(), slice: Some(slice.clone()), values: content.encode_to_vec().into() };
        (slice_key(name, slice), Saved { meta: None, data: Some(data) }.encode_to_vec())
    };
    let whole = Slice { extent: vec![Extent::default(), Extent::default()] };
    let slices = halves().map(|(slice, _)| slice).to_vec();
    let list = Meta { tensor: vec![meta("a/weights", vec![whole.clone()]), meta("b/weights", slices)] };
    let mut entries = vec![(Vec::new(), Saved { meta: Some(list), data: None }.encode_to_vec())];
    entries.push(data("a/weights", &whole, 0..12));
    entries.extend(halves().map(|(slice, range)| data("b/weights", &slice, range)));
    entries.sort();
    ("m.ckpt".to_owned(), sstable::tests::write(&entries, 2, 2, snappy), Vec::new())
}

/// A state dict's pickle of two tensors over one storage. Older files end the description of a storage with its view.
fn pickle(view: &[u8]) -> Vec<u8> {
    let text = |out: &mut Vec<u8>, text: &str| {
        out.push(b'X');
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let mut out = b"\x80\x02ccollections\nOrderedDict\n)Rq\x00(".to_vec();
    for name in ["a/weights", "b/weights"] {
        text(&mut out, name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(b"ctorch\nFloatStorage\n");
        text(&mut out, "0");
        text(&mut out, "cpu");
        out.extend(b"K\x0c");
        out.extend(view);
        out.extend(b"tQK\x00K\x03K\x04\x86K\x04K\x01\x86\x89NtR");
    }
    out.extend(b"u.");
    out
}

pub fn zip(entries: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn torch() -> Files {
    let data = bytes(&values());
    let entries = [("m/data.pkl", pickle(b"")), ("m/byteorder", b"little".to_vec()), ("m/data/0", data)];
    ("m.pth".to_owned(), zip(&entries, zip::CompressionMethod::Stored), Vec::new())
}

/// What files before 1.6 start with, by the protocol of pickles.
const MAGIC: [(&str, &[u8]); 5] = [
    ("1", b"L119547037146038801333356L\n."),
    ("2", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."),
    ("3", b"\x80\x03\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."),
    ("4", b"\x80\x04\x95\x0d\x00\x00\x00\x00\x00\x00\x00\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."),
    ("5", b"\x80\x05\x95\x0d\x00\x00\x00\x00\x00\x00\x00\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."),
];

fn legacy(magic: &[u8]) -> Files {
    let mut out = magic.to_vec();
    out.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
    out.extend(pickle(b"N"));
    out.extend(b"\x80\x02](X\x01\x00\x00\x000e.");
    out.extend(12_u64.to_le_bytes());
    out.extend(bytes(&values()));
    ("m.pth".to_owned(), out, Vec::new())
}

fn npz(method: zip::CompressionMethod) -> Files {
    let array = |fortran: &str, order: char, content: Vec<u8>| {
        let header = format!("{{'descr': '{order}f4', 'fortran_order': {fortran}, 'shape': (3, 4), }}\n");
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend((header.len() as u16).to_le_bytes());
        out.extend(header.as_bytes());
        out.extend(content);
        out
    };
    let values = values();
    let columns = (0..4).flat_map(|x| (0..3).map(move |y| y * 4 + x));
    let fortran: Vec<u8> = columns.flat_map(|at| values[at].to_be_bytes()).collect();
    let entries =
        [("a/weights.npy", array("False", '<', bytes(&values))), ("b/weights.npy", array("True", '>', fortran))];
    ("m.npz".to_owned(), zip(&entries, method), Vec::new())
}

fn samples() -> Vec<Files> {
    let (name, content, others) = saved(false);
    let plain = safetensors_of(&Checkpoint::read(&name, content.into(), &others).unwrap());
    vec![
        bundle(false),
        bundle(true),
        saved(false),
        saved(true),
        torch(),
        legacy(MAGIC[1].1),
        npz(zip::CompressionMethod::Stored),
        npz(zip::CompressionMethod::Deflated),
        ("m.safetensors".to_owned(), plain, Vec::new()),
    ]
}

/// The tensors of a checkpoint as a safetensors file.
fn safetensors_of(file: &Checkpoint) -> Vec<u8> {
    let mut bytes = Vec::new();
    let put = &mut |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok(())
    };
    file.write(Written::Safetensors, put).unwrap();
    bytes
}

#[test]
fn every_format_holds_the_same_tensors() {
    for (name, content, others) in samples() {
        let file = Checkpoint::read(&name, content.into(), &others).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found: Vec<_> =
            file.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.dtype, &tensor.shape[..])).collect();
        assert_eq!(found, [("a/weights", Dtype::F32, &SHAPE[..]), ("b/weights", Dtype::F32, &SHAPE[..])], "{name}");
        for tensor in &file.tensors {
            assert_eq!(tensor.floats().unwrap().unwrap(), values(), "{name} {}", tensor.name);
        }
        let written = safetensors_of(&file);
        let content: Vec<_> = file.tensors.iter().map(|tensor| tensor.bytes().unwrap()).collect();
        let views: Vec<_> = std::iter::zip(&file.tensors, &content)
            .map(|(Tensor { name, dtype, shape, .. }, content)| (name, view(*dtype, shape, content)))
            .collect();
        assert_eq!(written, safetensors::serialize(views, None).unwrap(), "as the format's library writes it");
        let again = Checkpoint::read("m.safetensors", written.into(), &[]).unwrap();
        for (tensor, other) in file.tensors.iter().zip(&again.tensors) {
            assert_eq!(tensor.bytes().unwrap(), other.bytes().unwrap());
        }
    }
}

#[test]
fn what_is_written_is_read_again() {
    let (name, content, others) = saved(false);
    let file = Checkpoint::read(&name, content.into(), &others).unwrap();
    for (format, name, words) in [
        (Written::Safetensors, "m.safetensors", "safetensors"),
        (Written::Npz, "m.npz", "NumPy npz"),
        (Written::Torch, "m.pth", "PyTorch"),
    ] {
        assert_eq!(Written::of(name), Some(format));
        let mut bytes = Vec::new();
        let put = &mut |part: &[u8]| {
            bytes.extend_from_slice(part);
            Ok(())
        };
        file.write(format, put).unwrap();
        let again = Checkpoint::read(name, bytes.into(), &[]).unwrap();
        assert_eq!(again.format, words);
        for (tensor, other) in file.tensors.iter().zip(&again.tensors) {
            assert_eq!((&tensor.name, &tensor.shape, tensor.dtype), (&other.name, &other.shape, other.dtype));
            assert_eq!(tensor.bytes().unwrap(), other.bytes().unwrap());
        }
        assert_eq!(file.tensors.len(), again.tensors.len());
    }
}

#[test]
fn files_before_1_6_are_read_in_every_protocol_of_pickles() {
    for (protocol, magic) in MAGIC {
        let (name, content, _) = legacy(magic);
        let file = Checkpoint::read(&name, content.into(), &[]).unwrap_or_else(|error| panic!("{protocol}: {error}"));
        assert_eq!((file.format, file.tensors.len()), ("PyTorch before 1.6", 2), "{protocol}");
        assert_eq!(file.tensors[1].floats().unwrap().unwrap(), values());
    }
}

#[test]
fn a_file_that_was_cut_anywhere_is_told() {
    let faulty = |name: &str, content: &[u8], others: &[(String, Bytes)]| {
        let file = Checkpoint::read(name, Bytes::copy_from_slice(content), others);
        file.map_or(true, |file| file.tensors.iter().any(|tensor| tensor.bytes().is_err()))
    };
    for (name, content, others) in samples() {
        for end in 0..content.len() {
            assert!(faulty(&name, &content[..end], &others), "{name} of {end} bytes");
        }
        for part in 0..others.len() {
            for end in 0..others[part].1.len() {
                let mut others = others.clone();
                others[part].1.truncate(end);
                assert!(faulty(&name, &content, &others), "{name} with {end} bytes of part {part}");
            }
        }
    }
}

/// Reads all there is. Nothing is to come of it but an error or tensors of the stated sizes, none larger than the
/// files can hold.
fn exhaust(name: &str, content: Vec<u8>, others: &[(String, Bytes)]) {
    let held = content.len() + others.iter().map(|(_, content)| content.len()).sum::<usize>();
    let Ok(file) = Checkpoint::read(name, content.into(), others) else { return };
    for tensor in &file.tensors {
        if let Ok(bytes) = tensor.bytes() {
            assert!(bytes.len() <= super::tensors::limit(held), "{name}: {tensor:?} of {held} bytes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_errors_or_tensors_and_never_panics(
        which in 0..9_usize,
        cut in 0.0..1.5_f64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        data in any::<bool>(),
    ) {
        let (name, mut content, mut others) = samples().swap_remove(which);
        let damage = |bytes: &mut Vec<u8>| {
            if cut < 1.0 {
                bytes.truncate((bytes.len() as f64 * cut) as usize);
            }
            let len = bytes.len();
            for (at, value) in changes.iter().filter(|_| len > 0) {
                bytes[at.index(len)] = *value;
            }
        };
        match others.first_mut().filter(|_| data) {
            Some((_, content)) => {
                let mut bytes = content.to_vec();
                damage(&mut bytes);
                *content = bytes.into();
            }
            None => damage(&mut content),
        }
        exhaust(&name, content, &others);
    }

    #[test]
    fn damaged_pickles_are_read_or_refused(cut in 0..400_usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)) {
        // Straight into the interpreter: behind an archive's checksum few changes would reach it.
        let mut bytes = pickle(b"");
        for (at, value) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        bytes.truncate(bytes.len().min(cut));
        if let Ok(pickle) = super::pickle::Pickle::read(&bytes) {
            let storages = [("0".to_owned(), Bytes::from(vec![0; 48]).into())].into();
            drop(super::state_dict::read("test", &pickle, &storages));
        }
    }
}
