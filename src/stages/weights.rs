//! `Weights`: what a network starts from, drawn from a seed or imported.

pub mod head;
mod read;
mod rows;

use std::path::PathBuf;

use crate::ml;
use crate::ml::checkpoint::{self, Files};
use crate::ml::import::{self, Progress, Report};
use crate::ml::layers::Parameter;
use crate::ml::models::Network;
use crate::ml::spec::{Choice, ModelSpec};
use crate::ml::state::{self, State};
use crate::ml::weights::Scheme;
use crate::stage::{Event, Format, Job, Output, Produced, StageError, TypedKind, Yield};

use super::params::weights::{KIND, Names, Source, Take, WeightsParams};
use super::support;
use super::yields::{IMPORTED, TENSORS, WEIGHTS};
use read::{Asked, FILE, Found, file, read};

/// The kind.
pub struct Weights;

impl TypedKind for Weights {
    type Params = WeightsParams;
    const NAME: &'static str = KIND;
    const VERSION: u32 = 3;
    const YIELDS: Yield = WEIGHTS;
    const OUTPUTS: &'static [Output] = &[TENSORS, REPORT];
    const EXAMPLE: &'static str = r#""start": Weights(
    encoder: ResNet101,
    source: Checkpoint(file: "weights:deeplab_resnet_init.ckpt"),
),"#;

    /// Since version 3, tensors are found behind more prefixes and in more types. Before, a whole import of such a file was
    /// an error; a partial one drew them from the seed.
    fn version(&self, p: &WeightsParams) -> u32 {
        match p.source {
            Source::Checkpoint { partial: true, .. } | Source::Safetensors { partial: true, .. } => Self::VERSION,
            Source::Seeded { .. } | Source::Checkpoint { .. } | Source::Safetensors { .. } => 2,
        }
    }

    fn instead(&self, name: &str, wanted: &[&str]) -> Option<String> {
        let model =
            || format!("Make a model of them: write a stage `Model(weights: \"{name}\", model: …)`, and name that.");
        wanted.contains(&IMPORTED.name).then(model)
    }

    fn parts(&self, slot: &str, path: PathBuf) -> Result<Vec<PathBuf>, StageError> {
        if slot != FILE {
            return Ok(vec![path]);
        }
        match Files::find(&path) {
            Ok(files) => Ok(std::iter::once(files.first).chain(files.others).collect()),
            // The engine says what is missing.
            Err(checkpoint::Error::File(error)) if error.is_missing() => Ok(vec![path]),
            Err(error) => Err(support::weights_fault(&path, &error)),
        }
    }

    fn run(&self, p: &WeightsParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let pool = support::pool(job.threads)?;
        let (import, (scheme, seed)) = match &p.source {
            Source::Seeded { encoder, seed, .. } => (None, (encoder.scheme(), *seed)),
            Source::Checkpoint { names, take, partial, scope, .. } => {
                (Some((names, take, *partial, scope.as_str())), (Scheme::Stable, 1))
            }
            Source::Safetensors { partial, .. } => {
                (Some((&Names::Own {}, &Take::Encoder {}, *partial, "")), (Scheme::Stable, 1))
            }
        };
        let (found, take, partial, place) = match import {
            None => {
                let classes = p.source.drawn_classes();
                let take = if classes.is_some() { &Take::EncoderAndHead {} } else { &Take::Encoder {} };
                (Found { classes, ..Found::default() }, take, true, "seed".to_owned())
            }
            Some((names, take, partial, scope)) => {
                let path = file(job, FILE)?;
                let asked = Asked { names, take, scope };
                let found = pool.install(|| read(job, &spec(p, take, CLASSES), path, asked))?;
                (found, take, partial, path.display().to_string())
            }
        };
        let taken = |parameter: &Parameter| take.takes(parameter);
        let needed = |parameter: &Parameter| !partial && taken(parameter);
        let device = candle_core::Device::Cpu;
        let tensors = &found.translated.tensors;
        let spec = spec(p, take, found.classes.unwrap_or(CLASSES));
        let built = pool.install(|| import::network(&spec, &device, tensors, (scheme, seed), needed));
        let (network, report) = built.map_err(|error| support::ml_error(error, &place))?;
        // What the network has beside what is taken is drawn again by whoever trains it.
        let only = |names: Vec<String>| -> Vec<String> {
            let inventory = network.parameters().inventory();
            let ours =
                |name: &String| inventory.iter().any(|(_, parameter)| parameter.name == *name && taken(parameter));
            names.into_iter().filter(ours).collect()
        };
        let left_over = found.translated.left_over.clone();
        let report = Report { initialised: only(report.initialised), left_over, ..report };
        let skipped = match found.translated.skipped.len() {
            0 => String::new(),
            count => format!(" Skipped as not needed: {count}."),
        };
        job.events.emit(Event::Log { text: format!("{}{skipped}", report.in_words()) });
        if let Some(text) = found.translated.converted_in_words() {
            job.events.emit(Event::Log { text });
        }

        let mut produced = Produced { warnings: found.warnings, ..Produced::default() };
        let momentum = found.training.as_ref().map(|training| &training.origins);
        let rows = rows::table(network.parameters(), taken, &report, &found.translated, momentum)?;
        let bytes = match found.training {
            None => state::weights(&network, taken),
            Some(training) => training_state(network, &training),
        };
        TENSORS.write(job, &mut produced, &bytes.map_err(|error| support::ml_error(error, &place))?)?;
        support::write_table(job, &mut produced, &REPORT, &rows)?;
        Ok(produced)
    }
}

/// The state that a training goes on from.
fn training_state(network: Network, training: &Progress) -> ml::error::Result<Vec<u8>> {
    let no_step = training.step.is_none().then(|| (support::NO_STEP.to_owned(), String::new()));
    let trainer = state::resumed(network, &training.momentum, training.step.unwrap_or(0))?;
    State::write(&trainer, &no_step.into_iter().collect())
}

/// What became of every tensor.
const REPORT: Output = Output::table(
    "report",
    "report.table",
    &[Format::Csv],
    "A row for each tensor: whether it was loaded, initialised, skipped or left over.",
);

/// The classes of a head that is not taken. The tensors of the encoder are the same for any number.
const CLASSES: usize = 2;

/// A network with an encoder and the pre-filter that is taken. Where none is taken, the list of the other tensors is the
/// same for every pre-filter.
fn spec(p: &WeightsParams, take: &Take, classes: usize) -> ModelSpec {
    let prefilter = take.prefilter().map_or_else(|| Choice::new("Regular"), |prefilter| prefilter.0.clone());
    let plain = ModelSpec::new(p.encoder.0.clone(), classes, prefilter);
    ModelSpec { head: p.head.spec(), geometry: p.geometry.spec(), ..plain }
}
