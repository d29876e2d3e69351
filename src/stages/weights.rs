//! `Weights`: what an encoder starts from, drawn from a seed or imported.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fsio;
use crate::ml::checkpoint::{self, Checkpoint, Files};
use crate::ml::import::{self, Report, Translated};
use crate::ml::layers::{Parameter, Parameters, Role};
use crate::ml::models::Network;
use crate::ml::models::architecture::architecture;
use crate::ml::naming;
use crate::ml::spec::{Choice, ModelSpec};
use crate::ml::state;
use crate::ml::weights::Scheme;
use crate::params;
use crate::stage::params::{FileRef, Param};
use crate::stage::schema::Structure;
use crate::stage::{DataFault, Event, Job, Kind, Produced, Publication, StageError, Value};
use crate::table::Table;

use super::columns::{self, Values};
use super::model::Encoder;
use super::support;

params! {
    /// The weights that an encoder starts from. Every tensor is reported as loaded, initialised or left over, and
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
        let (scheme, seed) = match &p.source {
            Source::Seeded { encoder, seed } => (encoder.scheme(), *seed),
            Source::Checkpoint { .. } | Source::Safetensors { .. } => (Scheme::Stable, 1),
        };
        let import = match &p.source {
            Source::Seeded { .. } => None,
            Source::Checkpoint { names, take, partial, .. } => Some((names, take, *partial)),
            Source::Safetensors { partial, .. } => Some((&Names::Own {}, &Take::Encoder {}, *partial)),
        };
        let pool = support::pool(job.threads)?;
        let (found, spec, partial, place) = match import {
            None => (Found::default(), spec(&p, 2), true, "seed".to_owned()),
            Some((names, take, partial)) => {
                let path = file(job, FILE)?;
                let found = pool.install(|| read(job, &p, path, names, take))?;
                let classes = found.classes.unwrap_or(2);
                (found, spec(&p, classes), partial, path.display().to_string())
            }
        };
        let taken = |parameter: &Parameter| is_encoder(parameter) || (found.classes.is_some() && is_head(parameter));
        let needed = |parameter: &Parameter| !partial && taken(parameter);
        let device = candle_core::Device::Cpu;
        let tensors = &found.translated.tensors;
        let built = pool.install(|| import::network(&spec, &device, tensors, (scheme, seed), needed));
        let (network, report) = built.map_err(|error| support::ml_error(error, &place))?;
        let bytes = state::weights(network.parameters(), taken).map_err(|error| support::ml_error(error, &place))?;
        // What the network has beside the encoder is drawn again by whoever trains it.
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
        let rows = table(network.parameters(), taken, &report, &found.translated)?;
        support::write_table(job, &mut produced, "report", &rows)?;
        Ok(produced)
    }
}

/// The slot of the file of weights.
const FILE: &str = "source.file";

/// What a file of weights gave; nothing where there is none.
#[derive(Default)]
struct Found {
    translated: Translated,
    /// The classes of the head, where it is taken.
    classes: Option<usize>,
}

/// A network with the encoder of the parameters. Pre-filters are the model's own; any will do to list the encoder.
fn spec(p: &WeightsParams, classes: usize) -> ModelSpec {
    ModelSpec { encoder: p.encoder.0.clone(), classes, prefilter: Choice::new("Regular") }
}

fn file<'a>(job: &'a Job<'_>, slot: &str) -> Result<&'a Path, StageError> {
    let path = job.files.get(slot).ok_or_else(|| StageError::Bug(format!("`{slot}` was not handed over.")))?;
    Ok(path)
}

fn fault(path: &Path, error: &checkpoint::Error) -> StageError {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    DataFault::new(path.display(), error.within(&name), error.hint()).into()
}

/// Reads what is taken of a file.
fn read(job: &Job<'_>, p: &WeightsParams, path: &Path, names: &Names, take: &Take) -> Result<Found, StageError> {
    let place = path.display().to_string();
    let wrong = |error| support::ml_error(error, &place);
    let checkpoint = Checkpoint::open(path).map_err(|error| fault(path, &error))?;
    let head = matches!(take, Take::EncoderAndHead {});
    // The names do not depend on the number of classes.
    let spec = spec(p, 2);
    let network = architecture(&spec.encoder).and_then(|shape| Network::inventory(&spec, &shape)).map_err(wrong)?;
    let mine = |parameter: &Parameter| is_encoder(parameter) || (head && is_head(parameter));
    let wanted: BTreeSet<String> =
        network.iter().filter(|(_, p)| mine(p)).map(|(_, parameter)| parameter.name.clone()).collect();
    let wanted = |name: &str| wanted.contains(name);
    let (name, names) = match names.shipped() {
        Some(name) => (name, naming::Table::shipped(name).map_err(StageError::Bug)?),
        None => match names {
            Names::Table { .. } => ("stated", own_table(file(job, "source.names.file")?)?),
            _ => import::detect(&checkpoint, &wanted).map_err(wrong)?,
        },
    };
    let translated = import::translate(&checkpoint, &names, &wanted).map_err(wrong)?;
    let biases = translated.tensors.iter().find(|(name, _)| name.starts_with("head/") && name.ends_with("/biases"));
    let classes = biases.map(|(_, (shape, _))| shape.iter().product());
    if head && classes.is_none() {
        let hint = "Write `take: Encoder`, or name a file with a head.";
        return Err(DataFault::new(place, "The file has no head of an ASPP.", hint).into());
    }
    let text =
        format!("{} with {} tensors, by the table of names `{name}`.", checkpoint.format, checkpoint.tensors.len());
    job.events.emit(Event::Log { text });
    Ok(Found { translated, classes })
}

/// Reads a table of names.
fn own_table(path: &Path) -> Result<naming::Table, StageError> {
    let hint = "The tables in `stages/names/` are examples.";
    let text = fsio::read_to_string(path)?;
    naming::Table::parse(&text).map_err(|what| DataFault::new(path.display(), what, hint).into())
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

/// Whether a parameter belongs to the head.
fn is_head(parameter: &Parameter) -> bool {
    matches!(parameter.role, Role::HeadWeights | Role::HeadBias)
}

/// A row a tensor: its name here, its name in the file, its shape, what became of it, and why where it was skipped.
fn table(
    parameters: &Parameters,
    taken: impl Fn(&Parameter) -> bool,
    report: &Report,
    found: &Translated,
) -> Result<Table, StageError> {
    let mut columns: [Vec<Option<String>>; 5] = Default::default();
    let mut row =
        |cells: [Option<String>; 5]| columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
    for (_, parameter) in parameters.inventory().iter().filter(|(_, parameter)| taken(parameter)) {
        let fate = if report.loaded.contains(&parameter.name) { "loaded" } else { "initialised" };
        let origin = found.origins.get(&parameter.name).cloned();
        let shape = Some(format!("{:?}", parameter.shape));
        row([Some(parameter.name.clone()), origin, shape, Some(fate.to_owned()), None]);
    }
    for (name, why) in &found.skipped {
        row([None, Some(name.clone()), None, Some("skipped".to_owned()), Some(why.clone())]);
    }
    for name in &report.left_over {
        row([None, Some(name.clone()), None, Some("left over".to_owned()), None]);
    }
    let names = ["tensor", "in the file", "shape", "fate", "why"];
    columns::new_table(
        names.iter().zip(columns).map(|(name, cells)| ((*name).to_owned(), Values::Text(cells))).collect(),
    )
}
