//! Archives of data.

use std::io::Write as _;

use flate2::Compression;

use super::{MIB, Taken, data_set, refused};
use crate::harness::Bench;

/// An entry of a zip file.
struct Entry<'a> {
    name: &'a str,
    /// Where its header is.
    at: u32,
    packed: &'a [u8],
    size: u32,
    crc: u32,
}

/// A zip file of these bytes, and a directory of entries that say what they like.
fn zip(content: &[u8], entries: &[Entry<'_>]) -> Vec<u8> {
    let mut directory = Vec::new();
    for Entry { name, at, packed, size, crc } in entries {
        let words = |out: &mut Vec<u8>, words: &[u16]| words.iter().for_each(|word| out.extend(word.to_le_bytes()));
        directory.extend(b"PK\x01\x02");
        words(&mut directory, &[20, 20, 0, 8, 0, 0]);
        [*crc, packed.len() as u32, *size].iter().for_each(|number| directory.extend(number.to_le_bytes()));
        words(&mut directory, &[name.len() as u16, 0, 0, 0, 0, 0, 0]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let mut out = content.to_vec();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    (0..2).for_each(|_| out.extend((entries.len() as u16).to_le_bytes()));
    [directory.len() as u32, content.len() as u32].iter().for_each(|number| out.extend(number.to_le_bytes()));
    out.extend([0, 0]);
    out
}

/// The header of an entry in its place, and the deflated content behind it.
fn local(name: &str, packed: &[u8], size: u32, crc: u32) -> Vec<u8> {
    let mut out = b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0".to_vec();
    [crc, packed.len() as u32, size].iter().for_each(|number| out.extend(number.to_le_bytes()));
    out.extend((name.len() as u16).to_le_bytes());
    out.extend([0, 0]);
    out.extend(name.as_bytes());
    out.extend(packed);
    out
}

fn deflated(content: &[u8]) -> (Vec<u8>, u32) {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(content);
    (encoder.finish().unwrap(), crc.sum())
}

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A header of a tar file, which may say what it likes.
fn header(kind: u8, name: &[u8], size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(size);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn archive(content: impl AsRef<[u8]>) -> Taken {
    let bench = Bench::new();
    bench.write("a.bin", content);
    data_set(&bench, "Listed(list: \"x\", archives: [(file: \"a.bin\")])")
}

#[test]
fn zips_whose_entries_overlap_or_lie_write_nothing() {
    let (packed, crc) = deflated(&vec![0; 50_000_000]);
    let size = 50_000_000;
    let names: Vec<String> = (0..200).map(|at| format!("x{at:04}")).collect();
    let one = local("a", &packed, size, crc);
    let entries: Vec<Entry> = names.iter().map(|name| Entry { name, at: 0, packed: &packed, size, crc }).collect();
    let taken = archive(zip(&one, &entries));
    refused(&taken, "a.bin: ", "lie over one another");
    // Each a little further into the one before it.
    let nested: Vec<u8> = names.iter().flat_map(|name| local(name, &[], size, crc)).chain(packed.clone()).collect();
    let length = local(&names[0], &[], 0, 0).len() as u32;
    let entries: Vec<Entry> =
        names.iter().zip(0..).map(|(name, at)| Entry { name, at: at * length, packed: &packed, size, crc }).collect();
    assert_eq!(archive(zip(&nested, &entries)).code, Some(4));
    // Apart from one another, and far too many bytes together.
    let (mut content, mut starts) = (Vec::new(), Vec::new());
    for name in &names {
        starts.push(content.len() as u32);
        content.extend(local(name, &packed, size, crc));
    }
    let entries: Vec<Entry> =
        names.iter().zip(starts).map(|(name, at)| Entry { name, at, packed: &packed, size, crc }).collect();
    let taken = archive(zip(&content, &entries));
    refused(&taken, "a.bin: ", "unpacks to more than");
    assert!(taken.disk < MIB, "{taken:?}");
    // Small, its directory says, and long, as it is.
    let taken = archive(zip(&one, &[Entry { name: "a", at: 0, packed: &packed, size: 10, crc }]));
    refused(&taken, "a.bin/a: ", "larger than its declared");
}

#[test]
fn tars_that_unpack_without_end_are_cut_short() {
    let zeros = vec![0; 120_000_000];
    let whole = [header(b'0', b"a", zeros.len() as u64), zeros.clone()].concat();
    let taken = archive(gzipped(&whole));
    refused(&taken, "a.bin/a: ", "unpacks to more than");
    assert!(taken.disk < MIB, "{taken:?}");
    for kind in [b'L', b'K', b'x', b'g'] {
        let long = [header(kind, b"n", zeros.len() as u64), zeros.clone()].concat();
        refused(
            &archive(gzipped(&long)),
            "a.bin: ",
            if kind == b'L' || kind == b'x' { "are the most" } else { "unpacks to more than" },
        );
    }
    refused(&archive(gzipped(&header(b'2', b"link", 0).repeat(200_000))), "a.bin: ", "unpacks to more than");
    let many: Vec<u8> = (0..20_000).flat_map(|at| header(b'2', format!("{at}").as_bytes(), 0)).collect();
    refused(&archive(many), "a.bin", "There are 19951 more faults");
    // Nothing but an end.
    refused(&archive(gzipped(&zeros)), "x: ", "Could not");
    let zstd = zstd::stream::encode_all(&zeros[..], 1).unwrap();
    refused(&archive(zstd), "a.bin: ", "It is a Zstandard file");
}

#[test]
fn names_in_archives_end_where_those_of_files_do() {
    let block = |content: &[u8]| [content, &vec![0; content.len().next_multiple_of(512) - content.len()]].concat();
    let long =
        |name: &[u8]| [header(b'L', b"n", name.len() as u64), block(name), header(b'0', b"n", 1), block(b"1")].concat();
    refused(&archive(long(&[b'n'; 300])), "a.bin/nnn", "more than 255 bytes");
    refused(&archive(long(&b"n/".repeat(2100))), "a.bin: ", "are the most");
    refused(&archive(long(b"a\xff")), "a.bin/a", "not UTF-8");
    refused(&archive(long(b"a\x1b[31m/../b")), "a.bin/a\\u{1b}[31m/../b", "leaves the data root");
    let twice = [header(b'0', b"a", 1), block(b"1"), header(b'0', b"a/b", 1), block(b"2")].concat();
    refused(&archive(twice), "a.bin/a/b: ", "It cannot be made");
}
