//! How an image is to be turned to be shown: the orientation that cameras write into EXIF, in JPEG's APP1 segment or in
//! PNG's `eXIf` chunk.
//!
//! Viewers and labelling tools turn such images, decoders do not. So the pixels of a label that was drawn on the turned
//! image do not lie on those of the file.

use super::raster::Raster;

/// An orientation as EXIF numbers it: where the first row and the first column of the file are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Orientation {
    /// 1: as it lies in the file.
    #[default]
    Upright,
    /// 2: left and right exchanged.
    Mirrored,
    /// 3: turned by half a circle.
    HalfTurn,
    /// 4: top and bottom exchanged.
    UpsideDown,
    /// 5: rows and columns exchanged.
    Transposed,
    /// 6: turned by a quarter, clockwise.
    Clockwise,
    /// 7: rows and columns exchanged, then turned by half a circle.
    Transverse,
    /// 8: turned by a quarter, anticlockwise.
    Anticlockwise,
}

use Orientation::{Anticlockwise, Clockwise, HalfTurn, Mirrored, Transposed, Transverse, Upright, UpsideDown};

impl Orientation {
    /// All of them, in the order of their numbers from 1.
    const ALL: [Orientation; 8] =
        [Upright, Mirrored, HalfTurn, UpsideDown, Transposed, Clockwise, Transverse, Anticlockwise];

    /// The orientation of this number; EXIF knows 1 to 8.
    pub fn from_number(number: u64) -> Option<Self> {
        Orientation::ALL.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
    }

    /// The number in EXIF.
    pub fn number(self) -> u64 {
        self as u64 + 1
    }

    /// Whether rows are shown as columns.
    pub fn swaps_sides(self) -> bool {
        matches!(self, Transposed | Clockwise | Transverse | Anticlockwise)
    }

    /// The height and width that an image of this height and width is shown in.
    pub fn shown(self, (height, width): (usize, usize)) -> (usize, usize) {
        if self.swaps_sides() { (width, height) } else { (height, width) }
    }

    /// The image as it is shown.
    pub fn apply<P: Copy>(self, image: Raster<P>) -> Raster<P> {
        if self == Upright {
            return image;
        }
        let (height, width) = image.size();
        let (rows, columns) = self.shown((height, width));
        Raster::from_fn(rows, columns, |y, x| {
            let (y, x) = match self {
                Upright => (y, x),
                Mirrored => (y, width - 1 - x),
                HalfTurn => (height - 1 - y, width - 1 - x),
                UpsideDown => (height - 1 - y, x),
                Transposed => (x, y),
                Clockwise => (height - 1 - x, y),
                Transverse => (height - 1 - x, width - 1 - y),
                Anticlockwise => (x, width - 1 - y),
            };
            image.at(y, x)
        })
    }

    /// The orientation that a JPEG or PNG file states; upright where it states none.
    pub fn of(bytes: &[u8]) -> Self {
        exif(bytes).and_then(number).and_then(Orientation::from_number).unwrap_or_default()
    }
}

/// The EXIF block of a JPEG or PNG file: a small TIFF file.
fn exif(bytes: &[u8]) -> Option<&[u8]> {
    match bytes.strip_prefix(&[0xff, 0xd8]) {
        Some(rest) => jpeg(rest),
        None => png(bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?),
    }
}

fn jpeg(mut rest: &[u8]) -> Option<&[u8]> {
    // Metadata stand before the first scan.
    loop {
        rest = rest.strip_prefix(&[0xff])?;
        let (&marker, behind) = rest.split_first()?;
        match marker {
            0xff => continue,
            0xda | 0xd9 => return None,
            0x01 | 0xd0..=0xd7 => rest = behind,
            _ => {
                let length = usize::from(u16::from_be_bytes(*behind.first_chunk()?));
                let content = behind.get(2..length)?;
                rest = &behind[length..];
                if let Some(exif) = content.strip_prefix(b"Exif\0").filter(|_| marker == 0xe1) {
                    return exif.get(1..);
                }
            }
        }
    }
}

