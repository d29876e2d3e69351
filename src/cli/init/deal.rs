//! The samples dealt to a training set and a validation set.

use crate::ml::data::Fault;
use crate::ml::data::list::Sample;
use crate::ml::data::look::classes::Classes;
use crate::ml::data::look::layout::Found;
use crate::ml::data::look::roles::Part;
use crate::ml::data::look::split;

/// The samples, and which of them are trained and validated on.
pub struct Dealt {
    /// All samples that are used.
    pub samples: Vec<Sample>,
    /// Those to train on, by number, in the order of their list.
    pub train: Vec<usize>,
    /// Those to validate on.
    pub val: Vec<usize>,
    /// The lists of the two that lie in the folder.
    pub lists: (Option<String>, Option<String>),
    /// Whether the folder tells the two apart.
    pub stated: bool,
    remarks: Vec<String>,
}

impl Dealt {
    /// The samples of a folder: its training set and its validation set, or all that are to be split.
    ///
    /// # Errors
    /// There is one sample only.
    pub fn of(found: &Found) -> Result<Self, Fault> {
        let of = |part: Option<Part>| found.sets.iter().find(|set| set.part == part);
        let (train, val, test, other) = (of(Some(Part::Train)), of(Some(Part::Val)), of(Some(Part::Test)), of(None));
        let mut remarks = Vec::new();
        if let Some(test) = test.filter(|_| train.or(val).or(other).is_some()) {
            remarks.push(format!(
                "The test set of {} images is not used: keep it for the very end, when nothing changes any more.",
                test.samples.len()
            ));
        }
        if let (Some(train), Some(val)) = (train, val) {
            if let Some(other) = other {
                remarks.push(format!("{} pairs are of no part and are left out.", other.samples.len()));
            }
            let count = train.samples.len();
            let samples: Vec<Sample> = train.samples.iter().chain(&val.samples).cloned().collect();
            return Ok(Dealt {
                train: (0..count).collect(),
                val: (count..samples.len()).collect(),
                samples,
                lists: (train.list.clone(), val.list.clone()),
                stated: true,
                remarks,
            });
        }
        let used: Vec<_> = [train, val, other].into_iter().flatten().collect();
        let used = if used.is_empty() { test.into_iter().collect() } else { used };
        let mut samples: Vec<Sample> = used.iter().flat_map(|set| &set.samples).cloned().collect();
        samples.sort_by(|a, b| a.image.cmp(&b.image));
        samples.dedup_by(|a, b| a.id == b.id);
        if samples.len() < 2 {
            let message = format!("There are {} images with labels.", samples.len());
            let hint = "Two are needed at least: one to train on, and one to validate on.";
            return Err(Fault::new(".", message, hint));
        }
        Ok(Dealt { samples, train: Vec::new(), val: Vec::new(), lists: (None, None), stated: false, remarks })
    }

    /// The samples with a split, where the folder states none, and what the user should know of it.
    pub fn split(mut self, classes: &Classes) -> (Self, Vec<String>) {
        let mut remarks = std::mem::take(&mut self.remarks);
        if !self.stated {
            (self.train, self.val) = split::of(&self.samples, &classes.present);
            remarks.push(format!(
                "The folder has no validation set. {} images are validated on, chosen by a hash of their names. If several \
                 images show one scene, move their lines into the same list.",
                self.val.len()
            ));
        }
        if !self.can_claim() {
            remarks.push(format!(
                "{} images are validated on. A claim needs {} at least, so that the pipeline makes none.",
                self.val.len(),
                split::TESTED
            ));
        }
        (self, remarks)
    }

    /// Whether there are enough images to test a claim over.
    pub fn can_claim(&self) -> bool {
        self.val.len() >= split::TESTED
    }

    /// The samples of a list of numbers.
    pub fn of_part(&self, numbers: &[usize]) -> Vec<Sample> {
        numbers.iter().map(|&at| self.samples[at].clone()).collect()
    }
}
