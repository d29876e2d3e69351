//! Boundary IoU: the IoU of the inner bands along the contours of two masks.
//!
//! The measure is that of Cheng, Girshick, Dollár, Berg and Kirillov ("Boundary IoU: Improving Object-Centric Image
//! Segmentation Evaluation", CVPR 2021). The band of a mask is what d erosions with a 3 x 3 element take away from it. In the
//! authors' code, d is the rounded `ratio` of the image's diagonal, and at least 1. The edge of the image counts as contour.
//!
//! Invariants:
//! - ignored pixels, whose true id is no class, belong to no mask and to no band. So their edge is a contour of the masks beside
//!   them, in the truth and in the prediction alike;
//! - counts are summed per class over images, as those of the plain IoU;
//! - all classes are found in one pass: a pixel is inside its mask if the square of side 2 d + 1 around it lies in the image
//!   and is of one class throughout.

use super::error::{Error, Result};

/// The class of a pixel that belongs to no mask.
const NOTHING: u16 = u16::MAX;

/// How bands are found and compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundaryRule {
    /// The width of a band as a share of the image's diagonal.
    pub ratio: f64,
    /// Whether pixels within the width of a band of an ignored pixel are left out.
    pub leave_out_near_ignored: bool,
}

impl Default for BoundaryRule {
    /// The authors' rule.
    fn default() -> Self {
        BoundaryRule { ratio: 0.02, leave_out_near_ignored: false }
    }
}

/// The pixels of the bands of each class: of both bands at once, of the truth's and of the prediction's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bands {
    counts: Vec<[u64; 3]>,
}

impl BoundaryRule {
    /// The width of a band in an image of that height and width, in pixels. Halves are rounded to even, as in the authors'
    /// code.
    pub fn width(&self, height: usize, width: usize) -> usize {
        let diagonal = ((height * height + width * width) as f64).sqrt();
        ((self.ratio * diagonal).round_ties_even() as usize).max(1)
    }

    /// The bands of an image. `truth` and `predicted` are ids of the same pixels, row by row.
    ///
    /// # Shapes
    /// `truth` and `predicted`: height x width.
    ///
    /// # Errors
    /// Lengths that are not height x width.
    pub fn bands(&self, classes: usize, size: [usize; 2], truth: &[u8], predicted: &[u8]) -> Result<Bands> {
        let [height, width] = size;
        for (what, ids) in [("The labels", truth), ("The predictions", predicted)] {
            if ids.len() != height * width {
                let expected = format!("[{height} x {width}]");
                return Err(Error::Shape { what: what.to_owned(), found: vec![ids.len()], expected });
            }
        }
        let mut bands = Bands::new(classes);
        if truth.is_empty() {
            return Ok(bands);
        }
        let d = self.width(height, width);
        let counted = |id: u8| usize::from(id) < classes;
        let masked = |ids: &[u8]| -> Vec<u16> {
            let mask = |(&id, &truth): (&u8, &u8)| if counted(truth) { u16::from(id) } else { NOTHING };
            ids.iter().zip(truth).map(mask).collect()
        };
        let (truth_map, predicted_map) = (masked(truth), masked(predicted));
        let (inside_truth, inside_predicted) = (inside(&truth_map, size, d), inside(&predicted_map, size, d));
        let near = self.leave_out_near_ignored.then(|| near(&truth_map, size, d));
        for at in 0..truth.len() {
            if truth_map[at] == NOTHING || near.as_ref().is_some_and(|near| near[at]) {
                continue;
            }
            let (of_truth, of_predicted) = (usize::from(truth_map[at]), usize::from(predicted_map[at]));
            let (in_truth, in_predicted) = (!inside_truth[at], !inside_predicted[at]);
            bands.counts[of_truth][1] += u64::from(in_truth);
            if let Some(counts) = bands.counts.get_mut(of_predicted) {
                counts[2] += u64::from(in_predicted);
            }
            bands.counts[of_truth][0] += u64::from(of_truth == of_predicted && in_truth && in_predicted);
        }
        Ok(bands)
    }
}

impl Bands {
    /// No pixels yet.
    pub fn new(classes: usize) -> Self {
        Bands { counts: vec![[0; 3]; classes] }
    }

