//! `Predict`: a model's predictions as pictures.

use crate::fsio;
use crate::ml::colors;
use crate::ml::data::source::Images;
use crate::ml::data::{Labels, labels};
use crate::params;
use crate::stage::params::{Param, Ref};
use crate::stage::schema::Structure;
use crate::stage::{ArtifactKind, Event, Job, Kind, Made, Produced, Publication, StageError, Value};

use super::data::Data;
use super::inference::Inference;
use super::subject::Model;
use super::support;

params! {
    /// Writes a model's predictions of whole images in their own size: `prediction/ID_mask.png` with class ids, and
    /// `visual_prediction/ID_mask_visual.png` in VOC's colours. Labels are not needed.
    pub struct PredictParams {
        /// The model.
        model: Ref, where to(&["model"]);
        /// The images.
        data: Ref, where to(&["dataset"]);
        /// How the scores of a pixel are made.
        inference: Inference = Inference::default();
    }
}

/// The kind.
pub struct Predict;

impl Kind for Predict {
    fn name(&self) -> &'static str {
        "Predict"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> Structure {
        support::structure(PredictParams::ty())
    }

    fn yields(&self) -> &'static str {
        "files"
    }

    fn computes(&self) -> bool {
        true
    }

    fn publish(&self, _params: &Value) -> Vec<Publication> {
        vec![Publication::copy("pictures")]
    }

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        let p: PredictParams = support::read(job.params)?;
        let data = Data::open(job, "data")?;
        let model = Model::open(job, "model")?;
        let resolve = |path: &str| data.resolve(path);
        let images = Images::new(&data.rows, &resolve);
        let pool = support::pool(job.threads)?;
        let folder = job.out.join("pictures");
        for i in 0..images.len() {
            job.cancel.check()?;
            let id = &images.row(i).sample.id;
            let fault = |fault| data.blame(support::faults(vec![fault]));
            let ids: Labels = pool.install(|| model.predict(&images.image(i).map_err(fault)?, &p.inference))?;
            let mask = labels::encode_grey(&ids, id).map_err(fault)?;
            let colored = ids.map(|id| colors::VOC_MAP[usize::from(id)]);
            let visual = labels::encode_rgb(&colored, id).map_err(fault)?;
            fsio::write_synced(&folder.join(format!("prediction/{id}_mask.png")), &mask)?;
            fsio::write_synced(&folder.join(format!("visual_prediction/{id}_mask_visual.png")), &visual)?;
            job.events.emit(Event::Progress { done: i as u64 + 1, total: images.len() as u64, unit: "images".into() });
        }
        let mut produced = Produced::default();
        produced.outputs.insert("pictures".into(), Made { path: "pictures".into(), kind: ArtifactKind::Tree });
        produced.metrics.insert("images".into(), images.len() as f64);
        Ok(produced)
    }
}
