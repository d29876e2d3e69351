//! What several kinds need: inputs and outputs as typed values, and errors as the contract words them.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fsio;
use crate::ml::checkpoint;
use crate::ml::device::look_for_ranks;
use crate::ml::import::Report;
use crate::ml::numerics::Numerics;
use crate::ml::state::State;
use crate::ml::{self, data};
use crate::stage::params::Ref;
use crate::stage::{
    Artifact, DataFault, DeviceSpec, Extents, InputNode, Job, MatrixCell, Output, Produced, StageError,
};
use crate::table::Table;

/// The field that expansion adds to the parameters of a kind that gathers stages: the cell of each node of each reference.
/// An input does not say its cell. The field is absent where no stage is in a cell.
pub const CELLS: &str = "cells";

/// The field that expansion adds beside [`CELLS`]: for each reference the first one that names the same stage.
pub const ROLES: &str = "roles";

/// For each reference the first one that names the same stage.
pub fn roles(from: &[Ref], extents: &dyn Extents) -> Vec<usize> {
    let stage = |Ref(name): &Ref| extents.cells(name).into_iter().next().map(|name| name.stage);
    let stages: Vec<Option<String>> = from.iter().map(stage).collect();
    stages.iter().map(|stage| stages.iter().position(|first| first == stage).unwrap_or_default()).collect()
}

/// The cells that expansion added.
pub fn cells(job: &Job<'_>) -> Result<Vec<Vec<MatrixCell>>, StageError> {
    Ok(job.set(CELLS)?.unwrap_or_default())
}

/// Faults of the data, as the contract words them.
pub fn faults(faults: Vec<data::Fault>) -> StageError {
    StageError::Data(
        faults.into_iter().map(|f| DataFault { place: f.place, message: f.message, hint: f.hint }).collect(),
    )
}

/// An error of the data room.
pub fn data_error(error: data::Error) -> StageError {
    match error {
        data::Error::Faults(list) => faults(list),
        data::Error::Io(error) => error.into(),
        data::Error::Tensor(error) => StageError::Bug(format!("A batch could not be made: {error}.")),
    }
}

/// An error of the numerics; `place` names the file where the weights are at fault.
pub fn ml_error(error: ml::error::Error, place: &str) -> StageError {
    let hint = error.hint().to_owned();
    match error {
        ml::error::Error::File(error) => error.into(),
        ml::error::Error::Device { message, hint } => StageError::Device { message, hint },
        ml::error::Error::Weights(list) => {
            let last = list.len().saturating_sub(1);
            let hint = |at| if at == last { hint.as_str() } else { "" };
            let fault = |(at, message)| DataFault::new(place, message, hint(at));
            StageError::Data(list.into_iter().enumerate().map(fault).collect())
        }
        ml::error::Error::Model(message) => StageError::Data(vec![DataFault::new(place, message, hint)]),
        error @ ml::error::Error::NonFinite { .. } => StageError::Numeric { message: error.to_string(), hint },
        // Another rank's error, as that rank worded it, or what is seen of its end.
        ml::error::Error::Rank { ref why, .. } => {
            serde_json::from_str(why).unwrap_or_else(|_| StageError::Command { message: error.to_string(), hint })
        }
        error => StageError::Bug(error.to_string()),
    }
}

/// A fault of the file of weights at `path`.
pub fn weights_fault(path: &Path, error: &checkpoint::Error) -> StageError {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    DataFault::new(path.display(), error.within(&name), error.hint()).into()
}

/// The entry of a state of imported weights that says that its step is not known.
pub const NO_STEP: &str = "no_step";

/// Whether the step of a state is known.
pub fn has_step(state: &State) -> bool {
    !state.extra.contains_key(NO_STEP)
}

/// An error where a model has no place for some of the tensors of its weights.
pub fn nothing_left_over(report: &Report) -> Result<(), StageError> {
    let [first, others @ ..] = &report.left_over[..] else { return Ok(()) };
    let what = format!("The model has no place for `{first}` and {} other tensors of its weights.", others.len());
    let hint = "Give the model the encoder and the pre-filter that `Weights` names, or let that take less.";
    Err(DataFault::new("weights", what, hint).into())
}

