//! What several kinds need: parameters, inputs and outputs as typed values.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fsio;
use crate::ml::{self, data};
use crate::stage::schema::Structure;
use crate::stage::{
    Artifact, ArtifactKind, Cell, DataFault, DeviceSpec, InputNode, Job, Made, Param, Produced, StageError, Type, Value,
};
use crate::table::Table;

/// The structure of parameters that were declared as one.
pub fn structure(ty: Type) -> Structure {
    match ty {
        Type::Struct(structure) => structure,
        _ => Structure { name: "", doc: "", fields: Vec::new() },
    }
}

/// Typed parameters. They passed the check, so a failure is a bug.
pub fn read<P: Param>(params: &Value) -> Result<P, StageError> {
    P::read(params).ok_or_else(|| StageError::Bug(format!("The parameters {params} do not fit their own schema.")))
}

/// A field that only expansion adds.
pub fn added(params: &Value, name: &str) -> Result<u64, StageError> {
    params
        .field(name)
        .and_then(u64::read)
        .ok_or_else(|| StageError::Bug(format!("The parameters {params} lack `{name}`.")))
}

/// What expansion adds to the parameters of a kind that gathers stages: the cell of each node, by reference. Inputs do
/// not tell theirs. It is absent where no stage is in a cell.
pub const CELLS: &str = "cells";

/// The cells that expansion added.
pub fn cells(job: &Job<'_>) -> Vec<Vec<Cell>> {
    job.params.field(CELLS).and_then(Param::read).unwrap_or_default()
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

/// The device that a job names.
pub fn device(spec: &DeviceSpec) -> Result<candle_core::Device, StageError> {
    ml::numerics::Numerics::default().device(spec.gpu()).map_err(|error| ml_error(error, ""))
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

/// An output of an input, by name.
pub fn artifact<'a>(node: &'a InputNode, name: &str) -> Result<&'a Artifact, StageError> {
    node.outputs.get(name).ok_or_else(|| StageError::Bug(format!("An input lacks its output `{name}`.")))
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

/// A JSON artifact.
pub fn json<T: DeserializeOwned>(node: &InputNode, name: &str) -> Result<T, StageError> {
    serde_json::from_slice(&content(artifact(node, name)?)?)
        .map_err(|error| StageError::Bug(format!("The output `{name}` of an input is not as it was written: {error}.")))
}

/// A table artifact.
pub fn table(node: &InputNode, name: &str) -> Result<Table, StageError> {
    Table::from_canonical(&content(artifact(node, name)?)?).map_err(|error| StageError::Bug(error.to_string()))
}

/// Adds a table to the outputs.
pub fn write_table(job: &Job<'_>, produced: &mut Produced, name: &str, table: &Table) -> Result<(), StageError> {
    write_bytes(job, produced, name, &format!("{name}.table"), ArtifactKind::Table, &table.to_canonical())
}

/// Adds a JSON file to the outputs.
pub fn write_json(
    job: &Job<'_>,
    produced: &mut Produced,
    name: &str,
    value: &impl Serialize,
) -> Result<(), StageError> {
    let bytes = serde_json::to_vec(value).map_err(|error| StageError::Bug(error.to_string()))?;
    write_bytes(job, produced, name, &format!("{name}.json"), ArtifactKind::File, &bytes)
}

/// Adds a file to the outputs.
pub fn write_file(
    job: &Job<'_>,
    produced: &mut Produced,
    name: &str,
    file: &str,
    bytes: &[u8],
) -> Result<(), StageError> {
    write_bytes(job, produced, name, file, ArtifactKind::File, bytes)
}

fn write_bytes(
    job: &Job<'_>,
    produced: &mut Produced,
    name: &str,
    file: &str,
    kind: ArtifactKind,
    bytes: &[u8],
) -> Result<(), StageError> {
    fsio::write_synced(&job.out.join(file), bytes)?;
    produced.outputs.insert(name.to_owned(), Made { path: file.to_owned(), kind });
    Ok(())
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
