//! A model as other stages see it, and how tables name it. It was trained here, or made of weights that were imported.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::hash::Digest;
use crate::ml::crf::Crf;
use crate::ml::data::augment::{Channels, Normalise};
use crate::ml::data::{Image, Labels, Rgb};
use crate::ml::inference::{self, Scores};
use crate::ml::models::Network;
use crate::ml::ops::{activation, elementwise, loss};
use crate::ml::state::State;
use crate::stage::{DeviceSpec, Job, StageError};

use super::columns::Values;
use super::data::Data;
use super::params::inference::Inference;
use super::params::network;
use super::support;
use super::yields::STATE;

/// What a model says of itself beside its network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// How many iterations it has been trained. None of a model that was not trained here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u64>,
    /// The seed of its training. None of a model that was not trained here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The classes in the order of their ids. None: those of the data that the model is used on, if there are as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// How pixels become numbers.
    pub input: InputForm,
}

impl About {
    /// What a stored state holds beside the network, for [`about`] to read.
    pub fn extra(&self) -> Result<BTreeMap<String, String>, StageError> {
        let about = serde_json::to_string(self).map_err(|error| StageError::Bug(error.to_string()))?;
        Ok(BTreeMap::from([("about".to_owned(), about)]))
    }
}

/// How pixels become numbers, as it is stored. Files of before have no deviation, and neither has a file where it is 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct InputForm {
    rgb: bool,
    mean: [f32; 3],
    #[serde(default = "undivided", skip_serializing_if = "is_undivided")]
    deviation: [f32; 3],
}

fn undivided() -> [f32; 3] {
    [1.0; 3]
}

fn is_undivided(deviation: &[f32; 3]) -> bool {
    *deviation == undivided()
}

impl InputForm {
    /// As a pipeline states it in `Train`: `(order: Rgb, mean_bgr: (104.0, 117.0, 123.0))`.
    pub fn in_words(&self) -> String {
        let bgr = |[first, second, third]: [f32; 3]| {
            if self.rgb { (third, second, first) } else { (first, second, third) }
        };
        let order = if self.rgb { "Rgb" } else { "Bgr" };
        let mean = format!("order: {order}, mean_bgr: {:?}", bgr(self.mean));
        if is_undivided(&self.deviation) {
            format!("({mean})")
        } else {
            format!("({mean}, deviation_bgr: {:?})", bgr(self.deviation))
        }
    }
}

impl From<Normalise> for InputForm {
    fn from(normalise: Normalise) -> Self {
        InputForm { rgb: normalise.channels == Channels::Rgb, mean: normalise.mean, deviation: normalise.deviation }
    }
}

impl From<InputForm> for Normalise {
    fn from(form: InputForm) -> Self {
        let channels = if form.rgb { Channels::Rgb } else { Channels::Bgr };
        Normalise { channels, mean: form.mean, deviation: form.deviation }
    }
}

/// What a stored state says of itself, in what its writer added.
pub fn about(extra: &BTreeMap<String, String>) -> Result<About, StageError> {
    let text = extra.get("about").map_or("", String::as_str);
    serde_json::from_str(text).map_err(|error| StageError::Bug(format!("A model does not say what it is: {error}.")))
}

/// A network with its weights, ready to predict.
pub struct Predictor {
    /// The network.
    pub network: Network,
    /// How pixels become numbers.
    pub normalise: Normalise,
    /// The classes in the order of their ids, as in [`About`].
    pub classes: Option<Vec<String>>,
    /// How tables name it.
    pub subject: Subject,
}

/// How tables name a model: all of it follows from the model's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    model: String,
    encoder: String,
    prefilter: String,
    seed: Option<u64>,
    iteration: Option<u64>,
    step: u64,
}

/// The columns of [`Subject::columns`], in their order.
pub const SUBJECT: [&str; 7] = ["model", "encoder", "prefilter", "data", "seed", "iteration", "step"];

impl Predictor {
    /// Opens the model of a slot.
    pub fn open(job: &Job<'_>, slot: &str) -> Result<Self, StageError> {
        let bytes = support::content(support::artifact(support::input(job, slot)?, &STATE)?)?;
        Predictor::read(&bytes, job.device, slot)
    }

    /// The model of a model file; `place` names it in faults.
    pub fn read(bytes: &[u8], device: &DeviceSpec, place: &str) -> Result<Self, StageError> {
        let wrong = |error| support::ml_error(error, place);
        let state = State::read(bytes).map_err(wrong)?;
        let about = about(&state.extra)?;
        let network = state.network(&support::device(device)?).map_err(wrong)?;
        let subject = Subject::of(&Digest::of(bytes), &state, &about);
        Ok(Predictor { network, normalise: about.input.into(), classes: about.classes, subject })
    }

