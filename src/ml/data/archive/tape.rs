//! The headers of a tar file (POSIX.1-2001, and GNU's long names), one entry at a time, in memory that is bounded
//! whatever they say.

use std::io::{self, ErrorKind, Read};

use tar::{EntryType, Header};

use crate::ml::data::bounds::PATH;

/// Headers and contents fill whole blocks.
const BLOCK: usize = 512;

/// The bytes that an extended header may have. It holds a name, times, and an owner.
const EXTENDED: u64 = 1 << 20;

/// What the headers say of an entry; its content is the next `size` bytes.
pub(super) struct Entry {
    /// The name, as it is.
    pub name: Vec<u8>,
    /// Whether it is a file with a content, and whole.
    pub plain: bool,
    /// Whether it is a folder.
    pub folder: bool,
    /// The bytes of its content.
    pub size: u64,
}

/// Reads the headers of the next entry; none at the end. What lies behind is its content.
pub(super) fn next(reader: &mut impl Read) -> io::Result<Option<Entry>> {
    let (mut name, mut stated, mut sparse) = (None, None, false);
    loop {
        let mut block = [0; BLOCK];
        let read = fill(reader, &mut block)?;
        if read == 0 || block == [0; BLOCK] {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block);
        // The library's own errors quote the bytes that are no number.
        if read < BLOCK || header.cksum().ok() != Some(checksum(&block)) {
            return Err(wrong("a header is cut off or has another checksum"));
        }
        let kind = header.entry_type();
        let size = header.entry_size().map_err(|_| wrong("a size is no number"))?;
        match kind {
            EntryType::GNULongName => {
                let mut long = held(reader, size, PATH as u64 + 1)?;
                long.truncate(long.iter().position(|&byte| byte == 0).unwrap_or(long.len()));
                name = Some(long);
            }
            EntryType::XHeader => {
                for (key, value) in
                    records(&held(reader, size, EXTENDED)?).ok_or_else(|| wrong("an extended header"))?
                {
                    match &key[..] {
                        b"path" => name = Some(value),
                        b"size" => stated = Some(number(&value).ok_or_else(|| wrong("a size is no number"))?),
                        key => sparse |= key.starts_with(b"GNU.sparse."),
                    }
                }
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => skip(reader, size, size)?,
            _ => {
                if kind.is_gnu_sparse() {
                    extents(reader, &block)?;
                }
                let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
                let (plain, folder) = (kind.is_file() && !sparse, kind.is_dir());
                return Ok(Some(Entry { name, plain, folder, size: stated.unwrap_or(size) }));
            }
        }
    }
}

/// Passes over the last `rest` bytes of a content of `size`, and what fills its last block.
pub(super) fn skip(reader: &mut impl Read, rest: u64, size: u64) -> io::Result<()> {
    let rest = rest.saturating_add(size.next_multiple_of(BLOCK as u64) - size);
    match io::copy(&mut reader.take(rest), &mut io::sink())? {
        passed if passed < rest => Err(wrong("it is cut off")),
        _ => Ok(()),
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// Reads as much as there is, up to the whole of `buffer`.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The content of a header that stands before an entry's own.
fn held(reader: &mut impl Read, size: u64, most: u64) -> io::Result<Vec<u8>> {
    if size > most {
        return Err(wrong(&format!("a name or header of {size} bytes, where {most} are the most")));
    }
    let mut content = vec![0; size as usize];
    reader.read_exact(&mut content)?;
    skip(reader, 0, size)?;
    Ok(content)
}

/// The sum of a header's bytes, those of the sum itself taken for spaces.
fn checksum(block: &[u8; BLOCK]) -> u32 {
    let byte = |(at, &byte): (usize, &u8)| u32::from(if (148..156).contains(&at) { b' ' } else { byte });
    block.iter().enumerate().map(byte).sum()
}

/// The records of an extended header, each `LENGTH KEY=VALUE` and a newline.
fn records(mut text: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut records = Vec::new();
    while !text.is_empty() {
        let space = text.iter().position(|&byte| byte == b' ')?;
        let length = usize::try_from(number(&text[..space])?).ok()?;
        let record = text.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        text = &text[length..];
    }
    Some(records)
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Passes over the blocks that say where the parts of a sparse file lie.
fn extents(reader: &mut impl Read, header: &[u8; BLOCK]) -> io::Result<()> {
    let mut more = header[482];
    while more != 0 {
        let mut block = [0; BLOCK];
        reader.read_exact(&mut block)?;
        more = block[504];
    }
    Ok(())
}
