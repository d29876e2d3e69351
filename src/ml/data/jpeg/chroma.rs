//! Chroma at half resolution, brought to full resolution as libjpeg does it.
//!
//! `jpeg-decoder` mixes each pair of neighbours with the weights of libjpeg ("fancy upsampling"), but differs from it in
//! these files:
//! - chroma halved in one direction (4:2:2 and 4:4:0): libjpeg rounds one pixel of a pair up and the other down;
//! - chroma of one or two columns, halved across (4:2:2 and 4:2:0): libjpeg repeats the samples, and mixes nothing.
//!
//! Elsewhere it follows libjpeg to one level of chroma, and is left as it is: a photograph in 4:2:0 keeps its pixels.
//!
//! The decoder does not hand out chroma as it is stored. So the file is written anew in such a form that the decoder has
//! nothing to mix, and is decoded once more for its chroma:
//! - Where scans hold luma and chroma, a unit of a scan is a few blocks of luma and then the blocks of chroma. The two
//!   blocks of luma become two components of one block each, or the four blocks of luma become a row or a column of
//!   four. Then chroma has the size of all components, or a quarter of it, which is reached by repeating samples. The luma
//!   of this second image means nothing; that of the first image is right.
//! - Where no scan holds both, the scans of luma are left out, and those of chroma are there twice, since the decoder reads
//!   one, three or four components, and not two.

use std::collections::BTreeMap;

use super::claims::{next, two};
use crate::ml::data::raster::Rgb;

/// A file whose chroma is upsampled here.
#[derive(Debug)]
pub(super) struct Chroma {
    /// The file, in the form whose chroma the decoder leaves as it is.
    pub file: Vec<u8>,
    /// Whether it has four components.
    pub four: bool,
    /// Rows and columns of the chroma.
    pub size: (usize, usize),
    /// How often the decoder repeats each sample of it: down and across.
    repeated: (usize, usize),
    /// How many pixels share a sample: down and across, 1 or 2.
    shared: (usize, usize),
}

/// A component in a frame's header.
#[derive(Clone, Copy)]
struct Component {
    name: u8,
    across: usize,
    down: usize,
    table: u8,
}

impl Component {
    fn bytes(self) -> [u8; 3] {
        [self.name, (self.across << 4 | self.down) as u8, self.table]
    }
}

/// The frame of a file: luma and two components of chroma of one size.
struct Frame {
    marker: u8,
    precision: u8,
    components: [Component; 3],
    /// How many pixels share a sample of chroma: down and across.
    shared: (usize, usize),
    /// Rows and columns of the chroma.
    size: (usize, usize),
}

/// What a second image is made of.
struct Form {
    components: Vec<Component>,
    /// How often the decoder repeats each sample of chroma: down and across.
    repeated: (usize, usize),
    /// The names of the components that stand for a component of the file, in each copy of a scan.
    copies: Vec<BTreeMap<u8, Vec<u8>>>,
}

/// What follows the frame's header, or stands before it.
enum Part<'a> {
    /// Tables and the restart interval.
    Tables(u8, &'a [u8]),
    /// The header of a scan and its data.
    Scan(&'a [u8], &'a [u8]),
}