fn png(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let kind = rest.get(4..8)?;
        let content = rest.get(8..)?.get(..length)?;
        match kind {
            b"eXIf" => return Some(content.strip_prefix(b"Exif\0\0").unwrap_or(content)),
            b"IEND" => return None,
            _ => rest = rest.get(12 + length..)?,
        }
    }
}

/// The number of the orientation in a TIFF file's first directory.
fn number(tiff: &[u8]) -> Option<u64> {
    const ORIENTATION: u16 = 0x0112;
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let two = |at: usize| -> Option<u16> {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let four = |at: usize| -> Option<u32> {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = four(4)? as usize;
    let entries = usize::from(two(directory)?);
    let entry = (0..entries).map(|at| directory + 2 + 12 * at).find(|&at| two(at) == Some(ORIENTATION))?;
    match two(entry + 2)? {
        3 => two(entry + 8).map(u64::from),
        // Some writers take four bytes.
        4 => four(entry + 8).map(u64::from),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ml::data::{Labels, Rgb, jpeg, labels};

    fn tiff(little: bool, number: u16) -> Vec<u8> {
        let two = |n: u16| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let four = |n: u32| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let mut bytes = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        bytes.extend(four(8));
        bytes.extend(two(2));
        for (tag, value) in [(0x0103_u16, 6), (0x0112, number)] {
            bytes.extend([two(tag), two(3)].concat());
            bytes.extend([four(1).as_slice(), &two(value), &[0, 0]].concat());
        }
        bytes.extend(four(0));
        bytes
    }

    /// A JPEG file that states an orientation.
    pub fn stating(image: &Rgb, number: u16) -> Vec<u8> {
        let plain = jpeg::encode(image, 95, "x").unwrap();
        let exif = [b"Exif\0\0".as_slice(), &tiff(number.is_multiple_of(2), number)].concat();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        [&plain[..2], &[0xff, 0xff, 0xe1], &length, &exif, &plain[2..]].concat()
    }

    #[test]
    fn the_number_is_found_in_both_formats_and_byte_orders() {
        let image = Rgb::from_fn(8, 9, |y, x| [y as u8, x as u8, 0]);
        let png = labels::encode_rgb(&image, "x").unwrap();
        assert_eq!([&jpeg::encode(&image, 95, "x").unwrap(), &png].map(|bytes| Orientation::of(bytes)), [Upright; 2]);
        for number in 1..=8 {
            let content = tiff(number % 2 == 1, number);
            let length = (content.len() as u32).to_be_bytes();
            // The reader of orientations compares no checksum.
            let chunk = [&length[..], b"eXIf", &content, &[0; 4]].concat();
            let png = [&png[..33], &chunk, &png[33..]].concat();
            for bytes in [stating(&image, number), png] {
                assert_eq!(Orientation::of(&bytes).number(), u64::from(number));
                for cut in 0..bytes.len().min(150) {
                    let _ = Orientation::of(&bytes[..cut]);
                }
            }
        }
        for strange in [0, 9] {
            assert_eq!(Orientation::of(&stating(&image, strange)), Upright);
        }
    }

    /// As EXIF defines them: where the file's first row and first column are shown.
    #[test]
    fn images_are_shown_as_their_numbers_say() {
        let image = Labels::new(2, 3, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let shown = [
            vec![1, 2, 3, 4, 5, 6],
            vec![3, 2, 1, 6, 5, 4],
            vec![6, 5, 4, 3, 2, 1],
            vec![4, 5, 6, 1, 2, 3],
            vec![1, 4, 2, 5, 3, 6],
            vec![4, 1, 5, 2, 6, 3],
            vec![6, 3, 5, 2, 4, 1],
            vec![3, 6, 2, 5, 1, 4],
        ];
        for (number, pixels) in (1..).zip(shown) {
            let orientation = Orientation::from_number(number).unwrap();
            let turned = orientation.apply(image.clone());
            assert_eq!(turned.pixels(), pixels, "{number}");
            assert_eq!(turned.size(), if number > 4 { (3, 2) } else { (2, 3) });
            assert_eq!(orientation.shown((2, 3)), turned.size());
        }
    }
}
