//! What a file of weights gives a network.

use std::collections::BTreeSet;
use std::path::Path;

use crate::fsio;
use crate::ml;
use crate::ml::checkpoint::Checkpoint;
use crate::ml::conventions::Geometry;
use crate::ml::data::augment::Normalise;
use crate::ml::import::{self, Progress, Translated};
use crate::ml::models::{Network, architecture};
use crate::ml::naming;
use crate::ml::spec::ModelSpec;
use crate::ml::state::{self, State};
use crate::stage::{DataFault, Event, Job, StageError};

use crate::stages::params::weights::{Names, Take};
use crate::stages::subject::{self, InputForm};
use crate::stages::support;
use crate::syntax::Diagnostic;

/// The slot of the file of weights.
pub const FILE: &str = "source.file";
/// The slot of a table of names.
pub const TABLE: &str = "source.names.file";

/// What a file of weights gave; nothing where there is none.
#[derive(Default)]
pub struct Found {
    /// The tensors, and what became of the others.
    pub translated: Translated,
    /// The classes of the head, where it is taken.
    pub classes: Option<usize>,
    /// The momentum and the step, where they are taken.
    pub training: Option<Progress>,
    /// What the user should know of it.
    pub warnings: Vec<String>,
}

/// What is asked of a file of weights.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// How its tensors are named.
    pub names: &'a Names,
    /// What is taken.
    pub take: &'a Take,
    /// The scope of the network that is taken, where there are several.
    pub scope: &'a str,
}

/// The file behind a slot of the job.
pub fn file<'a>(job: &'a Job<'_>, slot: &str) -> Result<&'a Path, StageError> {
    let path = job.files.get(slot).ok_or_else(|| StageError::Bug(format!("`{slot}` was not handed over.")))?;
    Ok(path)
}

/// Reads the tensors that are asked for from the file at `path`, for the network that `spec` describes.
///
/// # Errors
/// The file or the table of names cannot be read, a tensor that is taken is damaged, or a head is to be taken where
/// there is none.
pub fn read(job: &Job<'_>, spec: &ModelSpec, path: &Path, asked: Asked<'_>) -> Result<Found, StageError> {
    let Asked { names, take, scope } = asked;
    let place = path.display().to_string();
    let wrong = |error| support::ml_error(error, &place);
    let checkpoint = Checkpoint::open(path).map_err(|error| support::weights_fault(path, &error))?;
    let inventory = architecture(&spec.encoder).and_then(|shape| Network::inventory(spec, &shape)).map_err(wrong)?;
    let taken = inventory.iter().filter(|(_, parameter)| take.takes(parameter));
    let wanted: BTreeSet<String> = taken.map(|(_, parameter)| parameter.name.clone()).collect();
    let wanted = |name: &str| wanted.contains(name);
    let (name, names) = match names.shipped() {
        Some(name) => (name, naming::NameTable::shipped(name).map_err(StageError::Bug)?),
        None => match names {
            Names::Table { .. } => ("stated", own_table(file(job, TABLE)?)?),
            _ => import::detect(&checkpoint, scope, &wanted).map_err(wrong)?,
        },
    };
    // A file of this program says itself which epsilon its variances are for.
    let assumed = state::epsilon(&checkpoint.metadata).unwrap_or(Geometry::TENSORFLOW.epsilon);
    let rates = import::rates(&inventory);
    let names = names.within(scope).rates(&rates).smoothing(&import::smoothed(&inventory)).assuming(assumed);
    let mut translated = import::translate(&checkpoint, &names, &wanted, spec.geometry.epsilon).map_err(wrong)?;
    if !matches!(take, Take::Encoder {})
        && let Some(name) = import::beyond(&names, &rates, &translated)
    {
        let what = format!("The head of the file has more convolutions than the network's: `{name}`.");
        return Err(DataFault::new(
            place,
            what,
            "State the dilations of the file's head by `head: Aspp(rates: …)`, here and in the model, or write `take: Encoder`.",
        )
        .into());
    }
    let biases = translated.tensors.iter().find(|(name, _)| name.starts_with("head/") && name.ends_with("/biases"));
    let classes = biases.map(|(_, (shape, _))| shape.iter().product());
    if !matches!(take, Take::Encoder {}) && !classes.is_some_and(|classes| (2..=255).contains(&classes)) {
        let what = match classes {
            None => no_head(&translated),
            Some(classes) => format!("The head of the file has {classes} classes; a model has 2 to 255."),
        };
        return Err(DataFault::new(
            place,
            what,
            "Write `take: Encoder`, name a file with a head, or say what the names mean by `names: Table(…)`.",
        )
        .into());
    }
    let training = match take {
        Take::Training { .. } => Some(training(&checkpoint, &names, &wanted, &mut translated).map_err(wrong)?),
        _ => None,
    };
    let (format, count) = (checkpoint.format, checkpoint.tensors.len());
    let file = path.file_name().unwrap_or_default().display();
    let text = format!("`{file}`: {format} with {count} tensors, by the table of names `{name}`.");
    job.events.emit(Event::Log { text });
    let mut warnings = Vec::new();
    if let Some(text) = other_input(&checkpoint, path) {
        job.warn(&mut warnings, text);
    }
    Ok(Found { translated, classes, training, warnings })
}

