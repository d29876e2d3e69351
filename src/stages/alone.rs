//! Predictions without a pipeline: a model file or a checkpoint of another program, and pictures of single images.
//!
//! Invariant: the pictures of an image are those that the kind `Predict` writes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use candle_core::Device;

use super::params::dataset::Classes;
use super::params::inference::Inference;
use super::subject::{About, Predictor};
use super::support;
use crate::fsio;
use crate::ml::checkpoint::Checkpoint;
use crate::ml::conventions::Geometry;
use crate::ml::data::augment::{Channels, Normalise};
use crate::ml::data::orientation::Orientation;
use crate::ml::data::pictures::Style;
use crate::ml::data::{bounds, photo};
use crate::ml::error as ml;
use crate::ml::import::{self, Translated};
use crate::ml::models::{ENCODERS, Network, architecture};
use crate::ml::spec::{Choice, HeadSpec, ModelSpec};
use crate::ml::state::{self, State};
use crate::ml::weights::Scheme;
use crate::stage::{DataFault, DeviceSpec, StageError};

/// What a checkpoint of another program does not say of its network.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// The encoder. None: the largest one of which the file holds every tensor.
    pub encoder: Option<String>,
    /// The type of dilated convolution. None: the plain one.
    pub prefilter: Option<String>,
    /// The conventions: `TensorFlow`, `Caffe` or `Torchvision`. None: those of the project whose names the tensors have.
    pub geometry: Option<String>,
}

/// How images are read and predicted.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The factors by which each image is scaled.
    pub scales: Vec<f64>,
    /// Whether each scale is also seen mirrored.
    pub flip: bool,
    /// Whether images are turned as their EXIF orientation says.
    pub turn: bool,
}

/// A model to predict with.
pub struct Alone {
    predictor: Predictor,
    style: Style,
    /// The network in words.
    pub network: String,
}

/// The pictures of an image.
pub struct Pictures {
    /// The path of each picture below the folder of predictions, and its bytes.
    pub files: Vec<(String, Vec<u8>)>,
    /// The EXIF orientation that was not applied.
    pub turned: bool,
}

impl Alone {
    /// The model in a file: one of this program, or a checkpoint of another.
    ///
    /// # Errors
    /// The file cannot be read, or lacks tensors of the network.
    pub fn of_file(path: &Path, words: &Words, device: &DeviceSpec) -> Result<Self, StageError> {
        let place = path.display().to_string();
        let checkpoint = Checkpoint::open(path).map_err(|error| support::weights_fault(path, &error))?;
        if !State::is_described_by(&checkpoint.metadata) {
            return Alone::of_state(&imported(&checkpoint, words, &place)?, &place, device);
        }
        if words.encoder.is_some() || words.prefilter.is_some() || words.geometry.is_some() {
            let hint = "Leave `--encoder`, `--prefilter` and `--geometry` out.";
            return Err(
                DataFault::new(place, "The file is a model of this program, which says what it is.", hint).into()
            );
        }
        Alone::of_state(&fsio::read(path)?, &place, device)
    }

    /// The model of these bytes: a model file of this program, which `place` names in faults.
    ///
    /// # Errors
    /// The bytes are no such file; there is no such device.
    pub fn of_state(bytes: &[u8], place: &str, device: &DeviceSpec) -> Result<Self, StageError> {
        let predictor = Predictor::read(bytes, device, place)?;
        let classes = predictor.network.spec().classes;
        let names = predictor.classes.clone().unwrap_or_else(|| names(classes));
        let style = Style::new(&names, &colors(&names));
        Ok(Alone { network: predictor.subject.in_words(), predictor, style })
    }

    /// The paths of the pictures of the image `id`, below the folder of predictions.
    pub fn places(&self, id: &str) -> Vec<String> {
        self.style.places(id)
    }

    /// The pictures of the image in a file. They are named by `id`.
    ///
    /// # Errors
    /// The image is at fault; the device refused.
    pub fn pictures(&self, path: &Path, id: &str, manner: &Manner) -> Result<Pictures, StageError> {
        let place = path.display().to_string();
        let fault = |fault| support::faults(vec![fault]);
        let bytes = fsio::read_within(path, bounds::FILE)
            .map_err(|error| DataFault::new(&place, error.to_string(), error.hint()))?;
        let image = photo::decode(&bytes, &place).map_err(fault)?;
        let stated = Orientation::of(&bytes);
        let turned = stated != Orientation::Upright && !manner.turn;
        let image = if manner.turn { stated.apply(image) } else { image };
        let inference = Inference { scales: manner.scales.clone(), flip: manner.flip, ..Inference::default() };
        let ids = self.predictor.predict(&image, &inference)?;
        Ok(Pictures { files: self.style.pictures(id, &image, &ids).map_err(fault)?, turned })
    }
}

