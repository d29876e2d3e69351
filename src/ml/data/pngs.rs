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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::write::ZlibEncoder;
    use flate2::{Compression, Crc};
    use png::{BitDepth, ColorType, Encoder};

    use super::super::{Labels, labels, photo};

    fn ids() -> Labels {
        Labels::from_fn(11, 13, |y, x| ((y * 13 + x) % 4) as u8)
    }

    fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(content);
        out.extend((content.len() as u32).to_be_bytes());
        out.extend(kind);
        out.extend(content);
        out.extend(crc.sum().to_be_bytes());
    }

    /// A row's samples of `bits` bits, the first in the highest.
    fn packed(samples: impl Iterator<Item = u8>, bits: usize) -> Vec<u8> {
        let samples: Vec<u8> = samples.collect();
        let byte = |part: &[u8]| {
            part.iter().enumerate().fold(0, |byte, (at, &sample)| byte | sample << (8 - bits - at * bits))
        };
        samples.chunks(8 / bits).map(byte).collect()
    }

    /// The ids, interlaced, as grey values or as indices of a palette of four greys.
    fn interlaced(colour: u8, bits: usize) -> Vec<u8> {
        let ids = ids();
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::fast());
        for (top, left, down, across) in
            [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        {
            for y in (top..ids.height()).step_by(down) {
                let samples = (left..ids.width()).step_by(across).map(|x| ids.at(y, x));
                deflated.write_all(&[0]).unwrap();
                deflated.write_all(&packed(samples, bits)).unwrap();
            }
        }
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        let size = [(ids.width() as u32).to_be_bytes(), (ids.height() as u32).to_be_bytes()].concat();
        chunk(&mut out, b"IHDR", &[&size[..], &[bits as u8, colour, 0, 0, 1]].concat());
        if colour == 3 {
            chunk(&mut out, b"PLTE", &[0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255]);
        }
        chunk(&mut out, b"IDAT", &deflated.finish().unwrap());
        chunk(&mut out, b"IEND", &[]);
        out
    }

    #[test]
    fn interlaced_files_are_read_at_every_depth() {
        for colour in [0, 3] {
            for bits in [2, 4, 8] {
                let file = interlaced(colour, bits);
                assert_eq!(labels::decode(&file, "x").unwrap(), ids(), "{colour} {bits}");
                let grey = |id: u8| match (colour, bits) {
                    (3, _) | (_, 2) => 85 * id,
                    (_, 4) => 17 * id,
                    _ => id,
                };
                assert_eq!(photo::decode(&file, "x").unwrap(), ids().map(|id| [grey(id); 3]), "{colour} {bits}");
            }
        }
    }

    /// Two pixels of a palette in which only the second colour is clear.
    fn with_clear_colour(indices: [u8; 2]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(ColorType::Indexed);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_palette(vec![9, 9, 9, 7, 7, 7]);
        encoder.set_trns(vec![255, 0]);
        encoder.write_header().unwrap().write_image_data(&indices).unwrap();
        bytes
    }

    #[test]
    fn transparency_matters_where_a_pixel_has_it() {
        assert_eq!(photo::decode(&with_clear_colour([0, 0]), "x").unwrap().pixels(), [[9; 3]; 2]);
        assert_eq!(
            photo::decode(&with_clear_colour([0, 1]), "x").unwrap_err().message,
            "The image has transparent pixels."
        );
        // Ids are not seen, so none is clear.
        assert_eq!(labels::decode(&with_clear_colour([0, 1]), "x").unwrap().pixels(), [0, 1]);
    }

    #[test]
    fn labels_that_hold_no_ids_are_told_with_what_to_do() {
        let fault = |colour: ColorType, depth: BitDepth, data: &[u8]| {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, 1, 1);
            encoder.set_color(colour);
            encoder.set_depth(depth);
            encoder.write_header().unwrap().write_image_data(data).unwrap();
            labels::decode(&bytes, "x").unwrap_err()
        };
        let colours = fault(ColorType::Rgb, BitDepth::Eight, &[1, 2, 3]);
        assert!(colours.hint.contains("`colours: {"), "{colours}");
        let deep = fault(ColorType::Grayscale, BitDepth::Sixteen, &[0, 1]);
        assert!(deep.message.contains("16 bits") && deep.hint.starts_with("Convert it to 8 bits"), "{deep}");
        let alpha = fault(ColorType::GrayscaleAlpha, BitDepth::Eight, &[1, 255]);
        assert!(alpha.message.contains("transparency") && alpha.hint.contains("without transparency"), "{alpha}");
    }
}
