//! PNG files: class ids, and the pictures that predictions are shown as.
//!
//! A label is a palette image, whose indices are the ids, or a grey image, whose values are the ids. Colours are read
//! only where a data set states what they mean ([`Colours`]). Files are written without compression choices that depend on the machine: the same pixels give the
//! same bytes everywhere.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DeflateCompression, Encoder, Filter, Transformations};
use serde::{Deserialize, Serialize};

use super::colours::Colours;
use super::format::Format;
use super::raster::{Labels, Raster, Rgb};
use super::{Fault, cityscapes, format, pngs};

const HINT: &str = "Fetch the file again; it may be incomplete.";

/// What the values in a data set's labels are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coding {
    /// Ids of classes.
    #[default]
    Ids,
    /// Ids of classes, and ids at or above the number of classes, which become `ignore`.
    IdsBelow {
        /// The number of classes.
        classes: u16,
        /// The id of pixels that count nowhere.
        ignore: u8,
    },
    /// Cityscapes' labelIds, which become trainIds.
    CityscapesLabelIds,
    /// Colours, each of which is a class or ignored.
    Colours(Colours),
    /// Ids of classes that count from another number than 0.
    From {
        /// The id of the first class.
        first: u8,
        /// The value that is ignored, which is the id of no class. It becomes [`IGNORE`].
        ignore: u8,
    },
}

/// What the value to ignore becomes where ids are changed.
pub const IGNORE: u8 = 255;

impl Coding {
    /// Decodes a label of this coding to ids of classes. A value without a meaning is a fault of `place`.
    pub fn decode(&self, bytes: &[u8], place: &str) -> Result<Labels, Fault> {
        Ok(self.counted(bytes, place)?.0)
    }

    /// As [`decode`](Coding::decode), with the number of pixels whose ids are no class, and which are ignored for that.
    pub fn counted(&self, bytes: &[u8], place: &str) -> Result<(Labels, u64), Fault> {
        let ids = match self {
            Coding::Ids => decode(bytes, place)?,
            Coding::CityscapesLabelIds => cityscapes::train_ids(&decode(bytes, place)?, place)?,
            Coding::Colours(colours) => {
                no_photograph(bytes, place)?;
                colours.decode(bytes, place)?
            }
            &Coding::IdsBelow { classes, ignore } => {
                let values = decode(bytes, place)?;
                let beyond = |id: u8| u16::from(id) >= classes && id != ignore;
                let count = values.pixels().iter().filter(|&&id| beyond(id)).count() as u64;
                return Ok((values.map(|id| if beyond(id) { ignore } else { id }), count));
            }
            &Coding::From { first, ignore } => shifted(&decode(bytes, place)?, first, ignore, place)?,
        };
        Ok((ids, 0))
    }

    /// The value in the label file that becomes this id.
    pub fn stated(&self, id: usize) -> usize {
        match self {
            &Coding::From { first, .. } => id + usize::from(first),
            _ => id,
        }
    }
}