impl Chroma {
    /// The chroma of a file that needs it. None where the decoder's image is right, and where the colours are not YCbCr.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
        let (mut frame, mut parts): (Option<Frame>, _) = (None, Vec::new());
        let (mut jfif, mut adobe) = (false, None);
        while let Some((marker, behind)) = next(rest) {
            if (0xd0..=0xd7).contains(&marker) {
                rest = behind;
                continue;
            }
            if matches!(marker, 0x01..=0xbf | 0xd8 | 0xd9) {
                break;
            }
            let segment = two(behind).and_then(|length| behind.get(2..length))?;
            rest = &behind[2 + segment.len()..];
            match (marker, &frame) {
                (0xc0..=0xc2, None) => frame = Some(Frame::read(marker, segment)?),
                (0xda, Some(_)) => {
                    let (data, behind) = rest.split_at(scanned(rest));
                    parts.push(Part::Scan(segment, data));
                    rest = behind;
                }
                (0xc4 | 0xdb | 0xdd, _) => parts.push(Part::Tables(marker, segment)),
                (0xe0, _) => jfif |= segment.starts_with(b"JFIF\0"),
                (0xee, _) if segment.starts_with(b"Adobe") => adobe = segment.get(11).copied().or(adobe),
                // A frame of arithmetic codes or without loss, or a scan without a frame.
                (0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xda, _) => return None,
                _ => {}
            }
        }
        let frame = frame?;
        let ycbcr = match frame.components.map(|component| component.name) {
            [1, 2, 3] => true,
            [1, 34, 35] | [82, 71, 66] | [114, 103, 98] => false,
            _ => jfif || adobe.is_none_or(|transform| transform == 1),
        };
        if ycbcr { frame.second(&parts) } else { None }
    }

    /// The image of these luma samples and of the second image's samples.
    ///
    /// # Shapes
    /// `luma` has three bytes a pixel, of which the first counts; `second` has a byte for each component of each pixel.
    pub(super) fn image(&self, (height, width): (usize, usize), luma: &[u8], second: &[u8]) -> Option<Rgb> {
        let planes = self.planes(second)?;
        let mut pixels = Vec::with_capacity(height * width);
        let mut rows = [vec![0; 2 * self.size.1], vec![0; 2 * self.size.1]];
        for (y, line) in luma.chunks_exact(3 * width).enumerate().take(height) {
            for (plane, row) in planes.iter().zip(&mut rows) {
                self.upsample(plane, y, row);
            }
            let chroma = rows[0].iter().zip(&rows[1]);
            pixels.extend(line.as_chunks::<3>().0.iter().zip(chroma).map(|(&[y, ..], (&cb, &cr))| rgb(y, cb, cr)));
        }
        Rgb::new(height, width, pixels)
    }

    /// The two planes of chroma as they are stored.
    pub(super) fn planes(&self, second: &[u8]) -> Option<[Vec<u8>; 2]> {
        let (rows, columns) = self.size;
        let (down, across) = self.repeated;
        let components = if self.four { 4 } else { 3 };
        let pitch = components * across * columns;
        if second.len() != pitch * down * rows {
            return None;
        }
        // Of four components, the decoder gives what is left to 255.
        let inverted = if self.four { 255 } else { 0 };
        Some([components - 2, components - 1].map(|plane| {
            let lines = second.chunks_exact(pitch).step_by(down);
            let samples = |line: &[u8]| {
                line.iter().skip(plane).step_by(components * across).map(|&value| value ^ inverted).collect::<Vec<u8>>()
            };
            lines.flat_map(samples).collect()
        }))
    }

    /// The chroma of row `y` of the image, in the image's width or one column more.
    fn upsample(&self, plane: &[u8], y: usize, out: &mut [u8]) {
        let (rows, columns) = self.size;
        let row = |at: usize| &plane[at * columns..(at + 1) * columns];
        match self.shared {
            (1, 2) if columns > 2 => across(row(y), out),
            (2, 1) => {
                let near = y / 2;
                let (far, half) =
                    if y.is_multiple_of(2) { (near.saturating_sub(1), 1) } else { ((near + 1).min(rows - 1), 2) };
                for ((out, &near), &far) in out.iter_mut().zip(row(near)).zip(row(far)) {
                    *out = mixed(near, far, half);
                }
            }
            (down, _) => {
                for (pair, &sample) in out.as_chunks_mut::<2>().0.iter_mut().zip(row(y / down)) {
                    *pair = [sample; 2];
                }
            }
        }
    }
}

/// A row of chroma in twice its width. It has at least two samples.
fn across(row: &[u8], out: &mut [u8]) {
    let last = row.len() - 1;
    for (at, (pair, &sample)) in out.as_chunks_mut::<2>().0.iter_mut().zip(row).enumerate() {
        let left = if at == 0 { sample } else { mixed(sample, row[at - 1], 1) };
        let right = if at == last { sample } else { mixed(sample, row[at + 1], 2) };
        *pair = [left, right];
    }
}

/// Three parts of the near sample and one of the far one; `half` rounds.
fn mixed(near: u8, far: u8, half: u16) -> u8 {
    ((3 * u16::from(near) + u16::from(far) + half) >> 2) as u8
}

/// YCbCr to colours, as `jpeg-decoder` does it.
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const POINT: i32 = 20;
    const RED: i32 = 1_470_104;
    const GREEN_BLUE: i32 = 360_857;
    const GREEN_RED: i32 = 748_830;
    const BLUE: i32 = 1_858_077;
    let y = (i32::from(y) << POINT) + (1 << (POINT - 1));
    let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
    let colours = [y + RED * cr, y - GREEN_BLUE * cb - GREEN_RED * cr, y + BLUE * cb];
    colours.map(|value| (value >> POINT).clamp(0, 255) as u8)
}

impl Frame {
    /// Reads a frame's header; none where the decoder's own image is right.
    fn read(marker: u8, segment: &[u8]) -> Option<Self> {
        let (&[precision, _, _, _, _, 3], listed) = segment.split_first_chunk()? else { return None };
        let (height, width) = (two(&segment[1..])?, two(&segment[3..])?);
        let (&[luma, cb, cr], []) = listed.as_chunks::<3>() else { return None };
        let components = [luma, cb, cr].map(|[name, factors, table]| Component {
            name,
            across: usize::from(factors >> 4),
            down: usize::from(factors & 15),
            table,
        });
        let [luma, cb, cr] = components;
        let none = components.iter().any(|component| component.across == 0 || component.down == 0);
        if none || (cb.across, cb.down) != (cr.across, cr.down) || height == 0 || width == 0 {
            return None;
        }
        let ratio = |luma: usize, chroma: usize| luma.is_multiple_of(chroma).then_some(luma / chroma);
        let shared = (ratio(luma.down, cb.down)?, ratio(luma.across, cb.across)?);
        let size = (height.div_ceil(shared.0), width.div_ceil(shared.1));
        let otherwise = matches!((shared, size.1), ((1, 2) | (2, 1), _) | ((2, 2), 1..=2));
        otherwise.then_some(Frame { marker, precision, components, shared, size })
    }