    /// Adds the counts of another image of the same classes.
    pub fn merge(&mut self, other: &Bands) {
        for (sum, more) in self.counts.iter_mut().zip(&other.counts) {
            (0..3).for_each(|i| sum[i] += more[i]);
        }
    }

    /// The pixels of a class: in both bands, in the truth's, in the prediction's.
    pub fn of(&self, class: usize) -> [u64; 3] {
        self.counts[class]
    }

    /// The boundary IoU of a class; none where there is no band of it.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let [both, truth, predicted] = self.counts[class];
        let union = truth + predicted - both;
        (union > 0).then(|| both as f64 / union as f64)
    }

    /// The mean over the classes that have a band; none where no class has one.
    pub fn mean_iou(&self) -> Option<f64> {
        let ious: Vec<f64> = (0..self.counts.len()).filter_map(|class| self.iou(class)).collect();
        (!ious.is_empty()).then(|| ious.iter().sum::<f64>() / ious.len() as f64)
    }
}

/// For each pixel whether the square of side 2 d + 1 around it lies in the image and is of one class.
fn inside(map: &[u16], [height, width]: [usize; 2], d: usize) -> Vec<bool> {
    // Along rows first: the class of a piece of a row that is of one class, else nothing.
    let mut pieces = vec![NOTHING; map.len()];
    for (row, out) in map.chunks_exact(width).zip(pieces.chunks_exact_mut(width)) {
        uniform(width, d, |x| row[x], |x, class| out[x] = class);
    }
    let mut inside = vec![false; map.len()];
    for x in 0..width {
        uniform(height, d, |y| pieces[y * width + x], |y, class| inside[y * width + x] = class != NOTHING);
    }
    inside
}

/// Calls `out` for each place whose neighbours up to `d` away all are there and are of one class, with that class.
fn uniform(length: usize, d: usize, class: impl Fn(usize) -> u16, mut out: impl FnMut(usize, u16)) {
    let mut run = 0;
    for at in 0..length {
        run = if at > 0 && class(at) == class(at - 1) { run + 1 } else { 1 };
        if run > 2 * d {
            out(at - d, class(at));
        }
    }
}

/// For each pixel whether one of no mask lies in the square of side 2 d + 1 around it.
fn near(map: &[u16], [height, width]: [usize; 2], d: usize) -> Vec<bool> {
    let mut rows = vec![false; map.len()];
    for (row, out) in map.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
        spread(width, d, |x| row[x] == NOTHING, |x| out[x] = true);
    }
    let mut near = vec![false; map.len()];
    for x in 0..width {
        spread(height, d, |y| rows[y * width + x], |y| near[y * width + x] = true);
    }
    near
}

