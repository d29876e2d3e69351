//! The JPEG files that cameras and data sets have: baseline, three components in one scan, chroma whole, halved in
//! width, or halved both ways.
//!
//! Invariant: where this decoder gives pixels, they are those of `jpeg-decoder`. Whatever it does not know, and whatever
//! is not as it should be, it leaves to that one. A part of an image costs the scan down to its last row, and all other
//! work for its own pixels alone.

use std::ops::Range;

use super::colours;
use super::header::{Component, Header, ZIGZAG};
use super::huffman::Bits;
use super::idct::{self, BLOCKS, Group};
use crate::ml::cpu::simd::{Loop, vectorised};
use crate::ml::data::planes::{Planes, Window};

/// The part of an image that `choose` names when it is told height and width; none where the other decoder is needed.
pub(super) fn decode(bytes: &[u8], choose: &dyn Fn((usize, usize)) -> Window) -> Option<Planes> {
    let header = Header::read(bytes)?;
    let size = (header.height, header.width);
    let mut planes = Planes::new(size, choose(size));
    let samples = scan(&header, planes.window())?;
    vectorised(Colours { header: &header, samples: &samples, planes: &mut planes });
    Some(planes)
}

/// Samples of a component, from the image's first row and column on.
struct Samples {
    stride: usize,
    data: Vec<u8>,
}

impl Samples {
    #[inline(always)]
    fn row(&self, y: usize, width: usize) -> &[u8] {
        &self.data[y * self.stride..][..width]
    }
}

/// The samples that the window needs; the others are 0.
fn scan(header: &Header<'_>, window: &Window) -> Option<[Samples; 3]> {
    let [luma, ..] = &header.components;
    let (height, width) = (8 * luma.down, 8 * luma.across);
    let (down, across) = (header.height.div_ceil(height), header.width.div_ceil(width));
    // Chroma reaches a sample further than its pixels.
    let units = |range: &Range<usize>, side: usize, most: usize| {
        range.start.saturating_sub(2) / side..(range.end + 2).div_ceil(side).min(most)
    };
    let (rows, columns) = (units(&window.rows, height, down), units(&window.columns, width, across));
    let groups = |component: &Component| (across * component.across).div_ceil(BLOCKS);
    let mut samples = header.components.each_ref().map(|component| {
        let stride = groups(component) * BLOCKS * 8;
        Samples { stride, data: vec![0; stride * rows.end * component.down * 8] }
    });
    // The coefficients of a row of units: for each row of a component's blocks, its groups.
    let mut coefficients = header.components.each_ref().map(|component| {
        let empty: Group = [[0; BLOCKS]; 64];
        vec![empty; groups(component) * component.down]
    });
    let mut bits = Bits::new(header.scan)?;
    let mut last = [0; 3];
    for row in 0..rows.end {
        coefficients.iter_mut().for_each(|groups| groups.as_flattened_mut().as_flattened_mut().fill(0));
        for column in 0..across {
            for ((component, groups), last) in header.components.iter().zip(&mut coefficients).zip(&mut last) {
                unit(header, component, column, groups, &mut bits, last)?;
            }
        }
        if rows.contains(&row) {
            for ((component, groups), samples) in header.components.iter().zip(&coefficients).zip(&mut samples) {
                let columns =
                    columns.start * component.across / BLOCKS..(columns.end * component.across).div_ceil(BLOCKS);
                vectorised(Transform { component, groups, columns, row, samples });
            }
        }
    }
    (rows.end < down || bits.used_up()).then_some(samples)
}

/// Reads the blocks of a component in the unit at `column`.
#[inline(always)]
fn unit(
    header: &Header<'_>,
    component: &Component,
    column: usize,
    groups: &mut [Group],
    bits: &mut Bits,
    last: &mut i16,
) -> Option<()> {
    let first = header.first.get(component.first)?.as_ref()?;
    let others = header.others.get(component.others)?.as_ref()?;
    let stride = groups.len() / component.down;
    for line in 0..component.down {
        for x in column * component.across..(column + 1) * component.across {
            *last += bits.difference(first)?;
            // No encoder gives more, and `idct` is that of the other decoder as far as this.
            if last.unsigned_abs() > 2047 {
                return None;
            }
            let (group, block) = (&mut groups[line * stride + x / BLOCKS], x % BLOCKS);
            group[0][block] = *last;
            bits.coefficients(others, |place, value| group[usize::from(ZIGZAG[place]) & 63][block] = value)?;
        }
    }
    Some(())
}

/// Brings the coefficients of a row of units to samples, in the groups that are `columns`.
struct Transform<'a> {
    component: &'a Component,
    groups: &'a [Group],
    columns: Range<usize>,
    row: usize,
    samples: &'a mut Samples,
}

impl Loop for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Component { down, quantisers, .. } = self.component;
        let Samples { stride, data } = self.samples;
        for (line, groups) in self.groups.chunks_exact(self.groups.len() / down).enumerate() {
            for x in self.columns.clone() {
                let at = 8 * ((self.row * down + line) * *stride + BLOCKS * x);
                idct::samples(&groups[x], quantisers, &mut data[at..], *stride);
            }
        }
    }
}

/// Brings the samples of the window to colours.
struct Colours<'a> {
    header: &'a Header<'a>,
    samples: &'a [Samples; 3],
    planes: &'a mut Planes,
}

impl Loop for Colours<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let [luma, blue, red] = self.samples;
        let (across, down) = (self.header.components[0].across, self.header.components[0].down);
        let (height, width) = (self.header.height.div_ceil(down), self.header.width.div_ceil(across));
        let Window { rows, columns } = self.planes.window().clone();
        let mut sums = vec![0; width];
        let mut doubled = [vec![[0; 2]; width], vec![[0; 2]; width]];
        for y in rows {
            for (samples, doubled) in [blue, red].into_iter().zip(&mut doubled) {
                if (across, down) == (2, 2) {
                    let far = if y % 2 == 0 { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(height - 1) };
                    colours::double_both_ways(samples.row(y / 2, width), samples.row(far, width), &mut sums, doubled);
                } else if across == 2 {
                    colours::double(samples.row(y, width), doubled);
                }
            }
            let [blue, red] = match across {
                2 => doubled.each_ref().map(|doubled| doubled.as_flattened()),
                _ => [blue, red].map(|samples| samples.row(y, width)),
            };
            let luma = &luma.row(y, self.header.width)[columns.clone()];
            colours::convert(luma, &blue[columns.clone()], &red[columns.clone()], self.planes.row_mut(y));
        }
    }
}
