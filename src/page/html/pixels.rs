//! Images as the addresses that hold them: photographs as JPEG, masks as PNG with a palette of the colours that occur.

use png::BitDepth;

use crate::figure::{Panel, data_address, indexed_png, mean_colour};
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
    let span = |at: usize, of: usize| (at * step..((at + 1) * step).min(of)).map(|i| (i, 1));
    let pixel = |y: usize, x: usize| [0, 1, 2].map(|c| pixels[3 * (y * width + x) + c]);
    let mean = |row: usize, column: usize| mean_colour(span(row, height), span(column, width), pixel);
    let bytes =
        jpeg::encode(&Raster::from_fn(rows, columns, mean), QUALITY, "a panel").map_err(|fault| fault.message)?;
    Ok(Picture { height, width, address: data_address("jpeg", &bytes) })
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
    let bytes =
        indexed_png((rows as u32, columns as u32), depth, colours, &packed).map_err(|error| error.to_string())?;
    Ok(Picture { height, width, address: data_address("png", &bytes) })
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
