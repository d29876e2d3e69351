//! Weights from files. A file is opened by [`checkpoint`](super::checkpoint). A table of names translates it
//! ([`naming`](super::naming)). Then its tensors become a network's parameters, and a report says what became of each.

use std::collections::BTreeMap;

use candle_core::Device;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::checkpoint::{self, Checkpoint};
use super::conventions::Geometry;
use super::error::{Error, Result};
use super::layers::{Inventory, Parameter};
use super::models::Network;
use super::naming::{Layout, Meaning, NameTable};
use super::spec::ModelSpec;
use super::weights::{Scheme, initial};

/// Tensors by name: shape and values, as OIHW where they are filters.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// What became of every tensor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Parameters that have the file's values.
    pub loaded: Vec<String>,
    /// Parameters that the file lacks, drawn from the seed.
    pub initialised: Vec<String>,
    /// Tensors of the file that the network has no place for.
    pub left_over: Vec<String>,
}

impl Report {
    /// The three counts, and the names where they are few.
    pub fn in_words(&self) -> String {
        let part = |names: &[String]| match names {
            [] => "none".to_owned(),
            names if names.len() <= 8 => format!("{} ({})", names.len(), names.join(", ")),
            names => names.len().to_string(),
        };
        format!(
            "Tensors loaded: {}; initialised: {}; left over: {}.",
            part(&self.loaded),
            part(&self.initialised),
            part(&self.left_over)
        )
    }
}

/// What a file of weights gives a network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Translated {
    /// The tensors under our names and in our order of axes.
    pub tensors: Tensors,
    /// What each of them is called in the file, by our name.
    pub origins: BTreeMap<String, String>,
    /// What the table of names knows and passes over: the name in the file and the reason.
    pub skipped: Vec<(String, String)>,
    /// What it does not know, or what the network has no place for: the name in the file.
    pub left_over: Vec<String>,
}

