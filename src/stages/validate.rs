//! `Validate`: a model's predictions on whole images, against the truth.

use crate::ml::boundary::{Bands, BoundaryRule};
use crate::ml::data::advice;
use crate::ml::data::source::Images;
use crate::ml::metrics::Confusion;
use crate::params;
use crate::stage::params::Ref;
use crate::stage::{
    Event, Extents, InputRef, Job, NodeSpec, Output, ParamFault, Peers, Produced, StageError, TypedKind, Yield,
};
use crate::table::Table;

use super::agree;
use super::columns::{self, Values};
use super::data::Data;
use super::params::inference::Inference;
use super::subject::Predictor;
use super::support;
use super::yields::{BOUNDARY, CLASSES, CONFUSION, DATASET, IMPORTED, LOG, METRICS, MODEL, SUMMARY};

params! {
    /// Predicts whole images one by one, and counts pixels by true and predicted class. Logits are resized to the
    /// image by TensorFlow's legacy bilinear sampling, and the class with the largest wins. `inference` adds scales,
    /// mirrored images and a CRF. The stage leaves a summary, a row for each class, and the counts of each image. The
    /// summary has the mean IoU over the classes that occur, their number, the original code's mean, the pixel accuracy,
    /// the mean IoU of the best constant prediction, and the mean cross entropy of the scores before any CRF.
    /// Beside them stands the mean boundary IoU, which looks at the pixels along contours alone.
    pub struct ValidateParams {
        /// The model: a training, or a `Model` stage.
        model: Ref, where to(&[MODEL, IMPORTED]);
        /// The images, with labels.
        data: Ref, where to(&[DATASET]);
        /// How the scores of each pixel are computed.
        inference: Inference = Inference::default();
        /// How the boundary IoU is counted.
        boundary: Boundary = Boundary { ratio: 0.02, near_ignored: NearIgnored::Counted {} };
        /// Whether every iteration of the training is validated. Otherwise only the last is.
        every_iteration: bool = false;
    }
}

params! {
    /// How the boundary IoU is counted (Cheng et al., CVPR 2021). The band of a class is what lies inside its mask, and at most
    /// a width away from what is outside. The edge of the image is outside. Ignored pixels are outside every mask, in the truth
    /// and in the prediction.
    pub struct Boundary {
        /// The width of a band as a share of the diagonal of the image. It is rounded to whole pixels, and is at least 1 pixel.
        ratio: f64 = 0.02, where above(0.0).max(1.0);
        /// What becomes of pixels that are at most the width of a band away from an ignored pixel. The labels of VOC 2012
        /// ignore a border of about 5 pixels along each contour. There the bands of truth and prediction both begin at this
        /// border, and a prediction that is wrong at the contour itself is not seen.
        near_ignored: NearIgnored = NearIgnored::Counted {};
    }

    /// What becomes of pixels near ignored ones.
    pub enum NearIgnored {
        /// They count as any other, as in the authors' code.
        Counted {}
        /// They are left out of all bands. The edges of ignored areas are then no contours.
        LeftOut {}
    }
}

impl From<&Boundary> for BoundaryRule {
    fn from(params: &Boundary) -> Self {
        let leave_out_near_ignored = matches!(params.near_ignored, NearIgnored::LeftOut {});
        BoundaryRule { ratio: params.ratio, leave_out_near_ignored }
    }
}

/// What the predictions of some images come to.
struct Scored {
    confusion: Confusion,
    bands: Bands,
}

impl Scored {
    fn new(classes: usize) -> Self {
        Scored { confusion: Confusion::new(classes), bands: Bands::new(classes) }
    }

    fn merge(&mut self, other: &Scored) {
        self.confusion.merge(&other.confusion);
        self.bands.merge(&other.bands);
    }
}

/// The kind.
pub struct Validate;

