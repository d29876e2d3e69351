//! The loop behind `Train`: one node's steps, with inner checkpoints that survive a killed process.
//!
//! Invariants:
//! - the state after a step is a function of the state before it, the seed and the step's number, so a run that was
//!   killed and taken up ends with the same bytes as one that was not;
//! - an inner checkpoint holds all that the outputs are made from, the log included, in a folder that belongs to this
//!   node's inputs alone;
//! - batches are made ahead and checkpoints written behind, on threads that end with the node.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::ml::cycle::{Cycle, Iteration};
use crate::ml::data::ahead::ahead;
use crate::ml::data::augment::{self, Channels, Normalise};
use crate::ml::data::source::{Batching, Images};
use crate::ml::metrics::Confusion;
use crate::ml::ops::activation;
use crate::ml::optim::{Schedule, Sgd};
use crate::ml::parallel::{self, Ranks, Star};
use crate::ml::state::{Snapshot, State};
use crate::ml::train::{Batch, Settings, StepReport, Trainer};
use crate::ml::weights::Scheme;
use crate::ml::{data, import};
use crate::stage::{DataFault, Event, Job, Produced, StageError};
use crate::table::Table;

use super::columns::{self, Values};
use super::data::Data;
use super::inner::{self, Content, Inner};
use super::ranks::{self, Crew};
use super::subject::About;
use super::support;
use super::train::{self, Augment, ChannelOrder, Input, Optimizer, TrainParams};
use super::weights::is_encoder;

/// The file of the inner checkpoint.
const CHECKPOINT: &str = "checkpoint.safetensors";

/// A line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Line {
    step: u64,
    loss: f64,
    cross_entropy: f64,
    rate: f32,
    counted: u64,
    mean_iou: f64,
    pixel_accuracy: Option<f64>,
}

/// What an iteration has seen so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    lines: Vec<Line>,
    confusion: Vec<u64>,
}

/// Trains one node's steps.
pub fn run(job: &Job<'_>) -> Result<Produced, StageError> {
    let p: TrainParams = support::read(&train::complete(job.params))?;
    let iteration = iteration(job, &p)?;
    let settings = settings(&p)?;
    let data = Data::open(job, "data")?;
    let spec = p.model.spec();
    data.fits(spec.classes)?;
    let size = p.ranks as usize;
    let mut crew = Crew::start(size)?;
    let pool = support::pool(ranks::threads(job.threads, size))?;
    let device = p.numerics().device(job.device.gpu()).map_err(|error| support::ml_error(error, "precision"))?;
    let checkpoint = job.scratch.join(CHECKPOINT);

    let (mut trainer, mut progress, about) = match resume(job, &checkpoint, &device)? {
        Some((trainer, progress, about)) => {
            job.events.emit(Event::Resumed { step: trainer.step });
            (trainer, progress, about)
        }
        None => pool.install(|| start(job, &p, &data, &device))?,
    };
    trainer.precision = p.numerics().precision;
    (trainer.recompute, trainer.graph) = (p.recompute as usize, p.graph);
    crew.join(job, &mut trainer, p.numerics())?;
    let mut confusion = Confusion::from_counts(spec.classes, std::mem::take(&mut progress.confusion))
        .unwrap_or_else(|| Confusion::new(spec.classes));

    let resolve = |path: &str| data.resolve(path);
    let images = Images::new(&data.rows, &resolve);
    let mut batches =
        images.batches(&batching(&p, data.info.ignore), numbers(&p, &iteration, &trainer)).share(share(&p, 0));
    // The next update's batches are made while this one is computed.
    let batches = std::iter::from_fn(|| pool.install(|| batches.next()));
    ahead(batches, p.accumulate as usize, |batches| {
        let mut inner = Inner::new(&checkpoint);
        let told = |step: Option<u64>| step.map_or((), |step| job.events.emit(Event::Checkpoint { step }));
        while iteration.goes_on(&trainer) {
            told(inner.poll()?);
            let cancelled = job.cancel.requested();
            if (inner.due() || cancelled) && iteration.done(&trainer) > 0 {
                told(inner.end()?);
                progress.confusion = confusion.counts().to_vec();
                inner.begin(trainer.step, || copied(&trainer, &progress, &about))?;
            }
            if cancelled {
                told(inner.end()?);
                return Err(StageError::Cancelled);
            }
            let report = take(&p, batches, &device)
                .and_then(|taken| pool.install(|| update(&mut trainer, &p, &settings, &taken)))
                .map_err(|error| data.blame(error))?;
            confusion.add(&report.labels, &report.predictions);
            tell(job, &report, &confusion, (iteration.done(&trainer), iteration.updates), &mut progress);
        }
        told(inner.end()?);
        Ok(())
    })?;
    iteration.end(&mut trainer);
    produce(job, &data, &trainer, &progress, &confusion, &about)
}