/// The shipped table of names that translates the most tensors of a file into wanted ones, with its name.
///
/// # Errors
/// None translates any.
pub fn detect(file: &Checkpoint, wanted: &dyn Fn(&str) -> bool) -> Result<(&'static str, NameTable)> {
    let mut best: Option<(usize, &'static str, NameTable)> = None;
    for name in NameTable::names() {
        let table = NameTable::shipped(name).map_err(Error::Model)?;
        let ours = |name: &str| matches!(table.meaning(name, wanted), Meaning::Ours(_));
        let count = file.tensors.iter().filter(|tensor| ours(&tensor.name)).count();
        if count > best.as_ref().map_or(0, |(most, ..)| *most) {
            best = Some((count, name, table));
        }
    }
    let (_, name, table) = best.ok_or_else(|| {
        let some: Vec<&str> = file.tensors.iter().take(4).map(|tensor| tensor.name.as_str()).collect();
        let tables: Vec<&str> = NameTable::names().collect();
        Error::Weights(vec![format!(
            "No shipped table of names ({}) knows any of the file's {} tensors, as `{}`; state `names: Table(…)`.",
            tables.join(", "),
            file.tensors.len(),
            some.join("`, `")
        )])
    })?;
    Ok((name, table))
}

/// The tensors of a file that are `wanted`, under our names. Only those are read.
///
/// # Errors
/// A wanted tensor is not f32, is damaged, or stands in the file twice; all are named.
pub fn translate(file: &Checkpoint, table: &NameTable, wanted: &dyn Fn(&str) -> bool) -> Result<Translated> {
    let (mut found, mut faults) = (Translated::default(), Vec::new());
    for tensor in &file.tensors {
        let name = &tensor.name;
        let ours = match table.meaning(name, wanted) {
            Meaning::Ours(ours) => ours,
            Meaning::Skipped(why) => {
                found.skipped.push((name.clone(), why));
                continue;
            }
            Meaning::Unknown => {
                found.left_over.push(name.clone());
                continue;
            }
        };
        match tensor.floats() {
            Ok(Some(values)) => {
                let (shape, mut values) = arrange(table.layout, &ours, &tensor.shape, values);
                if ours.ends_with("/norm/variance") {
                    adjust(&mut values, table.epsilon);
                }
                if let Some(other) = found.origins.insert(ours.clone(), name.clone()) {
                    faults.push(format!("`{other}` and `{name}` are both `{ours}`."));
                }
                found.tensors.insert(ours, (shape, values));
            }
            Ok(None) => faults.push(format!("The tensor `{name}` is {:?}; weights are F32.", tensor.dtype)),
            Err(error) => faults.push(error.to_string()),
        }
    }
    found.skipped.extend(file.passed_over.iter().cloned());
    if faults.is_empty() { Ok(found) } else { Err(Error::Weights(faults)) }
}

/// The layers that have filters of a pre-filter, by name and in the order of the network.
pub fn smoothed(inventory: &Inventory) -> Vec<String> {
    let layer = |(_, parameter): (_, &Parameter)| Some(parameter.name.split_once("/prefilter/")?.0.to_owned());
    let mut layers: Vec<String> = inventory.iter().filter_map(layer).collect();
    layers.dedup();
    layers
}

/// A filter as OIHW. Filters of pre-filters become [C, 1, H, W]: the depthwise ones are [H, W, C, 1] in TensorFlow, and
/// those that all channels share are [H, W, 1, 1, 1] in the reference. Anything else stays as it is.
pub fn arrange(layout: Layout, ours: &str, shape: &[usize], values: Vec<f32>) -> (Vec<usize>, Vec<f32>) {
    match (layout, shape) {
        (Layout::Hwio, &[h, w, c, 1]) if ours.contains("prefilter/") => {
            (vec![c, 1, h, w], hwio_to_oihw([h, w, 1, c], &values))
        }
        (Layout::Hwio, &[h, w, 1, 1, 1]) => (vec![1, 1, h, w], values),
        (Layout::Hwio, &[h, w, i, o]) => (vec![o, i, h, w], hwio_to_oihw([h, w, i, o], &values)),
        _ => (shape.to_vec(), values),
    }
}

/// A filter with its axes permuted from [H, W, I, O] to [O, I, H, W].
pub fn hwio_to_oihw([h, w, i, o]: [usize; 4], values: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    // A filter without values may state any number of outputs.
    for output in (0..o).take(values.len()) {
        for input in 0..i {
            out.extend((0..h * w).map(|tap| values[(tap * i + input) * o + output]));
        }
    }
    out
}

/// Changes variances that were trained with another epsilon than [`Geometry::TENSORFLOW`], so that they give the same factors here: `v`
/// becomes `v + theirs - ours`. For a small `v` that is negative, but with our epsilon it adds up to the same positive
/// number as before.
fn adjust(variances: &mut [f32], epsilon: Option<f64>) {
    if let Some(theirs) = epsilon {
        let shift = theirs - Geometry::TENSORFLOW.epsilon;
        variances.iter_mut().for_each(|variance| *variance = (f64::from(*variance) + shift) as f32);
    }
}

/// Tensors as a safetensors file.
pub fn to_safetensors(tensors: &Tensors) -> Result<Vec<u8>> {
    let failed = |error: safetensors::SafeTensorError| Error::Model(format!("The weights cannot be written: {error}."));
    let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
    let values: Vec<Vec<u8>> = tensors.values().map(|(_, values)| bytes(values)).collect();
    let mut views = Vec::with_capacity(tensors.len());
    for ((name, (shape, _)), bytes) in tensors.iter().zip(&values) {
        views.push((name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(failed)?));
    }
    safetensors::serialize(views, None).map_err(failed)
}

impl From<checkpoint::Error> for Error {
    fn from(error: checkpoint::Error) -> Self {
        match error {
            checkpoint::Error::File(error) => Error::File(error),
            content => Error::Weights(vec![content.to_string()]),
        }
    }
}

/// Reads a safetensors file. Every tensor must be f32; all that are not are named.
pub fn safetensors(bytes: &[u8]) -> Result<Tensors> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| Error::Weights(vec![format!("The file is not a whole safetensors file: {error}.")]))?;
    let (mut tensors, mut faults) = (Tensors::new(), Vec::new());
    for (name, view) in file.tensors() {
        if view.dtype() == Dtype::F32 {
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            tensors.insert(name, (view.shape().to_vec(), values));
        } else {
            faults.push(format!("The tensor `{name}` is {:?}; weights are F32.", view.dtype()));
        }
    }
    if faults.is_empty() { Ok(tensors) } else { Err(Error::Weights(faults)) }
}

