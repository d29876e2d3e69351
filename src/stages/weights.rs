//! `Weights`: what a network starts from, drawn from a seed or imported.

mod read;
mod rows;

use std::path::PathBuf;

use crate::ml::checkpoint::{self, Files};
use crate::ml::import::{self, Report};
use crate::ml::layers::{Parameter, Role};
use crate::ml::spec::{Choice, ModelSpec};
use crate::ml::state;
use crate::ml::weights::Scheme;
use crate::params;
use crate::stage::params::{FileRef, Param};
use crate::stage::schema::Structure;
use crate::stage::{Event, Job, Kind, Produced, Publication, StageError, Value};

use super::model::{Encoder, Prefilter};
use super::support;
use read::{Found, fault, file, read};

params! {
    /// The weights that a network starts from. Every tensor is reported as loaded, initialised, skipped or left over, and
    /// shapes are checked. Weights are kept as OIHW fp32 under this program's own names.
    pub struct WeightsParams {
        /// The encoder.
        encoder: Encoder;
        /// Where the weights come from.
        source: Source;
    }

    /// A source of weights.
    pub enum Source {
        /// Drawn from a seed.
        Seeded {
            /// How.
            encoder: Init = Init::Stable {};
            /// Where the draws start.
            seed: u64 = 1, where max(9007199254740991.0);
        }
        /// A file of weights: TensorFlow's checkpoints of both formats (several files are named by their prefix, their
        /// index or any part), PyTorch's `.pth`, NumPy's `.npz`, safetensors. Its content says which.
        Checkpoint {
            /// The file.
            file: FileRef;
            /// What its tensors are called.
            names: Names = Names::Detect {};
            /// What is taken from it.
            take: Take = Take::Encoder {};
            /// Whether tensors that the file lacks may be drawn from seed 1 instead of being an error.
            partial: bool = false;
        }
        /// The same as `Checkpoint` with this program's names.
        Safetensors {
            /// The file.
            file: FileRef;
            /// Whether tensors that the file lacks may be drawn from seed 1 instead of being an error.
            partial: bool = false;
        }
    }

    /// The names of tensors in a file: a table, as `stages/names/` holds them.
    pub enum Names {
        /// The shipped table that knows the most of the file's tensors. The log says which.
        Detect {}
        /// This program's own.
        Own {}
        /// DeepLab-v2's, after Caffe: `deeplab_resnet_init.ckpt`, `deeplab_resnet.ckpt`, the reference's `deeplab`.
        Deeplab {}
        /// TensorFlow slim's: `resnet_v1_101.ckpt`, `resnet_v1_50.ckpt`, the reference's `res101` and `res50`.
        Slim {}
        /// torchvision's ResNet-50 and ResNet-101.
        Torchvision {}
        /// kazuto1011/deeplab-pytorch's.
        DeeplabPytorch {}
        /// A table of one's own.
        Table {
            /// The file, written as those in `stages/names/`.
            file: FileRef;
        }
    }

    /// What is taken from a file.
    pub enum Take {
        /// The encoder. The head starts from its initialiser, as in the reference.
        Encoder {}
        /// The encoder and the head, which must have as many classes as the model that is trained.
        EncoderAndHead {}
        /// The encoder, the head, and what the pre-filter has learned, as in a checkpoint that the reference trained.
        Model {
            /// The type of dilated convolution that the file was trained with, which the model that is trained must have.
            prefilter: Prefilter;
        }
    }

    /// How an encoder is drawn.
    pub enum Init {
        /// He et al., arXiv 1502.01852: normal with variance 2/fan_in, batch norms that change nothing.
        He {}
        /// The same, with the last batch norm of each residual branch scaled down, so that activations and gradients
        /// keep their scale through a hundred layers with frozen batch norm.
        Stable {}
    }
}

/// The kind.
pub struct Weights;

impl Kind for Weights {
    fn name(&self) -> &'static str {
        "Weights"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> Structure {
        support::structure(WeightsParams::ty())
    }

