//! Pixels in rows, on the processor: the form in which images are decoded and augmented.

/// A rectangle of pixels, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Raster<P> {
    height: usize,
    width: usize,
    pixels: Vec<P>,
}

/// A decoded photograph: red, green, blue.
pub type Rgb = Raster<[u8; 3]>;
/// An image as networks see it: three channels, mean subtracted.
pub type Image = Raster<[f32; 3]>;
/// A class id a pixel.
pub type Labels = Raster<u8>;

impl<P: Copy> Raster<P> {
    /// The raster of these pixels, or nothing if their number is not `height * width`.
    pub fn new(height: usize, width: usize, pixels: Vec<P>) -> Option<Self> {
        (height.checked_mul(width) == Some(pixels.len())).then_some(Raster { height, width, pixels })
    }

    /// The raster whose pixel at row `y` and column `x` is `pixel(y, x)`.
    pub fn from_fn(height: usize, width: usize, mut pixel: impl FnMut(usize, usize) -> P) -> Self {
        let mut pixels = Vec::with_capacity(height * width);
        for y in 0..height {
            pixels.extend((0..width).map(|x| pixel(y, x)));
        }
        Raster { height, width, pixels }
    }

    /// The raster whose row `y` starts with the pixels `row(y)`, of which there are at least `width`.
    pub fn from_rows<I: Iterator<Item = P>>(height: usize, width: usize, mut row: impl FnMut(usize) -> I) -> Self {
        let mut pixels = Vec::with_capacity(height * width);
        for y in 0..height {
            pixels.extend(row(y).take(width));
        }
        assert_eq!(pixels.len(), height * width, "a row is too short");
        Raster { height, width, pixels }
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height and width.
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// All pixels, row by row.
    pub fn pixels(&self) -> &[P] {
        &self.pixels
    }

    /// The pixel at row `y` and column `x`, both within bounds.
    pub fn at(&self, y: usize, x: usize) -> P {
        self.pixels[y * self.width + x]
    }

    /// Sets the pixel at row `y` and column `x`, both within bounds.
    pub fn set(&mut self, y: usize, x: usize, pixel: P) {
        self.pixels[y * self.width + x] = pixel;
    }

    /// The row `y`.
    pub fn row(&self, y: usize) -> &[P] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// Every pixel changed by `f`.
    pub fn map<Q: Copy>(&self, f: impl FnMut(P) -> Q) -> Raster<Q> {
        Raster { height: self.height, width: self.width, pixels: self.pixels.iter().copied().map(f).collect() }
    }

    /// The window of `height` rows and `width` columns from (`top`, `left`); `fill` where it reaches over the edge.
    pub fn window(&self, (top, left): (usize, usize), (height, width): (usize, usize), fill: P) -> Self {
        Raster::from_rows(height, width, |y| {
            let row = if top + y < self.height { self.row(top + y) } else { &[] };
            row.get(left..).unwrap_or_default().iter().copied().chain(std::iter::repeat(fill))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_reach_over_the_edge() {
        let ids = Labels::new(2, 3, vec![1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(ids.window((1, 1), (2, 3), 9).pixels(), [5, 6, 9, 9, 9, 9]);
        assert!(Labels::new(2, 3, vec![1]).is_none());
    }
}
