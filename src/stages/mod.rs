//! The stage kinds. Each is an adapter: it takes typed parameters, calls `ml`, and writes outputs.
//!
//! From the ground up: what stages give to others (`yields`), what a pipeline may state (`params`), rules between stages
//! (`agree`), what several kinds need (`support`, `columns`, `data`, `subject`, `history`, `shown`), and the kinds.
//!
//! A new kind is one file and one line in [`registry`]. Three are no kinds: [`alone`] predicts without a pipeline, [`sets`] looks
//! at the data sets of one without a run, and [`passes`] says which networks the stages of one run over images of which size.

mod agree;
pub mod alone;
mod claims;
mod columns;
mod command;
mod cost;
mod curves;
mod data;
mod dataset;
mod erf;
mod events;
mod figure;
mod history;
mod model;
mod page;
mod params;
pub mod passes;
mod predict;
mod report;
pub mod sets;
mod shown;
mod subject;
mod support;
pub mod train;
mod validate;
mod weights;
mod yields;

use std::collections::BTreeMap;

pub use command::guard::{become_program, serve as serve_guard};
pub use history::validation_figures;
pub use train::serve::serve as serve_rank;
pub use yields::SUMMARY;

use crate::stage::{DeviceSpec, Kind, Registry, StageError};

/// Every kind, and what changes bits on a device.
pub fn registry() -> Registry {
    let kinds: Vec<Box<dyn Kind>> = vec![
        Box::new(claims::Claims),
        Box::new(command::Command),
        Box::new(cost::Cost),
        Box::new(curves::Curves),
        Box::new(dataset::Dataset),
        Box::new(erf::Erf),
        Box::new(events::Events),
        Box::new(figure::Figure),
        Box::new(model::Model),
        Box::new(page::Page),
        Box::new(predict::Predict),
        Box::new(report::Report),
        Box::new(train::kind::Train),
        Box::new(validate::Validate),
        Box::new(weights::Weights),
    ];
    Registry { kinds, numeric_profile }
}

fn numeric_profile(device: &DeviceSpec) -> Result<BTreeMap<String, String>, StageError> {
    // A device that is missing is an error here, before anything runs.
    crate::ml::device::numeric_profile(device.gpu()).map_err(|error| support::ml_error(error, ""))
}