    fn yields(&self) -> &'static str {
        "weights"
    }

    fn publish(&self, _params: &Value) -> Vec<Publication> {
        vec![Publication::table("report", &["Csv"])]
    }

    fn parts(&self, slot: &str, path: PathBuf) -> Result<Vec<PathBuf>, StageError> {
        if slot != FILE {
            return Ok(vec![path]);
        }
        match Files::find(&path) {
            Ok(files) => Ok(std::iter::once(files.first).chain(files.others).collect()),
            // The engine says what is missing.
            Err(checkpoint::Error::File(error)) if error.is_missing() => Ok(vec![path]),
            Err(error) => Err(fault(&path, &error)),
        }
    }

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        let p: WeightsParams = support::read(job.params)?;
        let pool = support::pool(job.threads)?;
        let (import, (scheme, seed)) = match &p.source {
            Source::Seeded { encoder, seed } => (None, (encoder.scheme(), *seed)),
            Source::Checkpoint { names, take, partial, .. } => (Some((names, take, *partial)), (Scheme::Stable, 1)),
            Source::Safetensors { partial, .. } => {
                (Some((&Names::Own {}, &Take::Encoder {}, *partial)), (Scheme::Stable, 1))
            }
        };
        let (found, take, partial, place) = match import {
            None => (Found::default(), &Take::Encoder {}, true, "seed".to_owned()),
            Some((names, take, partial)) => {
                let path = file(job, FILE)?;
                let found = pool.install(|| read(job, &spec(&p.encoder, take, CLASSES), path, names, take))?;
                (found, take, partial, path.display().to_string())
            }
        };
        let taken = |parameter: &Parameter| take.takes(parameter);
        let needed = |parameter: &Parameter| !partial && taken(parameter);
        let device = candle_core::Device::Cpu;
        let tensors = &found.translated.tensors;
        let spec = spec(&p.encoder, take, found.classes.unwrap_or(CLASSES));
        let built = pool.install(|| import::network(&spec, &device, tensors, (scheme, seed), needed));
        let (network, report) = built.map_err(|error| support::ml_error(error, &place))?;
        let bytes = state::weights(network.parameters(), taken).map_err(|error| support::ml_error(error, &place))?;
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

        let mut produced = Produced::default();
        support::write_file(job, &mut produced, "weights", "weights.safetensors", &bytes)?;
        let rows = rows::table(network.parameters(), taken, &report, &found.translated)?;
        support::write_table(job, &mut produced, "report", &rows)?;
        Ok(produced)
    }
}

/// The slot of the file of weights.
const FILE: &str = "source.file";

/// The classes of a head that is not taken. Names and the encoder do not depend on it.
const CLASSES: usize = 2;

/// A network with an encoder and the pre-filter that is taken; where none is, any will do to list the rest.
fn spec(encoder: &Encoder, take: &Take, classes: usize) -> ModelSpec {
    let prefilter = match take {
        Take::Model { prefilter } => prefilter.0.clone(),
        Take::Encoder {} | Take::EncoderAndHead {} => Choice::new("Regular"),
    };
    ModelSpec { encoder: encoder.0.clone(), classes, prefilter }
}

impl Take {
    /// Whether a parameter is taken.
    fn takes(&self, parameter: &Parameter) -> bool {
        match parameter.role {
            Role::Conv | Role::Norm => true,
            Role::HeadWeights | Role::HeadBias => !matches!(self, Take::Encoder {}),
            Role::Prefilter => matches!(self, Take::Model { .. }),
        }
    }
}

impl Names {
    /// The name of the shipped table, where one is stated.
    fn shipped(&self) -> Option<&'static str> {
        match self {
            Names::Detect {} | Names::Table { .. } => None,
            Names::Own {} => Some("Own"),
            Names::Deeplab {} => Some("Deeplab"),
            Names::Slim {} => Some("Slim"),
            Names::Torchvision {} => Some("Torchvision"),
            Names::DeeplabPytorch {} => Some("DeeplabPytorch"),
        }
    }
}

impl Init {
    fn scheme(&self) -> Scheme {
        match self {
            Init::He {} => Scheme::Plain,
            Init::Stable {} => Scheme::Stable,
        }
    }
}

/// Whether a parameter belongs to the encoder.
pub fn is_encoder(parameter: &Parameter) -> bool {
    matches!(parameter.role, Role::Conv | Role::Norm)
}
