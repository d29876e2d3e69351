//! The samples of a source whose files are on a disk.

use std::path::{Path, PathBuf};

use crate::fsio;
use crate::ml::data::list::{Expected, Form, Sample};
use crate::ml::data::subset;
use crate::ml::data::{bounds, cityscapes, list, spelling, voc};
use crate::stage::params::FileRef;
use crate::stage::{DataFault, External, StageError};
use crate::stages::params::dataset::{CityscapesPart, DatasetParams, Source, Subset, VocPart};
use crate::stages::support;
use crate::syntax;

/// The slots of the files that a data set may name.
pub const LIST: &str = "source.file";
/// See [`LIST`].
pub const IDS: &str = "source.ids";
/// See [`LIST`].
pub const TAKEN: &str = "take.file";

/// How the slots of archives begin.
const ARCHIVES: &str = "source.archives[";

/// Gives the file of a `File` parameter by its slot.
pub type Files<'a> = dyn Fn(&str, &FileRef) -> Result<PathBuf, StageError> + 'a;

/// The samples of a data set below `root`, and the files besides them that the list follows from. What the list must hold
/// is asked of the whole list, of which a part is then taken.
pub fn samples(
    p: &DatasetParams,
    root: &Path,
    expected: &[Expected],
    files: &Files<'_>,
) -> Result<(Vec<Sample>, Vec<String>), StageError> {
    let (mut samples, place, lists) = whole(&p.source, root, expected, files)?;
    let paths = samples.iter_mut().flat_map(|sample| std::iter::once(&mut sample.image).chain(&mut sample.label));
    spelling::as_on_disk(root, paths);
    Ok((take(&p.take, samples, &place, files)?, lists))
}

/// The part of `samples` that is taken; `place` names their list.
pub fn take(subset: &Subset, samples: Vec<Sample>, place: &str, files: &Files<'_>) -> Result<Vec<Sample>, StageError> {
    let text;
    let subset = match subset {
        Subset::All {} => subset::Subset::All,
        Subset::First { count } => subset::Subset::First(*count as usize),
        Subset::Fraction { share, seed } => subset::Subset::Fraction(*share, *seed),
        Subset::Ids { file } => {
            text = read(&files(TAKEN, file)?, "Name a file with one id a line.")?;
            subset::Subset::Named(&text, &file.0)
        }
    };
    subset::take(samples, &subset, place).map_err(support::faults)
}

/// All samples of a source, what names their list, and the files below the root that it follows from.
fn whole(
    source: &Source,
    root: &Path,
    expected: &[Expected],
    files: &Files<'_>,
) -> Result<(Vec<Sample>, String, Vec<String>), StageError> {
    match source {
        Source::Shapes { .. } => Err(StageError::Bug("Made scenes have no list.".into())),
        Source::Listed { list: name, file, labels, .. } => {
            let form = if *labels { Form::Labelled } else { Form::ImagesOnly };
            let (path, place) = match file {
                Some(file) => (files(LIST, file)?, file.0.as_str()),
                None => (root.join(name), name.as_str()),
            };
            let hint = "Name the list file below the data root by `list`, or one that lies elsewhere by `file`.";
            let samples = list::parse(&read(&path, hint)?, place, form).map_err(support::faults)?;
            list::check(&samples, expected, place).map_err(|fault| support::faults(vec![fault]))?;
            let lists = if file.is_none() { vec![name.clone()] } else { Vec::new() };
            Ok((samples, place.to_owned(), lists))
        }
        Source::Voc2012 { list, ids, .. } => {
            let part = match list {
                VocPart::TrainAug {} => voc::Part::TrainAug,
                VocPart::Val {} => voc::Part::Val,
                VocPart::Test {} => voc::Part::Test,
            };
            let given = ids.as_ref().map(|file| {
                let text = read(&files(IDS, file)?, "Name a file with one id a line.")?;
                let ids = list::ids(&text, &file.0).map_err(support::faults)?;
                Ok::<_, StageError>((file.0.as_str(), ids.into_iter().map(|(_, id)| id).collect()))
            });
            let given = given.transpose()?;
            let lists = if given.is_none() { vec![part.list().to_owned()] } else { Vec::new() };
            let samples = voc::samples(root, part, given, expected).map_err(support::data_error)?;
            Ok((samples, format!("VOC 2012, {}", part.name()), lists))
        }
        Source::Cityscapes { list, .. } => {
            let part = match list {
                CityscapesPart::TrainFine {} => cityscapes::Part::TrainFine,
                CityscapesPart::TrainCoarse {} => cityscapes::Part::TrainCoarse,
                CityscapesPart::TrainExtra {} => cityscapes::Part::TrainExtra,
                CityscapesPart::TrainFineExtra {} => cityscapes::Part::TrainFineExtra,
                CityscapesPart::Val {} => cityscapes::Part::Val,
                CityscapesPart::ValCoarse {} => cityscapes::Part::ValCoarse,
                CityscapesPart::Test {} => cityscapes::Part::Test,
            };
            let samples = cityscapes::samples(root, part, expected).map_err(support::data_error)?;
            Ok((samples, "Cityscapes".to_owned(), Vec::new()))
        }
    }
}

/// A list as text.
fn read(path: &Path, hint: &str) -> Result<String, StageError> {
    let bytes = fsio::read_within(path, bounds::FILE).map_err(|error| {
        let near = error.is_missing().then(|| spelling::nearest(path)).flatten();
        let near = near.map(|name| format!("`{}` lies there: is it meant?", syntax::shown(&name)));
        let hint = if error.is_missing() { near.as_deref().unwrap_or(hint) } else { error.hint() };
        DataFault::new(path.display(), error.to_string(), hint)
    })?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(DataFault::new(path.display(), "The list is in UTF-16.", "Save it as UTF-8.").into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let place = format!("{}:{line}", path.display());
        DataFault::new(place, "This line is not UTF-8.", "Save the list as UTF-8.").into()
    })
}

/// What to tell of a missing file of a data set; none of an archive.
pub fn missing(p: &DatasetParams, file: &External) -> Option<DataFault> {
    if file.name.starts_with(ARCHIVES) {
        return None;
    }
    let near = spelling::nearest(&file.path).map(|name| format!("`{}` lies there: is it meant?", syntax::shown(&name)));
    let (what, whence) = match &p.source {
        _ if file.name == LIST => ("This list", Some("Write where the list file lies.".to_owned())),
        _ if file.name == IDS || file.name == TAKEN => ("This file of ids", Some("Write where it lies.".to_owned())),
        Source::Shapes { .. } => ("This file", None),
        Source::Listed { list, file: anywhere, .. } => {
            let list = anywhere.as_ref().map_or(list.as_str(), |file| &file.0);
            let hint = format!("The list `{list}` names it. Is the data root the folder that its paths start from?");
            ("This file", Some(hint))
        }
        Source::Voc2012 { .. } => (sort(&file.name), voc::origin(&file.name).map(str::to_owned)),
        Source::Cityscapes { .. } => (sort(&file.name), cityscapes::origin(&file.name).map(str::to_owned)),
    };
    let hint = near.or(whence).unwrap_or_default();
    Some(DataFault::new(file.path.display(), format!("{what} is missing."), hint))
}

/// What a file of VOC or Cityscapes is, by its folder.
fn sort(name: &str) -> &'static str {
    match name.split('/').next() {
        Some("JPEGImages" | "leftImg8bit") => "This image of the data set",
        Some("SegmentationClassAug" | "gtFine" | "gtCoarse") => "This label of the data set",
        _ => "This file of the data set",
    }
}