/// Calls `out` for each place that has a marked one up to `d` away.
fn spread(length: usize, d: usize, marked: impl Fn(usize) -> bool, mut out: impl FnMut(usize)) {
    let mut next = 0;
    for at in (0..length).filter(|&at| marked(at)) {
        for place in next.max(at.saturating_sub(d))..length.min(at + d + 1) {
            out(place);
        }
        next = length.min(at + d + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// The bands of a class as the paper defines them: d erosions, one after the other, of each mask alone.
    fn by_definition(rule: &BoundaryRule, classes: usize, size: [usize; 2], truth: &[u8], predicted: &[u8]) -> Bands {
        let [height, width] = size;
        let d = rule.width(height, width);
        let around = |mask: &[bool], at: usize, ends: &dyn Fn(bool) -> bool, outside: bool| {
            let (y, x) = ((at / width) as isize, (at % width) as isize);
            let place = |dy: isize, dx: isize| {
                let (y, x) = (y + dy, x + dx);
                let within = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
                if within { mask[y as usize * width + x as usize] } else { outside }
            };
            (-1..=1).any(|dy| (-1..=1).any(|dx| ends(place(dy, dx))))
        };
        let step = |mask: &[bool], ends: &dyn Fn(bool) -> bool, to: bool, outside: bool| -> Vec<bool> {
            (0..mask.len()).map(|at| if around(mask, at, ends, outside) { to } else { mask[at] }).collect()
        };
        let band = |mask: &[bool]| -> Vec<bool> {
            let eroded = (0..d).fold(mask.to_vec(), |mask, _| step(&mask, &|set| !set, false, false));
            mask.iter().zip(&eroded).map(|(mask, eroded)| *mask && !eroded).collect()
        };
        let ignored: Vec<bool> = truth.iter().map(|&id| usize::from(id) >= classes).collect();
        let grown = (0..d).fold(ignored.clone(), |mask, _| step(&mask, &|set| set, true, false));
        let left_out = if rule.leave_out_near_ignored { grown } else { ignored.clone() };
        let mut bands = Bands::new(classes);
        for class in 0..classes {
            let mask = |ids: &[u8]| -> Vec<bool> {
                ids.iter().zip(&ignored).map(|(&id, &ignored)| usize::from(id) == class && !ignored).collect()
            };
            let (a, b) = (band(&mask(truth)), band(&mask(predicted)));
            for at in (0..truth.len()).filter(|&at| !left_out[at]) {
                bands.counts[class][0] += u64::from(a[at] && b[at]);
                bands.counts[class][1] += u64::from(a[at]);
                bands.counts[class][2] += u64::from(b[at]);
            }
        }
        bands
    }

    #[test]
    fn bands_are_those_of_the_definition() {
        let mut seen = 0;
        for index in 0..60 {
            let mut rng = Rng::new(7, "boundary", index);
            let size = [1 + rng.below(23) as usize, 1 + rng.below(31) as usize];
            let blocks = 1 + rng.below(6) as usize;
            let map = |rng: &mut Rng, ids: &[u8]| -> Vec<u8> {
                let cells: Vec<u8> = (0..64 * 64).map(|_| ids[rng.below(ids.len() as u32) as usize]).collect();
                (0..size[0] * size[1]).map(|at| cells[at / size[1] / blocks * 64 + at % size[1] / blocks]).collect()
            };
            let truth = map(&mut rng, &[0, 0, 1, 2, 255]);
            let guess = map(&mut rng, &[0, 1, 2]);
            let predicted: Vec<u8> = truth
                .iter()
                .zip(&guess)
                .map(|(&truth, &guess)| if truth < 3 && rng.below(4) > 0 { truth } else { guess })
                .collect();
            for leave_out_near_ignored in [false, true] {
                let rule = BoundaryRule { ratio: [0.02, 0.05, 0.1][index as usize % 3], leave_out_near_ignored };
                let bands = rule.bands(3, size, &truth, &predicted).unwrap();
                assert_eq!(bands, by_definition(&rule, 3, size, &truth, &predicted), "{index} {size:?}");
                seen += bands.of(0)[0];
            }
        }
        assert!(seen > 1000, "{seen}");
    }

    #[test]
    fn a_square_has_the_band_that_one_counts_by_hand() {
        // A square of 6 x 6 in an image of 10 x 10: its band is one pixel wide, 20 pixels long.
        let inner = |low: usize, high: usize| {
            (0..100).map(|at| u8::from((low..high).contains(&(at / 10)) && (low..high).contains(&(at % 10)))).collect()
        };
        let (truth, smaller): (Vec<u8>, Vec<u8>) = (inner(2, 8), inner(3, 7));
        let rule = BoundaryRule::default();
        assert_eq!(rule.width(10, 10), 1);
        let bands = rule.bands(2, [10, 10], &truth, &smaller).unwrap();
        assert_eq!(bands.of(1), [0, 20, 12]);
        assert_eq!(bands.iou(1), Some(0.0));
        // The band of the ground is along the image's edge and around the square, corners included.
        assert_eq!(bands.of(0)[1], 36 + 28);
        let same = rule.bands(2, [10, 10], &truth, &truth).unwrap();
        assert_eq!(same.mean_iou(), Some(1.0));
        assert_eq!([rule.width(375, 500), rule.width(1024, 2048), rule.width(3, 3)], [12, 46, 1]);
        let nothing = rule.bands(2, [10, 10], &[255; 100], &truth).unwrap();
        assert_eq!((nothing.mean_iou(), nothing.iou(0)), (None, None));
        assert!(rule.bands(2, [10, 10], &truth[1..], &truth).is_err());
    }
}
