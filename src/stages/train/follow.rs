//! What every rank but rank 0 does: it makes the same updates, and writes nothing.

use super::updates::{batching, iteration, numbers, settings, share, take, update};
use crate::ml::data::ahead::ahead;
use crate::ml::data::source::Images;
use crate::ml::parallel::{self, Ranks, Star};
use crate::ml::state::State;
use crate::stage::{Job, StageError};
use crate::stages::data::Data;
use crate::stages::params::train::TrainParams;
use crate::stages::support;

/// Makes the updates that rank 0 makes, from the `state` that rank 0 has.
pub fn follow(p: &TrainParams, job: &Job<'_>, state: &State, ranks: Star) -> Result<(), StageError> {
    let iteration = iteration(p);
    let settings = settings(p)?;
    let data = Data::open(job, "data")?;
    let pool = support::pool(job.threads)?;
    let wrong = |error| support::ml_error(error, "state");
    let device = p.numerics().device(job.device.gpu()).map_err(wrong)?;
    let mut trainer = state.trainer(&device).map_err(wrong)?;
    let resolve = |path: &str| data.resolve(path);
    let images = Images::new(&data.rows, &resolve);
    let batches = images.batches(&batching(p, data.info.ignore), numbers(p, &iteration, &trainer));
    let mut batches = batches.share(share(p, ranks.rank()));
    let batches = std::iter::from_fn(|| pool.install(|| batches.next()));
    trainer
        .join(parallel::joined(ranks, &device, p.numerics()).map_err(|error| support::ml_error(error, "the ranks"))?);
    ahead(batches, p.accumulate as usize, |batches| {
        while iteration.goes_on(&trainer) {
            take(p, batches, &device)
                .and_then(|taken| pool.install(|| update(&mut trainer, p, &settings, &taken)))
                .map_err(|error| data.blame(error))?;
        }
        Ok(())
    })
}
