//! TensorFlow's record files: the length as a little-endian `u64`, its checksum, the data, their checksum.
//!
//! A checksum is CRC-32C, rotated and shifted ("masked"), so that a checksum of data that hold checksums is still a
//! good one (tensorflow, core/lib/hash/crc32c.h).

use super::error::Error;

const LENGTH: usize = 8;
const CHECKSUM: usize = 4;

fn masked(data: &[u8]) -> [u8; CHECKSUM] {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// Adds a record to a file's bytes.
pub fn write(file: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    file.extend_from_slice(&length);
    file.extend_from_slice(&masked(&length));
    file.extend_from_slice(data);
    file.extend_from_slice(&masked(data));
}

/// The records of a file.
///
/// # Errors
/// A record that is cut short, and a wrong checksum; a length is believed only after its own checksum was right.
pub fn read(file: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut records = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let at = file.len() - rest.len();
        let mut take = |bytes: usize| {
            let (taken, left) = rest.split_at_checked(bytes).ok_or(Error::Short { at })?;
            rest = left;
            Ok(taken)
        };
        let (length, check) = (take(LENGTH)?, take(CHECKSUM)?);
        if masked(length) != check {
            return Err(Error::Checksum { at });
        }
        let length = length.try_into().map(u64::from_le_bytes).ok().and_then(|length| usize::try_from(length).ok());
        let (data, check) = (take(length.ok_or(Error::Short { at })?)?, take(CHECKSUM)?);
        if masked(data) != check {
            return Err(Error::Checksum { at });
        }
        records.push(data);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC-32C bit by bit, from its polynomial.
    fn crc(data: &[u8]) -> u32 {
        let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        !data.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
    }

    #[test]
    fn checksums_are_crc_32c_masked() {
        // RFC 3720, appendix B.4: 32 bytes of zeros, and of ones.
        assert_eq!((crc(&[0; 32]), crc(&[255; 32])), (0x8a91_36aa, 0x62a8_ab43));
        for data in [&b""[..], b"a", &[0; 32], &[7; 1000]] {
            let crc = crc(data);
            assert_eq!(masked(data), crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes());
        }
    }

    #[test]
    fn records_follow_each_other() {
        let mut file = Vec::new();
        write(&mut file, b"one");
        write(&mut file, b"");
        assert_eq!(read(&file).unwrap(), [&b"one"[..], b""]);
        assert_eq!(file.len(), 3 + 2 * (LENGTH + 2 * CHECKSUM));
        assert_eq!(read(&file[..file.len() - 1]), Err(Error::Short { at: 19 }));
    }

    #[test]
    fn a_length_that_lies_is_never_believed() {
        let mut file = u64::MAX.to_le_bytes().to_vec();
        file.extend_from_slice(&masked(&u64::MAX.to_le_bytes()));
        assert_eq!(read(&file), Err(Error::Short { at: 0 }));
    }
}