impl TypedKind for Validate {
    type Params = ValidateParams;
    const NAME: &'static str = "Validate";
    const VERSION: u32 = 6;
    const YIELDS: Yield = METRICS;
    const OUTPUTS: &'static [Output] = &[SUMMARY, CLASSES, CONFUSION, BOUNDARY, LOG];
    const EXAMPLE: &'static str = r#""validate": Validate(
    model: "train", data: "val_set", every_iteration: true,
),"#;
    const COMPUTES: bool = true;

    fn version(&self, p: &ValidateParams) -> u32 {
        p.inference.version(Self::VERSION)
    }

    fn agrees(&self, p: &ValidateParams, peers: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
        let mut faults = agree::labelled(&p.data, peers)?;
        faults.extend(agree::same_classes(&p.data, std::slice::from_ref(&p.model), peers)?);
        Ok(faults)
    }

    fn count(&self, p: &ValidateParams, extents: &dyn Extents) -> usize {
        if p.every_iteration { extents.nodes(&p.model.0).max(1) } else { 1 }
    }

    fn expand(&self, p: &ValidateParams, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        let step = |iteration, model| NodeSpec {
            iteration,
            // Which iterations are validated is no parameter of any one validation.
            left_out: vec!["every_iteration"],
            inputs: vec![("model".to_owned(), model), ("data".to_owned(), InputRef::Named(p.data.0.clone()))],
            ..NodeSpec::default()
        };
        let count = extents.nodes(&p.model.0);
        if !p.every_iteration || count <= 1 {
            return Ok(vec![step(None, InputRef::Named(p.model.0.clone()))]);
        }
        let nodes = (0..count).map(|i| step(u32::try_from(i + 1).ok(), InputRef::Node(p.model.0.clone(), i)));
        Ok(nodes.collect())
    }

    fn run(&self, p: &ValidateParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let data = Data::open(job, "data")?;
        let model = Predictor::open(job, "model")?;
        model.suits(&data)?;
        let mut warnings = Vec::new();
        if let Some(text) = data.trained_on(job, "model") {
            job.warn(&mut warnings, text);
        }
        let resolve = |path: &str| data.resolve(path);
        let images = Images::new(&data.rows, &resolve);
        let pool = support::pool(job.threads)?;
        let (classes, rule) = (data.info.classes.len(), BoundaryRule::from(&p.boundary));
        let mut total = Scored::new(classes);
        let mut losses = 0.0;
        let mut each = Vec::with_capacity(images.len());
        for i in 0..images.len() {
            job.cancel.check()?;
            let (scored, loss) = pool.install(|| -> Result<(Scored, f64), StageError> {
                let fault = |fault| data.blame(support::faults(vec![fault]));
                let (image, truth) = (images.image(i).map_err(fault)?, images.labels(i).map_err(fault)?);
                let mut confusion = Confusion::new(classes);
                let (prediction, loss) = model.judge(&image, &truth, &p.inference)?;
                let wrong = |error| support::ml_error(error, "the predictions");
                confusion.add(truth.pixels(), prediction.pixels()).map_err(wrong)?;
                let size = [truth.height(), truth.width()];
                let bands = rule.bands(classes, size, truth.pixels(), prediction.pixels()).map_err(wrong)?;
                Ok((Scored { confusion, bands }, loss))
            })?;
            total.merge(&scored);
            losses += loss;
            each.push((images.row(i).sample.id.clone(), scored));
            job.events.emit(Event::Progress { done: i as u64 + 1, total: images.len() as u64, unit: "images".into() });
        }
        // A figure of no pixels is none.
        let cross_entropy = (total.confusion.total() > 0).then(|| losses / total.confusion.total() as f64);
        let mut produced = produce(job, &model, &data, &p.inference, cross_entropy, &total, &each)?;
        if let Some(text) = uncounted(&data.info.classes, &total.confusion) {
            job.warn(&mut warnings, text);
        }
        produced.warnings = warnings;
        Ok(produced)
    }
}

/// A warning of classes that no counted pixel has; none where every class has one.
fn uncounted(names: &[String], total: &Confusion) -> Option<String> {
    let empty: Vec<usize> = (0..names.len()).filter(|&class| total.truth(class) == 0).collect();
    if empty.is_empty() {
        return None;
    }
    if total.total() == 0 {
        return Some("No pixel of the labels counts, so that there is no figure.".to_owned());
    }
    let listed = advice::listed(&empty.iter().map(|&class| names[class].as_str()).collect::<Vec<_>>());
    let over = total.mean_iou().map_or(0, |mean| mean.classes);
    Some(format!(
        "The mean IoU is over {over} of {} classes. No pixel of the labels is of {listed}: such a class has no IoU, or 0 where \
         it was predicted.",
        names.len()
    ))
}

/// The column of the summary that says how predictions were made.
pub const INFERENCE: &str = "inference";

