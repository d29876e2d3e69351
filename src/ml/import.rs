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
    /// Those whose values were converted to 32 bits: the type in the file, by our name.
    pub converted: BTreeMap<String, Dtype>,
    /// What the table of names knows and passes over: the name in the file and the reason.
    pub skipped: Vec<(String, String)>,
    /// What it does not know, or what the network has no place for: the name in the file.
    pub left_over: Vec<String>,
}

impl Translated {
    /// What was converted, as a sentence; none where nothing was.
    pub fn converted_in_words(&self) -> Option<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        self.converted.values().for_each(|dtype| *counts.entry(format!("{dtype:?}")).or_default() += 1);
        let counts: Vec<String> = counts.iter().map(|(dtype, count)| format!("{count} of {dtype}")).collect();
        (!counts.is_empty()).then(|| format!("Tensors converted to F32: {}.", counts.join(", ")))
    }
}

/// What a training left in a file of weights beside the weights.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The momentum by the names of our parameters, in our order of axes.
    pub momentum: Tensors,
    /// What each of them is called in the file, by the name of our parameter.
    pub origins: BTreeMap<String, String>,
    /// The step, where the file states one.
    pub step: Option<u64>,
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
/// A wanted tensor has no floats, is damaged, or stands in the file twice; all are named.
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
        match floats(tensor) {
            Ok(values) => {
                let (shape, mut values) = arrange(table.layout, &ours, &tensor.shape, values);
                if ours.ends_with("/norm/variance") {
                    adjust(&mut values, table.epsilon);
                }
                if let Some(other) = found.origins.insert(ours.clone(), name.clone()) {
                    faults.push(format!("`{other}` and `{name}` are both `{ours}`."));
                }
                if tensor.dtype != Dtype::F32 {
                    found.converted.insert(ours.clone(), tensor.dtype);
                }
                found.tensors.insert(ours, (shape, values));
            }
            Err(fault) => faults.push(fault),
        }
    }
    found.skipped.extend(file.passed_over.iter().cloned());
    if faults.is_empty() { Ok(found) } else { Err(Error::Weights(faults)) }
}

/// The values of a tensor that is wanted; a fault in words.
fn floats(tensor: &checkpoint::Tensor) -> std::result::Result<Vec<f32>, String> {
    let other = || {
        let (name, dtype) = (&tensor.name, tensor.dtype);
        format!("The tensor `{name}` has the type {dtype:?}; weights are floats (F32, F16, BF16, F64).")
    };
    tensor.floats().map_err(|error| error.to_string())?.ok_or_else(other)
}

