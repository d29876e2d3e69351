//! `Dataset`: a checked list of images and labels, made by the tool, listed in files, or derived from the folders of
//! VOC or Cityscapes.

mod samples;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::fsio;
use crate::hash::Digest;
use crate::ml::data::index::Row;
use crate::ml::data::list::{Expected, Sample};
use crate::ml::data::{advice, archive, cityscapes, colours, index, list, shapes};
use crate::stage::params::FileRef;
use crate::stage::{
    ArtifactKind, DataFault, DataRoot, Event, External, Job, Output, ParamFault, Produced, StageError, TypedKind,
    Yield, locate,
};
use crate::syntax;

use super::data::{self, Info};
use super::params::dataset::{Archive, Beyond, DatasetParams, Expect, KIND, Source, Turn};
use super::support;
use super::yields::{DATASET, INDEX, INFO, SET_FILES};
use samples::samples;

/// The most classes that a data set can have.
const CLASSES: usize = 255;

/// The kind.
pub struct Dataset;

impl TypedKind for Dataset {
    type Params = DatasetParams;
    const NAME: &'static str = KIND;
    const VERSION: u32 = 3;
    const YIELDS: Yield = DATASET;
    const OUTPUTS: &'static [Output] = &[INDEX, INFO, SET_FILES];
    const EXAMPLE: &'static str = r#""train_set": Dataset(
    source: Listed(root: "fields", list: "train.txt"),
    classes: Named(names: ["soil", "crop", "weed", "stone", "sky"]),
),
"val_set": Dataset(
    source: Listed(root: "fields", list: "val.txt"),
    classes: Named(names: ["soil", "crop", "weed", "stone", "sky"]),
),"#;
    const CHECKS: bool = true;

    fn outputs(&self, p: &DatasetParams) -> Vec<Output> {
        // Files below a data root stay there.
        let stored = p.source.root().is_none();
        let files = stored.then_some(Output { optional: false, ..SET_FILES });
        [INDEX, INFO].into_iter().chain(files).collect()
    }

    fn version(&self, p: &DatasetParams) -> u32 {
        match p.source {
            // Their files are PNG, or JPEG whose pixels have always been the same.
            Source::Shapes { .. } | Source::Cityscapes { .. } => 2,
            Source::Listed { .. } | Source::Voc2012 { .. } => Self::VERSION,
        }
    }

    fn check(&self, p: &DatasetParams) -> Vec<ParamFault> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, message: String, hint: &str| {
            faults.push(ParamFault::new(field, message, hint));
        };
        let made = matches!(p.source, Source::Shapes { .. });
        if !made && p.source.root().is_none() && p.source.archives().is_empty() {
            let hint = "Name a data root, as `root: \"voc2012\"`, or the archives.";
            fault("source", "The source says neither where its files are nor what archives hold them.".into(), hint);
        }
        let plain = |root: &str| root.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if let Some(root) = p.source.root().filter(|root| !plain(root)) {
            let hint = "Use `a`-`z`, `0`-`9` and `_`, so that `REPRO_DATA_NAME` can name it too.";
            fault("source.root", format!("`{root}` is not a name for a data root."), hint);
        }
        if let Source::Listed { list, file, .. } = &p.source {
            match (list.as_str(), file) {
                ("", None) => {
                    let hint = "Write `list: \"train.txt\"` for a list below the data root, or `file: \"…\"` for one elsewhere.";
                    fault("source", "The source names no list.".into(), hint);
                }
                ("", Some(_)) => {}
                (_, Some(_)) => {
                    fault("source.list", "The source names two lists.".into(), "Leave `list` or `file` out.");
                }
                (list, None) if list.starts_with('/') => {
                    let hint = format!("Write `file: {list:?}` in place of `list`.");
                    fault("source.list", "This list does not lie below the data root.".into(), &hint);
                }
                _ => {}
            }
        }
        for (at, archive) in p.source.archives().iter().enumerate() {
            if let Some(Err(error)) = archive.digest.as_ref().map(|digest| digest.parse::<Digest>()) {
                fault(&format!("source.archives[{at}].digest"), format!("{error}."), "Write what `b3sum` prints.");
            }
        }
        for (at, expect) in p.expect.iter().enumerate() {
            if let Err(error) = expect.digest.parse::<Digest>() {
                let hint = "Write what `b3sum` prints for the sorted ids.";
                fault(&format!("expect[{at}].digest"), format!("{error}."), hint);
            }
        }
        let names = p.classes.names();
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            fault(
                "classes.names",
                format!("Two classes have the name `{}`.", twice.1),
                "Give each class its own name.",
            );
        }
        colour_faults(p, &names, &mut fault);
        let holds_ids = matches!(p.source, Source::Listed { .. } | Source::Voc2012 { .. }) && p.colours.is_empty();
        if p.beyond == (Beyond::Ignore {}) && !holds_ids {
            let message = "No label of this data set can be at or above the number of classes.".into();
            fault("beyond", message, "Leave `beyond` out.");
        }
        if matches!(p.source, Source::Cityscapes { .. }) {
            let classes = cityscapes::classes().count();
            if names.len() != classes {
                let message = format!("Cityscapes has {classes} classes, not {}.", names.len());
                fault("classes", message, "Write `classes: Cityscapes`.");
            }
            if p.ignore != cityscapes::IGNORE {
                let message = format!("Ignored labels of Cityscapes become 255, not {}.", p.ignore);
                fault("ignore", message, "Write 255.");
            }
        }
        id_faults(p, &names, &mut fault);
        faults
    }

    fn root(&self, p: &DatasetParams) -> Option<String> {
        p.source.root().map(str::to_owned)
    }

    fn missing(&self, p: &DatasetParams, file: &External) -> Option<DataFault> {
        samples::missing(p, file)
    }

    fn externals(&self, p: &DatasetParams, roots: &DataRoot<'_>) -> Result<Vec<External>, StageError> {
        let Some(name) = p.source.root() else { return Ok(Vec::new()) };
        let root = roots(name)?;
        let file = |_: &str, file: &FileRef| locate(&file.0, roots);
        let (samples, lists) = samples(p, &root, &expected(p)?, &file)?;
        let files = samples.into_iter().flat_map(|sample| [Some(sample.image), sample.label]).flatten();
        Ok(lists.into_iter().chain(files).map(|file| External::below(&root, &file)).collect())
    }

    fn parts(&self, slot: &str, path: PathBuf) -> Result<Vec<PathBuf>, StageError> {
        // A file that is not there is told by whoever reads it.
        if slot.starts_with("source.archives") && fsio::is_file(&path) {
            archive::recognise(&path, &path.display().to_string()).map_err(support::data_error)?;
        }
        Ok(vec![path])
    }

    fn run(&self, p: &DatasetParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let mut produced = Produced::default();
        let Examined { rows, info, .. } = examine(p, job, &mut produced)?;
        support::write_table(job, &mut produced, &INDEX, &data::index_table(&rows, &info)?)?;
        support::write_json(job, &mut produced, &INFO, &info)?;
        produced.metrics.insert("images".into(), rows.len() as f64);
        produced.metrics.insert("pixels".into(), rows.iter().map(|row| (row.width * row.height) as f64).sum());
        Ok(produced)
    }
}

