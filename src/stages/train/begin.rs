//! Where a node begins: at the iteration before, at weights, or at an inner checkpoint of a process that was killed.

use std::path::Path;

use candle_core::Device;

use super::inner::{self, Content};
use super::record::Progress;
use crate::ml::import;
use crate::ml::layers::Parameter;
use crate::ml::state::{Snapshot, State};
use crate::ml::train::Trainer;
use crate::ml::weights::Scheme;
use crate::stage::{Event, Job, StageError};
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
            Progress::default(),
            About { iteration: before.iteration.map(|before| before + 1), ..about },
        ));
    }
    let bytes = support::content(support::artifact(support::input(job, "weights")?, &TENSORS)?)?;
    let wrong = |error| support::ml_error(error, "weights");
    let tensors = import::safetensors(&bytes).map_err(wrong)?;
    let encoder = |parameter: &Parameter| Take::Encoder {}.takes(parameter);
    // The encoder is restored whole. The head and the pre-filters keep their initialisers where the weights have none.
    let built = import::network(&p.model.spec(), device, &tensors, (Scheme::Plain, p.seed), encoder);
    let (network, report) = built.map_err(wrong)?;
    job.events.emit(Event::Log { text: report.in_words() });
    support::nothing_left_over(&report)?;
    let trainer = Trainer::new(network).map_err(wrong)?;
    Ok((trainer, Progress::default(), about))
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
