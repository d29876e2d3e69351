//! What a baseline file says before its pixels.

use super::huffman::Table;

/// The place in a block of each coefficient in the order of a scan.
#[rustfmt::skip]
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Everything that is needed to read the scan.
pub(super) struct Header<'a> {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Luma, blue and red chroma.
    pub components: [Component; 3],
    /// The codes of first coefficients, by the number that components have.
    pub first: [Option<Table>; 2],
    /// The codes of the others.
    pub others: [Option<Table>; 2],
    /// The bytes from the scan's first on.
    pub scan: &'a [u8],
}

/// A component of the frame.
pub(super) struct Component {
    /// Blocks beside one another in a unit of the scan.
    pub across: usize,
    /// Blocks below one another in a unit of the scan.
    pub down: usize,
    /// What coefficients are multiplied by, row by row.
    pub quantisers: [i32; 64],
    /// The number of the codes of its first coefficients.
    pub first: usize,
    /// The number of the codes of the others.
    pub others: usize,
}

/// The number in the first two bytes.
pub(super) fn two(bytes: &[u8]) -> Option<usize> {
    bytes.first_chunk().map(|two| usize::from(u16::from_be_bytes(*two)))
}

impl<'a> Header<'a> {
    /// Reads a file up to its scan; none where it is not what this decoder knows.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
        let (mut quantisers, mut first, mut others) = ([None; 4], [None, None], [None, None]);
        let (mut frame, mut jfif) = (None, false);
        loop {
            let (marker, behind) = rest.split_first_chunk::<2>()?;
            let segment = behind.get(2..two(behind)?)?;
            rest = &behind[2 + segment.len()..];
            match marker {
                [0xff, 0xc0] if frame.is_none() => frame = Some(Frame::read(segment)?),
                [0xff, 0xc4] => codes(segment, &mut first, &mut others)?,
                [0xff, 0xdb] => quantisation(segment, &mut quantisers)?,
                [0xff, 0xda] => {
                    let frame: Frame = frame?;
                    let &[3, y, luma, cb, blue, cr, red, 0, 63, 0] = segment else { return None };
                    // Other names of components may tell of other colours.
                    if [y, cb, cr] != frame.names || !(frame.names == [1, 2, 3] || frame.names == [0, 1, 2] && jfif) {
                        return None;
                    }
                    let component = |at: usize, tables: u8| {
                        let (first, others) = (usize::from(tables >> 4), usize::from(tables & 15));
                        let quantisers = (*quantisers.get(frame.quantisers[at])?)?;
                        let (across, down) = if at == 0 { frame.sampling } else { (1, 1) };
                        Some(Component { across, down, quantisers, first, others })
                    };
                    let components = [component(0, luma)?, component(1, blue)?, component(2, red)?];
                    let Frame { height, width, .. } = frame;
                    return Some(Header { height, width, components, first, others, scan: rest });
                }
                // What Adobe's programs say of the colours is checked by the other decoder.
                [0xff, 0xee] if segment.starts_with(b"Adobe\0") && segment.get(11).is_some_and(|&way| way > 2) => {
                    return None;
                }
                [0xff, 0xe0..=0xef | 0xfe] => jfif |= marker[1] == 0xe0 && segment.starts_with(b"JFIF\0"),
                _ => return None,
            }
        }
    }
}

/// The frame's header.
struct Frame {
    height: usize,
    width: usize,
    /// Blocks of luma across and down for each of chroma.
    sampling: (usize, usize),
    names: [u8; 3],
    quantisers: [usize; 3],
}

impl Frame {
    fn read(segment: &[u8]) -> Option<Self> {
        let (&[8, _, _, _, _, 3], components) = segment.split_first_chunk::<6>()? else { return None };
        let &[y, sampling, luma, cb, 0x11, blue, cr, 0x11, red] = components else { return None };
        let (height, width) = (two(&segment[1..])?, two(&segment[3..])?);
        let sampling = match sampling {
            0x11 => (1, 1),
            0x21 => (2, 1),
            0x22 => (2, 2),
            _ => return None,
        };
        // Rows and columns of a single sample have rules of their own.
        let whole = height >= 8 && width >= 8;
        let quantisers = [luma, blue, red].map(usize::from);
        whole.then_some(Frame { height, width, sampling, names: [y, cb, cr], quantisers })
    }
}

fn quantisation(segment: &[u8], quantisers: &mut [Option<[i32; 64]>; 4]) -> Option<()> {
    for table in segment.chunks(65) {
        let (&index, values) = table.split_first()?;
        if values.len() < 64 || values.contains(&0) {
            return None;
        }
        let mut rows = [0; 64];
        for (&place, &value) in ZIGZAG.iter().zip(values) {
            rows[usize::from(place)] = i32::from(value);
        }
        *quantisers.get_mut(usize::from(index))? = Some(rows);
    }
    Some(())
}

fn codes(mut segment: &[u8], first: &mut [Option<Table>; 2], others: &mut [Option<Table>; 2]) -> Option<()> {
    while let Some((&class, rest)) = segment.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let (values, rest) = rest.split_at_checked(counts.iter().map(|&count| usize::from(count)).sum())?;
        let tables = match class {
            0x00 | 0x01 => &mut *first,
            0x10 | 0x11 => &mut *others,
            _ => return None,
        };
        tables[usize::from(class & 15)] = Some(Table::new(counts, values)?);
        segment = rest;
    }
    Some(())
}