/// A data set whose files were all read.
pub struct Examined {
    /// The folder that its paths start from.
    pub root: PathBuf,
    /// Its samples.
    pub rows: Vec<Row>,
    /// Its classes.
    pub info: Info,
}

/// Reads and checks every file of a data set. What the user should know is told, and added to the warnings of `produced`.
///
/// # Errors
/// All faults of the data that were found.
pub fn examine(p: &DatasetParams, job: &Job<'_>, produced: &mut Produced) -> Result<Examined, StageError> {
    let bug = || StageError::Bug("The coding of labels passed the check, and cannot be read.".to_owned());
    let coding = p.coding().ok_or_else(bug)?;
    let info = Info { classes: p.classes.names(), colors: p.colors(), ignore: p.ignored(), coding: coding.clone() };
    let pool = support::pool(job.threads)?;
    let file = |slot: &str, _: &FileRef| {
        let file = job.files.get(slot).cloned();
        file.ok_or_else(|| StageError::Bug(format!("`{slot}` was not handed over.")))
    };
    let (root, samples) = match &p.source {
        Source::Shapes { images, seed, first, size } => {
            let folder = SET_FILES.place(job);
            let sizes = shapes::Shapes { width: size.0, height: size.1 };
            let numbers = *first..first.saturating_add(*images);
            let written = pool.install(|| shapes::write(&folder, *seed, numbers, &sizes));
            let samples: Vec<Sample> = written.map_err(support::data_error)?;
            list::check(&samples, &expected(p)?, "source").map_err(|fault| support::faults(vec![fault]))?;
            (folder, samples::take(&p.take, samples, "source", &file)?)
        }
        source if source.archives().is_empty() => {
            let root = source.root().and_then(|name| job.roots.get(name)).cloned();
            let root = root.ok_or_else(|| StageError::Bug("The data root was not handed over.".into()))?;
            let (samples, _) = samples(p, &root, &expected(p)?, &file)?;
            (root, samples)
        }
        source => {
            let folder = SET_FILES.place(job);
            unpack(source.archives(), job, &folder)?;
            let (samples, _) = samples(p, &folder, &expected(p)?, &file)?;
            (folder, samples)
        }
    };
    if root.starts_with(job.out) {
        SET_FILES.add(produced, ArtifactKind::Tree);
    }
    job.events.emit(Event::Log { text: format!("Checking {} samples.", samples.len()) });
    let resolve = |path: &str| root.join(path);
    let turn = p.orientation == Turn::Apply {};
    let allowed = index::Allowed { coding, classes: info.classes.len(), ignore: info.ignore, turn };
    let rows = pool.install(|| index::build(&samples, &resolve, allowed.clone()));
    let rows = rows.map_err(support::data_error)?;
    let told = [turned(&rows), beyond(&rows, info.classes.len())].into_iter().flatten();
    for text in told.chain(advice::gaps(&rows, &info.classes, &allowed)) {
        job.warn(&mut produced.warnings, text);
    }
    Ok(Examined { root, rows, info })
}