/// The images that a path means: itself, or those of a folder, in the order of their names. A folder's other files, and
/// those whose names begin with a dot, are no images.
///
/// # Errors
/// There is nothing at the path, or no image in the folder.
pub fn images(path: &Path) -> Result<Vec<PathBuf>, StageError> {
    if !fsio::is_folder(path) {
        if fsio::exists(path) {
            return Ok(vec![path.to_owned()]);
        }
        return Err(DataFault::new(path.display(), "There is no such file or folder.", "Check the path.").into());
    }
    let image = |name: &String| {
        let lower = name.to_lowercase();
        !name.starts_with('.') && [".jpg", ".jpeg", ".png"].iter().any(|end| lower.ends_with(end))
    };
    let mut names: Vec<String> = fsio::list(path)?.into_iter().filter(image).collect();
    names.sort_unstable();
    if names.is_empty() {
        let hint = "Name a folder that holds `.jpg`, `.jpeg` or `.png` files itself.";
        return Err(DataFault::new(path.display(), "The folder holds no image.", hint).into());
    }
    Ok(names.into_iter().map(|name| path.join(name)).collect())
}

/// The id of an image: its file's name without the extension.
pub fn id(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A pool of so many threads to predict in: how many never changes a picture.
///
/// # Errors
/// They cannot be started.
pub fn pool(threads: usize) -> Result<rayon::ThreadPool, StageError> {
    support::pool(threads)
}

/// Writes pictures below a folder.
///
/// # Errors
/// The disk refused.
pub fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), StageError> {
    files.iter().try_for_each(|(path, bytes)| Ok(fsio::write_atomic(&folder.join(path), bytes)?))
}

/// The names of so many classes where a model states none.
fn names(classes: usize) -> Vec<String> {
    let known = [Classes::Voc {}, Classes::Cityscapes {}, Classes::CamVid {}].map(|classes| classes.names());
    let numbered = || (0..classes).map(|id| format!("class {id}")).collect();
    known.into_iter().find(|names| names.len() == classes).unwrap_or_else(numbered)
}

/// The colours of classes: those of the data set that has these very classes, else VOC's.
fn colors(names: &[String]) -> Vec<[u8; 3]> {
    let known = [Classes::Voc {}, Classes::Cityscapes {}, Classes::CamVid {}, Classes::Shapes {}];
    let known = known.into_iter().find(|classes| classes.names() == names);
    known.unwrap_or_else(|| Classes::Named { names: names.to_vec() }).colors()
}

/// A checkpoint of another program as a model file of this one.
fn imported(checkpoint: &Checkpoint, words: &Words, place: &str) -> Result<Vec<u8>, StageError> {
    let wrong = |error| support::ml_error(error, place);
    let stated = words.encoder.as_deref();
    let mut best: Option<(usize, Found)> = None;
    let mut last = None;
    let encoders =
        ENCODERS.iter().map(|encoder| encoder.name).filter(|name| stated.is_none_or(|stated| stated == *name));
    // The head that is missed by name is the reference's, which is tried last.
    let heads = [HeadSpec::Fcn, HeadSpec::default()];
    for (encoder, head) in encoders.flat_map(|encoder| heads.iter().map(move |head| (encoder, head))) {
        match find(checkpoint, encoder, head, words) {
            Ok(found) if best.as_ref().is_none_or(|(count, _)| found.tensors > *count) => {
                best = Some((found.tensors, found))
            }
            Ok(_) => {}
            Err(error) => last = Some(error),
        }
    }
    let Some((_, found)) = best else {
        return Err(match (last, stated) {
            // A file of several networks, or a geometry that there is not.
            (Some(error @ crate::ml::error::Error::Model(_)), _) | (Some(error), Some(_)) => wrong(error),
            (Some(_), None) => {
                let hint = "State the network, as `--encoder ResNet101`: then the tensors that are missing are named.";
                let message = "The file does not hold every tensor of a network that is known here.";
                DataFault::new(place, message, hint).into()
            }
            (None, _) => {
                let names: Vec<&str> = ENCODERS.iter().map(|encoder| encoder.name).collect();
                let message = format!("There is no encoder `{}`.", stated.unwrap_or_default());
                DataFault::new("--encoder", message, format!("Write one of {}.", names.join(", "))).into()
            }
        });
    };
    let Found { spec, translated, normalise, .. } = found;
    let built = import::network(&spec, &Device::Cpu, &translated.tensors, (Scheme::Plain, 0), |_| true);
    let (network, _) = built.map_err(wrong)?;
    let about = About { iteration: None, seed: None, classes: None, input: normalise.into() };
    State::write_network(&network, 0, &about.extra()?).map_err(wrong)
}

