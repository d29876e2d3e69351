//! `Weights`: what an encoder starts from, drawn from a seed or imported.

use crate::ml::weights as ml;
use crate::params;
use crate::stage::params::{FileRef, Param};
use crate::stage::schema::Structure;
use crate::stage::{Job, Kind, Produced, Publication, StageError, Value};

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
        let _p: WeightsParams = support::read(job.params)?;
        let _ = ml::Init::Stable;
        Err(StageError::Bug("unfinished".into()))
    }
}
