//! The samples of a source whose files are on a disk.

use std::path::Path;

use crate::fsio;
use crate::ml::data::list::{Expected, Form, Sample};
use crate::ml::data::{bounds, cityscapes, list, voc};
use crate::stage::{DataFault, StageError};
use crate::stages::params::dataset::{CityscapesPart, Source, VocPart};
use crate::stages::support;

/// The samples of a source below `root`, and the files besides them that the list follows from.
pub fn samples(source: &Source, root: &Path, expected: &[Expected]) -> Result<(Vec<Sample>, Vec<String>), StageError> {
    match source {
        Source::Shapes { .. } => Err(StageError::Bug("Made scenes have no list.".into())),
        Source::Listed { list: name, labels, .. } => {
            let path = root.join(name);
            let text = fsio::read_to_string_within(&path, bounds::FILE).map_err(|error| {
                let hint = if error.is_missing() { "Name the list file below the data root." } else { error.hint() };
                DataFault::new(path.display(), error.to_string(), hint)
            })?;
            let form = if *labels { Form::Labelled } else { Form::ImagesOnly };
            let samples = list::parse(&text, name, form).map_err(support::faults)?;
            list::check(&samples, expected, name).map_err(|fault| support::faults(vec![fault]))?;
            Ok((samples, vec![name.clone()]))
        }
        Source::Voc2012 { list, .. } => {
            let (part, file) = match list {
                VocPart::TrainAug {} => (voc::Part::TrainAug, "val"),
                VocPart::Val {} => (voc::Part::Val, "val"),
                VocPart::Test {} => (voc::Part::Test, "test"),
            };
            let samples = voc::samples(root, part, expected).map_err(support::data_error)?;
            Ok((samples, vec![format!("ImageSets/Segmentation/{file}.txt")]))
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
            Ok((samples, Vec::new()))
        }
    }
}
