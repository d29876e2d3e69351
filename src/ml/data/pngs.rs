//! What every reader of PNG files does first.

use std::io::Cursor;

use png::{Decoder, DecodingError, Info, Reader};

use super::Fault;
use super::bounds::{Claim, DEFLATE};

/// Reads up to the pixels. Texts and colour profiles are passed over, since they can be compressed a thousandfold.
pub(super) fn open(mut decoder: Decoder<Cursor<&[u8]>>) -> Result<Reader<Cursor<&[u8]>>, DecodingError> {
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.read_info()
}

/// The size that a file of `held` bytes claims, which is within bounds.
pub(super) fn claim<'a>(info: &Info<'_>, held: usize, place: &'a str) -> Result<Claim<'a>, Fault> {
    let claim = Claim { place, width: u64::from(info.width), height: u64::from(info.height) };
    let bits = info.color_type.samples() as u64 * info.bit_depth as u64;
    claim.check(held, claim.pixels().saturating_mul(bits) / 8, DEFLATE.saturating_mul(held as u64))?;
    Ok(claim)
}