fn settings(p: &TrainParams) -> Result<Settings, StageError> {
    let Optimizer::Sgd { lr, momentum, weight_decay, head_lr, head_bias_lr } = p.optimizer.clone();
    let schedule = match p.schedule {
        train::Schedule::Poly { power } => Schedule::Poly { power },
        train::Schedule::Constant {} => Schedule::Constant,
    };
    let horizon = p.horizon.ok_or_else(|| StageError::Bug("A training node has no horizon.".into()))?;
    Ok(Settings { optimizer: Sgd { lr, momentum, weight_decay, head_lr, head_bias_lr }, schedule, horizon })
}

/// How pixels become numbers.
pub fn normalise(input: &Input) -> Normalise {
    let (b, g, r) = input.mean_bgr;
    match input.order {
        ChannelOrder::Bgr {} => Normalise { channels: Channels::Bgr, mean: [b as f32, g as f32, r as f32] },
        ChannelOrder::Rgb {} => Normalise { channels: Channels::Rgb, mean: [r as f32, g as f32, b as f32] },
    }
}

/// Makes the updates of a rank that keeps nothing: those that rank 0 makes, from the state that it has.
pub fn follow(job: &Job<'_>, state: &State, ranks: Star) -> Result<(), StageError> {
    let p: TrainParams = support::read(&train::complete(job.params))?;
    let iteration = iteration(job, &p)?;
    let settings = settings(&p)?;
    let data = Data::open(job, "data")?;
    let pool = support::pool(job.threads)?;
    let wrong = |error| support::ml_error(error, "state");
    let device = p.numerics().device(job.device.gpu()).map_err(wrong)?;
    let mut trainer = state.trainer(&device).map_err(wrong)?;
    (trainer.recompute, trainer.graph) = (p.recompute as usize, p.graph);
    trainer.precision = p.numerics().precision;
    let resolve = |path: &str| data.resolve(path);
    let images = Images::new(&data.rows, &resolve);
    let batches = images.batches(&batching(&p, data.info.ignore), numbers(&p, &iteration, &trainer));
    let mut batches = batches.share(share(&p, ranks.rank()));
    let batches = std::iter::from_fn(|| pool.install(|| batches.next()));
    trainer.ranks =
        parallel::joined(ranks, &device, p.numerics()).map_err(|error| support::ml_error(error, "the ranks"))?;
    ahead(batches, p.accumulate as usize, |batches| {
        while iteration.goes_on(&trainer) {
            take(&p, batches, &device)
                .and_then(|taken| pool.install(|| update(&mut trainer, &p, &settings, &taken)))
                .map_err(|error| data.blame(error))?;
        }
        Ok(())
    })
}

/// The updates of a node.
fn iteration(job: &Job<'_>, p: &TrainParams) -> Result<Iteration, StageError> {
    let cycle = if p.reference { Cycle::Reference } else { Cycle::Plain };
    Ok(cycle.iteration(support::added(job.params, "first_step")?, u64::from(p.steps)))
}

/// The numbers of the batches that are still to come, in the stream of all.
fn numbers(p: &TrainParams, iteration: &Iteration, trainer: &Trainer) -> Range<u64> {
    let batch = |update: u64| (iteration.stream + update) * u64::from(p.accumulate);
    batch(iteration.done(trainer))..batch(iteration.updates)
}

/// The samples of each batch that fall to a rank.
fn share(p: &TrainParams, rank: usize) -> Range<usize> {
    parallel::share(p.batch as usize, rank, p.ranks as usize)
}

fn batching(p: &TrainParams, ignore: u8) -> Batching {
    let Augment { scale, mirror } = p.augment;
    Batching {
        seed: p.seed,
        batch: p.batch as usize,
        crop: (p.crop.0 as usize, p.crop.1 as usize),
        normalise: normalise(&p.input),
        augment: augment::Augment { scale: scale.map(|(low, high)| (low as f32, high as f32)), mirror },
        ignore,
    }
}

