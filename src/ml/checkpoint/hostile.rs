//! Files that lie: small ones that ask for much, and such as would do things to a terminal. Each was once read.

use prost::Message;
use prost::bytes::Bytes;
use zip::CompressionMethod;

use super::bundle::{Entry, Header};
use super::tensorflow::{Dim, Shape};
use super::tensors::limit;
use super::tests::zip;
use super::{Checkpoint, sstable};

fn told(name: &str, content: Vec<u8>, others: &[(String, Bytes)]) -> String {
    Checkpoint::read(name, content.into(), others).unwrap_err().to_string()
}

/// An index of tensors by name with a shape, all at the start of the one data file of zeros.
fn bundle(names: impl Iterator<Item = Vec<u8>>, shape: &[i64]) -> (Vec<u8>, Vec<(String, Bytes)>) {
    let size = 4 * shape.iter().product::<i64>();
    let data = vec![0; size as usize];
    let crc = sstable::tests::mask(crc32c::crc32c(&data));
    let shape = Some(Shape { dim: shape.iter().map(|size| Dim { size: *size }).collect(), unknown_rank: false });
    let entry = Entry { dtype: 1, shape, shard: 0, offset: 0, size, crc, slices: Vec::new() }.encode_to_vec();
    let header = (Vec::new(), Header { shards: 1, endianness: 0 }.encode_to_vec());
    let mut entries: Vec<_> = std::iter::once(header).chain(names.map(|name| (name, entry.clone()))).collect();
    entries.sort();
    (sstable::tests::write(&entries, 100, 16, false), vec![("m.data-00000-of-00001".to_owned(), data.into())])
}

/// A `.pth` of this pickle beside a storage of 48 bytes.
pub fn torch(pickle: &[u8]) -> Vec<u8> {
    let entries = [("m/data.pkl", [b"\x80\x02", pickle].concat()), ("m/data/0", vec![0; 48])];
    zip(&entries, CompressionMethod::Stored)
}

pub fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A tensor of a pickle, its shape and strides as pickles of their own.
pub fn tensor(shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let start = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n";
    [&start[..], b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x0ctQK\x00", shape, strides, b"\x89NtR"].concat()
}

#[test]
fn tensors_over_the_same_bytes_are_no_way_to_fill_a_disk() {
    let names = || (0..2000).map(|at| format!("{at:05}").into_bytes());
    let (index, data) = bundle(names(), &[300, 100]);
    assert!(told("m.index", index, &data).contains("lie over one another"));
    let (index, data) = bundle(names().take(3), &[300, 100]);
    assert_eq!(Checkpoint::read("m.index", index.into(), &data).unwrap().tensors.len(), 3, "a few may");

    let shared = tensor(b"K\x0c\x85", b"K\x01\x85");
    let entries: Vec<u8> = (0..100_000).flat_map(|_| b"h\x01".to_vec()).collect();
    let list = [b"]q\x00(", &shared[..], b"q\x01", &entries, b"e."].concat();
    assert!(told("m.pth", torch(&list), &[]).contains("far more often"));
}

#[test]
fn archives_and_blocks_do_not_unpack_to_more_than_weights_would() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (10000000,), }\n";
    let length = (header.len() as u16).to_le_bytes();
    let array = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &vec![0; 40_000_000]].concat();
    let packed = zip(&[("a.npy", array)], CompressionMethod::Deflated);
    assert!(packed.len() < 100_000);
    assert!(told("m.npz", packed, &[]).contains("unpacks to 4000"), "the archive says what it unpacks to");

    // Sixteen megabytes of entries without a key and a value, as Snappy makes them of less than one.
    let block = Bytes::from(vec![0; 1 << 24]);
    assert_eq!(sstable::parse(&block, &mut limit(1 << 19)), None);
}

#[test]
fn a_pickle_cannot_repeat_a_text_or_a_number_without_end() {
    let tensor = tensor(b"K\x0c\x85", b"K\x01\x85");
    let name = text(&"k".repeat(4000));
    let again: Vec<u8> = (0..100_000).flat_map(|_| b"h\x01h\x02".to_vec()).collect();
    let names = [&name[..], b"q\x01", &tensor, b"q\x02}(", &again, b"u."].concat();
    assert!(told("m.pth", torch(&names), &[]).contains("far more often"));
    let nothing: Vec<u8> = (0..100_000).flat_map(|_| b"h\x01N".to_vec()).collect();
    let names = [&text(&"k".repeat(400_000))[..], b"q\x01}(", &nothing, b"u."].concat();
    assert!(told("m.pth", torch(&names), &[]).contains("no tensors by name"));
    assert!(told("m.pth", torch(&vec![b']'; 2 << 20]), &[]).contains("more than 1048576 operations"));
    let deep = [b"}(".to_vec(), text("a"), vec![b']'; 1000], vec![b'a'; 999], b"u.".to_vec()].concat();
    assert!(told("m.pth", torch(&deep), &[]).contains("more than 16 deep"));
}

#[test]
fn shapes_of_many_dimensions_and_of_none_are_told_or_empty() {
    let ones = [b"(".to_vec(), b"K\x01".repeat(50_000), b"t".to_vec()].concat();
    let pickle = [b"}(".to_vec(), text("a"), tensor(&ones, &ones), b"u.".to_vec()].concat();
    assert!(told("m.pth", torch(&pickle), &[]).contains("tensor `a`: It is not described as PyTorch does."));
    let (index, data) = bundle(std::iter::once(b"a".to_vec()), &[1; 33]);
    assert!(told("m.index", index, &data).contains("tensor `a`: It has 33 dimensions."));

    let huge = b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40";
    let empty = tensor(&[&huge[..], huge, b"K\x00\x87"].concat(), b"K\x01K\x01K\x01\x87");
    let pickle = [b"}(".to_vec(), text("a"), empty, b"u.".to_vec()].concat();
    let file = Checkpoint::read("m.pth", torch(&pickle).into(), &[]).unwrap();
    assert_eq!(file.tensors[0].floats().unwrap(), Some(Vec::new()));
}

#[test]
fn names_cannot_drive_a_terminal_or_fill_it() {
    for (name, words) in [
        (b"a\x1b[31m\nb".to_vec(), "control characters"),
        (b"\xff\xfe".to_vec(), "not UTF-8"),
        (vec![b'a'; 200_000], "over 4096 bytes"),
    ] {
        let (index, data) = bundle(std::iter::once(name), &[3]);
        let told = told("m.index", index, &data);
        assert!(told.contains(words) && told.len() < 1200 && !told.chars().any(char::is_control), "{told}");
    }
    let pickle = b"cos\x1b[2J\nsystem\n.";
    let told = told("m.pth", torch(pickle), &[]);
    assert!(told.contains("`os\\u{1b}[2J.system`"), "{told}");
}
