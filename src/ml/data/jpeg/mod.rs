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
//! It is fast enough: no GPU would wait for it. Milliseconds of processor time to decode an image, of 40 photographs of
//! PASCAL VOC (500 x 375, 91 kB) and 60 of CamVid (480 x 360, 19 kB), on an AVX-512 processor. The last row is a decoder
//! for baseline files alone that this project had:
//!
//! | decoder | VOC | CamVid |
//! |---|---|---|
//! | jpeg-decoder 0.3.2, portable | 3.2 | 1.4 |
//! | zune-jpeg 0.5.15 | 1.3 | 0.4 |
//! | 700 lines of our own, the pixels of jpeg-decoder | 1.0 | 0.6 |
//!
//! An image of a batch, with its label, its crop, and the threads that jpeg-decoder starts, takes 4.7 ms of a core
//! (`cargo bench --bench input`), and took 1.8 ms with the decoder of our own. A GPU that trains 10 images in 27 ms
//! (ResNet-101 in TF32, predicted) or in 17 ms (bfloat16) takes 370 or 590 images a second. That is the work of 1.7 or 2.8
//! cores, and a GPU has 8 to 16 cores beside it. So the decoder of our own was removed.
//!
//! The fast transform of TensorFlow 1.3, which the reference used, differs from libjpeg's by 1 level on average and
//! by up to 11 here; ours differs from it by as much. Every digest of a stage that reads images depends on this
//! choice.

mod claims;
#[cfg(test)]
mod tests;

use jpeg_decoder::{Decoder, PixelFormat};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::Fault;
use super::raster::{Raster, Rgb};
use claims::Claims;

const HINT: &str = "Fetch the file again; it may be incomplete.";

/// Decodes a JPEG file; grey images are expanded to three equal channels. `place` names the file in faults.
///
/// # Errors
/// Bytes that are no whole JPEG, colours that are neither grey nor RGB, and sizes beyond [`bounds`](super::bounds).
pub fn decode(bytes: &[u8], place: &str) -> Result<Rgb, Fault> {
    let colours = || Fault::new(place, "The image is neither grey nor RGB, of 8 bits.", "Convert it to RGB.");
    // Where the file says nothing of its size, `jpeg-decoder` says what is wrong with it.
    let claims = Claims::read(bytes, place);
    claims.as_ref().map_or(Ok(()), Claims::check)?;
    if claims.as_ref().is_some_and(|claims| !matches!(claims.components, 1 | 3)) {
        return Err(colours());
    }
    let _turn = claims.map(|claims| claims.claim.afford(claims.memory())).transpose()?;
    let mut decoder = Decoder::new(bytes);
    let fault = |error| Fault::new(place, format!("The image cannot be decoded: {error}."), HINT);
    let data = decoder.decode().map_err(fault)?;
    let (height, width) = size(&decoder, place)?;
    if height == 0 || width == 0 {
        return Err(Fault::new(place, "The image has no pixels.", HINT));
    }
    let pixels = match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::RGB24) => data.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect(),
        Some(PixelFormat::L8) => data.iter().map(|&v| [v, v, v]).collect(),
        _ => return Err(colours()),
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
