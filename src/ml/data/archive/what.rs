//! What a file is that should be an archive, by its first bytes. Its name says nothing.

use std::io::{self, Read};

use super::super::Fault;
use crate::ml::foreign::{self, Foreign, HEAD, Packing};

/// An archive in a format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A tar file, gzipped.
    Gzip,
    /// A zip file.
    Zip,
    /// A tar file.
    Tar,
}

/// The form of the archive that starts with what `reader` gives. `place` names it in the fault.
pub(super) fn form(reader: &mut impl Read, place: &str) -> io::Result<Result<Form, Fault>> {
    Ok(of(&head(reader)?, place))
}

/// A fault if what `reader` gives starts as something that is known and no archive that is read.
pub(super) fn known(reader: &mut impl Read, place: &str) -> io::Result<Result<(), Fault>> {
    let head = head(reader)?;
    Ok(of(&head, place).map(drop).or_else(|fault| if is_unknown(&head) { Ok(()) } else { Err(fault) }))
}

fn head(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    reader.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn of(head: &[u8], place: &str) -> Result<Form, Fault> {
    let fault = |what: &str, hint: String| Err(Fault::new(place, format!("It is {what}."), hint));
    match foreign::of(head) {
        Some(Foreign::Packed(Packing::Gzip)) => return Ok(Form::Gzip),
        Some(Foreign::Packed(Packing::Zip)) => return Ok(Form::Zip),
        Some(Foreign::Packed(Packing::Tar)) => return Ok(Form::Tar),
        Some(Foreign::Packed(packing)) => {
            let then =
                if packing.is_archive() { "pack its files as one of these" } else { "name the tar file that it holds" };
            let hint = format!(
                "Archives are tar, tar.gz or zip. Unpack it by `{}`, and {then}, or name its folder as a data root.",
                packing.program()
            );
            return fault(packing.in_words(), hint);
        }
        Some(Foreign::Pointer) => {
            return fault("a Git LFS pointer, not the archive", "Run `git lfs pull` in its repository.".to_owned());
        }
        Some(Foreign::Page | Foreign::Svg | Foreign::Xml) => {
            let hint =
                "A server sent this page in place of the archive. Open it to read why, and download the archive again.";
            return fault("a web page", hint.to_owned());
        }
        None if head.is_empty() => return fault("an empty file", "Download the archive again.".to_owned()),
        None => {}
    }
    // Old tar files have no magic number: their header is checked when it is read.
    let plain = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    if head.len() < HEAD || head.iter().all(plain) {
        return fault("no archive", "Archives are tar, tar.gz or zip. Download the archive again.".to_owned());
    }
    Ok(Form::Tar)
}

/// Whether nothing is known of a file that starts so.
fn is_unknown(head: &[u8]) -> bool {
    !head.is_empty() && foreign::of(head).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(head: &[u8]) -> String {
        of(head, "a.tar").unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_archive_is_told_by_its_name_and_what_to_do() {
        for (head, what, hint) in [
            (&b"\xfd7zXZ\0\0\x04\xe6\xd6"[..], "It is an xz file.", "Unpack it by `xz -dk`, and name the tar file"),
            (b"BZh91AY&SY\xff\x07", "a bzip2 file", "`bzip2 -dk`"),
            (b"\x28\xb5\x2f\xfd\x04", "a Zstandard file", "`zstd -dk`"),
            (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "`7z x`, and pack its files as one of these"),
            (b"Rar!\x1a\x07\x01", "a RAR archive", "`unrar x`"),
            (b"\n<!DOCTYPE html><html>", "a web page", "download the archive again"),
            (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "git lfs pull"),
            (b"", "an empty file", "Download"),
            (b"abc", "no archive", "Archives are tar, tar.gz or zip."),
            (&[b'a'; HEAD], "no archive", "Archives are"),
        ] {
            let told = told(head);
            assert!(told.contains(what) && told.contains(hint), "{told}");
            assert!(told.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{told}");
        }
    }

    #[test]
    fn what_is_read_is_known() {
        let mut posix = [0; HEAD];
        posix[257..262].copy_from_slice(b"ustar");
        assert_eq!(of(&posix, "x"), Ok(Form::Tar));
        assert_eq!(of(&[0; HEAD], "x"), Ok(Form::Tar), "its header says what is wrong");
        assert_eq!((of(b"\x1f\x8b\x08", "x"), of(b"PK\x05\x06", "x")), (Ok(Form::Gzip), Ok(Form::Zip)));
    }
}