/// What is wrong with the ids of classes and with the one to ignore. Advice names only values that are free.
fn id_faults(p: &DatasetParams, names: &[String], fault: &mut dyn FnMut(&str, String, &str)) {
    let count = names.len();
    if count > CLASSES {
        let message = format!("There are {count} classes, but ids have 8 bits, and one value is for pixels to ignore.");
        fault("classes", message, &format!("Name at most {CLASSES} classes."));
        return;
    }
    let ids = matches!(p.source, Source::Listed { .. } | Source::Voc2012 { .. }) && p.colours.is_empty();
    let (first, ignore) = (usize::from(p.first_id), usize::from(p.ignore));
    if first > 0 && !ids {
        fault("first_id", "Only labels that hold ids can count from another number.".into(), "Leave `first_id` out.");
        return;
    }
    if first > 0 && p.beyond == (Beyond::Ignore {}) {
        let message = "Ids beyond the classes are ignored only where ids count from 0.".into();
        fault("beyond", message, "Leave `beyond` or `first_id` out.");
    }
    if first + count > 256 {
        let message = format!("{count} classes from {first} on end behind 255, the greatest value of a label.");
        fault("first_id", message, &format!("Write at most {}.", 256 - count));
        return;
    }
    let last = first + count - 1;
    if !(first..=last).contains(&ignore) {
        return;
    }
    let name = &names[ignore - first];
    let hint = if ids && ignore == 0 {
        "If 0 stands for pixels without a class and the ids count from 1, as in ADE20K, write `first_id: 1` beside it."
            .to_owned()
    } else {
        let free = if last < 255 { 255 } else { 0 };
        format!("Write a value that is no id, as {free}: the ids go from {first} to {last}.")
    };
    fault("ignore", format!("The ignore value {ignore} is the id of the class `{}`.", syntax::shown(name)), &hint);
}

