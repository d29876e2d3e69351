//! What a figure of two models needs of each image: the terms of its ratios, without those that are 0.
//!
//! Every figure is a mean of ratios: the mean IoU of one ratio a class, the others of a single one. A ratio is left out of
//! the mean, for both models alike, where one of the two has nothing to divide by. So a class that a resample lost is missing
//! on both sides, and a difference is always one of means over the same classes. Sums are exact: they are whole numbers below
//! 2^53.

use super::super::counts::{Cell, Counts, Figure};
use super::super::fault::{Fault, LEAST_IMAGES};

/// How many weighted sums are taken at a time: each image's terms are read once for so many resamples.
pub(super) const BLOCK: usize = 16;

/// A number for each resample of a block.
pub(super) type Lane = [f64; BLOCK];

/// Two trained models on the same images, seen by one figure. Images without counted pixels of the figure are left out.
#[derive(Debug)]
pub(super) struct Pair {
    /// The terms of each image.
    images: Vec<Vec<Term>>,
    /// The sums of all images: numerator and denominator of each ratio, first of the one model, then of the other.
    sums: Vec<f64>,
}

/// A value that is not 0, and which sum it belongs to.
type Term = (usize, f64);

impl Pair {
    /// The images of `a` and `b`, as `figure` sees them.
    pub fn new(a: &Counts, b: &Counts, figure: Figure) -> Result<Self, Fault> {
        if a.classes() != b.classes() {
            return Err(Fault::Classes(a.classes(), b.classes()));
        }
        if a.images() != b.images() {
            return Err(Fault::Images(a.images(), b.images()));
        }
        let truth = |cell: &Cell| cell[0] + cell[2];
        if let Figure::Iou(class) = figure
            && a.total().get(class).is_none_or(|cell| truth(cell) == 0)
        {
            return Err(Fault::Absent(class));
        }
        let mut images = Vec::new();
        let mut sums = Vec::new();
        for image in 0..a.images() {
            let (a, b) = (a.image(image), b.image(image));
            if !a.iter().map(truth).eq(b.iter().map(truth)) {
                return Err(Fault::Labels(image));
            }
            let (a, b) = (figure.ratios(a), figure.ratios(b));
            let values: Vec<u64> = a.iter().zip(&b).flat_map(|(a, b)| [a[0], a[1], b[0], b[1]]).collect();
            sums.resize(values.len(), 0.0);
            sums.iter_mut().zip(&values).for_each(|(sum, &value)| *sum += value as f64);
            let terms: Vec<Term> = values
                .into_iter()
                .enumerate()
                .filter(|term| term.1 > 0)
                .map(|(at, value)| (at, value as f64))
                .collect();
            if !terms.is_empty() {
                images.push(terms);
            }
        }
        if images.is_empty() {
            return Err(Fault::Nothing);
        }
        if let Some(class) = sums.chunks(4).position(|ratio| (ratio[1] > 0.0) != (ratio[3] > 0.0)) {
            return Err(Fault::Class(class));
        }
        if images.len() < LEAST_IMAGES {
            return Err(Fault::FewImages(images.len(), LEAST_IMAGES));
        }
        Ok(Pair { images, sums })
    }

    /// How many images have counted pixels.
    pub fn images(&self) -> usize {
        self.images.len()
    }

    /// The sums of all images.
    pub fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// The sums of all images but one.
    pub fn without(&self, image: usize) -> Vec<f64> {
        let mut sums = self.sums.clone();
        self.images[image].iter().for_each(|&(at, value)| sums[at] -= value);
        sums
    }

    /// The weighted sums of the images: one lane of weights an image, one lane of sums for each of [`Self::sums`].
    pub fn weighted(&self, weights: &[Lane]) -> Vec<Lane> {
        weighted(&self.images, weights, vec![[0.0; BLOCK]; self.sums.len()])
    }

    /// What the sums change by where an image is swapped between the two models: only images that differ.
    pub fn swaps(&self) -> Swaps<'_> {
        let swap = |terms: &Vec<Term>| {
            let mut change = vec![0.0; self.sums.len()];
            for &(at, value) in terms {
                change[at] -= value;
                change[at ^ 2] += value;
            }
            change.into_iter().enumerate().filter(|term| term.1 != 0.0).collect::<Vec<Term>>()
        };
        let images = self.images.iter().map(swap).filter(|terms| !terms.is_empty()).collect();
        Swaps { images, sums: &self.sums }
    }
}

/// The images in which two models differ, as what swapping each changes.
#[derive(Debug)]
pub(super) struct Swaps<'a> {
    images: Vec<Vec<Term>>,
    sums: &'a [f64],
}

impl Swaps<'_> {
    /// In how many images the models differ.
    pub fn images(&self) -> usize {
        self.images.len()
    }

    /// The sums where those images are swapped whose weight is 1, and those stay whose weight is 0.
    pub fn swapped(&self, weights: &[Lane]) -> Vec<Lane> {
        weighted(&self.images, weights, self.sums.iter().map(|&sum| [sum; BLOCK]).collect())
    }
}

/// Adds the terms of each image to the sums, as often as its weights say.
fn weighted(images: &[Vec<Term>], weights: &[Lane], mut sums: Vec<Lane>) -> Vec<Lane> {
    for (terms, weights) in images.iter().zip(weights) {
        for &(at, value) in terms {
            for (sum, weight) in sums[at].iter_mut().zip(weights) {
                *sum += weight * value;
            }
        }
    }
    sums
}

/// A difference of the two models, and how many ratios it is the mean of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Difference {
    pub effect: f64,
    pub ratios: usize,
}

/// The difference that sums come to: the first model less the second. None where no ratio is left.
pub(super) fn difference(sums: impl Iterator<Item = f64> + Clone) -> Option<Difference> {
    let (mut a, mut b, mut ratios) = (0.0, 0.0, 0_usize);
    let mut sums = sums;
    while let (Some(of), Some(of_all), Some(than), Some(than_all)) =
        (sums.next(), sums.next(), sums.next(), sums.next())
    {
        if of_all > 0.0 && than_all > 0.0 {
            a += of / of_all;
            b += than / than_all;
            ratios += 1;
        }
    }
    (ratios > 0).then(|| Difference { effect: a / ratios as f64 - b / ratios as f64, ratios })
}
