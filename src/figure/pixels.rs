//! Pictures of pixels, as files inside of SVG and as pixels of a PNG.
//!
//! Photographs are made smaller by means over areas. Masks and maps keep their colours: each pixel that is drawn has the
//! colour of the pixel below its centre. What is drawn larger is repeated, since some viewers would blur it.

use std::fmt::Write as _;

use super::chart::Panel;

/// Pixels in colours, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Raster {
    pub height: usize,
    pub width: usize,
    pub pixels: Vec<[u8; 3]>,
}

impl Panel {
    /// Height and width in pixels.
    pub fn size(&self) -> (usize, usize) {
        let (Panel::Photo { height, width, .. } | Panel::Mask { height, width, .. }) = self;
        (*height, *width)
    }

    /// Whether it is a photograph.
    pub(super) fn is_photo(&self) -> bool {
        matches!(self, Panel::Photo { .. })
    }

    fn colour(&self, at: usize) -> [u8; 3] {
        match self {
            Panel::Photo { pixels, .. } => std::array::from_fn(|c| pixels.get(3 * at + c).copied().unwrap_or_default()),
            Panel::Mask { palette, .. } => palette.get(usize::from(self.index(at))).copied().unwrap_or_default(),
        }
    }

    fn index(&self, at: usize) -> u8 {
        match self {
            Panel::Photo { .. } => 0,
            Panel::Mask { pixels, .. } => pixels.get(at).copied().unwrap_or_default(),
        }
    }

    /// The picture in another size.
    pub fn resized(&self, height: usize, width: usize) -> Raster {
        let (rows, columns) = self.size();
        if rows == 0 || columns == 0 {
            return Raster { height, width, pixels: vec![[255; 3]; height * width] };
        }
        let smooth = self.is_photo() && rows >= height && columns >= width;
        let place = |y: usize, x: usize| {
            let (y, x) = ((2 * y + 1) * rows / (2 * height), (2 * x + 1) * columns / (2 * width));
            self.colour(y * columns + x)
        };
        let pixels = (0..height * width).map(|at| (at / width, at % width)).map(|(y, x)| match smooth {
            true => self.mean((y, height, rows), (x, width, columns), columns),
            false => place(y, x),
        });
        Raster { height, width, pixels: pixels.collect() }
    }

    /// The mean over a pixel of another size, in whole numbers: weights are shares of a pixel.
    fn mean(&self, y: (usize, usize, usize), x: (usize, usize, usize), stride: usize) -> [u8; 3] {
        let spans = |(at, count, of): (usize, usize, usize)| {
            // In units of 1 / count of a pixel of the source.
            let (from, to) = (at * of, (at + 1) * of);
            (from / count..to.div_ceil(count)).map(move |i| (i, to.min((i + 1) * count) - from.max(i * count)))
        };
        mean_colour(spans(y), spans(x), |row, column| self.colour(row * stride + column))
    }

    /// The picture as a file for an SVG that shows it `width` CSS pixels wide, as a `data:` address. None where it has no
    /// pixels.
    pub fn address(&self, width: f64) -> Option<String> {
        let (rows, columns) = self.size();
        let (kind, bytes) = match self {
            Panel::Photo { .. } => {
                // As fine as 300 dots per inch.
                let most = ((width * 300.0 / 96.0).ceil() as usize).clamp(1, columns.max(1));
                let shown = self.resized((rows * most).div_ceil(columns.max(1)), most);
                ("jpeg", jpeg(&shown))
            }
            Panel::Mask { palette, .. } => {
                let times = ((4.0 * width / columns.max(1) as f64).ceil() as usize).clamp(1, 16);
                let pixels: Vec<u8> = (0..rows * times)
                    .flat_map(|y| (0..columns * times).map(move |x| self.index(y / times * columns + x / times)))
                    .collect();
                ("png", indexed(columns * times, rows * times, palette, &pixels))
            }
        };
        Some(data_address(kind, &bytes?))
    }
}

/// The mean of the colours where rows and columns meet, each with its weight. It is rounded to whole numbers.
pub fn mean_colour(
    rows: impl Iterator<Item = (usize, usize)>,
    columns: impl Iterator<Item = (usize, usize)> + Clone,
    colour: impl Fn(usize, usize) -> [u8; 3],
) -> [u8; 3] {
    let mut sum = [0_u64; 3];
    let mut all = 0;
    for (row, high) in rows {
        for (column, wide) in columns.clone() {
            let weight = (high * wide) as u64;
            let pixel = colour(row, column);
            (0..3).for_each(|c| sum[c] += weight * u64::from(pixel[c]));
            all += weight;
        }
    }
    sum.map(|value| ((value + all / 2) / all.max(1)) as u8)
}

