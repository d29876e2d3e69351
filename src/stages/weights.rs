//! `Weights`: what an encoder starts from, drawn from a seed or imported.

use crate::fsio;
use crate::ml::import::{self, Report, Tensors};
use crate::ml::layers::{Parameter, Parameters, Role};
use crate::ml::spec::{Choice, ModelSpec};
use crate::ml::state;
use crate::ml::weights::Scheme;
use crate::params;
use crate::stage::params::{FileRef, Param};
use crate::stage::schema::Structure;
use crate::stage::{Event, Job, Kind, Produced, Publication, StageError, Value};
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
        /// A safetensors file with this program's names.
        Safetensors {
            /// The file.
            file: FileRef;
            /// Whether tensors that the file lacks may be drawn from seed 1 instead of being an error.
            partial: bool = false;
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
        1
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

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        let p: WeightsParams = support::read(job.params)?;
        // The head and the pre-filters are the model's own; any will do to list what belongs to the encoder.
        let spec = ModelSpec { encoder: p.encoder.0.clone(), classes: 2, prefilter: Choice::new("Regular") };
        let (tensors, start, partial, place) = match &p.source {
            Source::Seeded { encoder, seed } => (Tensors::new(), (encoder.scheme(), *seed), true, "seed".to_owned()),
            Source::Safetensors { partial, .. } => {
                let slot = "source.file";
                let path =
                    job.files.get(slot).ok_or_else(|| StageError::Bug(format!("`{slot}` was not handed over.")))?;
                let place = path.display().to_string();
                let tensors =
                    import::safetensors(&fsio::read(path)?).map_err(|error| support::ml_error(error, &place))?;
                (tensors, (Scheme::Stable, 1), *partial, place)
            }
        };
        let device = candle_core::Device::Cpu;
        let pool = support::pool(job.threads)?;
        let built = pool.install(|| import::network(&spec, &device, &tensors, start, |p| !partial && is_encoder(p)));
        let (network, report) = built.map_err(|error| support::ml_error(error, &place))?;
        let bytes =
            state::weights(network.parameters(), is_encoder).map_err(|error| support::ml_error(error, &place))?;
        job.events.emit(Event::Log { text: report.in_words() });

        let mut produced = Produced::default();
        support::write_file(job, &mut produced, "weights", "weights.safetensors", &bytes)?;
        support::write_table(job, &mut produced, "report", &table(network.parameters(), &report)?)?;
        Ok(produced)
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

/// A row a tensor: name, shape, and what became of it.
fn table(parameters: &Parameters, report: &Report) -> Result<Table, StageError> {
    let (mut names, mut shapes, mut fates) = (Vec::new(), Vec::new(), Vec::new());
    for (_, parameter) in parameters.inventory().iter().filter(|(_, parameter)| is_encoder(parameter)) {
        let loaded = report.loaded.contains(&parameter.name);
        names.push(Some(parameter.name.clone()));
        shapes.push(Some(format!("{:?}", parameter.shape)));
        fates.push(Some(if loaded { "loaded" } else { "initialised" }.to_owned()));
    }
    for name in &report.left_over {
        names.push(Some(name.clone()));
        shapes.push(None);
        fates.push(Some("left over".to_owned()));
    }
    columns::new_table(vec![
        ("tensor".to_owned(), Values::Text(names)),
        ("shape".to_owned(), Values::Text(shapes)),
        ("fate".to_owned(), Values::Text(fates)),
    ])
}
