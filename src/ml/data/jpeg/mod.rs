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
//! In some files it brings chroma to full resolution otherwise than libjpeg. [`chroma`] mends this, for the price of a second
//! decoding of these files. Against libjpeg-turbo 3.2 (Pillow), over 2,400 files of 1 x 1 to 500 x 375 pixels, baseline and
//! progressive, with and without restart intervals:
//!
//! | files | worst pixel, mean difference | of the decoder alone |
//! |---|---|---|
//! | grey | 1, 0.009 | the same |
//! | 4:4:4 | 3, 0.023 | the same |
//! | 4:2:0 | 4, 0.069 | the same |
//! | 4:1:1 | 3, 0.032 | the same |
//! | 4:2:2 | 3, 0.024 | 46, 0.195 |
//! | 4:4:0 | 3, 0.034 | 3, 0.194 |
//! | 4:2:0, up to 4 columns | 2, 0.02 | 64, 4.6 |
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

mod chroma;
mod claims;
#[cfg(test)]
mod tests;

use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::Fault;
use super::raster::{Raster, Rgb};
use chroma::Chroma;
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
    let chroma = Chroma::of(bytes);
    let second = chroma.as_ref().and_then(|chroma| Claims::read(&chroma.file, place));
    let more = second.map_or(0, |second| second.memory());
    let _turn = claims.map(|claims| claims.claim.afford(claims.memory().saturating_add(more))).transpose()?;
    let mut decoder = Decoder::new(bytes);
    if chroma.is_some() {
        // Luma is taken as it is, as the first of three channels.
        decoder.set_color_transform(ColorTransform::RGB);
    }
    let fault = |error| {
        let why = match error {
            jpeg_decoder::Error::Io(_) => "the file ends too early".to_owned(),
            error => error.to_string(),
        };
        Fault::new(place, format!("The image cannot be decoded: {why}."), HINT)
    };
    let data = decoder.decode().map_err(fault)?;
    let (height, width) = size(&decoder, place)?;
    if let Some(chroma) = chroma {
        let second = samples(&chroma).map_err(fault)?;
        let image = chroma.image((height, width), &data, &second);
        return image.ok_or_else(|| Fault::new(place, "The image is cut short.", HINT));
    }
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

/// Which rule gives the pixels of a file. A new rule for some files gets a new number, and leaves that of all others.
///
/// - 1: what `jpeg-decoder` gives, or no JPEG file;
/// - 2: chroma upsampled as libjpeg does it, where `jpeg-decoder` does it otherwise ([`chroma`]).
pub fn rule(bytes: &[u8]) -> u64 {
    if Chroma::of(bytes).is_some() { 2 } else { 1 }
}

/// The samples of the second image, which is decoded for its chroma.
fn samples(chroma: &Chroma) -> Result<Vec<u8>, jpeg_decoder::Error> {
    let mut decoder = Decoder::new(chroma.file.as_slice());
    decoder.set_color_transform(if chroma.four { ColorTransform::CMYK } else { ColorTransform::RGB });
    decoder.decode()
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
