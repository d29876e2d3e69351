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
//! It takes about twice the time of libjpeg-turbo. So the files that data sets have are decoded by a decoder of our own,
//! whose pixels are the same (`baseline`); `jpeg-decoder` does all others, and says what is wrong with a broken one.
//!
//! The fast transform of TensorFlow 1.3, which the reference used, differs from libjpeg's by 1 level on average and
//! by up to 11 here; ours differs from it by as much. Every digest of a stage that reads images depends on this
//! choice.

mod baseline;
mod claims;
mod colours;
mod header;
mod huffman;
mod idct;
#[cfg(test)]
mod tests;

use jpeg_decoder::{Decoder, PixelFormat};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::Fault;
use super::planes::{Planes, Window};
use super::raster::{Raster, Rgb};
use claims::Claims;

const HINT: &str = "Fetch the file again; it may be incomplete.";

/// Decodes a JPEG file; grey images are expanded to three equal channels. `place` names the file in faults, which
/// are: bytes that are no whole JPEG, colours that are neither grey nor RGB, and sizes beyond [`bounds`](super::bounds).
pub fn decode(bytes: &[u8], place: &str) -> Result<Rgb, Fault> {
    let claims = claims(bytes, place)?;
    match ours(bytes, claims.as_ref(), &Window::whole)? {
        Some(planes) => Ok(planes.to_rgb()),
        None => decode_any(bytes, place, claims.as_ref()),
    }
}

/// The part of an image that `choose` names when it is told height and width: the same pixels as [`decode`]'s. What is
/// wrong below that part need not be found.
pub fn decode_part(bytes: &[u8], place: &str, choose: &dyn Fn((usize, usize)) -> Window) -> Result<Planes, Fault> {
    let claims = claims(bytes, place)?;
    if let Some(planes) = ours(bytes, claims.as_ref(), choose)? {
        return Ok(planes);
    }
    let image = decode_any(bytes, place, claims.as_ref())?;
    Ok(Planes::of(&image, choose(image.size())))
}

/// What the file says of its size, which is within bounds; none where it says nothing, which `jpeg-decoder` words.
fn claims<'a>(bytes: &[u8], place: &'a str) -> Result<Option<Claims<'a>>, Fault> {
    let claims = Claims::read(bytes, place);
    claims.as_ref().map_or(Ok(()), Claims::check)?;
    Ok(claims)
}

/// What our decoder makes of the file, where it knows it.
fn ours(
    bytes: &[u8],
    claims: Option<&Claims<'_>>,
    choose: &dyn Fn((usize, usize)) -> Window,
) -> Result<Option<Planes>, Fault> {
    let Some(claims) = claims.filter(|claims| claims.may_be_baseline()) else { return Ok(None) };
    let _turn = claims.claim.afford(claims.ours())?;
    Ok(baseline::decode(bytes, choose))
}

/// Decodes whatever `jpeg-decoder` can.
fn decode_any(bytes: &[u8], place: &str, claims: Option<&Claims<'_>>) -> Result<Rgb, Fault> {
    let colours = || Fault::new(place, "The image is neither grey nor RGB, of 8 bits.", "Convert it to RGB.");
    if claims.is_some_and(|claims| !matches!(claims.components, 1 | 3)) {
        return Err(colours());
    }
    let _turn = claims.map(|claims| claims.claim.afford(claims.other())).transpose()?;
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
