//! Resizing as the reference does it: TensorFlow's legacy sampling, without corner alignment and without half-pixel
//! centres. Output pixel `i` looks at input coordinate `i * (in / out)`, computed in `f32`.

use super::raster::{Image, Raster};

/// The size after scaling by `factor`: the `f32` product, truncated, at least 1.
pub fn scaled(side: usize, factor: f32) -> usize {
    ((side as f32 * factor) as usize).max(1)
}

/// Bilinear interpolation to `height` x `width`.
pub fn bilinear(image: &Image, (height, width): (usize, usize)) -> Image {
    let rows = taps(image.height(), height);
    let columns = taps(image.width(), width);
    Raster::from_rows(height, width, |y| {
        let (top, bottom, dy) = rows[y];
        let (top, bottom) = (image.row(top), image.row(bottom));
        columns.iter().map(move |&(left, right, dx)| {
            let (upper, lower) = (mix(top[left], top[right], dx), mix(bottom[left], bottom[right], dx));
            mix(upper, lower, dy)
        })
    })
}

/// The value `share` of the way from `a` to `b`.
pub(super) fn mix(a: [f32; 3], b: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * share)
}

/// For each output coordinate: the input coordinates below and above, and the weight of the one above. The nearest pixel
/// is the one below.
pub(super) fn taps(input: usize, output: usize) -> Vec<(usize, usize, f32)> {
    let step = input as f32 / output as f32;
    (0..output)
        .map(|i| {
            let at = i as f32 * step;
            let low = (at as usize).min(input - 1);
            (low, (low + 1).min(input - 1), at - low as f32)
        })
        .collect()
}

/// The nearest pixel (towards the top left) for each pixel of `height` x `width`.
pub fn nearest<P: Copy>(raster: &Raster<P>, (height, width): (usize, usize)) -> Raster<P> {
    let source = |input: usize, output: usize| -> Vec<usize> {
        let step = input as f32 / output as f32;
        (0..output).map(|i| ((i as f32 * step) as usize).min(input - 1)).collect()
    };
    let rows = source(raster.height(), height);
    let columns = source(raster.width(), width);
    Raster::from_rows(height, width, |y| {
        let row = raster.row(rows[y]);
        columns.iter().map(move |&x| row[x])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_truncated_single_precision_products() {
        assert_eq!(scaled(500, 0.73), 365);
        assert_eq!(scaled(1, 0.5), 1);
    }
}
