//! `Validate`: a model's predictions on whole images, against the truth.

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
use super::yields::{CLASSES, CONFUSION, DATASET, IMPORTED, LOG, METRICS, MODEL, SUMMARY};

params! {
    /// Predicts whole images one by one, and counts pixels by true and predicted class. Logits are resized to the
    /// image by TensorFlow's legacy bilinear sampling, and the class with the largest wins. `inference` adds scales,
    /// mirrored images and a CRF. The stage leaves a summary, a row for each class, and the counts of each image. The
    /// summary has the mean IoU over the classes that occur, their number, the reference's mean, the pixel accuracy,
    /// the mean IoU of the best constant prediction, and the mean cross entropy of the scores before any CRF.
    pub struct ValidateParams {
        /// The model: a training, or a `Model` stage.
        model: Ref, where to(&[MODEL, IMPORTED]);
        /// The images, with labels.
        data: Ref, where to(&[DATASET]);
        /// How the scores of each pixel are computed.
        inference: Inference = Inference::default();
        /// Whether every iteration of the training is validated. Otherwise only the last is.
        every_iteration: bool = false;
    }
}

/// The kind.
pub struct Validate;

impl TypedKind for Validate {
    type Params = ValidateParams;
    const NAME: &'static str = "Validate";
    const VERSION: u32 = 5;
    const YIELDS: Yield = METRICS;
    const OUTPUTS: &'static [Output] = &[SUMMARY, CLASSES, CONFUSION, LOG];
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
        let mut total = Confusion::new(data.info.classes.len());
        let mut losses = 0.0;
        let mut each = Vec::with_capacity(images.len());
        for i in 0..images.len() {
            job.cancel.check()?;
            let (confusion, loss) = pool.install(|| -> Result<(Confusion, f64), StageError> {
                let fault = |fault| data.blame(support::faults(vec![fault]));
                let (image, truth) = (images.image(i).map_err(fault)?, images.labels(i).map_err(fault)?);
                let mut confusion = Confusion::new(data.info.classes.len());
                let (prediction, loss) = model.judge(&image, &truth, &p.inference)?;
                let wrong = |error| support::ml_error(error, "the predictions");
                confusion.add(truth.pixels(), prediction.pixels()).map_err(wrong)?;
                Ok((confusion, loss))
            })?;
            total.merge(&confusion);
            losses += loss;
            each.push((images.row(i).sample.id.clone(), confusion));
            job.events.emit(Event::Progress { done: i as u64 + 1, total: images.len() as u64, unit: "images".into() });
        }
        // A figure of no pixels is none.
        let cross_entropy = (total.total() > 0).then(|| losses / total.total() as f64);
        let mut produced = produce(job, &model, &data, &p.inference, cross_entropy, &total, &each)?;
        if let Some(text) = uncounted(&data.info.classes, &total) {
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
    total: &Confusion,
    each: &[(String, Confusion)],
) -> Result<Produced, StageError> {
    let names = &data.info.classes;
    let mean = total.mean_iou();
    let (accuracy, constant) = (total.pixel_accuracy(), total.best_constant_mean_iou());
    let mut produced = Produced::default();
    let mut figure = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            produced.metrics.insert(name.to_owned(), value);
        }
    };
    figure("mean_iou", mean.map(|mean| mean.value));
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
        ("pixel_accuracy".to_owned(), Values::Float(vec![accuracy])),
        ("constant_mean_iou".to_owned(), Values::Float(vec![constant])),
        ("cross_entropy".to_owned(), Values::Float(vec![cross_entropy])),
    ]);
    support::write_table(job, &mut produced, &SUMMARY, &columns::new_table(summary)?)?;

    let mut classes = model.subject.columns(names.len(), data);
    classes.extend(columns::classes(names.iter().map(|name| Some(name.clone())).collect(), total));
    support::write_table(job, &mut produced, &CLASSES, &columns::new_table(classes)?)?;
    support::write_table(job, &mut produced, &CONFUSION, &per_image(each, names.len())?)?;
    let text = format!("Restored model parameters from {}.\n{}", model.subject.origin(), total.log());
    LOG.write(job, &mut produced, text.as_bytes())?;
    Ok(produced)
}

/// The counts of each image that are not zero: image, true class, predicted class, pixels.
fn per_image(each: &[(String, Confusion)], classes: usize) -> Result<Table, StageError> {
    let (mut ids, mut truths, mut predictions, mut pixels) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (id, confusion) in each {
        for (at, &count) in confusion.counts().iter().enumerate().filter(|(_, count)| **count > 0) {
            ids.push(Some(id.clone()));
            truths.push(Some((at / classes) as i64));
            predictions.push(Some((at % classes) as i64));
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
