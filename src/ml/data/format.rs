//! What a file is that is read as an image or a label, by its first bytes. Its name says nothing.

use super::Fault;
use crate::ml::foreign::{self, Foreign};

/// How a PNG file starts.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// How a JPEG file starts.
const JPEG: &[u8] = b"\xff\xd8";

/// What to do about a file that holds another image format.
const CONVERT: &str = "Convert it to PNG, which loses nothing; JPEG and PNG are read.";

/// What to do about a file that is no image at all.
const FETCH: &str = "Fetch the file itself again; JPEG and PNG are read.";

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
}

/// The format of a file. `place` names the file in faults, and `role` what it should be: `image` or `label`.
///
/// # Errors
/// A file of another format, whose name the fault tells, with what to do.
pub fn of(bytes: &[u8], place: &str, role: &str) -> Result<Format, Fault> {
    if bytes.starts_with(JPEG) {
        return Ok(Format::Jpeg);
    }
    if bytes.starts_with(&PNG[..4]) {
        if bytes.starts_with(PNG) || bytes.len() < PNG.len() {
            return Ok(Format::Png);
        }
        let hint = "A transfer that changed line ends damaged it. Fetch it again in binary mode.";
        return Err(Fault::new(place, format!("The {role} is a damaged PNG file."), hint));
    }
    let (what, hint) = other(bytes);
    Err(Fault::new(place, format!("The {role} is {what}."), hint))
}

/// What a file is that is neither JPEG nor PNG, and what to do.
fn other(bytes: &[u8]) -> (&'static str, &'static str) {
    let starts = |start: &[u8]| bytes.starts_with(start);
    let holds = |at: usize, word: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(word));
    if bytes.is_empty() {
        return ("an empty file", "Fetch or write it again; its copy may have failed on a full disk.");
    }
    if bytes.iter().all(|&byte| byte == 0) {
        return ("a file of zeros alone", "Fetch it again; its copy did not reach the disk.");
    }
    if starts(b"GIF87a") || starts(b"GIF89a") {
        return ("a GIF file", CONVERT);
    }
    // A BMP file states its length and four zeros behind its two letters.
    if starts(b"BM") && holds(6, &[0; 4]) {
        return ("a BMP file", CONVERT);
    }
    if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|start| starts(*start)) {
        return ("a TIFF file", CONVERT);
    }
    if starts(b"RIFF") && holds(8, b"WEBP") {
        return ("a WebP file", CONVERT);
    }
    if holds(4, b"ftyp") {
        let brand = |names: &[&[u8; 4]]| names.iter().any(|name| holds(8, *name));
        if brand(&[b"avif", b"avis"]) {
            return ("an AVIF file", CONVERT);
        }
        if brand(&[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"]) {
            return ("a HEIC file, as phones write it", CONVERT);
        }
        return ("a film (MP4)", "Take its frames out as PNG files.");
    }
    if starts(b"\0\0\0\x0cjP  ") || starts(b"\xff\x4f\xff\x51") {
        return ("a JPEG 2000 file", CONVERT);
    }
    if starts(b"\xff\x0a") || starts(b"\0\0\0\x0cJXL ") {
        return ("a JPEG XL file", CONVERT);
    }
    if starts(b"8BPS") {
        return ("a Photoshop file", CONVERT);
    }
    if starts(b"v/1\x01") {
        return ("an OpenEXR file", CONVERT);
    }
    if starts(b"\0\0\x01\0") {
        return ("an icon (ICO)", CONVERT);
    }
    if starts(b"P") && bytes.get(1).is_some_and(|kind| (b'1'..=b'7').contains(kind)) && holds(2, b"\n") {
        return ("a PNM file (PBM, PGM or PPM)", CONVERT);
    }
    if starts(b"%PDF-") {
        return ("a PDF file", "Take the pictures out as PNG files.");
    }
    if starts(b"\x93NUMPY") {
        return ("a NumPy array (.npy)", "Write it as a PNG file.");
    }
    match foreign::of(bytes) {
        Some(Foreign::Packed(packing)) => (packing.in_words(), "Unpack it, and name the files in it."),
        Some(Foreign::Pointer) => {
            ("a Git LFS pointer: the file itself was not fetched", "Run `git lfs pull` in its repository.")
        }
        Some(Foreign::Svg) => ("an SVG file", "Draw it as a PNG file in the size that you need."),
        Some(Foreign::Page) => (
            "an HTML page",
            "A server sent this page in place of the file. Open the page to read why, and fetch the file again.",
        ),
        Some(Foreign::Xml) => ("an XML file", FETCH),
        None if is_text(bytes) => ("a text file", FETCH),
        None => ("neither JPEG nor PNG, nor another format that is known here", FETCH),
    }
}

