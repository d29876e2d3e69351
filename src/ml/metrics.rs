//! Scores of predictions, all from one table of counts.
//!
//! Rows are the truth and columns the predictions. The reference has them the other way round; per-class figures are
//! the same either way.
//!
//! A class that occurs in neither truth nor prediction has no IoU. Three means treat it in three ways: ours leaves it
//! out and says over how many classes it is, the reference's in validation is then not a number, and the one that the
//! reference streams in training counts it as 0.

use super::error::{Error, Result};

/// Counts of pixels by true class and predicted class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// No pixels yet.
    pub fn new(classes: usize) -> Self {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// The table with these counts, row by row; nothing if they are not `classes * classes`.
    pub fn from_counts(classes: usize, counts: Vec<u64>) -> Option<Self> {
        (counts.len() == classes * classes).then_some(Confusion { classes, counts })
    }

    /// Counts pixels: `truth` and `predicted` are ids of the same pixels. A true id that is no class is not counted,
    /// whatever the ignore value is.
    ///
    /// # Errors
    /// A predicted id that is no class, at a pixel that counts, and lengths that differ. Nothing is counted then.
    pub fn add(&mut self, truth: &[u8], predicted: &[u8]) -> Result<()> {
        if truth.len() != predicted.len() {
            let (what, expected) =
                ("The predictions of pixels".to_owned(), format!("[{}], as the labels", truth.len()));
            return Err(Error::Shape { what, found: vec![predicted.len()], expected });
        }
        let strange = |(&truth, &predicted): (&u8, &u8)| {
            usize::from(truth) < self.classes && usize::from(predicted) >= self.classes
        };
        // Without a way out, so that the compiler takes many pixels at once.
        if truth.iter().zip(predicted).fold(false, |any, pixel| any | strange(pixel)) {
            let first = truth.iter().zip(predicted).find(|&pixel| strange(pixel));
            let (id, classes) = (first.map_or(0, |(_, &predicted)| predicted), self.classes);
            return Err(Error::Model(format!(
                "A prediction is the class {id}; there are {classes} classes, from 0 on."
            )));
        }
        let mut count = |truth: u8, predicted: u8, pixels: u64| {
            if usize::from(truth) < self.classes {
                self.counts[usize::from(truth) * self.classes + usize::from(predicted)] += pixels;
            }
        };
        let ((truth, rest), (predicted, others)) = (truth.as_chunks::<8>(), predicted.as_chunks::<8>());
        for (truth, predicted) in truth.iter().zip(predicted) {
            // Most pixels lie amid their like.
            if *truth == [truth[0]; 8] && *predicted == [predicted[0]; 8] {
                count(truth[0], predicted[0], 8);
            } else {
                truth.iter().zip(predicted).for_each(|(&truth, &predicted)| count(truth, predicted, 1));
            }
        }
        rest.iter().zip(others).for_each(|(&truth, &predicted)| count(truth, predicted, 1));
        Ok(())
    }

    /// Adds the counts of another table of the same classes.
    pub fn merge(&mut self, other: &Confusion) {
        debug_assert_eq!(self.classes, other.classes);
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The counts, row by row.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The pixels of class `truth` that were predicted as `predicted`.
    pub fn at(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// The pixels whose true class is `class`.
    pub fn truth(&self, class: usize) -> u64 {
        (0..self.classes).map(|predicted| self.at(class, predicted)).sum()
    }

    /// The pixels that were predicted as `class`.
    pub fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|truth| self.at(truth, class)).sum()
    }

    /// All counted pixels.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Intersection over union of a class; none where it occurs in neither truth nor prediction.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let union = self.truth(class) + self.predicted(class) - self.at(class, class);
        (union > 0).then(|| self.at(class, class) as f64 / union as f64)
    }

    /// The mean over the classes that occur, and their number; none where no class occurs.
    pub fn mean_iou(&self) -> Option<MeanIou> {
        let ious: Vec<f64> = (0..self.classes).filter_map(|class| self.iou(class)).collect();
        let classes = ious.len();
        (classes > 0).then(|| MeanIou { value: ious.iter().sum::<f64>() / classes as f64, classes })
    }

    /// The reference's mean in validation: over all classes, and NaN where one occurs in neither.
    pub fn reference_mean_iou(&self) -> f64 {
        (0..self.classes).map(|class| self.iou(class).unwrap_or(f64::NAN)).sum::<f64>() / self.classes as f64
    }

    /// The reference's running mean in training (`tf.metrics.mean_iou` of TensorFlow 1.3): over all classes, with 0
    /// for one that occurs in neither.
    pub fn streaming_mean_iou(&self) -> f64 {
        (0..self.classes).map(|class| self.iou(class).unwrap_or(0.0)).sum::<f64>() / self.classes as f64
    }

    /// The share of counted pixels that are right; none where no pixel is counted.
    pub fn pixel_accuracy(&self) -> Option<f64> {
        let right: u64 = (0..self.classes).map(|class| self.at(class, class)).sum();
        let total = self.total();
        (total > 0).then(|| right as f64 / total as f64)
    }

    /// The lines that the reference writes after a validation, its figures to three digits: `nan` for the IoU of a class
    /// that occurs in neither truth nor prediction and for a mean over it, and 0 for the accuracy of no pixels.
    pub fn log(&self) -> String {
        let figure = |value: f64| if value.is_nan() { "nan".to_owned() } else { format!("{value:.3}") };
        let mut text = format!("Pixel Accuracy: {}\n", figure(self.pixel_accuracy().unwrap_or(0.0)));
        for class in 0..self.classes {
            text += &format!("class {class}: {}\n", figure(self.iou(class).unwrap_or(f64::NAN)));
        }
        text + &format!("mIoU: {}\n", figure(self.reference_mean_iou()))
    }

    /// The best mean that predicting one class everywhere would have: what a network must beat. None where no pixel
    /// is counted.
    pub fn best_constant_mean_iou(&self) -> Option<f64> {
        let truth: Vec<u64> = (0..self.classes).map(|class| self.truth(class)).collect();
        constant_mean_iou(&truth)
    }
}

