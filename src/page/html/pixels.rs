//! Images as the addresses that hold them: photographs as JPEG, masks as PNG with a palette of the colours that occur.

use png::{BitDepth, ColorType, DeflateCompression, Encoder, Filter};

use crate::figure::{Panel, base64};
use crate::ml::data::{Raster, jpeg};

/// The longest side that is kept, in pixels: twice what a panel has on a screen.
const SIDE: usize = 640;

/// The quality of a photograph, of 100.
const QUALITY: u8 = 80;

/// An image that can stand in a page.
pub(super) struct Picture {
    pub height: usize,
    pub width: usize,
    /// A `data:` address with the file.
    pub address: String,
}

/// The picture of a panel.
///
/// # Errors
/// A panel whose pixels are not as many as it says, or whose colours lack some. The error is a sentence.
pub(super) fn picture(panel: &Panel) -> Result<Picture, String> {
    match panel {
        Panel::Photo { height, width, pixels } => photo((*height, *width), pixels),
        Panel::Mask { height, width, pixels, palette } => mask((*height, *width), pixels, palette),
    }
}

fn photo((height, width): (usize, usize), pixels: &[u8]) -> Result<Picture, String> {
    hold(height, width, pixels.len(), 3)?;
    let step = height.max(width).div_ceil(SIDE);
    let (rows, columns) = (height.div_ceil(step), width.div_ceil(step));
    // The mean of each square of pixels.
    let mean = |row: usize, column: usize| {
        let (mut sums, mut count) = ([0usize; 3], 0);
        for y in row * step..((row + 1) * step).min(height) {
            for x in column * step..((column + 1) * step).min(width) {
                let pixel = &pixels[(y * width + x) * 3..][..3];
                sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += usize::from(value));
                count += 1;
            }
        }
        sums.map(|sum| ((sum + count / 2) / count) as u8)
    };
    let bytes =
        jpeg::encode(&Raster::from_fn(rows, columns, mean), QUALITY, "a panel").map_err(|fault| fault.message)?;
    Ok(Picture { height, width, address: address("jpeg", &bytes) })
}

fn mask((height, width): (usize, usize), pixels: &[u8], palette: &[[u8; 3]]) -> Result<Picture, String> {
    hold(height, width, pixels.len(), 1)?;
    // The colours that occur get the first numbers, so that most masks need 4 bits a pixel.
    let mut occurs = [false; 256];
    pixels.iter().for_each(|&id| occurs[usize::from(id)] = true);
    let mut places = [0u8; 256];
    let mut colours: Vec<u8> = Vec::new();
    for id in (0..256).filter(|&id| occurs[id]) {
        let colour = palette.get(id).ok_or_else(|| format!("the mask has the value {id}, and no colour for it"))?;
        places[id] = (colours.len() / 3) as u8;
        colours.extend(colour);
    }
    let step = height.max(width).div_ceil(SIDE);
    let (rows, columns) = (height.div_ceil(step), width.div_ceil(step));
    let (bits, depth) = match colours.len() / 3 {
        ..=2 => (1, BitDepth::One),
        3..=4 => (2, BitDepth::Two),
        5..=16 => (4, BitDepth::Four),
        _ => (8, BitDepth::Eight),
    };
    let mut packed = Vec::with_capacity(rows * (columns * bits).div_ceil(8));
    for row in 0..rows {
        let line: Vec<u8> =
            (0..columns).map(|column| places[usize::from(pixels[row * step * width + column * step])]).collect();
        packed.extend(
            line.chunks(8 / bits).map(|part| {
                part.iter().enumerate().fold(0, |byte, (at, &place)| byte | place << (8 - bits - at * bits))
            }),
        );
    }
    let bytes = encoded((rows, columns), depth, colours, &packed).map_err(|error| error.to_string())?;
    Ok(Picture { height, width, address: address("png", &bytes) })
}

fn address(kind: &str, bytes: &[u8]) -> String {
    let mut out = format!("data:image/{kind};base64,");
    base64(bytes, &mut out);
    out
}

/// A PNG by the compressor that gives the same bytes on every machine.
fn encoded(
    (rows, columns): (usize, usize),
    depth: BitDepth,
    palette: Vec<u8>,
    packed: &[u8],
) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, columns as u32, rows as u32);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(depth);
    encoder.set_palette(palette);
    encoder.set_deflate_compression(DeflateCompression::FdeflateUltraFast);
    encoder.set_filter(Filter::Up);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(packed)?;
    writer.finish()?;
    Ok(bytes)
}

fn hold(height: usize, width: usize, bytes: usize, channels: usize) -> Result<(), String> {
    if height == 0 || width == 0 {
        return Err("the image has no pixels".to_owned());
    }
    let wanted = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
    if wanted != Some(bytes) {
        return Err(format!("the image is of {width} x {height} pixels, and has {bytes} bytes"));
    }
    Ok(())
}