/// The momentum and the step of the training that wrote a file. Only the momentum of tensors that are `wanted` is read.
///
/// # Errors
/// A momentum has no floats, is damaged, or stands in the file twice; the step is no whole number from 0 on. All are named.
pub fn progress(file: &Checkpoint, table: &NameTable, wanted: &dyn Fn(&str) -> bool) -> Result<Progress> {
    let (mut found, mut faults) = (Progress::default(), Vec::new());
    for tensor in &file.tensors {
        let name = &tensor.name;
        if table.step.as_ref() == Some(name) {
            match tensor.integer() {
                Ok(step) => match step.and_then(|step| u64::try_from(step).ok()) {
                    Some(step) => found.step = Some(step),
                    None => faults.push(format!("The step `{name}` is no whole number from 0 on.")),
                },
                Err(error) => faults.push(error.to_string()),
            }
        }
        let Some(Meaning::Ours(ours)) = table.with_momentum(name).map(|stem| table.meaning(stem, wanted)) else {
            continue;
        };
        match floats(tensor) {
            Ok(values) => {
                if let Some(other) = found.origins.insert(ours.clone(), name.clone()) {
                    faults.push(format!("`{other}` and `{name}` are both the momentum of `{ours}`."));
                }
                let arranged = arrange(table.layout, &ours, &tensor.shape, values);
                found.momentum.insert(ours, arranged);
            }
            Err(fault) => faults.push(fault),
        }
    }
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

    /// A file of tensors of any type.
    fn file(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Checkpoint {
        let mut views = Vec::new();
        for (name, dtype, shape, bytes) in tensors {
            views.push((*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
        }
        Checkpoint::read("m.safetensors", safetensors::serialize(views, None).unwrap().into(), &[]).unwrap()
    }

    fn bytes<T: Copy, const N: usize>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(|value| bytes(*value)).collect()
    }

    #[test]
    fn floats_of_other_types_are_converted_and_others_are_refused_if_they_are_wanted() {
        let own = NameTable::shipped("Own").unwrap();
        let halves = [0x3c00_u16, 0xc100, 0x0001, 0x7bff].map(u16::to_le_bytes).concat();
        let brains = [0x3f80_u16, 0xc020, 0x0080, 0x4000].map(u16::to_le_bytes).concat();
        let doubles = bytes(&[0.1_f64, 1.0, -3.5, 1e-60], f64::to_le_bytes);
        let plain = bytes(&[1.0_f32, 2.0, 3.0, 4.0], f32::to_le_bytes);
        let all = file(&[
            ("stem/norm/gamma", Dtype::F16, vec![4], halves),
            ("stem/norm/beta", Dtype::BF16, vec![4], brains),
            ("stem/norm/mean", Dtype::F64, vec![4], doubles),
            ("stem/norm/variance", Dtype::F32, vec![4], plain),
            ("count", Dtype::I64, vec![], vec![7, 0, 0, 0, 0, 0, 0, 0]),
        ]);
        let found = translate(&all, &own, &|_| true).unwrap();
        assert_eq!(found.tensors["stem/norm/gamma"].1, [1.0, -2.5, 2.0_f32.powi(-24), 65504.0]);
        assert_eq!(found.tensors["stem/norm/beta"].1, [1.0, -2.5, f32::MIN_POSITIVE, 2.0]);
        assert_eq!(found.tensors["stem/norm/mean"].1, [0.1, 1.0, -3.5, 0.0]);
        assert_eq!(found.converted.len(), 3);
        let words = "Tensors converted to F32: 1 of BF16, 1 of F16, 1 of F64.";
        assert_eq!(found.converted_in_words().as_deref(), Some(words));
        assert_eq!(found.left_over, ["count"], "a type without floats that nobody wants");

        let large = file(&[
            ("stem/norm/gamma", Dtype::F64, vec![2], bytes(&[1.0, -1e39], f64::to_le_bytes)),
            ("stem/norm/beta", Dtype::I32, vec![1], vec![0; 4]),
        ]);
        let told = translate(&large, &own, &|_| true).unwrap_err().to_string();
        assert!(told.contains("`stem/norm/gamma`: Its element 1 is -1e39"), "{told}");
        assert!(told.contains("`stem/norm/beta` has the type I32"), "{told}");
    }

    #[test]
    fn a_file_of_a_training_gives_its_momentum_and_its_step() {
        let values: Vec<f32> = (0..24).map(|value| value as f32).collect();
        let raw = bytes(&values, f32::to_le_bytes);
        let step = |step: i64| ("global_step", Dtype::I64, vec![], step.to_le_bytes().to_vec());
        let tensorflow = |at: i64| {
            file(&[
                ("conv1/weights", Dtype::F32, vec![2, 1, 3, 4], raw.clone()),
                ("conv1/weights/Momentum", Dtype::F32, vec![2, 1, 3, 4], raw.clone()),
                ("other/Momentum", Dtype::F32, vec![24], raw.clone()),
                step(at),
            ])
        };
        let table = NameTable::shipped("Deeplab").unwrap();
        let wanted = |name: &str| name == "stem/conv/weights";
        let found = progress(&tensorflow(1200), &table, &wanted).unwrap();
        assert_eq!(found.step, Some(1200));
        let turned = hwio_to_oihw([2, 1, 3, 4], &values);
        assert_eq!(found.momentum, Tensors::from([("stem/conv/weights".to_owned(), (vec![4, 3, 2, 1], turned))]));
        assert_eq!(found.origins["stem/conv/weights"], "conv1/weights/Momentum");
        let told = progress(&tensorflow(-1), &table, &wanted).unwrap_err().to_string();
        assert_eq!(told, "The step `global_step` is no whole number from 0 on.");

        let own = file(&[("momentum/stem/conv/weights", Dtype::F32, vec![4, 3, 2, 1], raw.clone())]);
        let found = progress(&own, &NameTable::shipped("Own").unwrap(), &wanted).unwrap();
        assert_eq!(found.momentum["stem/conv/weights"], (vec![4, 3, 2, 1], values));
        assert_eq!(found.step, None);
    }
}