    /// An error unless the data set has the classes that the model predicts.
    pub fn suits(&self, data: &Data) -> Result<(), StageError> {
        match &self.classes {
            Some(classes) => data.same_classes(classes),
            None => data.same_count(self.network.spec().classes),
        }
    }

    /// A normalised image as the network's input, `[1, 3, H, W]` on its device.
    pub fn input(&self, image: &Image) -> Result<Tensor, StageError> {
        let input = image.to_tensor().and_then(|x| x.unsqueeze(0));
        let input = input.map_err(|error| StageError::Bug(format!("An image has no shape: {error}.")))?;
        activation::enter(&input, self.network.device()).map_err(|error| support::ml_error(error, "the image"))
    }

    /// The scores of an image's pixels.
    pub fn scores(&self, image: &Rgb, inference: &Inference) -> Result<Scores, StageError> {
        let input = self.input(&self.normalise.apply(image))?;
        inference::scores(&self.network, &input, &inference.into())
            .map_err(|error| support::ml_error(error, "the image"))
    }

    /// The classes of an image's pixels: those of the greatest scores, or of the greatest probabilities after the CRF.
    pub fn predict(&self, image: &Rgb, inference: &Inference) -> Result<Labels, StageError> {
        classes(&self.scores(image, inference)?, image, inference)
    }

    /// As [`Predictor::predict`], with the sum of the cross entropy of the scores, as they are before the CRF, over the pixels
    /// whose label is a class.
    pub fn judge(&self, image: &Rgb, truth: &Labels, inference: &Inference) -> Result<(Labels, f64), StageError> {
        let scores = self.scores(image, inference)?;
        let losses = scores.cross_entropy(truth.pixels()).and_then(|losses| elementwise::sum_of(&losses));
        let sum = losses.map_err(|error| support::ml_error(error, "the image"))?;
        Ok((classes(&scores, image, inference)?, sum))
    }
}

fn classes(scores: &Scores, image: &Rgb, inference: &Inference) -> Result<Labels, StageError> {
    let (height, width) = image.size();
    let classes = match &inference.crf {
        Some(crf) => {
            let sharpened = scores.whole().and_then(|scores| Crf::from(crf).refine(&scores, image));
            sharpened.and_then(|sharpened| loss::argmax(&sharpened))
        }
        None => scores.classes(),
    };
    let classes = classes.map_err(|error| support::ml_error(error, "the image"))?;
    Labels::new(height, width, classes)
        .ok_or_else(|| StageError::Bug("A prediction does not have its image's size.".into()))
}

impl Subject {
    /// The subject of a stored state, whose file has this digest.
    pub fn of(digest: &Digest, state: &State, about: &About) -> Self {
        Subject {
            model: digest.short(),
            encoder: network::encoder_in_words(&state.spec),
            prefilter: network::in_words(&state.spec.prefilter),
            seed: about.seed,
            iteration: about.iteration,
            step: state.step,
        }
    }

    /// The step of the schedule that the model was trained to.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Where its weights come from, as logs say it.
    pub fn origin(&self) -> String {
        match (self.iteration, self.step) {
            (None, 0) => "the weights".to_owned(),
            (_, step) => format!("step {step}"),
        }
    }

    /// The network and its seed in words, as [`words`] has them.
    pub fn in_words(&self) -> String {
        words(&self.encoder, &self.prefilter, self.seed)
    }

    /// Columns that name the model and the data set in each of `rows` rows.
    pub fn columns(&self, rows: usize, data: &Data) -> Vec<(String, Values)> {
        let text = |value: &str| Values::Text(vec![Some(value.to_owned()); rows]);
        let int = |value: Option<u64>| Values::Int(vec![value.map(|value| value as i64); rows]);
        let columns = [
            text(&self.model),
            text(&self.encoder),
            text(&self.prefilter),
            text(&data.digest.short()),
            int(self.seed),
            int(self.iteration),
            int(Some(self.step)),
        ];
        SUBJECT.iter().map(|name| (*name).to_owned()).zip(columns).collect()
    }
}

/// A network and its seed in words, from the columns of a table: `ResNet101 Average seed 1`. A model that was not trained
/// here has no seed.
pub fn words(encoder: &str, prefilter: &str, seed: Option<u64>) -> String {
    let seed = seed.map_or(String::new(), |seed| format!(" seed {seed}"));
    format!("{encoder} {prefilter}{seed}")
}
