//! Images, their labels and their predictions, after each iteration of a training.

use crate::ml::data::pictures::Style;
use crate::ml::data::source::Images;
use crate::ml::data::{Fault, Rgb, labels};
use crate::stage::{Event, Job, StageError};
use crate::stages::data::Data;
use crate::stages::history::History;
use crate::stages::params::inference::Inference;
use crate::stages::subject::Predictor;
use crate::stages::support;
use crate::tensorboard::{EventFile, Picture};

/// An event file a training, with the first `count` images of the data set: `input/ID` and `label/ID` once,
/// `prediction/ID` at the step of each model.
pub fn of(job: &Job<'_>, count: usize, trainings: &[&History]) -> Result<Vec<EventFile>, StageError> {
    let data = Data::open(job, "data")?;
    let style = Style::new(&data.info.classes, &data.info.colors);
    let resolve = |path: &str| data.resolve(path);
    let images = Images::new(&data.rows, &resolve);
    let pool = support::pool(job.threads)?;
    let fault = |fault| data.blame(support::faults(vec![fault]));
    let models: usize = trainings.iter().map(|training| training.parts.len()).sum();
    let shown = count.min(images.len());
    let (mut done, total) = (0, (shown * models) as u64);
    let mut files = Vec::new();
    for training in trainings {
        let mut file = EventFile::default();
        for (at, part) in training.parts.iter().enumerate() {
            let model = Predictor::open(job, &part.slot)?;
            model.suits(&data)?;
            let step = model.subject.step();
            for i in 0..shown {
                job.cancel.check()?;
                let sample = &images.row(i).sample;
                let image = images.image(i).map_err(fault)?;
                if at == 0 {
                    file.picture(step, &format!("input/{}", sample.id), picture(&image).map_err(fault)?);
                    if sample.label.is_some() {
                        let label = images.labels(i).and_then(|ids| picture(&style.visual(&ids))).map_err(fault)?;
                        file.picture(step, &format!("label/{}", sample.id), label);
                    }
                }
                let ids = pool.install(|| model.predict(&image, &Inference::default()))?;
                let prediction = picture(&style.visual(&ids)).map_err(fault)?;
                file.picture(step, &format!("prediction/{}", sample.id), prediction);
                done += 1;
                job.events.emit(Event::Progress { done, total, unit: "images".into() });
            }
        }
        files.push(file);
    }
    Ok(files)
}

fn picture(image: &Rgb) -> Result<Picture, Fault> {
    let (height, width) = image.size();
    Ok(Picture { height, width, png: labels::encode_rgb(image, "the picture")? })
}