/// Why no head was found: there is none, or its names do not say what it is.
fn no_head(found: &Translated) -> String {
    const PARTS: [&str; 6] = ["aspp", "classifier", "decode_head", "head", "fc1_voc12", "fc8"];
    let is_head = |name: &&String| PARTS.iter().any(|part| name.to_ascii_lowercase().contains(part));
    match found.left_over.iter().find(is_head) {
        None => "The file has no head of an ASPP.".to_owned(),
        Some(name) => format!(
            "The file has no head of an ASPP under names that are known: `{name}` does not tell what it is, nor which \
             dilation its convolution has."
        ),
    }
}

/// A warning about a model of this program that was trained with another `input` than the default: a stage that uses it
/// must state the same.
fn other_input(checkpoint: &Checkpoint, path: &Path) -> Option<String> {
    let input = subject::about(&State::extra(&checkpoint.metadata).ok()?).ok()?.input;
    // The warning is kept with the result, which no place of a file may enter.
    let file = path.file_name().unwrap_or_default().display();
    let told =
        || format!("`{file}` was trained with `input: {}`; state the same in `Train` or `Model`.", input.in_words());
    (input != InputForm::from(Normalise::default())).then(told)
}

/// The momentum and the step in a file. What they are read from is then neither skipped nor left over.
fn training(
    file: &Checkpoint,
    names: &naming::NameTable,
    wanted: &dyn Fn(&str) -> bool,
    translated: &mut Translated,
) -> ml::error::Result<Progress> {
    let mut found = import::progress(file, names, wanted)?;
    if let Some(step) = State::step(&file.metadata)? {
        let known = !State::extra(&file.metadata)?.contains_key(support::NO_STEP);
        found.step = found.step.or(known.then_some(step));
    }
    let used: BTreeSet<&String> = found.origins.values().collect();
    translated.skipped.retain(|(name, _)| !used.contains(name));
    translated.left_over.retain(|name| !used.contains(name));
    Ok(found)
}

/// Reads a table of names.
pub fn own_table(path: &Path) -> Result<naming::NameTable, StageError> {
    let text = fsio::read_to_string_within(path, naming::BYTES)
        .map_err(|error| DataFault::new(path.display(), error.to_string(), error.hint()))?;
    naming::NameTable::parse(&path.display().to_string(), &text).map_err(|found| {
        let fault = |fault: &Diagnostic| {
            let (line, column) = fault.position();
            DataFault::new(format_args!("{}:{line}:{column}", fault.file()), &fault.message, &fault.hint)
        };
        StageError::Data(found.faults.iter().map(fault).collect())
    })
}