/// What is wrong with the colours of masks.
fn colour_faults(p: &DatasetParams, names: &[String], fault: &mut dyn FnMut(&str, String, &str)) {
    if p.colours.is_empty() {
        return;
    }
    match p.source {
        Source::Shapes { .. } => {
            fault("colours", "The labels of drawn scenes hold ids.".into(), "Leave `colours` out.")
        }
        Source::Cityscapes { .. } => {
            fault("colours", "The labels of Cityscapes hold labelIds.".into(), "Leave `colours` out.");
        }
        Source::Listed { .. } | Source::Voc2012 { .. } => {}
    }
    let mut seen: BTreeMap<[u8; 3], &str> = BTreeMap::new();
    for (colour, class) in &p.colours {
        match colours::parse(colour) {
            None => {
                let hint =
                    "Write `#` and six digits, as `#ff8000`, or red, green and blue from 0 to 255, as `255, 128, 0`.";
                fault("colours", format!("`{}` is no colour.", syntax::shown(colour)), hint);
            }
            Some(read) => {
                if let Some(first) = seen.insert(read, colour) {
                    let message = format!("`{first}` and `{colour}` are the same colour.");
                    fault("colours", message, "State each colour once.");
                }
            }
        }
        if p.id(names, class).is_none() {
            let hint = format!(
                "Write the name of a class, an id from 0 to {}, or `ignore`. The classes are {}.",
                names.len().saturating_sub(1),
                names.iter().take(30).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            );
            fault("colours", format!("`{}` is no class.", syntax::shown(class)), &hint);
        }
    }
}

/// A warning of images that state an orientation which is not applied; none where there are none.
fn turned(rows: &[Row]) -> Option<String> {
    const SHOWN: usize = 3;
    let ids: Vec<&str> = rows.iter().filter(|row| row.shown_otherwise).map(|row| row.sample.id.as_str()).collect();
    if ids.is_empty() {
        return None;
    }
    Some(format!(
        "{} of {} images state an EXIF orientation, which is not applied: {}. Viewers show them turned. If their \
         labels were drawn on what a viewer shows, write `orientation: Apply`.",
        ids.len(),
        rows.len(),
        syntax::first_names(ids.iter().copied(), SHOWN)
    ))
}

/// A warning of pixels that are ignored because their ids are no class; none where there are none.
fn beyond(rows: &[Row], classes: usize) -> Option<String> {
    let (labels, pixels) = rows
        .iter()
        .fold((0_u64, 0_u64), |(labels, pixels), row| (labels + u64::from(row.beyond > 0), pixels + row.beyond));
    let text = format!(
        "{pixels} pixels in {labels} labels have ids of {classes} or above, which are no class. They are ignored."
    );
    (pixels > 0).then_some(text)
}

/// What the list must come to. Digests passed the check.
fn expected(p: &DatasetParams) -> Result<Vec<Expected>, StageError> {
    let one = |expect: &Expect| {
        let (labels, count) = (expect.labels.clone(), usize::try_from(expect.count).ok()?);
        Some(Expected { labels, count, digest: expect.digest.parse().ok()? })
    };
    let bug = || StageError::Bug("An expectation that passed the check has no digest.".to_owned());
    p.expect.iter().map(|expect| one(expect).ok_or_else(bug)).collect()
}

fn unpack(archives: &[Archive], job: &Job<'_>, folder: &Path) -> Result<(), StageError> {
    let mut faults = Vec::new();
    for (at, archive) in archives.iter().enumerate() {
        let slot = format!("source.archives[{at}].file");
        let file = job.files.get(&slot).ok_or_else(|| StageError::Bug(format!("`{slot}` was not handed over.")))?;
        let bug = |error| StageError::Bug(format!("The digest of an archive passed the check: {error}."));
        let digest = archive.digest.as_ref().map(|digest| digest.parse()).transpose().map_err(bug)?;
        job.events.emit(Event::Log { text: format!("Unpacking {}.", file.display()) });
        let prefix = archive.folder.as_deref().unwrap_or_default().trim_matches('/');
        let place = |path: &str| -> Option<String> {
            let rest = if prefix.is_empty() { path } else { path.strip_prefix(prefix)?.strip_prefix('/')? };
            Some(rest.to_owned())
        };
        match archive::extract(file, &file.display().to_string(), digest, folder, &place) {
            Ok(_) => {}
            // Those of the other archives are told too.
            Err(crate::ml::data::Error::Faults(more)) => faults.extend(more),
            Err(error) => return Err(support::data_error(error)),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(support::faults(faults)) }
}