/// A network that a file holds.
struct Found {
    spec: ModelSpec,
    translated: Translated,
    normalise: Normalise,
    /// The number of tensors that it takes.
    tensors: usize,
}

/// The network with an encoder and a head that a file holds.
fn find(checkpoint: &Checkpoint, encoder: &str, head: &HeadSpec, words: &Words) -> ml::Result<Found> {
    let prefilter = Choice::new(words.prefilter.as_deref().unwrap_or("Regular"));
    let plain = ModelSpec::new(Choice::new(encoder), 21, prefilter);
    let mut spec = ModelSpec { head: head.clone(), ..plain };
    let inventory = Network::inventory(&spec, &architecture(&spec.encoder)?)?;
    let wanted: BTreeSet<&str> = inventory.iter().map(|(_, parameter)| parameter.name.as_str()).collect();
    let is_wanted = |name: &str| wanted.contains(name);
    let (table, names) = import::detect(checkpoint, "", &is_wanted)?;
    let assumed = state::epsilon(&checkpoint.metadata).unwrap_or(Geometry::TENSORFLOW.epsilon);
    let rates = import::rates(&inventory);
    let names = names.rates(&rates).smoothing(&import::smoothed(&inventory)).assuming(assumed);
    let (geometry, normalise) = conventions(words.geometry.as_deref(), table)?;
    let translated = import::translate(checkpoint, &names, &is_wanted, geometry.epsilon)?;
    const SHOWN: usize = 10;
    let lacking: Vec<&&str> = wanted.iter().filter(|name| !translated.tensors.contains_key(**name)).collect();
    if !lacking.is_empty() {
        let told = lacking.iter().take(SHOWN).map(|name| format!("`{name}` is missing."));
        let more = lacking.len().saturating_sub(SHOWN);
        let more = (more > 0).then(|| format!("{more} more tensors are missing."));
        let missing = told.chain(more).collect();
        return Err(ml::Error::Weights(missing));
    }
    if let Some(name) = import::beyond(&names, &rates, &translated) {
        let message =
            format!("The head of the file has more convolutions than that of a network that is known here: `{name}`.");
        return Err(ml::Error::Weights(vec![message]));
    }
    let biases = translated.tensors.iter().find(|(name, _)| name.starts_with("head/") && name.ends_with("/biases"));
    spec.classes = biases.map_or(spec.classes, |(_, (shape, _))| shape.iter().product());
    spec.geometry = geometry;
    let tensors = translated.tensors.len();
    Ok(Found { spec, translated, normalise, tensors })
}

/// The conventions of this name, or those of the project whose table of names fits, and how it makes numbers of pixels.
fn conventions(stated: Option<&str>, table: &str) -> ml::Result<(Geometry, Normalise)> {
    let torchvision =
        Normalise { channels: Channels::Rgb, mean: [123.675, 116.28, 103.53], deviation: [58.395, 57.12, 57.375] };
    match (stated, table) {
        (Some("TensorFlow"), _) => Ok((Geometry::TENSORFLOW, Normalise::default())),
        (Some("Caffe"), _) | (None, "DeeplabPytorch") => Ok((Geometry::CAFFE, Normalise::default())),
        (Some("Torchvision"), _) | (None, "Torchvision" | "TorchvisionBasic") => {
            Ok((Geometry::TORCHVISION, torchvision))
        }
        (None, _) => Ok((Geometry::TENSORFLOW, Normalise::default())),
        (Some(other), _) => {
            let message = format!("There is no geometry `{other}`; there are TensorFlow, Caffe and Torchvision.");
            Err(ml::Error::Model(message))
        }
    }
}
