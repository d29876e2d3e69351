//! Photographs, masks and error maps as small pictures.

use std::collections::BTreeSet;

use crate::figure::Panel;
use crate::ml::data::{Labels, Rgb};
use crate::ml::resample::Sampling;

/// The width of a picture in pixels at most.
const WIDTH: usize = 320;

/// What pixels that are ignored are shown in.
pub(super) const IGNORED: [u8; 3] = [255, 255, 255];

/// What right and wrong pixels are shown in.
pub(super) const RIGHT: [u8; 3] = [200, 200, 200];
pub(super) const WRONG: [u8; 3] = [213, 51, 34];

/// The height and width of a picture.
fn reduced(height: usize, width: usize) -> (usize, usize) {
    if width <= WIDTH { (height, width) } else { ((height * WIDTH).div_ceil(width).max(1), WIDTH) }
}

/// A photograph: each pixel is the mean of those that it stands for.
pub(super) fn photo(image: &Rgb) -> Panel {
    let (height, width) = reduced(image.height(), image.width());
    let range = |at: usize, to: usize, from: usize| at * from / to..((at + 1) * from / to).max(at * from / to + 1);
    let mut pixels = Vec::with_capacity(3 * height * width);
    for y in 0..height {
        for x in 0..width {
            let (rows, columns) = (range(y, height, image.height()), range(x, width, image.width()));
            let count = (rows.len() * columns.len()) as u32;
            let mut sums = [0_u32; 3];
            for row in rows {
                for pixel in &image.row(row)[columns.clone()] {
                    sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(*value));
                }
            }
            pixels.extend(sums.map(|sum| ((sum + count / 2) / count) as u8));
        }
    }
    Panel::Photo { height, width, pixels }
}

/// A mask: each pixel is the one that lies in the middle of those that it stands for. Ids that are no class are shown as
/// ignored.
pub(super) fn mask(ids: &Labels, colors: &[[u8; 3]]) -> Panel {
    let none = u8::try_from(colors.len()).unwrap_or(u8::MAX);
    let palette = colors.iter().copied().chain([IGNORED]).collect();
    panel(ids, palette, |id| id.min(none))
}

/// Where a prediction is right and wrong: 0, 1, and 2 where the truth is no class.
pub(super) fn errors(truth: &Labels, prediction: &Labels, classes: usize) -> Option<Panel> {
    let value = |(&truth, &predicted): (&u8, &u8)| match truth {
        truth if usize::from(truth) >= classes => 2,
        truth => u8::from(truth != predicted),
    };
    let values = truth.pixels().iter().zip(prediction.pixels()).map(value).collect();
    let map = Labels::new(truth.height(), truth.width(), values)?;
    Some(panel(&map, vec![RIGHT, WRONG, IGNORED], |value| value))
}

fn panel(ids: &Labels, palette: Vec<[u8; 3]>, value: impl Fn(u8) -> u8) -> Panel {
    let (height, width) = reduced(ids.height(), ids.width());
    let rows = Sampling::HalfPixel.nearest(ids.height(), height);
    let columns = Sampling::HalfPixel.nearest(ids.width(), width);
    let pixels = rows.iter().flat_map(|&y| columns.iter().map(move |&x| (y, x))).map(|(y, x)| value(ids.at(y, x)));
    Panel::Mask { height, width, pixels: pixels.collect(), palette }
}

/// The colours that occur in a mask.
pub(super) fn used(panel: &Panel) -> BTreeSet<usize> {
    match panel {
        Panel::Photo { .. } => BTreeSet::new(),
        Panel::Mask { pixels, .. } => pixels.iter().map(|&pixel| usize::from(pixel)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_small_and_keep_their_form() {
        let image = Rgb::from_fn(100, 640, |y, x| [(x / 2 % 256) as u8, y as u8, 7]);
        let Panel::Photo { height, width, pixels } = photo(&image) else { panic!("a photograph") };
        assert_eq!((height, width, pixels.len()), (50, 320, 3 * 50 * 320));
        assert_eq!(pixels[..6], [0, 1, 7, 1, 1, 7], "the mean of rows 0 and 1 is rounded up");
        let small = Rgb::from_fn(2, 3, |y, x| [y as u8, x as u8, 9]);
        let Panel::Photo { pixels, .. } = photo(&small) else { panic!("a photograph") };
        assert_eq!(pixels, small.pixels().as_flattened());
    }

    #[test]
    fn errors_are_right_wrong_or_ignored_and_ids_beyond_the_classes_are_no_class() {
        let truth = Labels::new(1, 4, vec![0, 1, 255, 1]).unwrap();
        let prediction = Labels::new(1, 4, vec![0, 0, 1, 1]).unwrap();
        let Some(Panel::Mask { pixels, .. }) = errors(&truth, &prediction, 2) else { panic!("a mask") };
        assert_eq!(pixels, [0, 1, 2, 0]);
        let shown = mask(&truth, &[[1; 3], [2; 3]]);
        let Panel::Mask { pixels, palette, .. } = &shown else { panic!("a mask") };
        assert_eq!((&pixels[..], palette.len(), palette[2]), (&[0, 1, 2, 1][..], 3, IGNORED));
        assert_eq!(used(&shown), BTreeSet::from([0, 1, 2]));
    }
}
