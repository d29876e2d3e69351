//! Where a node begins: at the iteration before, at weights, or at an inner checkpoint of a process that was killed.

use std::path::Path;

use candle_core::Device;

use super::inner::{self, Content};
use super::record::Progress;
use crate::ml::import;
use crate::ml::layers::Parameter;
use crate::ml::state::{self, Snapshot, State};
use crate::ml::train::Trainer;
use crate::ml::weights::Scheme;
use crate::stage::{DataFault, Event, Job, StageError};
use crate::stages::data::Data;
use crate::stages::params::train::TrainParams;
use crate::stages::params::weights::Take;
use crate::stages::subject::{self, About};
use crate::stages::support;
use crate::stages::yields::{STATE, TENSORS};

/// The trainer before the node's first step: from the iteration before, or from weights.
pub fn start(
    job: &Job<'_>,
    p: &TrainParams,
    data: &Data,
    device: &Device,
) -> Result<(Trainer, Progress, About), StageError> {
    let about = About {
        iteration: Some(1),
        seed: Some(p.seed),
        classes: Some(data.info.classes.clone()),
        input: p.input.normalise().into(),
    };
    if job.inputs.contains_key("state") {
        let bytes = support::content(support::artifact(support::input(job, "state")?, &STATE)?)?;
        let state = State::read(&bytes).map_err(|error| support::ml_error(error, "state"))?;
        let before: About = subject::about(&state.extra)?;
        data.same_classes(before.classes.as_deref().unwrap_or(&data.info.classes))?;
        let trainer = state.trainer(device).map_err(|error| support::ml_error(error, "state"))?;
        return Ok((
            trainer,
            beginning(p, state.step),
            About { iteration: before.iteration.map(|before| before + 1), ..about },
        ));
    }
    let bytes = support::content(support::artifact(support::input(job, "weights")?, &TENSORS)?)?;
    let wrong = |error| support::ml_error(error, "weights");
    if let Some(state) = State::find(&bytes).map_err(wrong)? {
        let (trainer, progress) = go_on(job, p, state, device)?;
        return Ok((trainer, progress, about));
    }
    let tensors = import::safetensors(&bytes).map_err(wrong)?;
    let encoder = |parameter: &Parameter| Take::Encoder {}.takes(parameter);
    // The encoder is restored whole. The head and the pre-filters keep their initialisers where the weights have none.
    let built = import::network(&p.model.spec(), device, &tensors, (Scheme::Plain, p.seed), encoder);
    let (network, report) = built.map_err(wrong)?;
    job.events.emit(Event::Log { text: report.in_words() });
    support::nothing_left_over(&report)?;
    let mut trainer = Trainer::new(network).map_err(wrong)?;
    trainer.step = p.first_step;
    Ok((trainer, Progress::default(), about))
}

/// The trainer that goes on from another training: nothing is initialised, and nothing is left over.
fn go_on(job: &Job<'_>, p: &TrainParams, state: State, device: &Device) -> Result<(Trainer, Progress), StageError> {
    let wrong = |error| support::ml_error(error, "weights");
    let step = match (support::has_step(&state).then_some(state.step), p.first_step) {
        (Some(step), 0) => step,
        (None, 0) => {
            let message = "The weights do not say the step that their training had come to.";
            return Err(DataFault::new("first_step", message, "State it as `Train(first_step: …)`.").into());
        }
        (Some(step), stated) if step != stated => {
            let message = format!("The weights are of step {step}, but the training begins at step {stated}.");
            return Err(
                DataFault::new("first_step", message, format!("Write `first_step: {step}`, or leave it out.")).into()
            );
        }
        (_, stated) => stated,
    };
    let (weights, momentum) = state.into_tensors();
    let built = import::network(&p.model.spec(), device, &weights, (Scheme::Plain, p.seed), |_| true);
    let (network, report) = built.map_err(wrong)?;
    job.events.emit(Event::Log { text: format!("{} The training goes on from step {step}.", report.in_words()) });
    support::nothing_left_over(&report)?;
    Ok((state::resumed(network, &momentum, step).map_err(wrong)?, beginning(p, step)))
}

/// The progress of a node before its first update, at the step `step`.
fn beginning(p: &TrainParams, step: u64) -> Progress {
    Progress { first_step: (step != p.first_step).then_some(step), ..Progress::default() }
}

/// Goes on from an inner checkpoint. If it is damaged, a warning says so, and the training starts from the beginning. If it
/// is whole but cannot be read, another version wrote it, and that is an error.
pub fn resume(job: &Job<'_>, path: &Path, device: &Device) -> Result<Option<(Trainer, Progress, About)>, StageError> {
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
    let about = subject::about(&state.extra).map_err(|error| other(&error))?;
    let progress = state.extra.get("progress").map_or("", String::as_str);
    let progress =
        serde_json::from_str(progress).map_err(|error| other(&format!("It does not say how far it is: {error}.")))?;
    let trainer = state.trainer(device).map_err(|error| support::ml_error(error, "checkpoint"))?;
    Ok(Some((trainer, progress, about)))
}

/// A copy of all that an inner checkpoint holds, which becomes its bytes on another thread.
pub fn copied(
    trainer: &Trainer,
    progress: &Progress,
    about: &About,
) -> Result<impl FnOnce() -> Result<Vec<u8>, StageError> + Send + use<>, StageError> {
    let wrong = |error| support::ml_error(error, "checkpoint");
    let (snapshot, progress, mut extra) = (Snapshot::copied(trainer).map_err(wrong)?, progress.clone(), about.extra()?);
    Ok(move || {
        let progress = serde_json::to_string(&progress).map_err(|error| StageError::Bug(error.to_string()))?;
        extra.insert("progress".to_owned(), progress);
        snapshot.write(&extra).map_err(wrong)
    })
}