/// The trainer before the node's first step: from the iteration before, or from weights.
fn start(
    job: &Job<'_>,
    p: &TrainParams,
    data: &Data,
    device: &candle_core::Device,
) -> Result<(Trainer, Progress, About), StageError> {
    let about =
        About { iteration: 1, seed: p.seed, classes: data.info.classes.clone(), input: normalise(&p.input).into() };
    if job.inputs.contains_key("state") {
        let bytes = support::content(support::artifact(support::input(job, "state")?, "model")?)?;
        let state = State::read(&bytes).map_err(|error| support::ml_error(error, "state"))?;
        let before: About = super::subject::about(&state.extra)?;
        data.same_classes(&before.classes)?;
        let trainer = state.trainer(device).map_err(|error| support::ml_error(error, "state"))?;
        return Ok((trainer, Progress::default(), About { iteration: before.iteration + 1, ..about }));
    }
    let bytes = support::content(support::artifact(support::input(job, "weights")?, "weights")?)?;
    let wrong = |error| support::ml_error(error, "weights");
    let tensors = import::safetensors(&bytes).map_err(wrong)?;
    // The encoder is restored whole. The head and the pre-filters keep their initialisers where the weights have none.
    let built = import::network(&p.model.spec(), device, &tensors, (Scheme::Plain, p.seed), is_encoder);
    let (network, report) = built.map_err(wrong)?;
    job.events.emit(Event::Log { text: report.in_words() });
    if let [first, others @ ..] = &report.left_over[..] {
        let what = format!("The model has no place for `{first}` and {} other tensors of its weights.", others.len());
        let hint = "Give the model the encoder and the pre-filter that `Weights` names, or let that take less.";
        return Err(DataFault::new("weights", what, hint).into());
    }
    let trainer = Trainer::new(network).map_err(wrong)?;
    Ok((trainer, Progress::default(), about))
}

/// The batches of an update. They are waited for outside the pool, which makes them.
fn take(
    p: &TrainParams,
    batches: &mut dyn Iterator<Item = Result<(Tensor, Tensor), data::Error>>,
    device: &candle_core::Device,
) -> Result<Vec<(Tensor, Vec<u8>)>, StageError> {
    let tensor = |error: candle_core::Error| StageError::Bug(format!("A batch could not be moved: {error}."));
    let mut taken = Vec::with_capacity(p.accumulate as usize);
    for _ in 0..p.accumulate {
        let batch = batches.next().ok_or_else(|| StageError::Bug("The batches ended before the steps.".into()))?;
        let (images, labels) = batch.map_err(support::data_error)?;
        let labels = labels.flatten_all().and_then(|labels| labels.to_vec1::<u8>()).map_err(tensor)?;
        let images = activation::enter(&images, device).map_err(|error| support::ml_error(error, "the batch"))?;
        taken.push((images, labels));
    }
    Ok(taken)
}

fn update(
    trainer: &mut Trainer,
    p: &TrainParams,
    settings: &Settings,
    taken: &[(Tensor, Vec<u8>)],
) -> Result<StepReport, StageError> {
    let batches: Vec<Batch<'_>> = taken.iter().map(|(images, labels)| Batch { images, labels }).collect();
    trainer.update(settings, &p.scales, &batches).map_err(|error| support::ml_error(error, "the batch"))
}

fn tell(job: &Job<'_>, report: &StepReport, confusion: &Confusion, (done, total): (u64, u64), progress: &mut Progress) {
    if report.counted == 0 {
        let text = format!("No pixel of the batch at step {} counts: every label is ignored.", report.step);
        job.events.emit(Event::Warning { text });
    }
    let line = Line {
        step: report.step,
        loss: report.loss,
        cross_entropy: report.cross_entropy,
        rate: report.rate,
        counted: report.counted as u64,
        mean_iou: confusion.streaming_mean_iou(),
        pixel_accuracy: confusion.pixel_accuracy(),
    };
    let values = BTreeMap::from([("loss".to_owned(), line.loss), ("mIoU".to_owned(), line.mean_iou)]);
    job.events.emit(Event::Scalars { step: line.step, values });
    job.events.emit(Event::Progress { done, total, unit: "steps".into() });
    progress.lines.push(line);
}

/// Takes up an inner checkpoint. A damaged one is told, and left behind with a start from the beginning; one that is whole
/// and cannot be read was written by another version, and is refused.
fn resume(
    job: &Job<'_>,
    path: &Path,
    device: &candle_core::Device,
) -> Result<Option<(Trainer, Progress, About)>, StageError> {
    let content = match inner::content(path)? {
        Content::Nothing => return Ok(None),
        Content::Damaged => {
            let text = "The inner checkpoint was damaged and is removed; the training starts from the beginning.";
            job.events.emit(Event::Warning { text: text.to_owned() });
            return Ok(None);
        }
        Content::Whole(content) => content,
    };
    let other = |why: &dyn std::fmt::Display| StageError::Io {
        message: format!("The inner checkpoint `{}` was written by another version. {why}", path.display()),
        hint: "Use that version, or remove the file: the training then starts from the beginning.".to_owned(),
        full: false,
    };
    let state = State::read(&content).map_err(|error| other(&error))?;
    let about = super::subject::about(&state.extra).map_err(|error| other(&error))?;
    let progress = state.extra.get("progress").map_or("", String::as_str);
    let progress =
        serde_json::from_str(progress).map_err(|error| other(&format!("It does not say how far it is: {error}.")))?;
    let trainer = state.trainer(device).map_err(|error| support::ml_error(error, "checkpoint"))?;
    Ok(Some((trainer, progress, about)))
}