/// The device that a job names.
pub fn device(spec: &DeviceSpec) -> Result<candle_core::Device, StageError> {
    Numerics::default().device(spec.gpu()).map_err(|error| ml_error(error, ""))
}

/// An error if a device cannot train in this way: with these numerics, with CUDA graphs, on so many processes.
pub fn trains_on(device: &DeviceSpec, numerics: Numerics, graph: bool, ranks: usize) -> Result<(), StageError> {
    let gpu = device.gpu();
    if graph && gpu.is_none() {
        return Err(StageError::Device {
            message: "`graph: true` was asked for, but the device `cpu` records no work.".to_owned(),
            hint: "Leave it out, or train on a GPU: `--device cuda`.".to_owned(),
        });
    }
    let checked = numerics.check(gpu).and_then(|()| look_for_ranks(gpu, ranks));
    checked.map_err(|error| ml_error(error, "precision"))
}

/// A pool of `threads` threads: how many never changes a result.
pub fn pool(threads: usize) -> Result<rayon::ThreadPool, StageError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| StageError::Bug(format!("No threads could be started: {error}.")))
}

/// The only node of a slot.
pub fn input<'a>(job: &'a Job<'_>, slot: &str) -> Result<&'a InputNode, StageError> {
    let nodes = job.inputs.get(slot).map_or(&[][..], Vec::as_slice);
    nodes.first().ok_or_else(|| StageError::Bug(format!("The input `{slot}` was not handed over.")))
}

/// An output of an input.
pub fn artifact<'a>(node: &'a InputNode, output: &Output) -> Result<&'a Artifact, StageError> {
    output.of(node).ok_or_else(|| StageError::Bug(format!("An input lacks its output `{}`.", output.name)))
}

/// The checked content of an artifact.
pub fn content(artifact: &Artifact) -> Result<Vec<u8>, StageError> {
    let lost = || StageError::CorruptInput { digest: artifact.digest };
    let path = artifact.path.as_ref().ok_or_else(lost)?;
    match fsio::read(path) {
        Ok(bytes) => artifact.verified(bytes),
        Err(error) if error.is_absent() || error.is_folder() => Err(lost()),
        Err(error) => Err(error.into()),
    }
}

/// An output of an input, as JSON.
pub fn json<T: DeserializeOwned>(node: &InputNode, output: &Output) -> Result<T, StageError> {
    let name = &output.name;
    serde_json::from_slice(&content(artifact(node, output)?)?)
        .map_err(|error| StageError::Bug(format!("The output `{name}` of an input is not as it was written: {error}.")))
}

/// An output of an input, as a table.
pub fn table(node: &InputNode, output: &Output) -> Result<Table, StageError> {
    Table::from_canonical(&content(artifact(node, output)?)?).map_err(|error| StageError::Bug(error.to_string()))
}

/// Writes an output that is a table.
pub fn write_table(job: &Job<'_>, produced: &mut Produced, output: &Output, table: &Table) -> Result<(), StageError> {
    output.write(job, produced, &table.to_canonical())
}

/// Writes an output as JSON.
pub fn write_json(
    job: &Job<'_>,
    produced: &mut Produced,
    output: &Output,
    value: &impl Serialize,
) -> Result<(), StageError> {
    let bytes = serde_json::to_vec(value).map_err(|error| StageError::Bug(error.to_string()))?;
    output.write(job, produced, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_rank_says_is_its_error() {
        let said = StageError::Data(vec![DataFault::new("a.jpg", "It is cut short.", "Copy it again.")]);
        let why = serde_json::to_string(&said).unwrap();
        assert_eq!(ml_error(ml::error::Error::Rank { rank: 1, why }, ""), said);
        let seen = ml_error(ml::error::Error::Rank { rank: 1, why: "It ended early.".to_owned() }, "");
        assert!(matches!(&seen, StageError::Command { message, .. } if message.contains("Rank 1")), "{seen}");
    }
}