/// Decodes a label to its values; `place` names the file in faults.
///
/// # Errors
/// Other formats by their names, bytes that are no whole PNG, colours or 16-bit values instead of ids, and sizes beyond
/// [`bounds`](super::bounds).
pub fn decode(bytes: &[u8], place: &str) -> Result<Labels, Fault> {
    no_photograph(bytes, place)?;
    let fault = |error: png::DecodingError| {
        let why = error.to_string();
        Fault::new(place, format!("The label cannot be decoded: {}.", why.trim_end_matches('.')), HINT)
    };
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = pngs::open(decoder).map_err(fault)?;
    let claim = pngs::claim(reader.info(), bytes.len(), place)?;
    let (height, width) = (reader.info().height as usize, reader.info().width as usize);
    let (color, depth) = (reader.info().color_type, reader.info().bit_depth);
    if !matches!(color, ColorType::Indexed | ColorType::Grayscale) || depth == BitDepth::Sixteen {
        let hint = match (color, depth) {
            (_, BitDepth::Sixteen) => {
                "Convert it to 8 bits: labels are palette or grey PNG files whose values are class ids."
            }
            (ColorType::GrayscaleAlpha, _) => "Save it without transparency: the grey values must be class ids.",
            _ => {
                "State in the data set which class each colour is, as `colours: {\"#800000\": \"aeroplane\"}`, or convert \
                 the colours to a palette or grey PNG of class ids."
            }
        };
        return Err(Fault::new(place, format!("The label holds {} instead of ids.", kind(color, depth)), hint));
    }
    // Several pixels may lie in a byte; each becomes one of its own, and its class may be another.
    let _turn = claim.afford(3 * claim.pixels())?;
    let mut buffer = vec![0; (width * depth as usize).div_ceil(8) * height];
    let frame = reader.next_frame(&mut buffer).map_err(fault)?;
    reader.finish().map_err(fault)?;
    let bits = depth as usize;
    if bits < 8 {
        let lines = buffer.chunks_exact(frame.line_size);
        buffer = lines.flat_map(|line| (0..width).map(move |x| sample(line, x, bits))).collect();
    }
    Raster::new(height, width, buffer).ok_or_else(|| Fault::new(place, "The label is cut short.", HINT))
}

/// The ids of values that count from `first`. A value below it that is not to be ignored is a fault of `place`.
fn shifted(values: &Labels, first: u8, ignore: u8, place: &str) -> Result<Labels, Fault> {
    if let Some(at) = values.pixels().iter().position(|&value| value < first && value != ignore) {
        let (value, row, column) = (values.pixels()[at], at / values.width(), at % values.width());
        let message =
            format!("The label holds {value}, but ids count from {first}, first at row {row}, column {column}.");
        let hint = format!("If {value} stands for pixels without a class, write `ignore: {value}`.");
        return Err(Fault::new(place, message, hint));
    }
    Ok(values.map(|value| if value == ignore { IGNORE } else { value - first }))
}

/// A fault unless a file is a PNG file, as far as its first bytes say.
fn no_photograph(bytes: &[u8], place: &str) -> Result<(), Fault> {
    if format::of(bytes, place, "label")? == Format::Png {
        return Ok(());
    }
    let hint = "Labels are PNG files, since JPEG changes values. Are image and label changed over in the list?";
    Err(Fault::new(place, "The label is a JPEG file.", hint))
}

/// Sample `x` of a line whose samples have `bits` bits, the first in the highest.
fn sample(line: &[u8], x: usize, bits: usize) -> u8 {
    let at = x * bits;
    let mask = (0xff_u16 >> (8 - bits)) as u8;
    line[at / 8] >> (8 - bits - at % 8) & mask
}

fn kind(color: ColorType, depth: BitDepth) -> String {
    let name = match color {
        ColorType::Rgb => "RGB colours",
        ColorType::Rgba => "RGBA colours",
        ColorType::GrayscaleAlpha => "grey values with transparency",
        ColorType::Grayscale | ColorType::Indexed => "values",
    };
    format!("{name} of {} bits", depth as u8)
}

/// Writes ids as a palette PNG; id `i` is shown in `palette[i]`.
pub fn encode_palette(ids: &Labels, palette: &[[u8; 3]; 256], place: &str) -> Result<Vec<u8>, Fault> {
    encode(ids.size(), ids.pixels(), ColorType::Indexed, Some(palette.as_flattened()), place)
}

/// Writes ids, or any values of 8 bits, as a grey PNG.
pub fn encode_grey(values: &Labels, place: &str) -> Result<Vec<u8>, Fault> {
    encode(values.size(), values.pixels(), ColorType::Grayscale, None, place)
}

/// Writes colours as an RGB PNG.
pub fn encode_rgb(image: &Rgb, place: &str) -> Result<Vec<u8>, Fault> {
    encode(image.size(), image.pixels().as_flattened(), ColorType::Rgb, None, place)
}

