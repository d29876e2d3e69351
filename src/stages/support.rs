//! What several kinds need: parameters, inputs and outputs as typed values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fsio;
use crate::hash::Digest;
use crate::ml::data::index::Row;
use crate::ml::data::list::Sample;
use crate::ml::{self, data};
use crate::stage::schema::Structure;
use crate::stage::{
    Artifact, ArtifactKind, DataFault, DeviceSpec, InputNode, Job, Made, Param, Produced, StageError, Type, Value,
};
use crate::table::{Cell, Column, Table};

/// What a data set says of itself beside its index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The classes in the order of their ids.
    pub classes: Vec<String>,
    /// The label of pixels that count nowhere.
    pub ignore: u8,
}

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
        error => StageError::Bug(error.to_string()),
    }
}

/// The device that a job names.
pub fn device(spec: &DeviceSpec) -> Result<candle_core::Device, StageError> {
    ml::device::device(gpu(spec)).map_err(|error| ml_error(error, ""))
}

/// The number of the GPU, or none for the processor.
pub fn gpu(spec: &DeviceSpec) -> Option<usize> {
    match spec {
        DeviceSpec::Cpu => None,
        DeviceSpec::Cuda(number) => Some(*number),
    }
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
        Err(error) if error.is_missing() => Err(lost()),
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

/// A column's cells.
fn cells(table: &Table, name: &str) -> Result<Vec<Cell>, StageError> {
    let missing = || StageError::Bug(format!("A stored table lacks the column `{name}`."));
    let column = table.position(name).ok_or_else(missing)?;
    Ok((0..table.rows()).map(|row| table.cell(row, column)).collect())
}

/// A column of texts.
pub fn texts(table: &Table, name: &str) -> Result<Vec<Option<String>>, StageError> {
    Ok(cells(table, name)?.iter().map(|cell| cell.text().map(str::to_owned)).collect())
}

/// A column of integers.
pub fn ints(table: &Table, name: &str) -> Result<Vec<Option<i64>>, StageError> {
    let int = |cell: &Cell| if let Cell::Int(value) = cell { Some(*value) } else { None };
    Ok(cells(table, name)?.iter().map(int).collect())
}

/// A column of numbers.
pub fn numbers(table: &Table, name: &str) -> Result<Vec<Option<f64>>, StageError> {
    Ok(cells(table, name)?.iter().map(Cell::number).collect())
}

/// The values of a new column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Texts.
    Text(Vec<Option<String>>),
    /// Integers.
    Int(Vec<Option<i64>>),
    /// Floating-point numbers.
    Float(Vec<Option<f64>>),
}