fn produce(
    job: &Job<'_>,
    model: &Predictor,
    data: &Data,
    inference: &Inference,
    cross_entropy: Option<f64>,
    scored: &Scored,
    each: &[(String, Scored)],
) -> Result<Produced, StageError> {
    let names = &data.info.classes;
    let (total, boundary) = (&scored.confusion, scored.bands.mean_iou());
    let mean = total.mean_iou();
    let (accuracy, constant) = (total.pixel_accuracy(), total.best_constant_mean_iou());
    let mut produced = Produced::default();
    let mut figure = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            produced.metrics.insert(name.to_owned(), value);
        }
    };
    figure("mean_iou", mean.map(|mean| mean.value));
    figure("boundary_iou", boundary);
    figure("pixel_accuracy", accuracy);
    figure("cross_entropy", cross_entropy);
    figure("constant_mean_iou", constant);
    figure("classes_present", mean.map(|mean| mean.classes as f64));

    let mut summary = model.subject.columns(1, data);
    summary.extend([
        (INFERENCE.to_owned(), Values::Text(vec![Some(inference.in_words())])),
        ("images".to_owned(), Values::Int(vec![Some(each.len() as i64)])),
        ("mean_iou".to_owned(), Values::Float(vec![mean.map(|mean| mean.value)])),
        ("classes_present".to_owned(), Values::Int(vec![mean.map(|mean| mean.classes as i64)])),
        ("reference_mean_iou".to_owned(), Values::Float(vec![Some(total.reference_mean_iou())])),
        ("boundary_iou".to_owned(), Values::Float(vec![boundary])),
        ("pixel_accuracy".to_owned(), Values::Float(vec![accuracy])),
        ("constant_mean_iou".to_owned(), Values::Float(vec![constant])),
        ("cross_entropy".to_owned(), Values::Float(vec![cross_entropy])),
    ]);
    support::write_table(job, &mut produced, &SUMMARY, &columns::new_table(summary)?)?;

    let mut classes = model.subject.columns(names.len(), data);
    classes.extend(columns::classes(names.iter().map(|name| Some(name.clone())).collect(), total));
    let along = (0..names.len()).map(|class| scored.bands.iou(class)).collect();
    classes.push(("boundary_iou".to_owned(), Values::Float(along)));
    support::write_table(job, &mut produced, &CLASSES, &columns::new_table(classes)?)?;
    support::write_table(job, &mut produced, &CONFUSION, &per_image(each, names.len())?)?;
    support::write_table(job, &mut produced, &BOUNDARY, &bands_per_image(each, names.len())?)?;
    let text = format!("Restored model parameters from {}.\n{}", model.subject.origin(), total.log());
    LOG.write(job, &mut produced, text.as_bytes())?;
    Ok(produced)
}

/// The counts of each image that are not zero: image, true class, predicted class, pixels. An image without any has a row all
/// the same: it is one of the images.
fn per_image(each: &[(String, Scored)], classes: usize) -> Result<Table, StageError> {
    let (mut ids, mut truths, mut predictions, mut pixels) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (id, scored) in each {
        let counts = scored.confusion.counts().iter().enumerate().filter(|(_, count)| **count > 0);
        let mut rows: Vec<(Option<usize>, u64)> = counts.map(|(at, &count)| (Some(at), count)).collect();
        if rows.is_empty() {
            rows.push((None, 0));
        }
        for (at, count) in rows {
            ids.push(Some(id.clone()));
            truths.push(at.map(|at| (at / classes) as i64));
            predictions.push(at.map(|at| (at % classes) as i64));
            pixels.push(Some(count as i64));
        }
    }
    columns::new_table(vec![
        ("image".to_owned(), Values::Text(ids)),
        ("truth".to_owned(), Values::Int(truths)),
        ("predicted".to_owned(), Values::Int(predictions)),
        ("pixels".to_owned(), Values::Int(pixels)),
    ])
}

/// The bands of each image and class that are not empty: image, class, and the pixels in both bands, in the truth's and in the
/// prediction's. An image without any has a row all the same.
fn bands_per_image(each: &[(String, Scored)], classes: usize) -> Result<Table, StageError> {
    let (mut ids, mut of, mut counts) = (Vec::new(), Vec::new(), [const { Vec::new() }; 3]);
    for (id, scored) in each {
        let found = (0..classes).map(|class| (Some(class), scored.bands.of(class)));
        let mut rows: Vec<(Option<usize>, [u64; 3])> = found.filter(|(_, bands)| *bands != [0; 3]).collect();
        if rows.is_empty() {
            rows.push((None, [0; 3]));
        }
        for (class, bands) in rows {
            ids.push(Some(id.clone()));
            of.push(class.map(|class| class as i64));
            counts.iter_mut().zip(bands).for_each(|(column, pixels)| column.push(Some(pixels as i64)));
        }
    }
    let [both, truth, predicted] = counts;
    columns::new_table(vec![
        ("image".to_owned(), Values::Text(ids)),
        ("class".to_owned(), Values::Int(of)),
        ("intersection".to_owned(), Values::Int(both)),
        ("truth".to_owned(), Values::Int(truth)),
        ("predicted".to_owned(), Values::Int(predicted)),
    ])
}
