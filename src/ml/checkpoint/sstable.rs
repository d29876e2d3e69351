//! Sorted string tables: what LevelDB calls a table, and TensorFlow keeps its checkpoints and their indices in.
//!
//! A table is blocks, an index block with a handle (offset, size) a block, and a footer of 48 bytes that ends with
//! [`MAGIC`]. A block is entries, then the offsets where keys start anew, then their number; behind it stand a byte
//! for its compression and a masked CRC-32C of both. An entry shares a prefix with the key before it.
//! (LevelDB, doc/table_format.md; TensorFlow, core/lib/io/format.cc.)

use prost::bytes::Bytes;

use super::content::Content;
use super::error::{Error, Result};
use super::tensors::{Source, limit};

/// The last eight bytes of a table.
pub const MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
/// Two handles, filled up to 40 bytes, and the magic number.
const FOOTER: usize = 48;
/// The type of the compression and the checksum.
const TRAILER: usize = 5;
/// Snappy's longest copy is 64 bytes, and the shortest way to ask for one takes two.
const SNAPPY_EXPANSION: usize = 32;
/// What an entry takes beside its key and its value.
const ENTRY: usize = 64;

/// Keys and values.
pub type Entries = Vec<(Vec<u8>, Bytes)>;

/// Every entry of a table, in the order of the keys.
///
/// # Errors
/// The footer, a block, its checksum or the order of the keys is not as it must be.
pub fn entries(table: &Content) -> Result<Entries> {
    let footer = footer(table).transpose()?.filter(|footer| footer.ends_with(&MAGIC)).ok_or_else(|| {
        let what = "The magic number of a TensorFlow checkpoint or index is missing at the end of the file.";
        Error::damaged("footer", what)
    })?;
    let mut footer = Reader { bytes: &footer[..FOOTER - MAGIC.len()], at: 0 };
    let wrong = || Error::damaged("footer", "The places of the blocks cannot be read.");
    let mut handle = || Some((footer.varint()?, footer.varint()?));
    let (_, index) = (handle().ok_or_else(wrong)?, handle().ok_or_else(wrong)?);
    let mut out = Entries::new();
    // Blocks follow one another, so those that an index names twice cannot make the table greater than its file.
    let mut end = 0;
    // Keys are kept whole, though the file has their ends only.
    let mut budget = limit(table.len());
    for (_, value) in block(table, index, &mut budget)? {
        let mut reader = Reader { bytes: &value, at: 0 };
        let place = reader.varint().zip(reader.varint());
        let (offset, size) =
            place.ok_or_else(|| Error::damaged("index block", "The place of a block cannot be read."))?;
        if offset < end {
            return Err(Error::damaged(
                "index block",
                format!("The block at byte {offset} overlaps the one before it."),
            ));
        }
        end = offset.saturating_add(size);
        for (key, value) in block(table, (offset, size), &mut budget)? {
            if out.last().is_some_and(|(last, _)| *last >= key) {
                return Err(Error::damaged(format!("block at byte {offset}"), "The keys are not in order."));
            }
            out.push((key, value));
        }
    }
    Ok(out)
}

/// The value of the first entry, which has no key, if the table is sound that far.
pub fn first(table: &Content) -> Option<Bytes> {
    let mut budget = limit(table.len());
    let footer = footer(table)?.ok()?;
    let mut footer = Reader { bytes: &footer, at: 0 };
    let (_, index) = ((footer.varint()?, footer.varint()?), (footer.varint()?, footer.varint()?));
    let (_, value) = block(table, index, &mut budget).ok()?.into_iter().next()?;
    let mut reader = Reader { bytes: &value, at: 0 };
    let (_, value) = block(table, (reader.varint()?, reader.varint()?), &mut budget).ok()?.into_iter().next()?;
    Some(value)
}

/// The last bytes of a table; none where it is shorter.
fn footer(table: &Content) -> Option<Result<Bytes>> {
    let handles = table.len().checked_sub(FOOTER)?;
    Some(table.part(handles..table.len())?.read())
}

/// The entries of the block at a handle; what they take is taken from the budget.
fn block(table: &Content, (offset, size): (u64, u64), budget: &mut usize) -> Result<Entries> {
    let at = || format!("block at byte {offset}");
    let part = usize::try_from(offset)
        .ok()
        .zip(usize::try_from(size).ok())
        .and_then(|(offset, size)| table.part(offset..offset.checked_add(size)?.checked_add(TRAILER)?));
    let part = part.ok_or_else(|| {
        Error::damaged(at(), format!("Its {size} bytes do not lie within the file's {}.", table.len()))
    })?;
    let whole = part.read()?;
    let (body, trailer) = whole.split_at(whole.len() - TRAILER);
    let stored = unmask(u32::from_le_bytes([trailer[1], trailer[2], trailer[3], trailer[4]]));
    let found = crc32c::crc32c_append(crc32c::crc32c(body), &trailer[..1]);
    if stored != found {
        let what = format!("The checksum is {stored:#010x}, but the content gives {found:#010x}.");
        return Err(Error::damaged(at(), what));
    }
    let content = match trailer[0] {
        0 => whole.slice(..body.len()),
        1 => unsnap(body).ok_or_else(|| Error::damaged(at(), "It cannot be decompressed by Snappy."))?,
        other => {
            let hint = "Write the checkpoint again with TensorFlow's Saver.";
            return Err(Error::refused(at(), format!("The compression {other} is not known."), hint));
        }
    };
    parse(&content, budget).ok_or_else(|| Error::damaged(at(), "Its entries cannot be read."))
}