/// A copy of all that an inner checkpoint holds, which becomes its bytes on another thread.
fn copied(
    trainer: &Trainer,
    progress: &Progress,
    about: &About,
) -> Result<impl FnOnce() -> Result<Vec<u8>, StageError> + Send + use<>, StageError> {
    let wrong = |error| support::ml_error(error, "checkpoint");
    let (snapshot, progress, mut extra) = (Snapshot::copied(trainer).map_err(wrong)?, progress.clone(), extra(about)?);
    Ok(move || {
        let progress = serde_json::to_string(&progress).map_err(|error| StageError::Bug(error.to_string()))?;
        extra.insert("progress".to_owned(), progress);
        snapshot.write(&extra).map_err(wrong)
    })
}

/// What a state says of itself.
fn extra(about: &About) -> Result<BTreeMap<String, String>, StageError> {
    let about = serde_json::to_string(about).map_err(|error| StageError::Bug(error.to_string()))?;
    Ok(BTreeMap::from([("about".to_owned(), about)]))
}

fn produce(
    job: &Job<'_>,
    data: &Data,
    trainer: &Trainer,
    progress: &Progress,
    confusion: &Confusion,
    about: &About,
) -> Result<Produced, StageError> {
    let lines = &progress.lines;
    let model = State::write(trainer, &extra(about)?).map_err(|error| support::ml_error(error, "model"))?;
    let mut produced = Produced::default();
    support::write_file(job, &mut produced, "model", "model.safetensors", &model)?;
    support::write_table(job, &mut produced, "steps", &steps(lines)?)?;
    let names = data.info.classes.iter().map(|name| Some(name.clone())).collect();
    let classes = columns::new_table(
        [("step".to_owned(), Values::Int(vec![Some(trainer.step as i64); confusion.classes()]))]
            .into_iter()
            .chain(columns::classes(names, confusion))
            .collect(),
    )?;
    support::write_table(job, &mut produced, "classes", &classes)?;
    support::write_file(job, &mut produced, "log", "log.txt", log(lines).as_bytes())?;
    let mean = lines.iter().map(|line| line.loss).sum::<f64>() / lines.len().max(1) as f64;
    produced.metrics.insert("mean_loss".to_owned(), mean);
    if let Some(last) = lines.last() {
        produced.metrics.insert("last_loss".to_owned(), last.loss);
        produced.metrics.insert("running_mean_iou".to_owned(), last.mean_iou);
    }
    Ok(produced)
}

/// A row an update.
fn steps(lines: &[Line]) -> Result<Table, StageError> {
    let int = |f: &dyn Fn(&Line) -> u64| Values::Int(lines.iter().map(|line| Some(f(line) as i64)).collect());
    let float = |f: &dyn Fn(&Line) -> Option<f64>| Values::Float(lines.iter().map(f).collect());
    columns::new_table(vec![
        ("step".to_owned(), int(&|line| line.step)),
        ("loss".to_owned(), float(&|line| Some(line.loss))),
        ("cross_entropy".to_owned(), float(&|line| Some(line.cross_entropy))),
        ("rate".to_owned(), float(&|line| Some(f64::from(line.rate)))),
        ("counted".to_owned(), int(&|line| line.counted)),
        ("mean_iou".to_owned(), float(&|line| Some(line.mean_iou))),
        ("pixel_accuracy".to_owned(), float(&|line| line.pixel_accuracy)),
    ])
}

/// The iteration in the form of the reference's log.
fn log(lines: &[Line]) -> String {
    let from = match lines.first().map_or(0, |line| line.step) {
        0 => "the weights".to_owned(),
        step => format!("step {step}"),
    };
    let lines: String =
        lines.iter().map(|line| StepReport::log_line(line.step, line.loss, line.mean_iou) + "\n").collect();
    format!("Restored model parameters from {from}.\n{lines}The checkpoint has been created.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_goes_with_the_order_of_the_channels() {
        let input = |order| Input { order, mean_bgr: (1.0, 2.0, 3.5) };
        let bgr = Normalise { channels: Channels::Bgr, mean: [1.0, 2.0, 3.5] };
        let rgb = Normalise { channels: Channels::Rgb, mean: [3.5, 2.0, 1.0] };
        assert_eq!([ChannelOrder::Bgr {}, ChannelOrder::Rgb {}].map(|order| normalise(&input(order))), [bgr, rgb]);
        assert_eq!(normalise(&Input::default()), Normalise::default());
    }
}
