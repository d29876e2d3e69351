//! `Predict`: a model's predictions as pictures.

use crate::fsio;
use crate::ml::data::pictures::Style;
use crate::ml::data::source::Images;
use crate::params;
use crate::stage::params::Ref;
use crate::stage::{ArtifactKind, Event, Job, Output, ParamFault, Peers, Produced, StageError, TypedKind, Yield};

use super::agree;
use super::data::Data;
use super::params::inference::Inference;
use super::subject::Predictor;
use super::support;
use super::yields::{DATASET, FILES, IMPORTED, MODEL};

params! {
    /// Writes a model's predictions of whole images, in the size of each image. `prediction/ID_mask.png` is a palette
    /// image whose indices are class ids. `visual_prediction/ID_mask_visual.png` has the colours of the data set's
    /// classes. `overlay/ID_overlay.png` is half image and half colours. Where the classes are those of Cityscapes,
    /// `label_ids/ID_labelIds.png` is what its evaluation server takes. Labels are not needed.
    pub struct PredictParams {
        /// The model: a training, or a `Model` stage.
        model: Ref, where to(&[MODEL, IMPORTED]);
        /// The images.
        data: Ref, where to(&[DATASET]);
        /// How the scores of each pixel are computed.
        inference: Inference = Inference::default();
    }
}

/// The predictions.
const PICTURES: Output = Output::tree("pictures", "pictures", "The predictions, a folder for each sort.").published();

/// The kind.
pub struct Predict;

impl TypedKind for Predict {
    type Params = PredictParams;
    const NAME: &'static str = "Predict";
    const VERSION: u32 = 3;
    const YIELDS: Yield = FILES;
    const OUTPUTS: &'static [Output] = &[PICTURES];
    const EXAMPLE: &'static str = r#""predict": Predict(model: "train", data: "val_set"),"#;
    const COMPUTES: bool = true;

    fn version(&self, p: &PredictParams) -> u32 {
        p.inference.version(Self::VERSION)
    }

    fn agrees(&self, p: &PredictParams, peers: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
        agree::same_classes(&p.data, std::slice::from_ref(&p.model), peers)
    }

    fn run(&self, p: &PredictParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let data = Data::open(job, "data")?;
        let model = Predictor::open(job, "model")?;
        model.suits(&data)?;
        let style = Style::new(&data.info.classes, &data.info.colors);
        let resolve = |path: &str| data.resolve(path);
        let images = Images::new(&data.rows, &resolve);
        let pool = support::pool(job.threads)?;
        let folder = PICTURES.place(job);
        for i in 0..images.len() {
            job.cancel.check()?;
            let id = &images.row(i).sample.id;
            let fault = |fault| data.blame(support::faults(vec![fault]));
            let pictures = pool.install(|| -> Result<_, StageError> {
                let image = images.image(i).map_err(fault)?;
                style.pictures(id, &image, &model.predict(&image, &p.inference)?).map_err(fault)
            })?;
            for (path, bytes) in pictures {
                fsio::write_synced(&folder.join(path), &bytes)?;
            }
            job.events.emit(Event::Progress { done: i as u64 + 1, total: images.len() as u64, unit: "images".into() });
        }
        let mut produced = Produced::default();
        PICTURES.add(&mut produced, ArtifactKind::Tree);
        produced.metrics.insert("images".into(), images.len() as f64);
        Ok(produced)
    }
}