/// A table of columns of one length.
pub fn new_table(columns: Vec<(String, Values)>) -> Result<Table, StageError> {
    let head = columns.iter().map(|(name, values)| match values {
        Values::Text(_) => Column::text(name.as_str()),
        Values::Int(_) => Column::int(name.as_str()),
        Values::Float(_) => Column::float(name.as_str()),
    });
    let cell = |values: &Values, row: usize| -> Option<Cell> {
        Some(match values {
            Values::Text(values) => values.get(row)?.clone().into(),
            Values::Int(values) => (*values.get(row)?).into(),
            Values::Float(values) => (*values.get(row)?).into(),
        })
    };
    let mut rows = Vec::new();
    while let Some(row) = columns.iter().map(|(_, values)| cell(values, rows.len())).collect::<Option<Vec<Cell>>>() {
        rows.push(row);
        if columns.is_empty() {
            break;
        }
    }
    Table::new(head.collect(), rows).map_err(|error| StageError::Bug(error.to_string()))
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

/// A data set as a consumer sees it: its rows, what it says of itself, and where its files are.
pub struct Data {
    /// The index.
    pub rows: Vec<Row>,
    /// Classes and ignore value.
    pub info: Info,
    /// The files that are in the store.
    files: BTreeMap<String, (PathBuf, Digest)>,
    root: Option<PathBuf>,
}

impl Data {
    /// Opens the data set of a slot.
    pub fn open(job: &Job<'_>, slot: &str) -> Result<Self, StageError> {
        let node = input(job, slot)?;
        let info: Info = json(node, "info")?;
        let rows = rows(&table(node, "index")?, &info)?;
        let tree = node.outputs.get("files").map(|files| &files.tree);
        let files = tree.into_iter().flatten();
        let files = files.filter_map(|(name, file)| Some((name.clone(), (file.path.clone()?, file.digest)))).collect();
        Ok(Data { rows, info, files, root: node.root.clone() })
    }

    /// Where a file of the set is.
    pub fn resolve(&self, relative: &str) -> PathBuf {
        match (self.files.get(relative), &self.root) {
            (Some((path, _)), _) => path.clone(),
            (None, Some(root)) => root.join(relative),
            (None, None) => Path::new(relative).to_owned(),
        }
    }

    /// The error of a stage that read the set's files. A file in the store that is not what its name says is a corrupt
    /// input, which its maker makes again; every other fault is for the user.
    pub fn blame(&self, error: StageError) -> StageError {
        let StageError::Data(faults) = &error else { return error };
        let stored = faults.iter().filter_map(|fault| self.files.get(&fault.place));
        let sound = |path: &Path, digest: &Digest| fsio::read(path).is_ok_and(|bytes| Digest::of(&bytes) == *digest);
        let corrupt = stored.into_iter().find(|(path, digest)| !sound(path, digest));
        corrupt.map_or(error.clone(), |(_, digest)| StageError::CorruptInput { digest: *digest })
    }

    /// An error unless the network has as many classes as the data.
    pub fn fits(&self, classes: usize) -> Result<(), StageError> {
        let found = self.info.classes.len();
        if found == classes {
            return Ok(());
        }
        let message =
            format!("The model has {classes} classes, the data set {found} ({}).", self.info.classes.join(", "));
        Err(DataFault::new("model.classes", message, format!("Write `classes: {found}`.")).into())
    }
}

/// The index as a table: a row a sample, a column a class with its pixels.
pub fn index_table(rows: &[Row], info: &Info) -> Result<Table, StageError> {
    let text = |f: &dyn Fn(&Row) -> Option<String>| Values::Text(rows.iter().map(f).collect());
    let number = |f: &dyn Fn(&Row) -> u64| Values::Int(rows.iter().map(|row| Some(f(row) as i64)).collect());
    let mut columns = vec![
        ("id".to_owned(), text(&|row| Some(row.sample.id.clone()))),
        ("image".to_owned(), text(&|row| Some(row.sample.image.clone()))),
        ("label".to_owned(), text(&|row| row.sample.label.clone())),
        ("image_digest".to_owned(), text(&|row| Some(row.image_digest.to_string()))),
        ("label_digest".to_owned(), text(&|row| row.label_digest.map(|digest| digest.to_string()))),
        ("height".to_owned(), number(&|row| row.height as u64)),
        ("width".to_owned(), number(&|row| row.width as u64)),
        ("ignored".to_owned(), number(&|row| row.ignored)),
    ];
    for (class, name) in info.classes.iter().enumerate() {
        columns.push((format!("{class} {name}"), number(&|row| row.pixels[class])));
    }
    new_table(columns)
}

fn rows(table: &Table, info: &Info) -> Result<Vec<Row>, StageError> {
    let (ids, images, labels) = (texts(table, "id")?, texts(table, "image")?, texts(table, "label")?);
    let (image_digests, label_digests) = (texts(table, "image_digest")?, texts(table, "label_digest")?);
    let (heights, widths, ignored) = (ints(table, "height")?, ints(table, "width")?, ints(table, "ignored")?);
    let class = |(class, name): (usize, &String)| ints(table, &format!("{class} {name}"));
    let pixels: Vec<Vec<Option<i64>>> = info.classes.iter().enumerate().map(class).collect::<Result<_, _>>()?;
    let row = |i: usize| -> Option<Row> {
        let count = |column: &[Option<i64>]| u64::try_from(column[i]?).ok();
        let size = |column: &[Option<i64>]| usize::try_from(column[i]?).ok();
        Some(Row {
            sample: Sample { id: ids[i].clone()?, image: images[i].clone()?, label: labels[i].clone() },
            image_digest: image_digests[i].as_ref()?.parse().ok()?,
            label_digest: label_digests[i].as_ref().and_then(|digest| digest.parse().ok()),
            height: size(&heights)?,
            width: size(&widths)?,
            pixels: pixels.iter().map(|column| count(column)).collect::<Option<_>>()?,
            ignored: count(&ignored)?,
        })
    };
    (0..ids.len())
        .map(row)
        .collect::<Option<_>>()
        .ok_or_else(|| StageError::Bug("The index of a data set has gaps.".into()))
}
