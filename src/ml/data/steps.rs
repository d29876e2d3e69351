//! The steps from an image to a crop, one after the other: what [`Crop`](super::crop::Crop) does at once.

use super::augment::{self, Draws};
use super::raster::{Image, Labels, Raster};
use crate::ml::resample::{Tap, bilinear_taps, nearest_indices};

/// Scales (image bilinear, labels nearest), mirrors, and takes the crop of height and width `crop`, padded at the bottom
/// and right with 0 and the labels with `ignore`. Image and labels have the same size.
pub fn apply(image: Image, labels: Labels, draws: &Draws, crop: (usize, usize), ignore: u8) -> (Image, Labels) {
    let (image, labels) = match draws.scale {
        None => (image, labels),
        Some(_) => {
            let size = augment::scaled(image.size(), draws);
            (bilinear(&image, size), nearest(&labels, size))
        }
    };
    let (image, labels) = if draws.mirrored { (mirrored(&image), mirrored(&labels)) } else { (image, labels) };
    let offset = augment::offset(draws, image.size(), crop);
    (image.window(offset, crop, [0.0; 3]), labels.window(offset, crop, ignore))
}

/// Bilinear interpolation to `height` x `width`.
pub fn bilinear(image: &Image, (height, width): (usize, usize)) -> Image {
    let mix = |a: [f32; 3], b: [f32; 3], share: f32| std::array::from_fn(|c| a[c] + (b[c] - a[c]) * share);
    let (rows, columns) = (bilinear_taps(image.height(), height), bilinear_taps(image.width(), width));
    Raster::from_fn(height, width, |y, x| {
        let across = |row: &[[f32; 3]], Tap { low, high, weight }| mix(row[low], row[high], weight);
        let Tap { low, high, weight } = rows[y];
        mix(across(image.row(low), columns[x]), across(image.row(high), columns[x]), weight)
    })
}

/// The nearest pixel (towards the top left) for each pixel of `height` x `width`.
pub fn nearest<P: Copy>(raster: &Raster<P>, (height, width): (usize, usize)) -> Raster<P> {
    let (rows, columns) = (nearest_indices(raster.height(), height), nearest_indices(raster.width(), width));
    Raster::from_fn(height, width, |y, x| raster.at(rows[y], columns[x]))
}

/// Left and right exchanged.
fn mirrored<P: Copy>(raster: &Raster<P>) -> Raster<P> {
    Raster::from_fn(raster.height(), raster.width(), |y, x| raster.at(y, raster.width() - 1 - x))
}

#[test]
fn left_and_right_are_exchanged() {
    let ids = Labels::new(2, 3, vec![1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!(mirrored(&ids).pixels(), [3, 2, 1, 6, 5, 4]);
}