/// A PNG of indices, of 8 bits each.
fn indexed(width: usize, height: usize, palette: &[[u8; 3]], pixels: &[u8]) -> Option<Vec<u8>> {
    // A pixel beyond the palette would make the file invalid.
    let most = pixels.iter().max().map_or(1, |&most| usize::from(most) + 1);
    let mut colours: Vec<u8> = palette.iter().take(256).flatten().copied().collect();
    colours.resize(colours.len().max(3 * most), 0);
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    indexed_png((height, width), png::BitDepth::Eight, colours, pixels).ok()
}

/// A PNG of indices into a palette. `packed` holds the rows, each from a new byte on, with as many bits a pixel as `depth` says.
///
/// # Errors
/// A palette or pixels that are not as the size and the depth say.
pub fn indexed_png(
    (height, width): (u32, u32),
    depth: png::BitDepth,
    palette: Vec<u8>,
    packed: &[u8],
) -> Result<Vec<u8>, png::EncodingError> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(depth);
    encoder.set_palette(palette);
    // One compressor without machine-dependent paths: the same bytes on every processor.
    encoder.set_deflate_compression(png::DeflateCompression::FdeflateUltraFast);
    encoder.set_filter(png::Filter::Up);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(packed)?;
    writer.finish()?;
    Ok(out)
}

/// A PNG in colours, which says how many pixels a metre has.
///
/// # Errors
/// It is too large. The error is a sentence.
pub fn png(raster: &Raster, pixels_per_metre: u32) -> Result<Vec<u8>, String> {
    let wrong = |error: png::EncodingError| format!("The PNG cannot be written: {error}.");
    let side = |side: usize| u32::try_from(side).map_err(|_| "The picture is too large for a PNG.".to_owned());
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, side(raster.width)?, side(raster.height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_deflate_compression(png::DeflateCompression::FdeflateUltraFast);
    encoder.set_filter(png::Filter::Up);
    let dimensions = png::PixelDimensions { xppu: pixels_per_metre, yppu: pixels_per_metre, unit: png::Unit::Meter };
    encoder.set_pixel_dims(Some(dimensions));
    let bytes: Vec<u8> = raster.pixels.iter().flatten().copied().collect();
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&bytes)).map_err(wrong)?;
    Ok(out)
}

fn jpeg(raster: &Raster) -> Option<Vec<u8>> {
    let (width, height) = (u16::try_from(raster.width).ok()?, u16::try_from(raster.height).ok()?);
    let bytes: Vec<u8> = raster.pixels.iter().flatten().copied().collect();
    let mut out = Vec::new();
    jpeg_encoder::Encoder::new(&mut out, 92).encode(&bytes, width, height, jpeg_encoder::ColorType::Rgb).ok()?;
    Some(out)
}

/// The `data:` address that holds the file of an image, of the sort `kind`, as `png`.
pub fn data_address(kind: &str, bytes: &[u8]) -> String {
    let mut out = format!("data:image/{kind};base64,");
    base64(bytes, &mut out);
    out
}

/// Appends bytes as base64 (RFC 4648), padded to a multiple of four.
pub fn base64(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for part in bytes.chunks(3) {
        let all = part.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let digit = if at <= part.len() { char::from(DIGITS[(all >> (18 - 6 * at) & 63) as usize]) } else { '=' };
            // Writing to a string cannot fail.
            let _ = out.write_char(digit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let coded = |text: &str| {
            let mut out = String::new();
            base64(text.as_bytes(), &mut out);
            out
        };
        assert_eq!(["", "f", "fo", "foo", "foob"].map(coded), ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn a_photograph_is_averaged_and_a_mask_is_not() {
        let pixels = vec![0, 0, 0, 100, 100, 100, 200, 200, 200];
        let photo = Panel::Photo { height: 1, width: 3, pixels };
        assert_eq!(photo.resized(1, 1).pixels, [[100; 3]]);
        assert_eq!(photo.resized(1, 2).pixels, [[33; 3], [167; 3]]);
        let palette = vec![[9; 3], [7; 3]];
        let mask = Panel::Mask { height: 1, width: 2, pixels: vec![0, 1], palette };
        assert_eq!(mask.resized(2, 4).pixels[..4], [[9; 3], [9; 3], [7; 3], [7; 3]]);
        assert_eq!(mask.resized(1, 1).pixels, [[7; 3]]);
    }

    #[test]
    fn a_mask_in_an_svg_is_a_png_of_its_palette() {
        let mask = Panel::Mask { height: 1, width: 2, pixels: vec![0, 2], palette: vec![[9; 3], [7; 3]] };
        let address = mask.address(2.0).unwrap();
        assert!(address.starts_with("data:image/png;base64,iVBORw0KGgo"), "{address}");
    }
}