/// A mean over classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanIou {
    /// The mean.
    pub value: f64,
    /// The number of classes that it is over.
    pub classes: usize,
}

/// The best mean IoU of a constant prediction, from the pixels of each class; none where there are none.
pub fn constant_mean_iou(pixels: &[u64]) -> Option<f64> {
    let total: u64 = pixels.iter().sum();
    let present = pixels.iter().filter(|&&n| n > 0).count();
    let most = *pixels.iter().max()?;
    // A constant scores on its own class alone, with all pixels as the union; the others that occur score 0.
    (total > 0).then(|| most as f64 / total as f64 / present as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_constant_is_what_predicting_it_scores() {
        let truth: Vec<u8> = [[0; 6].as_slice(), &[1; 3], &[3; 1], &[255; 4]].concat();
        let mut best = 0.0_f64;
        for class in 0..4 {
            let mut confusion = Confusion::new(4);
            confusion.add(&truth, &vec![class; truth.len()]).unwrap();
            best = best.max(confusion.mean_iou().unwrap().value);
            assert_eq!(confusion.best_constant_mean_iou(), Some(0.6 / 3.0));
        }
        assert_eq!(best, 0.6 / 3.0);
        assert_eq!(constant_mean_iou(&[0, 0]), None);
    }

    #[test]
    fn every_pixel_of_a_class_is_counted_once() {
        let (truth, predicted): (Vec<u8>, Vec<u8>) =
            (0..1003_u32).map(|i| ((i / 37 % 5) as u8, (i / 23 * i / 400 % 4) as u8)).unzip();
        let mut confusion = Confusion::new(4);
        confusion.add(&truth, &predicted).unwrap();
        for (t, p) in (0..4).flat_map(|t| (0..4).map(move |p| (t, p))) {
            let expected = truth.iter().zip(&predicted).filter(|(a, b)| (**a, **b) == (t, p)).count() as u64;
            assert_eq!(confusion.at(usize::from(t), usize::from(p)), expected, "{t} {p}");
        }
    }

    #[test]
    fn means_say_over_how_many_classes_they_are() {
        let mut confusion = Confusion::new(3);
        assert_eq!(confusion.mean_iou(), None);
        confusion.add(&[0, 0, 1, 255], &[0, 1, 1, 2]).unwrap();
        assert_eq!(confusion.mean_iou(), Some(MeanIou { value: 0.5, classes: 2 }));
        assert!(confusion.reference_mean_iou().is_nan());
        assert_eq!(Confusion::from_counts(3, confusion.counts().to_vec()), Some(confusion));
    }
    #[test]
    fn a_prediction_beyond_the_classes_is_an_error_that_counts_nothing() {
        let mut confusion = Confusion::new(2);
        let refused = confusion.add(&[0, 1, 0], &[0, 1, 2]).unwrap_err().to_string();
        assert!(refused.contains("the class 2; there are 2 classes"), "{refused}");
        assert!(confusion.add(&[0, 1], &[0]).is_err());
        assert_eq!(confusion.total(), 0);
        // Where the truth is no class, the prediction does not matter.
        confusion.add(&[255, 1], &[254, 1]).unwrap();
        assert_eq!((confusion.total(), confusion.at(1, 1)), (1, 1));
    }

    #[test]
    fn all_of_255_classes_are_counted() {
        let ids: Vec<u8> = (0..=255).collect();
        let mut confusion = Confusion::new(255);
        confusion.add(&ids, &ids.iter().map(|&id| id.min(254)).collect::<Vec<_>>()).unwrap();
        assert_eq!((confusion.total(), confusion.at(254, 254)), (255, 1));
        assert_eq!(confusion.mean_iou(), Some(MeanIou { value: 1.0, classes: 255 }));
    }
}