fn encode(
    (height, width): (usize, usize),
    data: &[u8],
    color: ColorType,
    palette: Option<&[u8]>,
    place: &str,
) -> Result<Vec<u8>, Fault> {
    let side = |n: usize| u32::try_from(n).unwrap_or(0);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, side(width), side(height));
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    // One compressor without machine-dependent paths. It is made for rows that are mostly zero, and labels less the
    // row above are just that.
    encoder.set_deflate_compression(DeflateCompression::FdeflateUltraFast);
    encoder.set_filter(Filter::Up);
    if let Some(palette) = palette {
        encoder.set_palette(palette.to_vec());
    }
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(data).and_then(|()| writer.finish()))
        .map_err(|error| Fault::new(place, format!("The image cannot be encoded: {error}."), ""))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::colors;

    fn ids() -> Labels {
        Labels::from_fn(7, 13, |y, x| (y * 13 + x) as u8 % 16)
    }

    /// The ids written with `bits` bits a pixel.
    fn packed(color: ColorType, bits: usize) -> Vec<u8> {
        let ids = ids();
        let mut data = Vec::new();
        for y in 0..ids.height() {
            let mut line = vec![0; (ids.width() * bits).div_ceil(8)];
            for (x, &id) in ids.row(y).iter().enumerate() {
                line[x * bits / 8] |= (id % (1 << bits)) << (8 - bits - x * bits % 8);
            }
            data.extend(line);
        }
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 13, 7);
        encoder.set_color(color);
        encoder.set_depth(BitDepth::from_u8(bits as u8).unwrap());
        encoder.set_palette(vec![7; 3 << bits]);
        encoder.write_header().unwrap().write_image_data(&data).unwrap();
        bytes
    }

    #[test]
    fn ids_come_from_indices_and_grey_values_of_any_depth() {
        for bits in [1, 2, 4] {
            for color in [ColorType::Indexed, ColorType::Grayscale] {
                assert_eq!(decode(&packed(color, bits), "x").unwrap(), ids().map(|id| id % (1 << bits)), "{bits}");
            }
        }
        assert_eq!(decode(&encode_palette(&ids(), &colors::VOC_MAP, "x").unwrap(), "x").unwrap(), ids());
        assert_eq!(decode(&encode_grey(&ids(), "x").unwrap(), "x").unwrap(), ids());
    }

    #[test]
    fn ids_may_count_from_another_number_than_0() {
        let coding = Coding::From { first: 1, ignore: 0 };
        let label = |values: &[u8]| encode_grey(&Labels::new(1, values.len(), values.to_vec()).unwrap(), "x").unwrap();
        assert_eq!(coding.decode(&label(&[0, 1, 150]), "x").unwrap().pixels(), [IGNORE, 0, 149]);
        assert_eq!(coding.stated(149), 150);
        let fault = Coding::From { first: 1, ignore: 255 }.decode(&label(&[1, 0]), "x").unwrap_err();
        assert!(fault.message.contains("holds 0, but ids count from 1, first at row 0, column 1"), "{fault}");
        assert!(fault.hint.contains("write `ignore: 0`"), "{fault}");
    }

    #[test]
    fn colours_and_broken_files_are_faults() {
        let colours = encode_rgb(&Rgb::from_fn(2, 2, |_, _| [1, 2, 3]), "x").unwrap();
        let fault = decode(&colours, "labels/x.png").unwrap_err();
        assert_eq!(fault.message, "The label holds RGB colours of 8 bits instead of ids.");
        let whole = encode_grey(&ids(), "x").unwrap();
        for cut in [0, 10, 40, whole.len() - 13] {
            assert!(decode(&whole[..cut], "x").is_err(), "{cut}");
        }
        let mut flipped = whole.clone();
        flipped[50] ^= 1;
        assert!(decode(&flipped, "x").is_err());
    }

    #[test]
    fn written_bytes_stay_as_they_are() {
        let digest = crate::hash::Digest::of(&encode_palette(&ids(), &colors::VOC_MAP, "x").unwrap());
        assert_eq!(digest.short(), "20f62450a82b");
    }
}
