//! JPEG files to and from pixels.
//!
//! The decoder is `jpeg-decoder` in its portable form (no SIMD, integer arithmetic): the same pixels on every
//! instruction set. It was chosen by comparing pixels with libjpeg's accurate integer transform (what PIL, PyTorch
//! and most tools decode to), on the recorded images of the reference, in levels of 255:
//!
//! | decoder | worst pixel | mean difference |
//! |---|---|---|
//! | jpeg-decoder, portable | 3 | 0.008 to 0.08 |
//! | jpeg-decoder, SIMD | 3 | 0.03 to 0.12 |
//! | zune-jpeg, with or without SIMD | 16 | 0.01 to 0.43 |
//!
//! It takes about twice the time of zune-jpeg (1.8 ms for a photograph of 500 x 375), and that is little beside a
//! training step.
//!
//! The fast transform of TensorFlow 1.3, which the reference used, differs from libjpeg's by 1 level on average and
//! by up to 11 here; ours differs from it by as much. Every digest of a stage that reads images depends on this
//! choice.

use jpeg_decoder::{Decoder, PixelFormat};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::Fault;
use super::raster::{Raster, Rgb};

/// No photograph of the supported sets comes near; a header that claims more is not believed.
const MAX_BYTES: usize = 1 << 29;

const HINT: &str = "Fetch the file again; it may be incomplete.";

/// Decodes a JPEG file; grey images are expanded to three equal channels. `place` names the file in faults, which
/// are: bytes that are no whole JPEG, and colours that are neither grey nor RGB.
pub fn decode(bytes: &[u8], place: &str) -> Result<Rgb, Fault> {
    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(MAX_BYTES);
    let fault = |error| Fault::new(place, format!("The image cannot be decoded: {error}."), HINT);
    let data = decoder.decode().map_err(fault)?;
    let (height, width) = size(&decoder, place)?;
    if height == 0 || width == 0 {
        return Err(Fault::new(place, "The image has no pixels.", HINT));
    }
    let pixels = match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::RGB24) => data.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect(),
        Some(PixelFormat::L8) => data.iter().map(|&v| [v, v, v]).collect(),
        _ => return Err(Fault::new(place, "The image is neither grey nor RGB, of 8 bits.", "Convert it to RGB.")),
    };
    Raster::new(height, width, pixels).ok_or_else(|| Fault::new(place, "The image is cut short.", HINT))
}

fn size(decoder: &Decoder<&[u8]>, place: &str) -> Result<(usize, usize), Fault> {
    let info = decoder.info().ok_or_else(|| Fault::new(place, "The image has no header.", HINT))?;
    Ok((usize::from(info.height), usize::from(info.width)))
}

/// Encodes an image with a quality from 1 to 100, chroma at half resolution as cameras write it. The same pixels
/// give the same bytes on every machine. Fails for images without pixels or over 65,535 pixels wide or high.
pub fn encode(image: &Rgb, quality: u8, place: &str) -> Result<Vec<u8>, Fault> {
    let side = |n: usize| u16::try_from(n).unwrap_or(0);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode(image.pixels().as_flattened(), side(image.width()), side(image.height()), ColorType::Rgb)
        .map_err(|error| Fault::new(place, format!("The image cannot be encoded: {error}."), ""))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_what_is_cut_short() {
        let image = Rgb::from_fn(33, 50, |y, x| [(5 * y) as u8, (4 * x) as u8, 90]);
        let bytes = encode(&image, 95, "x").unwrap();
        let read = decode(&bytes, "x").unwrap();
        let worst = image.pixels().iter().zip(read.pixels()).map(|(a, b)| a[1].abs_diff(b[1])).max();
        assert!(worst.unwrap() < 8, "{worst:?}");
        for cut in [0, 1, 20, 300, bytes.len() / 2, bytes.len() - 12, bytes.len() - 2] {
            let fault = decode(&bytes[..cut], "images/x.jpg").unwrap_err();
            assert_eq!(fault.place, "images/x.jpg", "{cut}");
        }
        // Content has no checksum in JPEG: changed bytes may give other pixels or a fault, but never a panic.
        for i in 0..400 {
            let mut changed = bytes.clone();
            let at = i * changed.len() / 400;
            changed[at] ^= 1 << (i % 8);
            let _ = decode(&changed, "x");
        }
        assert!(decode(b"GIF89a", "x").unwrap_err().message.starts_with("The image cannot be decoded"));
        assert!(encode(&Rgb::from_fn(0, 3, |_, _| [0; 3]), 90, "x").is_err());
    }
}