fn unsnap(bytes: &[u8]) -> Option<Bytes> {
    let claimed = snap::raw::decompress_len(bytes).ok()?;
    if claimed > bytes.len().saturating_mul(SNAPPY_EXPANSION) {
        return None;
    }
    snap::raw::Decoder::new().decompress_vec(bytes).ok().map(Bytes::from)
}

/// The entries of a block that is not compressed; none where it is not whole, or takes more than the budget.
pub fn parse(block: &Bytes, budget: &mut usize) -> Option<Entries> {
    let count = block.len().checked_sub(4)?;
    let restarts = u32::from_le_bytes(block[count..].try_into().ok()?) as usize;
    let end = count.checked_sub(restarts.checked_mul(4)?)?;
    let mut reader = Reader { bytes: &block[..end], at: 0 };
    let mut key: Vec<u8> = Vec::new();
    let mut out = Vec::new();
    while reader.at < end {
        let (shared, own) = (reader.length()?, reader.length()?);
        let len = reader.length()?;
        key.truncate(if shared <= key.len() { shared } else { return None });
        key.extend_from_slice(reader.take(own)?);
        *budget = budget.checked_sub(key.len().saturating_add(ENTRY))?;
        let at = reader.at;
        reader.take(len)?;
        out.push((key.clone(), block.slice(at..at + len)));
    }
    Some(out)
}

/// TensorFlow and LevelDB store a CRC-32C rotated and shifted, since CRCs of data with CRCs in them are weak.
pub fn unmask(masked: u32) -> u32 {
    masked.wrapping_sub(0xa282_ead8).rotate_left(15)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The mask, the other way.
    pub fn mask(crc: u32) -> u32 {
        crc.rotate_right(15).wrapping_add(0xa282_ead8)
    }

    fn varint(out: &mut Vec<u8>, mut value: usize) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    fn write_block(out: &mut Vec<u8>, entries: &[(Vec<u8>, Vec<u8>)], every: usize, snappy: bool) -> Vec<u8> {
        let (mut body, mut restarts, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (key, value)) in entries.iter().enumerate() {
            let anew = at % every == 0;
            if anew {
                restarts.push(body.len() as u32);
            }
            let shared = if anew { 0 } else { key.iter().zip(&last).take_while(|(a, b)| a == b).count() };
            varint(&mut body, shared);
            varint(&mut body, key.len() - shared);
            varint(&mut body, value.len());
            body.extend(&key[shared..]);
            body.extend(value);
            last.clone_from(key);
        }
        for restart in &restarts {
            body.extend(restart.to_le_bytes());
        }
        body.extend((restarts.len() as u32).to_le_bytes());
        if snappy {
            body = snap::raw::Encoder::new().compress_vec(&body).unwrap();
        }
        let mut handle = Vec::new();
        varint(&mut handle, out.len());
        varint(&mut handle, body.len());
        body.push(u8::from(snappy));
        let crc = mask(crc32c::crc32c(&body));
        out.extend(body);
        out.extend(crc.to_le_bytes());
        handle
    }

    /// A table of sorted entries, in blocks of `block` entries with keys that start anew after every `every`.
    pub fn write(entries: &[(Vec<u8>, Vec<u8>)], block: usize, every: usize, snappy: bool) -> Vec<u8> {
        let (mut out, mut index) = (Vec::new(), Vec::new());
        for entries in entries.chunks(block) {
            let handle = write_block(&mut out, entries, every, snappy);
            index.push((entries.last().unwrap().0.clone(), handle));
        }
        let meta = write_block(&mut out, &[], 1, false);
        let index = write_block(&mut out, &index, 1, false);
        let mut footer: Vec<u8> = meta.into_iter().chain(index).collect();
        footer.resize(FOOTER - MAGIC.len(), 0);
        out.extend(footer);
        out.extend(MAGIC);
        out
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let entry = |at: usize| (format!("group/{:03}/weights", at).into_bytes(), vec![at as u8; at % 7]);
        let entries_: Vec<_> = (0..100).map(entry).collect();
        for (block, every, snappy) in [(1, 1, false), (7, 3, true), (100, 16, false), (33, 100, true)] {
            let table = Bytes::from(write(&entries_, block, every, snappy)).into();
            let found: Vec<_> =
                entries(&table).unwrap().into_iter().map(|(key, value)| (key, value.to_vec())).collect();
            assert_eq!(found, entries_);
            assert_eq!(first(&table).unwrap(), entries_[0].1);
        }
    }

    #[test]
    fn checksums_are_those_of_the_castagnoli_polynomial() {
        // RFC 3720, B.4: 32 bytes of zeros, and the bytes from 0 to 31.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        for crc in [0, 1, 0x8a91_36aa, u32::MAX] {
            assert_eq!(unmask(mask(crc)), crc);
        }
    }

    #[test]
    fn snappy_cannot_claim_more_than_it_can_hold() {
        let mut bomb = Vec::new();
        varint(&mut bomb, 1 << 31);
        bomb.extend([0; 20]);
        assert_eq!(unsnap(&bomb), None);
    }
}
