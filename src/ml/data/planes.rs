//! A photograph, or a part of it, in three planes of bytes: the form in which loops run over whole rows of a colour.

use std::ops::Range;

use super::raster::{Raster, Rgb};

/// Rows and columns of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The rows.
    pub rows: Range<usize>,
    /// The columns.
    pub columns: Range<usize>,
}

impl Window {
    /// All of an image of this height and width.
    pub fn whole((height, width): (usize, usize)) -> Self {
        Window { rows: 0..height, columns: 0..width }
    }
}

/// The colours in a window of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Planes {
    size: (usize, usize),
    window: Window,
    planes: [Vec<u8>; 3],
}

impl Planes {
    /// Black in a window of an image of this height and width, in which it must lie.
    pub fn new(size: (usize, usize), window: Window) -> Self {
        assert!(window.rows.end <= size.0 && window.columns.end <= size.1, "a window lies in its image");
        let plane = vec![0; window.rows.len() * window.columns.len()];
        Planes { size, window, planes: [plane.clone(), plane.clone(), plane] }
    }

    /// A window of `image`, in which it must lie.
    pub fn of(image: &Rgb, window: Window) -> Self {
        let mut planes = Planes::new(image.size(), window);
        let Window { rows, columns } = planes.window.clone();
        for y in rows {
            let [r, g, b] = planes.row_mut(y);
            let colours = r.iter_mut().zip(g).zip(b);
            for (((r, g), b), pixel) in colours.zip(&image.row(y)[columns.clone()]) {
                [*r, *g, *b] = *pixel;
            }
        }
        planes
    }

    /// The colours as pixels, of the window alone.
    pub fn to_rgb(&self) -> Rgb {
        let width = self.window.columns.len();
        Raster::from_rows(self.window.rows.len(), width, |y| {
            let [r, g, b] = self.row(self.window.rows.start + y);
            r.iter().zip(g).zip(b).map(|((&r, &g), &b)| [r, g, b])
        })
    }

    /// Height and width of the whole image.
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Which part of the image this is.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Red, green and blue in the window's columns of the image's row `y`, one of the window's.
    pub fn row(&self, y: usize) -> [&[u8]; 3] {
        let (at, width) = self.place(y);
        self.planes.each_ref().map(|plane| &plane[at..at + width])
    }

    /// As [`Planes::row`], to be written.
    #[inline(always)]
    pub(super) fn row_mut(&mut self, y: usize) -> [&mut [u8]; 3] {
        let (at, width) = self.place(y);
        self.planes.each_mut().map(|plane| &mut plane[at..at + width])
    }

    #[inline(always)]
    fn place(&self, y: usize) -> (usize, usize) {
        let width = self.window.columns.len();
        ((y - self.window.rows.start) * width, width)
    }
}
