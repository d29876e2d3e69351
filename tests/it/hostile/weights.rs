//! Files of weights.

use std::io::Write as _;
use std::process::Command;

use super::{MIB, little, measured, refused};
use crate::harness::Bench;

/// What `weights inspect`, `weights convert` and a stage say of a file of weights: each time exit code 4, and the same
/// words.
fn weights(name: &str, content: &[u8], says: &str) {
    let bench = Bench::new();
    bench.write(name, content);
    let pipeline = format!(
        "Pipeline(name: \"w\", stages: {{\"w\": Weights(encoder: Tiny, source: Checkpoint(file: \"{name}\"))}})"
    );
    bench.write("w.ron", pipeline);
    for line in
        [format!("weights inspect {name}"), format!("weights convert {name} out.safetensors"), "run w.ron".into()]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
        command.args(line.split_whitespace());
        let command = if line.starts_with("run") { bench.command(&line) } else { command };
        refused(&measured(&bench, &command), name, says);
        assert!(!bench.path("out.safetensors").exists());
    }
}

/// A `.pth` of this pickle and a storage of 48 bytes.
fn torch(pickle: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in [("m/data.pkl", [b"\x80\x02", pickle].concat()), ("m/data/0", vec![0; 48])] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A tensor of a pickle, its shape and strides as pickles of their own.
fn tensor(shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let start = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n";
    [&start[..], b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x0ctQK\x00", shape, strides, b"\x89NtR"].concat()
}

#[test]
fn weights_whose_headers_lie_are_refused_on_every_way_in() {
    let header = |length: u64, text: &str| [&length.to_le_bytes()[..], text.as_bytes()].concat();
    weights("m.safetensors", &header(1 << 60, "{}"), "its header is of 1152921504606846976 bytes");
    weights("m.safetensors", &header(99_000_000, "{}"), "its header is of 99000000 bytes");
    let tensors = |place: &str, shape: &str| {
        let text = format!("{{\"a\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":{place}}}}}");
        header(text.len() as u64, &text)
    };
    weights("m.safetensors", &tensors("[0,4611686018427387904]", "[1152921504606846976]"), "overflow computing");
    weights("m.safetensors", &tensors("[0,4000000000000]", "[1000000000000]"), "need 4000000000000 bytes");
    weights("m.safetensors", &tensors("[0,0]", "[4294967296,4294967296,4294967296]"), "m.safetensors");
    weights("m.safetensors", &header(2_000_000, &"[".repeat(2_000_000)), "not a whole safetensors file");

    let npy = |header: &str, values: &[u8]| {
        let array =
            [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat();
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("a.npy", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&array).unwrap();
        zip.finish().unwrap().into_inner()
    };
    let shape = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': True, 'shape': {shape}, }}\n");
    weights("m.npz", &npy(&shape("(4294967296, 4294967296, 4)"), b""), "does not go with 0 bytes");
    weights("m.npz", &npy(&shape("(1000000000000,)"), &[0; 64]), "does not go with 64 bytes");
    weights("m.npz", &npy(&shape("(10000000,)"), &vec![0; 40_000_000]), "as no weights do");
}

#[test]
fn pickles_that_ask_for_much_are_refused_on_every_way_in() {
    weights("m.pth", &torch(b"X\xff\xff\xff\x7fa."), "not a whole pickle");
    weights("m.pth", &torch(b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fa."), "not a whole pickle");
    weights("m.pth", &torch(b"\x8b\xff\xff\xff\x7f."), "not a whole pickle");
    weights("m.pth", &torch(&vec![b']'; 2 << 20]), "more than 1048576 operations");
    weights("m.pth", &torch(&[&b"(".repeat(1_000_000)[..], b"."].concat()), "m.pth");
    // Each list holds the one before it twice.
    let bomb = [b"]q\x00".to_vec(), b"]q\x00(h\x00h\x00e".repeat(100_000), b".".to_vec()].concat();
    weights("m.pth", &torch(&bomb), "m.pth");
    let huge = tensor(b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40\x85", b"K\x00\x85");
    weights("m.pth", &torch(&[&b"}(X\x01\x00\x00\x00a"[..], &huge, b"u."].concat()), "does not fit 48 bytes");
    let legacy = [&b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."[..], &b"]".repeat(3 << 20)].concat();
    weights("m.pth", &legacy, "more than 1048576 operations");
}

#[test]
fn a_large_file_of_weights_takes_the_memory_of_its_largest_tensor() {
    // Sixteen tensors of 64 MiB, in a file that is a hole but for its header.
    let bytes = 64 * MIB;
    let tensors: Vec<String> = (0..16)
        .map(|at| {
            format!(
                "\"t{at:02}\":{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                bytes / 4,
                at * bytes,
                (at + 1) * bytes
            )
        })
        .collect();
    let header = format!("{{{}}}", tensors.join(","));
    let bench = Bench::new();
    let path = bench.write("m.safetensors", [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat());
    std::fs::File::options().write(true).open(&path).unwrap().set_len(8 + header.len() as u64 + 16 * bytes).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    let taken = measured(&bench, command.args(["weights", "inspect", "m.safetensors"]));
    assert_eq!(taken.code, Some(0), "{taken:?}");
    assert!(taken.told.contains("16 tensors"), "{taken:?}");
    little(&taken);
    // Neither is what is no file of weights at all.
    std::fs::write(&path, b"no weights").unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    std::fs::rename(&path, bench.path("m.bin")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    refused(&measured(&bench, command.args(["weights", "inspect", "m.bin"])), "m.bin", "in none of the formats");
}
