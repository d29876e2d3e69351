//! Archives that the tests make themselves, sound and hostile.

use super::*;

fn tar(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // Written as bytes: the builder itself refuses names that leave the folder.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The names extracted from `bytes`, in a new folder.
fn unpack(bytes: &[u8], expected: Option<Digest>) -> (tempfile::TempDir, Result<Vec<String>, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("a");
    fsio::write_atomic(&archive, bytes).unwrap();
    let keep = |name: &str| name.strip_prefix("top/").map(str::to_owned);
    let names = extract(&archive, "a.tar", expected, &dir.path().join("out"), &keep);
    (dir, names)
}

#[test]
fn chosen_files_come_out_of_each_format() {
    use tar::EntryType::{Directory, Regular};
    let plain = tar(&[
        ("top/", Directory, b""),
        ("./top/x/b.txt", Regular, b"bee"),
        ("top/a.txt", Regular, b"ay"),
        ("other/c", Regular, b""),
    ]);
    let zipped = zipped(&[("top/x/b.txt", b"bee"), ("top/a.txt", b"ay"), ("other/c", b"")]);
    for bytes in [gzipped(&plain), plain, zipped] {
        let (dir, names) = unpack(&bytes, Some(Digest::of(&bytes)));
        assert_eq!(names.unwrap(), ["a.txt", "x/b.txt"]);
        assert_eq!(fsio::read(&dir.path().join("out/x/b.txt")).unwrap(), b"bee");
        assert!(!fsio::exists(&dir.path().join("out/other")));
    }
}

#[test]
fn hostile_names_links_and_doubles_are_all_reported() {
    use tar::EntryType::{Regular, Symlink};
    let bytes = tar(&[
        ("top/../../x", Regular, b"1"),
        ("/etc/x", Regular, b"1"),
        ("top/link", Symlink, b""),
        ("top/a", Regular, b"1"),
        ("top/a", Regular, b"2"),
    ]);
    let (dir, names) = unpack(&bytes, None);
    let error = names.unwrap_err();
    let messages: Vec<&str> = error.faults().iter().map(|f| f.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "The name leaves the data root by `..`.",
            "The name is an absolute path.",
            "It is a link, a device or a sparse file, not a plain one.",
            "`a` is in the archive twice."
        ]
    );
    assert_eq!(fsio::walk(dir.path()).unwrap(), ["a", "out/a"]);
    let error = unpack(&zipped(&[("top/../../x", b"1")]), None).1.unwrap_err();
    assert_eq!(error.faults()[0].place, "a.tar/top/../../x");
}

#[test]
fn another_digest_and_damaged_content_are_refused() {
    let bytes = zipped(&[("top/a", &[7; 1000])]);
    assert!(unpack(&bytes, Some(Digest::of(b""))).1.unwrap_err().to_string().contains("it must have"));
    let plain = tar(&[("top/a", tar::EntryType::Regular, &[7; 3000])]);
    for damaged in [&plain[..1500], &gzipped(&plain)[..40], &bytes[..bytes.len() - 30], b"no archive"] {
        let (_dir, names) = unpack(damaged, None);
        assert!(!names.unwrap_err().faults().is_empty());
    }
    let mut noise = plain.clone();
    noise[148..156].fill(0xfe);
    for other in [&b"\xfd7zXZ\0 "[..], b"BZh91AY", &noise] {
        let told = unpack(other, None).1.unwrap_err().to_string();
        assert!(told.is_ascii() && told.starts_with("a.tar: "), "{told}");
    }
    // The size in the header says a billion bytes: neither memory nor a file of that size comes of it.
    let mut lying = plain.clone();
    lying[124..135].copy_from_slice(b"07346545000");
    let sum: u32 =
        lying[..512].iter().enumerate().map(|(i, &b)| u32::from(if (148..156).contains(&i) { 32 } else { b })).sum();
    lying[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let error = unpack(&lying, None).1.unwrap_err();
    assert!(error.to_string().contains("a.tar/top/a: "), "{error}");
}
