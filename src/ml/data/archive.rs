//! Archives as downloaded: tar, plain or gzipped, and zip.
//!
//! An archive is not trusted: names that leave the folder, names that occur twice and sizes that lie are faults, links
//! are never made or followed, and no memory is taken for what a header merely claims.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::list::below_root;
use super::{Error, Fault};
use crate::fsio;
use crate::hash::Digest;

const DAMAGED: &str = "Download the archive again.";

/// Chooses what is extracted: the name in the archive (with `/`, never leaving the folder) into the name below the
/// folder, or nothing to leave the file out.
pub type Keep<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Extracts the files that `keep` chooses from the archive at `path` into the folder `into`, and gives their names
/// there, sorted. Where `expected` is given the archive's digest is checked before anything is read from it. `place`
/// names the archive in faults. After an error the folder's content is of no use.
pub fn extract(
    path: &Path,
    place: &str,
    expected: Option<Digest>,
    into: &Path,
    keep: &Keep<'_>,
) -> Result<Vec<String>, Error> {
    if let Some(expected) = expected {
        let found = Digest::from(fsio::blake3(path)?);
        if found != expected {
            let message = format!("The archive has digest {found}; it must have {expected}.");
            return Err(Fault::new(place, message, DAMAGED).into());
        }
    }
    let mut file = fsio::open(path)?;
    let mut magic = [0; 4];
    let io = |error| Error::Io(fsio::Error::new("read", path, error));
    let read = file.read(&mut magic).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut extraction = Extraction { place, into, keep, names: BTreeSet::new(), faults: Vec::new() };
    match &magic[..read] {
        [0x1f, 0x8b, ..] => extraction.tar(MultiGzDecoder::new(BufReader::new(file)))?,
        b"PK\x03\x04" | b"PK\x05\x06" => extraction.zip(BufReader::new(file))?,
        _ => extraction.tar(BufReader::new(file))?,
    }
    if extraction.faults.is_empty() {
        Ok(extraction.names.into_iter().collect())
    } else {
        Err(Error::Faults(extraction.faults))
    }
}

struct Extraction<'a> {
    place: &'a str,
    into: &'a Path,
    keep: &'a Keep<'a>,
    names: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl Extraction<'_> {
    fn tar(&mut self, reader: impl Read) -> Result<(), Error> {
        let mut archive = tar::Archive::new(reader);
        let place = self.place;
        let damaged = |error| Fault::new(place, format!("The archive cannot be read: {error}."), DAMAGED);
        for entry in archive.entries().map_err(damaged)? {
            let entry = entry.map_err(damaged)?;
            let kind = entry.header().entry_type();
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if !kind.is_dir() && !kind.is_pax_global_extensions() {
                let size = entry.size();
                self.file(&name, kind.is_file(), size, entry)?;
            }
        }
        Ok(())
    }

    fn zip(&mut self, reader: impl Read + Seek) -> Result<(), Error> {
        let place = self.place;
        let damaged = |error| Fault::new(place, format!("The archive cannot be read: {error}."), DAMAGED);
        let mut archive = zip::ZipArchive::new(reader).map_err(damaged)?;
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(damaged)?;
            let name = entry.name().map_err(damaged)?.into_owned();
            if !entry.is_dir() {
                let (size, plain) = (entry.size(), entry.is_file());
                self.file(&name, plain, size, entry)?;
            }
        }
        Ok(())
    }

    /// Takes one entry. What is wrong with its name is collected; content that cannot be read ends the extraction.
    fn file(&mut self, name: &str, plain: bool, size: u64, content: impl Read) -> Result<(), Error> {
        let place = format!("{}/{name}", self.place);
        let name = name.trim_start_matches("./");
        if name.starts_with('/') {
            self.faults.push(Fault::new(place, "The name is an absolute path.", "Do not use this archive."));
            return Ok(());
        }
        if let Err(why) = below_root(name) {
            self.faults.push(Fault::new(place, format!("The name {why}."), "Do not use this archive."));
            return Ok(());
        }
        let Some(target) = (self.keep)(name) else { return Ok(()) };
        if !plain {
            self.faults.push(Fault::new(place, "It is a link or a device, not a file.", "Pack the files themselves."));
            return Ok(());
        }
        if !self.names.insert(target.clone()) {
            self.faults.push(Fault::new(place, format!("`{target}` is in the archive twice."), DAMAGED));
            return Ok(());
        }
        let path = self.into.join(&target);
        let mut file = fsio::create(&path)?;
        let written = copy(&mut content.take(size.saturating_add(1)), &mut file, &path, &place)?;
        if written != size {
            return Err(Fault::new(place, format!("It has not the {size} bytes that its header says."), DAMAGED).into());
        }
        Ok(())
    }
}

/// Copies all of `from` to `to`: what cannot be read is a fault of the archive, what cannot be written is the disk's.
fn copy(from: &mut impl Read, to: &mut impl Write, path: &Path, place: &str) -> Result<u64, Error> {
    let mut buffer = vec![0; 1 << 16];
    let mut written = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(written),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::new(place, format!("It cannot be unpacked: {error}."), DAMAGED).into()),
        };
        to.write_all(&buffer[..n]).map_err(|error| fsio::Error::new("write", path, error))?;
        written += n as u64;
    }
}

#[cfg(test)]
mod tests {
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
                "It is a link or a device, not a file.",
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
        // The size in the header says a billion bytes: neither memory nor a file of that size comes of it.
        let mut lying = plain.clone();
        lying[124..135].copy_from_slice(b"07346545000");
        let sum: u32 = lying[..512]
            .iter()
            .enumerate()
            .map(|(i, &b)| u32::from(if (148..156).contains(&i) { 32 } else { b }))
            .sum();
        lying[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let error = unpack(&lying, None).1.unwrap_err();
        assert!(error.to_string().contains("a.tar/top/a: "), "{error}");
    }
}
