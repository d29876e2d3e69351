//! What a file is that is not what it should be, by its first bytes: what a download may leave in the place of any file.
//!
//! Every reader of users' files asks here, and says itself what to do, which only it knows. Formats that stand in the place of
//! one kind of file alone, such as pictures of other formats, are known by the reader of that kind.

/// How many bytes at the start tell all that is known here.
pub const HEAD: usize = 512;

/// Where the header of a tar file (POSIX and GNU) holds its magic number.
const USTAR: usize = 257;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// Files, or one file, packed by a program.
    Packed(Packing),
    /// A pointer of Git LFS, which stands for the file.
    Pointer,
    /// A page of a web site.
    Page,
    /// A picture as SVG.
    Svg,
    /// Another file of XML, such as the error of a server.
    Xml,
}

/// A format in which programs pack files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// gzip.
    Gzip,
    /// zip.
    Zip,
    /// tar, with the header of POSIX or GNU.
    Tar,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
    /// Zstandard.
    Zstd,
    /// LZ4.
    Lz4,
    /// lzip.
    Lzip,
    /// The `compress` of Unix.
    Compress,
    /// LZMA alone.
    Lzma,
    /// 7-Zip.
    SevenZip,
    /// RAR.
    Rar,
}

/// Each packing: where and how it starts, its name, and the command that unpacks it.
const PACKINGS: [(Packing, usize, &[u8], &str, &str); 13] = [
    (Packing::Gzip, 0, b"\x1f\x8b", "a gzip file", "gzip -dk"),
    (Packing::Zip, 0, b"PK\x03\x04", "a zip file", "unzip"),
    (Packing::Zip, 0, b"PK\x05\x06", "a zip file", "unzip"),
    (Packing::Xz, 0, b"\xfd7zXZ", "an xz file", "xz -dk"),
    (Packing::Bzip2, 0, b"BZh", "a bzip2 file", "bzip2 -dk"),
    (Packing::Zstd, 0, b"\x28\xb5\x2f\xfd", "a Zstandard file", "zstd -dk"),
    (Packing::Lz4, 0, b"\x04\x22\x4d\x18", "an LZ4 file", "lz4 -dk"),
    (Packing::Lzip, 0, b"LZIP", "an lzip file", "lzip -dk"),
    (Packing::Compress, 0, b"\x1f\x9d", "a file of `compress`", "gzip -dk"),
    (Packing::Lzma, 0, b"\x5d\0\0", "an LZMA file", "xz -dk"),
    (Packing::SevenZip, 0, b"7z\xbc\xaf", "a 7-Zip archive", "7z x"),
    (Packing::Rar, 0, b"Rar!", "a RAR archive", "unrar x"),
    (Packing::Tar, USTAR, b"ustar", "a tar archive", "tar -xf"),
];

impl Packing {
    /// Its name, as `a gzip file`.
    pub fn in_words(self) -> &'static str {
        self.entry().0
    }

    /// The command that unpacks it.
    pub fn program(self) -> &'static str {
        self.entry().1
    }

    /// Whether it holds several files, and not the bytes of one.
    pub fn is_archive(self) -> bool {
        matches!(self, Packing::Zip | Packing::Tar | Packing::SevenZip | Packing::Rar)
    }

    fn entry(self) -> (&'static str, &'static str) {
        let entry = PACKINGS.iter().find(|(packing, ..)| *packing == self);
        entry.map_or(("a packed file", "unzip"), |(.., name, program)| (*name, *program))
    }
}

/// What a file is whose first [`HEAD`] bytes are these; none where they say nothing.
pub fn of(head: &[u8]) -> Option<Foreign> {
    let starts = |at: usize, word: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(word));
    let packed = PACKINGS.iter().filter(|(_, at, word, ..)| starts(*at, word)).map(|(packing, ..)| *packing);
    // Three bytes say little. A dictionary of LZMA has a size, and the length that a file of weights begins with has not.
    let sized = head.get(3..5).is_some_and(|size| size != [0, 0]);
    if let Some(packing) = packed.clone().find(|packing| *packing != Packing::Lzma || sized) {
        return Some(Foreign::Packed(packing));
    }
    if starts(0, b"version https://git-lfs") {
        return Some(Foreign::Pointer);
    }
    let head = &head[..head.len().min(HEAD)];
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start().to_ascii_lowercase();
    let holds = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
    let page = ["<!doctype html", "<html", "<head", "<body"].iter().any(|word| holds(word.as_bytes()));
    match text.first() {
        Some(b'<') if holds(b"<svg") => Some(Foreign::Svg),
        Some(b'<') if page => Some(Foreign::Page),
        Some(b'<') if holds(b"<?xml") => Some(Foreign::Xml),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_downloads_leave_is_known_by_its_first_bytes() {
        let mut tar = [0; HEAD];
        tar[USTAR..USTAR + 6].copy_from_slice(b"ustar ");
        let packed = |head: &[u8]| match of(head) {
            Some(Foreign::Packed(packing)) => Some((packing.in_words(), packing.program())),
            _ => None,
        };
        for (head, told) in [
            (&b"\x1f\x8b\x08\0"[..], ("a gzip file", "gzip -dk")),
            (b"PK\x05\x06", ("a zip file", "unzip")),
            (b"\xfd7zXZ\0\0\x04", ("an xz file", "xz -dk")),
            (b"\x5d\0\0\x80\0\xff\xff", ("an LZMA file", "xz -dk")),
            (b"7z\xbc\xaf\x27\x1c", ("a 7-Zip archive", "7z x")),
            (&tar, ("a tar archive", "tar -xf")),
        ] {
            assert_eq!(packed(head), Some(told));
        }
        // So begins a safetensors file whose header has 93 bytes.
        assert_eq!(of(b"\x5d\0\0\0\0\0\0\0{\"a\":"), None);
        assert_eq!(of(b"version https://git-lfs.github.com/spec/v1\n"), Some(Foreign::Pointer));
        for (head, what) in [
            ("\u{feff}\n <HTML><body>", Foreign::Page),
            ("<?xml version=\"1.0\"?><html>", Foreign::Page),
            ("<!DOCTYPE html>", Foreign::Page),
            ("<?xml version=\"1.0\"?><Error/>", Foreign::Xml),
            ("<?xml version=\"1.0\"?>\n<!-- a -->\n<SVG>", Foreign::Svg),
        ] {
            assert_eq!(of(head.as_bytes()), Some(what), "{head}");
        }
        assert_eq!([of(b""), of(b"text with <html>"), of(&[0; 600])], [None; 3]);
    }
}
