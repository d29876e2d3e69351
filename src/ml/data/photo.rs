//! Photographs: JPEG files, and PNG files as Cityscapes has them. The first bytes of a file say which of the two it is.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Transformations};

use super::format::Format;
use super::raster::{Raster, Rgb};
use super::{Fault, format, jpeg, pngs};

const HINT: &str = "Fetch the file again; it may be incomplete.";

/// Decodes a photograph; grey values and palettes are expanded to colours. `place` names the file in faults.
///
/// # Errors
/// Other formats by their names, bytes that are no whole JPEG or PNG, 16-bit values, pixels that are transparent, and
/// sizes beyond [`bounds`](super::bounds).
pub fn decode(bytes: &[u8], place: &str) -> Result<Rgb, Fault> {
    match format::of(bytes, place, "image")? {
        Format::Png => png(bytes, place, "image"),
        Format::Jpeg => jpeg::decode(bytes, place),
    }
}

/// The colours of a PNG file, as [`decode`] gives them. `role` is `image` or `label`.
pub(super) fn png(bytes: &[u8], place: &str, role: &str) -> Result<Rgb, Fault> {
    let fault = |error: png::DecodingError| {
        let why = error.to_string();
        Fault::new(place, format!("The {role} cannot be decoded: {}.", why.trim_end_matches('.')), HINT)
    };
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = pngs::open(decoder).map_err(fault)?;
    let claim = pngs::claim(reader.info(), bytes.len(), place)?;
    let (color, depth) = reader.output_color_type();
    if depth != BitDepth::Eight {
        let hint = "Convert it to 8 bits a channel.";
        return Err(Fault::new(place, format!("The {role} has 16 bits a channel."), hint));
    }
    let (height, width) = (reader.info().height as usize, reader.info().width as usize);
    let size = claim.pixels() * color.samples() as u64;
    let _turn = claim.afford(size + 3 * claim.pixels())?;
    let mut data = vec![0; size as usize];
    reader.next_frame(&mut data).map_err(fault)?;
    reader.finish().map_err(fault)?;
    let samples = color.samples();
    if matches!(color, ColorType::Rgba | ColorType::GrayscaleAlpha)
        && data.chunks_exact(samples).any(|pixel| pixel[samples - 1] != 255)
    {
        let hint = "Put it on a background that you choose, and save it without transparency.";
        return Err(Fault::new(place, format!("The {role} has transparent pixels."), hint));
    }
    let pixel = |pixel: &[u8]| if samples < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] };
    Raster::new(height, width, data.chunks_exact(samples).map(pixel).collect())
        .ok_or_else(|| Fault::new(place, format!("The {role} is cut short."), HINT))
}

#[cfg(test)]
mod tests {
    use super::super::labels;
    use super::*;
    use crate::ml::data::Labels;

    fn image() -> Rgb {
        Rgb::from_fn(9, 13, |y, x| [(20 * y) as u8, (15 * x) as u8, 77])
    }

    fn encoded(color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        bytes
    }

    #[test]
    fn png_files_of_every_sort_give_their_colours() {
        assert_eq!(decode(&labels::encode_rgb(&image(), "x").unwrap(), "x").unwrap(), image());
        let ids = Labels::new(1, 2, vec![1, 15]).unwrap();
        let palette = labels::encode_palette(&ids, &crate::ml::colors::VOC_MAP, "x").unwrap();
        assert_eq!(decode(&palette, "x").unwrap().pixels(), [[128, 0, 0], [192, 128, 128]]);
        let pixels = |color, depth, data: &[u8]| decode(&encoded(color, depth, data), "x").unwrap().pixels().to_vec();
        assert_eq!(pixels(ColorType::Grayscale, BitDepth::Eight, &[3, 200]), [[3; 3], [200; 3]]);
        assert_eq!(pixels(ColorType::Grayscale, BitDepth::Two, &[0b0111_0000]), [[85; 3], [255; 3]]);
        let opaque = pixels(ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 255, 4, 5, 6, 255]);
        assert_eq!(opaque, [[1, 2, 3], [4, 5, 6]]);
    }

    #[test]
    fn the_first_bytes_say_what_a_file_is() {
        let photograph = jpeg::encode(&image(), 95, "x").unwrap();
        assert_eq!(decode(&photograph, "x").unwrap(), jpeg::decode(&photograph, "x").unwrap());
        assert_eq!(decode(b"GIF89a", "x").unwrap_err().message, "The image is a GIF file.");
    }

    #[test]
    fn transparent_deep_and_broken_files_are_faults() {
        let clear = encoded(ColorType::GrayscaleAlpha, BitDepth::Eight, &[1, 255, 2, 254]);
        assert_eq!(decode(&clear, "x").unwrap_err().message, "The image has transparent pixels.");
        let deep = encoded(ColorType::Grayscale, BitDepth::Sixteen, &[0; 4]);
        assert_eq!(decode(&deep, "x").unwrap_err().message, "The image has 16 bits a channel.");
        let whole = labels::encode_rgb(&image(), "x").unwrap();
        for cut in [8, 40, whole.len() - 13] {
            assert_eq!(decode(&whole[..cut], "i/x.png").unwrap_err().place, "i/x.png", "{cut}");
        }
    }
}