/// Whether a file is a text, by its start.
fn is_text(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(foreign::HEAD)];
    let readable = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
    let cut = |error: &std::str::Utf8Error| error.error_len().is_none();
    let valid = std::str::from_utf8(head).map_or_else(|error| cut(&error), |_| true);
    valid && head.iter().all(readable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_known_by_its_first_bytes() {
        assert_eq!(of(b"\xff\xd8\xff\xe0", "x", "image"), Ok(Format::Jpeg));
        assert_eq!(of(PNG, "x", "image"), Ok(Format::Png));
        // As a transfer in text mode leaves it.
        assert!(of(b"\x89PNG\n\x1a\n\0\0", "x", "image").unwrap_err().message.contains("damaged PNG"));
    }

    #[test]
    fn what_is_not_read_is_told_by_its_name() {
        let cases: [(&[u8], &str); 36] = [
            (b"", "an empty file"),
            (&[0; 40], "zeros alone"),
            (b"GIF89a", "a GIF file"),
            (b"BM\x36\x10\0\0\0\0\0\0\x36", "a BMP file"),
            (b"BM is a text", "a text file"),
            (b"II*\0\x08\0\0\0", "a TIFF file"),
            (b"MM\0*\0\0\0\x08", "a TIFF file"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "a WebP file"),
            (b"\0\0\0\x20ftypavif\0\0\0\0", "an AVIF file"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC file"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0", "a HEIC file"),
            (b"\0\0\0\x18ftypisom\0\0\0\0", "a film"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file"),
            (b"\xff\x4f\xff\x51\0", "a JPEG 2000 file"),
            (b"\0\0\0\x0cJXL \r\n", "a JPEG XL file"),
            (b"8BPS\0\x01", "a Photoshop file"),
            (b"P6\n4 4\n255\n", "a PNM file"),
            (b"%PDF-1.7\n", "a PDF file"),
            (b"\x93NUMPY\x01\0", "a NumPy array"),
            (b"\x1f\x8b\x08\0", "a gzip file"),
            (b"PK\x03\x04\x14\0", "a zip file"),
            (b"BZh91AY&SY", "a bzip2 file"),
            (b"\xfd7zXZ\0\0\x04", "an xz file"),
            (b"\x28\xb5\x2f\xfd\x04", "a Zstandard file"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "a Git LFS pointer"),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\">", "an SVG file"),
            (b"<?xml version=\"1.0\"?>\n<!-- a -->\n<SVG>", "an SVG file"),
            (b"<!DOCTYPE html>\n<html>", "an HTML page"),
            (b"\xef\xbb\xbf\n <HTML><body>", "an HTML page"),
            (b"<html>404</html>", "an HTML page"),
            (b"<?xml version=\"1.0\"?><Error/>", "an XML file"),
            (b"Not found\r\n", "a text file"),
            ("Größe".as_bytes(), "a text file"),
            (b"{\"message\": \"Rate limit\"}", "a text file"),
            (b"\x01\x02\x03\x04", "neither JPEG nor PNG"),
            (b"\xfe\xdc\xba", "neither JPEG nor PNG"),
        ];
        for (bytes, name) in cases {
            let fault = of(bytes, "i/x.jpg", "image").unwrap_err();
            assert!(fault.message.starts_with("The image is ") && fault.message.contains(name), "{name}: {fault}");
            assert!(fault.place == "i/x.jpg" && !fault.hint.is_empty(), "{fault}");
        }
        assert!(of(b"GIF89a", "x", "label").unwrap_err().message.starts_with("The label is a GIF file"));
    }
}
