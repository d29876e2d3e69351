//! What each image contributes to the figure of a trained model: pseudo-values of the jackknife.
//!
//! A figure is not a mean over images: an IoU is a ratio of sums, and the mean IoU a mean of such ratios. The pseudo-value
//! of image i, `n f - (n - 1) f_i` with the figure `f` of all n images and `f_i` of all but that one, is the value that the
//! image would need to have if it were a mean (Tukey, "Bias and confidence in not-quite large samples", 1958). Unlike a
//! linear approximation it grows where one image has most pixels of a class, and so errs on the side of caution.
//!
//! One rule for absent classes: a class is left out, for all models alike, where one of them has nothing to divide by. So
//! all figures that are compared are means over the same classes, also where an image is left out that alone has a class.

use super::counts::{Counts, Figure};
use super::fault::{Fault, LEAST_IMAGES};

/// Figures and pseudo-values of several trained models on the same images.
#[derive(Debug)]
pub(super) struct Values {
    /// The figure of each model.
    pub figures: Vec<f64>,
    /// The pseudo-values of each model, one an image. Images without counted pixels of the figure have none.
    pub values: Vec<Vec<f64>>,
    /// In how many images a class lies that no other image has.
    pub lost: usize,
}

/// The ratios of several trained models on the same images.
#[derive(Debug)]
pub(super) struct Counted {
    /// The ratios of each image: of each model, one a class. Images without counted pixels of the figure are left out.
    pub images: Vec<Vec<Vec<Ratio>>>,
    /// The ratios of all images together, of each model.
    totals: Vec<Vec<Ratio>>,
}

/// Numerator and denominator.
pub(super) type Ratio = [u64; 2];

/// What models counted, as `figure` sees it.
///
/// # Errors
///
/// Where the counts are not of the same images, labels and classes; where fewer than six images have counted pixels; where
/// a class has no true pixels and the figure depends on it.
pub(super) fn counted(models: &[&Counts], figure: Figure) -> Result<Counted, Fault> {
    let Some(first) = models.first() else { return Err(Fault::Nothing) };
    if let Figure::Iou(class) = figure
        && first.total().get(class).is_none_or(|cell| cell[0] + cell[2] == 0)
    {
        return Err(Fault::Absent(class));
    }
    models.iter().try_for_each(|model| comparable(first, model))?;
    let totals: Vec<Vec<Ratio>> = models.iter().map(|model| figure.ratios(&model.total())).collect();
    if let Some(class) = (0..totals[0].len()).find(|&class| {
        let counted = totals.iter().filter(|ratios| ratios[class][1] > 0).count();
        counted > 0 && counted < models.len()
    }) {
        return Err(Fault::Class(class));
    }
    let images: Vec<Vec<Vec<Ratio>>> = (0..first.images())
        .map(|image| models.iter().map(|model| figure.ratios(model.image(image))).collect::<Vec<_>>())
        .filter(|image| image.iter().flatten().any(|ratio| ratio[1] > 0))
        .collect();
    if images.is_empty() {
        return Err(Fault::Nothing);
    }
    if images.len() < LEAST_IMAGES {
        return Err(Fault::FewImages(images.len(), LEAST_IMAGES));
    }
    Ok(Counted { images, totals })
}

impl Counted {
    /// The figures and pseudo-values.
    pub fn values(&self) -> Option<Values> {
        let (figures, classes) = means(&self.totals)?;
        let n = self.images.len() as f64;
        let (mut values, mut lost) = (vec![Vec::with_capacity(self.images.len()); figures.len()], 0);
        let mut rest = self.totals.clone();
        for image in &self.images {
            let totals = self.totals.iter().flatten();
            for ((rest, total), image) in rest.iter_mut().flatten().zip(totals).zip(image.iter().flatten()) {
                *rest = [total[0] - image[0], total[1] - image[1]];
            }
            let (without, left) = means(&rest)?;
            lost += usize::from(left < classes);
            for ((values, figure), without) in values.iter_mut().zip(&figures).zip(without) {
                values.push(n * figure - (n - 1.0) * without);
            }
        }
        Some(Values { figures, values, lost })
    }
}

/// The means of each model's ratios, over those that can be divided for all models, and how many these are.
pub(super) fn means(models: &[Vec<Ratio>]) -> Option<(Vec<f64>, usize)> {
    let classes: Vec<usize> =
        (0..models[0].len()).filter(|&class| models.iter().all(|ratios| ratios[class][1] > 0)).collect();
    let mean = |ratios: &Vec<Ratio>| {
        let sum: f64 = classes.iter().map(|&class| ratios[class][0] as f64 / ratios[class][1] as f64).sum();
        sum / classes.len() as f64
    };
    (!classes.is_empty()).then(|| (models.iter().map(mean).collect(), classes.len()))
}

/// Whether two models were counted on the same images, labels and classes.
fn comparable(a: &Counts, b: &Counts) -> Result<(), Fault> {
    if a.classes() != b.classes() {
        return Err(Fault::Classes(a.classes(), b.classes()));
    }
    if a.images() != b.images() {
        return Err(Fault::Images(a.images(), b.images()));
    }
    let truth = |counts: &Counts, image| counts.image(image).iter().map(|cell| cell[0] + cell[2]).collect::<Vec<_>>();
    match (0..a.images()).find(|&image| truth(a, image) != truth(b, image)) {
        Some(image) => Err(Fault::Labels(image)),
        None => Ok(()),
    }
}
