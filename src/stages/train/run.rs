//! The loop behind `Train`: one node's steps, with inner checkpoints that survive a killed process.
//!
//! Invariants:
//! - the state after a step is a function of the state before it, the seed and the step's number, so a run that was
//!   killed and taken up ends with the same bytes as one that was not;
//! - an inner checkpoint holds all that the outputs are made from, the log included, in a folder that belongs to this
//!   node's inputs alone;
//! - batches are made ahead and checkpoints written behind, on threads that end with the node.

use super::begin::{copied, resume, start};
use super::inner::Inner;
use super::ranks::{self, Crew};
use super::record::{produce, tell};
use super::updates::{batching, beginning_at, iteration, numbers, settings, share, small_crop, take, update};
use crate::ml::data::ahead::ahead;
use crate::ml::data::source::Images;
use crate::ml::metrics::Confusion;
use crate::stage::{Event, Job, Produced, StageError};
use crate::stages::data::Data;
use crate::stages::params::train::TrainParams;
use crate::stages::support;

/// The file of the inner checkpoint.
const CHECKPOINT: &str = "checkpoint.safetensors";

/// Trains one node's steps.
pub fn run(p: &TrainParams, job: &Job<'_>) -> Result<Produced, StageError> {
    let settings = settings(p)?;
    let data = Data::open(job, "data")?;
    let spec = p.model.spec();
    data.fits(spec.classes)?;
    let mut warnings = Vec::new();
    if let Some(text) = small_crop(p)? {
        job.warn(&mut warnings, text);
    }
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
        None => pool.install(|| start(job, p, &data, &device))?,
    };
    let p = &beginning_at(p, progress.first_step.unwrap_or(p.first_step))?;
    let iteration = iteration(p);
    crew.join(job, p, &mut trainer)?;
    let mut confusion = Confusion::from_counts(spec.classes, std::mem::take(&mut progress.confusion))
        .unwrap_or_else(|| Confusion::new(spec.classes));

    let resolve = |path: &str| data.resolve(path);
    let images = Images::new(&data.rows, &resolve);
    let mut batches =
        images.batches(&batching(p, data.info.ignore), numbers(p, &iteration, &trainer)).share(share(p, 0));
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
            let report = take(p, batches, &device)
                .and_then(|taken| pool.install(|| update(&mut trainer, p, &settings, &taken)))
                .map_err(|error| data.blame(error))?;
            let wrong = |error| support::ml_error(error, "the predictions");
            confusion.add(&report.labels, &report.predictions).map_err(wrong)?;
            tell(job, &report, &confusion, (iteration.done(&trainer), iteration.updates), &mut progress);
        }
        told(inner.end()?);
        Ok(())
    })?;
    iteration.end(&mut trainer);
    let mut produced = produce(job, &data, &trainer, &progress, &confusion, &about)?;
    produced.warnings.splice(0..0, warnings);
    Ok(produced)
}
