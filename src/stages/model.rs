//! `Model`: a network of imported weights, which is used as a trained one is.
//!
//! Invariants:
//! - each parameter has a value of the weights: nothing is initialised, and nothing of the weights is left over;
//! - the model file holds no momentum, so that no training can go on from it by mistake.

use candle_core::Device;

use crate::ml::import;
use crate::ml::state::State;
use crate::ml::weights::Scheme;
use crate::stage::{Event, Job, Output, ParamFault, Peers, Produced, StageError, Supplier, TypedKind, Yield};

use super::agree;
use super::params::dataset::Classes;
use super::params::model::{KIND, ModelParams};
use super::subject::About;
use super::support;
use super::weights::head;
use super::yields::{IMPORTED, STATE, TENSORS};

/// The kind.
pub struct Model;

impl TypedKind for Model {
    type Params = ModelParams;
    const NAME: &'static str = KIND;
    const VERSION: u32 = 1;
    const YIELDS: Yield = IMPORTED;
    const OUTPUTS: &'static [Output] = &[STATE];
    const EXAMPLE: &'static str = r#""published": Weights(
    encoder: ResNet101,
    source: Checkpoint(
        file: "weights:deeplab_resnet.ckpt", take: EncoderAndHead,
    ),
),
"released": Model(
    weights: "published", model: DeepLabV2(encoder: ResNet101, classes: 21),
),"#;

    fn agrees(&self, p: &ModelParams, peers: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
        agree::imported(p, peers)
    }

    fn suits(&self, p: &ModelParams, suppliers: &[(&str, Supplier<'_>)]) -> Result<(), StageError> {
        head::same_classes(suppliers, p.model.spec().classes)
    }

    fn instead(&self, name: &str, wanted: &[&str]) -> Option<String> {
        let shown = || format!("A model of weights has no training to show. Name a validation of `{name}`.");
        wanted.contains(&super::yields::METRICS.name).then(shown)
    }

    fn run(&self, p: &ModelParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let bytes = support::content(support::artifact(support::input(job, "weights")?, &TENSORS)?)?;
        let wrong = |error| support::ml_error(error, "weights");
        // A model predicts, so the momentum of a training is left behind.
        let (tensors, step) = match State::find(&bytes).map_err(wrong)? {
            Some(state) => {
                let step = state.step;
                (state.into_tensors().0, step)
            }
            None => (import::safetensors(&bytes).map_err(wrong)?, 0),
        };
        let spec = p.model.spec();
        let built = support::pool(job.threads)?
            .install(|| import::network(&spec, &Device::Cpu, &tensors, (Scheme::Plain, 0), |_| true));
        let (network, report) = built.map_err(wrong)?;
        support::nothing_left_over(&report)?;
        job.events.emit(Event::Log { text: report.in_words() });
        let classes = p.classes.as_ref().map(Classes::names);
        let about = About { iteration: None, seed: None, classes, input: p.input.normalise().into() };
        let model = State::write_network(&network, step, &about.extra()?).map_err(wrong)?;
        let mut produced = Produced::default();
        STATE.write(job, &mut produced, &model)?;
        Ok(produced)
    }
}