/// A network with the values of `tensors`. A parameter that they lack has its initial value.
///
/// # Errors
/// A parameter that is `needed` is missing, a shape does not fit, or a value is not finite. All of them are named.
pub fn network(
    spec: &ModelSpec,
    device: &Device,
    tensors: &Tensors,
    (scheme, seed): (Scheme, u64),
    needed: impl Fn(&Parameter) -> bool,
) -> Result<(Network, Report)> {
    let (mut report, mut faults) = (Report::default(), Vec::new());
    let network = Network::build(spec, device, |parameter| {
        let name = &parameter.name;
        let values = match tensors.get(name) {
            Some((shape, _)) if *shape != parameter.shape => {
                faults.push(format!("`{name}` has the shape {shape:?}; the network needs {:?}.", parameter.shape));
                None
            }
            Some((_, values)) => {
                if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                    faults.push(format!("`{name}` is not finite: element {at} is {}.", values[at]));
                }
                report.loaded.push(name.clone());
                Some(values.clone())
            }
            None if needed(parameter) => {
                faults.push(format!("`{name}` ({:?}) is missing.", parameter.shape));
                None
            }
            None => {
                report.initialised.push(name.clone());
                None
            }
        };
        Ok(values.unwrap_or_else(|| initial(scheme, seed, parameter)))
    })?;
    if !faults.is_empty() {
        return Err(Error::Weights(faults));
    }
    report.left_over = tensors.keys().filter(|name| !report.loaded.contains(name)).cloned().collect();
    Ok((network, report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_permuted() {
        let data: Vec<f32> = (0..24).map(|v| v as f32).collect();
        let permuted = hwio_to_oihw([2, 1, 3, 4], &data);
        // Element [h, i, o] = [1, 2, 3] of the file.
        assert_eq!(permuted[(3 * 3 + 2) * 2 + 1], data[(3 + 2) * 4 + 3]);
        assert!(hwio_to_oihw([1, 1, 0, usize::MAX], &[]).is_empty());
    }

    #[test]
    fn filters_are_laid_out_with_their_channels_first() {
        let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let permuted = vec![0.0, 3.0, 6.0, 9.0, 1.0, 4.0, 7.0, 10.0, 2.0, 5.0, 8.0, 11.0];
        let arranged = |ours: &str, shape: &[usize]| arrange(Layout::Hwio, ours, shape, values.clone());
        assert_eq!(arranged("a/prefilter/average", &[2, 2, 3, 1]), (vec![3, 1, 2, 2], permuted.clone()));
        assert_eq!(arranged("a/weights", &[2, 2, 1, 3]), (vec![3, 1, 2, 2], permuted));
        assert_eq!(arranged("a/weights", &[2, 2, 3, 1]).0, [1, 3, 2, 2]);
        assert_eq!(arranged("a/prefilter/shared", &[4, 3, 1, 1, 1]), (vec![1, 1, 4, 3], values.clone()));
        assert_eq!(arranged("a/prefilter/mixing", &[3, 4]), (vec![3, 4], values.clone()));
    }

    #[test]
    fn a_variance_of_another_epsilon_gives_the_same_factor() {
        for variance in [0.0_f32, 1e-7, 3e-4, 0.5, 40.0] {
            let mut moved = [variance];
            adjust(&mut moved, Some(1e-5));
            let wanted = 1.0 / (f64::from(variance) + 1e-5).sqrt();
            let found = 1.0 / f64::from(moved[0] + Geometry::TENSORFLOW.epsilon as f32).sqrt();
            assert!((found / wanted - 1.0).abs() < 1e-5, "{variance}: {found} {wanted}");
        }
        let mut same = [0.25];
        adjust(&mut same, None);
        assert_eq!(same, [0.25]);
    }
}
