//! Counts of pixels for each image and class, and the figures that they come to.

use std::collections::BTreeMap;

/// True positives, false positives and false negatives of a class, in pixels.
pub type Cell = [u64; 3];

/// What one trained model predicted: the counts of each image and class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    classes: usize,
    cells: Vec<Cell>,
}

/// A row of a table of pixels by image, true class and predicted class.
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'a> {
    /// The image.
    pub image: &'a str,
    /// The true class and the predicted class. None where the row only says that there is such an image.
    pub classes: Option<(usize, usize)>,
    /// How many pixels.
    pub pixels: u64,
}

/// A figure that counts come to, as a share from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// The mean IoU over the classes that occur in truth or prediction.
    MeanIou,
    /// The share of pixels that are right.
    PixelAccuracy,
    /// The IoU of a class.
    Iou(usize),
}

impl Counts {
    /// No images yet, of so many classes.
    pub fn new(classes: usize) -> Self {
        Counts { classes, cells: Vec::new() }
    }

    /// Adds an image. Nothing is added, and the answer is no, where it has not one cell a class.
    pub fn push(&mut self, image: &[Cell]) -> bool {
        let fits = image.len() == self.classes;
        if fits {
            self.cells.extend_from_slice(image);
        }
        fits
    }

    /// The images of a table of pixels, in the order of their first rows, with their names. None where a class is not
    /// below `classes`.
    pub fn of_pixels<'a>(classes: usize, rows: impl IntoIterator<Item = Pixels<'a>>) -> Option<(Vec<String>, Self)> {
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut names, mut counts) = (Vec::new(), Counts::new(classes));
        for row in rows {
            let image = *known.entry(row.image).or_insert_with(|| {
                names.push(row.image.to_owned());
                counts.cells.resize(counts.cells.len() + classes, [0; 3]);
                names.len() - 1
            });
            let Some((truth, predicted)) = row.classes else { continue };
            if truth >= classes || predicted >= classes {
                return None;
            }
            let cells = &mut counts.cells[image * classes..];
            if truth == predicted {
                cells[truth][0] += row.pixels;
            } else {
                cells[predicted][1] += row.pixels;
                cells[truth][2] += row.pixels;
            }
        }
        Some((names, counts))
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many images there are.
    pub fn images(&self) -> usize {
        self.cells.len() / self.classes.max(1)
    }

    /// The cells of an image, one a class.
    pub fn image(&self, image: usize) -> &[Cell] {
        &self.cells[image * self.classes..][..self.classes]
    }

    /// The cells of all images together, one a class.
    pub fn total(&self) -> Vec<Cell> {
        self.sum(|_| 1)
    }

    /// The cells of a weighted set of images, one a class: each image counts as often as its weight says. None where there
    /// is not one weight an image.
    pub fn weighted(&self, weights: &[u32]) -> Option<Vec<Cell>> {
        (weights.len() == self.images()).then(|| self.sum(|image| u64::from(weights[image])))
    }

    fn sum(&self, weight: impl Fn(usize) -> u64) -> Vec<Cell> {
        let mut total = vec![[0; 3]; self.classes];
        for image in 0..self.images() {
            for (sum, cell) in total.iter_mut().zip(self.image(image)) {
                (0..3).for_each(|i| sum[i] += weight(image) * cell[i]);
            }
        }
        total
    }

    /// A figure over all images; none where nothing is counted that it could be of.
    pub fn figure(&self, figure: Figure) -> Option<f64> {
        figure.of(&self.total())
    }
}

impl Figure {
    /// The figure of cells, one a class; none where nothing is counted that it could be of.
    pub fn of(self, cells: &[Cell]) -> Option<f64> {
        let iou = |cell: &Cell| {
            let union = cell[0] + cell[1] + cell[2];
            (union > 0).then(|| cell[0] as f64 / union as f64)
        };
        match self {
            Figure::MeanIou => {
                let (sum, classes) =
                    cells.iter().filter_map(iou).fold((0.0, 0_u32), |(sum, count), iou| (sum + iou, count + 1));
                (classes > 0).then(|| sum / f64::from(classes))
            }
            Figure::PixelAccuracy => {
                let (right, all) =
                    cells.iter().fold((0, 0), |(right, all), cell| (right + cell[0], all + cell[0] + cell[2]));
                (all > 0).then(|| right as f64 / all as f64)
            }
            Figure::Iou(class) => cells.get(class).and_then(iou),
        }
    }

    /// The ratios that the figure is the mean of: numerator and denominator of each, one a class for the mean IoU and
    /// else a single one.
    pub(super) fn ratios(self, cells: &[Cell]) -> Vec<[u64; 2]> {
        let iou = |cell: &Cell| [cell[0], cell[0] + cell[1] + cell[2]];
        match self {
            Figure::MeanIou => cells.iter().map(iou).collect(),
            Figure::PixelAccuracy => {
                let add = |sum: [u64; 2], cell: &Cell| [sum[0] + cell[0], sum[1] + cell[0] + cell[2]];
                vec![cells.iter().fold([0, 0], add)]
            }
            Figure::Iou(class) => cells.get(class).map(iou).into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_pixels() {
        let row = |image, truth, predicted, pixels| Pixels { image, classes: Some((truth, predicted)), pixels };
        let none = Pixels { image: "empty", classes: None, pixels: 0 };
        let rows = [row("a", 0, 0, 6), row("a", 0, 1, 2), none, row("b", 1, 1, 3), row("b", 1, 0, 1)];
        let (names, counts) = Counts::of_pixels(3, rows).unwrap();
        assert_eq!(names, ["a", "empty", "b"]);
        assert_eq!(counts.image(1), [[0; 3]; 3]);
        assert_eq!(counts.total(), [[6, 1, 2], [3, 2, 1], [0; 3]]);
        let (first, second) = (6.0 / 9.0, 3.0 / 6.0);
        assert_eq!(counts.figure(Figure::MeanIou), Some((first + second) / 2.0), "the absent class is left out");
        assert_eq!(counts.figure(Figure::Iou(1)), Some(second));
        assert_eq!(counts.figure(Figure::Iou(2)), None);
        assert_eq!(counts.figure(Figure::PixelAccuracy), Some(9.0 / 12.0));
        assert_eq!(counts.weighted(&[2, 5, 0]).unwrap(), [[12, 0, 4], [0, 4, 0], [0; 3]]);
        assert!(counts.weighted(&[1, 1]).is_none());
        assert!(Counts::of_pixels(1, [row("a", 0, 1, 1)]).is_none());
        assert!(!Counts::new(2).push(&[[0; 3]]));
    }
}