    /// The second image.
    fn second(&self, parts: &[Part<'_>]) -> Option<Chroma> {
        let luma = self.components[0].name;
        let holds = |part: &Part<'_>| match part {
            Part::Scan(header, _) => {
                let names = names(header)?;
                Some((names.contains(&luma), names.iter().any(|name| *name != luma)))
            }
            Part::Tables(..) => Some((false, false)),
        };
        let held = parts.iter().map(holds).collect::<Option<Vec<_>>>()?;
        let form = if held.contains(&(true, true)) { self.together() } else { Some(self.apart()) }?;
        let side = |samples: usize, repeated: usize| u16::try_from(samples * repeated).ok();
        let mut header = vec![self.precision];
        header.extend(side(self.size.0, form.repeated.0)?.to_be_bytes());
        header.extend(side(self.size.1, form.repeated.1)?.to_be_bytes());
        header.push(form.components.len() as u8);
        header.extend(form.components.iter().flat_map(|component| component.bytes()));
        let mut file = vec![0xff, 0xd8];
        put(&mut file, self.marker, &header);
        for (part, (_, chroma)) in parts.iter().zip(held) {
            match part {
                Part::Tables(marker, segment) => put(&mut file, *marker, segment),
                Part::Scan(header, data) if chroma => {
                    for copy in &form.copies {
                        put(&mut file, 0xda, &renamed(header, copy)?);
                        file.extend(*data);
                    }
                }
                Part::Scan(..) => {}
            }
        }
        file.extend([0xff, 0xd9]);
        let four = form.components.len() == 4;
        Some(Chroma { file, four, size: self.size, repeated: form.repeated, shared: self.shared })
    }

    /// The form where a scan holds luma and chroma.
    fn together(&self) -> Option<Form> {
        let [luma, cb, cr] = self.components;
        let own = |component: Component| (component.name, vec![component.name]);
        let mut names = BTreeMap::from([luma, cb, cr].map(own));
        let (components, repeated) = match (luma.across * luma.down, cb.across, cb.down) {
            (2, 1, 1) => {
                let one = Component { across: 1, down: 1, ..luma };
                let [other, _] = self.unused();
                names.insert(luma.name, vec![luma.name, other]);
                (vec![one, Component { name: other, ..one }, cb, cr], (1, 1))
            }
            (4, 1, _) => (vec![Component { across: 4, down: 1, ..luma }, cb, cr], (1, 4)),
            (4, _, 1) => (vec![Component { across: 1, down: 4, ..luma }, cb, cr], (4, 1)),
            _ => return None,
        };
        Some(Form { components, repeated, copies: vec![names] })
    }

    /// The form where no scan holds luma and chroma.
    fn apart(&self) -> Form {
        let [_, cb, cr] = self.components;
        let [first, second] = self.unused();
        let copied = [Component { name: first, ..cb }, Component { name: second, ..cr }];
        let names = |to: [Component; 2]| BTreeMap::from([(cb.name, vec![to[0].name]), (cr.name, vec![to[1].name])]);
        Form { components: [copied, [cb, cr]].concat(), repeated: (1, 1), copies: vec![names(copied), names([cb, cr])] }
    }

    /// Two names that no component has.
    fn unused(&self) -> [u8; 2] {
        let mut free = (0..=4).filter(|name| self.components.iter().all(|component| component.name != *name));
        [free.next().unwrap_or(0), free.next().unwrap_or(0)]
    }
}

/// The names of the components in the header of a scan.
fn names(header: &[u8]) -> Option<Vec<u8>> {
    let (&count, rest) = header.split_first()?;
    Some(rest.get(..2 * usize::from(count))?.iter().step_by(2).copied().collect())
}

/// The header of a scan, with other names for its components.
fn renamed(header: &[u8], names: &BTreeMap<u8, Vec<u8>>) -> Option<Vec<u8>> {
    let (&count, rest) = header.split_first()?;
    let (listed, tail) = rest.split_at_checked(2 * usize::from(count))?;
    let mut out = vec![0];
    for [name, tables] in listed.as_chunks::<2>().0 {
        out.extend(names.get(name)?.iter().flat_map(|name| [*name, *tables]));
    }
    out[0] = ((out.len() - 1) / 2) as u8;
    out.extend(tail);
    Some(out)
}

/// The bytes of a scan's data: up to a marker that does not belong to them.
fn scanned(rest: &[u8]) -> usize {
    let mut behind = rest;
    while let Some((marker, after)) = next(behind) {
        if !(0xd0..=0xd7).contains(&marker) {
            return rest.len() - after.len() - 2;
        }
        behind = after;
    }
    rest.len()
}

fn put(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xff, marker]);
    // A segment of a file, or one with a component more than it had.
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}
