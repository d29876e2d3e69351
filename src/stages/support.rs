//! What several kinds need: parameters, inputs and outputs as typed values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fsio;
use crate::ml::data::index::Row;
use crate::ml::data::list::Sample;
use crate::ml::{self, data};
use crate::stage::schema::Structure;
use crate::stage::{
    Artifact, ArtifactKind, DataFault, DeviceSpec, InputNode, Job, Made, Param, Produced, StageError, Type, Value,
};
use crate::table::{Column, Table};

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
    StageError::Data(faults.into_iter().map(|f| DataFault { place: f.place, message: f.message, hint: f.hint }).collect())
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
pub fn ml_error(error: ml::Error, place: &str) -> StageError {
    let hint = error.hint().to_owned();
    match error {
        ml::Error::File(error) => error.into(),
        ml::Error::Device { message, hint } => StageError::Device { message, hint },
        ml::Error::Weights(list) => {
            StageError::Data(list.into_iter().map(|message| DataFault::new(place, message, "")).collect())
        }
        ml::Error::Model(message) => StageError::Data(vec![DataFault::new(place, message, hint)]),
        error @ ml::Error::NonFinite { .. } => StageError::Numeric { message: error.to_string(), hint },
        error => StageError::Bug(error.to_string()),
    }
}

/// The device that a job names.
pub fn device(spec: &DeviceSpec) -> Result<ml::device::Device, StageError> {
    let spec = match spec {
        DeviceSpec::Cpu => ml::device::Spec::Cpu,
        DeviceSpec::Cuda(n) => ml::device::Spec::Cuda(*n),
    };
    ml::device::Device::open(spec).map_err(|error| ml_error(error, ""))
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

/// Adds a table to the outputs.
pub fn write_table(job: &Job<'_>, produced: &mut Produced, name: &str, table: &Table) -> Result<(), StageError> {
    write_bytes(job, produced, name, &format!("{name}.table"), ArtifactKind::Table, &table.to_canonical())
}

/// Adds a JSON file to the outputs.
pub fn write_json(job: &Job<'_>, produced: &mut Produced, name: &str, value: &impl Serialize) -> Result<(), StageError> {
    let bytes = serde_json::to_vec(value).map_err(|error| StageError::Bug(error.to_string()))?;
    write_bytes(job, produced, name, &format!("{name}.json"), ArtifactKind::File, &bytes)
}

/// Adds a file to the outputs.
pub fn write_file(job: &Job<'_>, produced: &mut Produced, name: &str, file: &str, bytes: &[u8]) -> Result<(), StageError> {
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
    files: BTreeMap<String, PathBuf>,
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
        let files = files.filter_map(|(name, file)| Some((name.clone(), file.path.clone()?))).collect();
        Ok(Data { rows, info, files, root: node.root.clone() })
    }

    /// Where a file of the set is.
    pub fn resolve(&self, relative: &str) -> PathBuf {
        match (self.files.get(relative), &self.root) {
            (Some(path), _) => path.clone(),
            (None, Some(root)) => root.join(relative),
            (None, None) => Path::new(relative).to_owned(),
        }
    }

    /// An error unless the network has as many classes as the data.
    pub fn fits(&self, classes: usize) -> Result<(), StageError> {
        let found = self.info.classes.len();
        if found == classes {
            return Ok(());
        }
        let message = format!("The model has {classes} classes, the data set {found} ({}).", self.info.classes.join(", "));
        Err(DataFault::new("model.classes", message, format!("Write `classes: {found}`.")).into())
    }
}

/// The index as a table: a row a sample, a column a class with its pixels.
pub fn index_table(rows: &[Row], info: &Info) -> Result<Table, StageError> {
    let text = |f: &dyn Fn(&Row) -> Option<String>| Column::Text(rows.iter().map(f).collect());
    let number = |f: &dyn Fn(&Row) -> u64| Column::Int(rows.iter().map(|row| Some(f(row) as i64)).collect());
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
    Table::new(columns).map_err(|error| StageError::Bug(error.to_string()))
}

fn rows(table: &Table, info: &Info) -> Result<Vec<Row>, StageError> {
    let broken = |_| StageError::Bug("The index of a data set is not as it was written.".into());
    let text = |name: &str| table.texts(name).map_err(broken);
    let ints = |name: &str| table.ints(name).map_err(broken);
    let (ids, images, labels) = (text("id")?, text("image")?, text("label")?);
    let (image_digests, label_digests) = (text("image_digest")?, text("label_digest")?);
    let (heights, widths, ignored) = (ints("height")?, ints("width")?, ints("ignored")?);
    let pixels: Vec<Vec<Option<i64>>> =
        info.classes.iter().enumerate().map(|(class, name)| ints(&format!("{class} {name}"))).collect::<Result<_, _>>()?;
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
    (0..ids.len()).map(row).collect::<Option<_>>().ok_or_else(|| StageError::Bug("The index of a data set has gaps.".into()))
}
