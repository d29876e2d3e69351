//! Weights from files. A file is opened by [`checkpoint`](super::checkpoint). A table of names translates it
//! ([`naming`](super::naming)). Then its tensors become a network's parameters, and a report says what became of each.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::Device;
use safetensors::{Dtype, SafeTensors};

use super::checkpoint::{self, Checkpoint};
use super::error::{Error, Result};
use super::layers::{Inventory, Parameter};
use super::models::Network;
use super::naming::{Layout, Meaning, NameTable, OUTERMOST, scopes};
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

/// The shipped table of names that translates the most tensors of a file into wanted ones, with its name. It is for the
/// network that lies in `scope` ([`NameTable::within`]).
///
/// # Errors
/// None translates any.
pub fn detect(file: &Checkpoint, scope: &str, wanted: &dyn Fn(&str) -> bool) -> Result<(&'static str, NameTable)> {
    let mut best: Option<(usize, &'static str, NameTable)> = None;
    for name in NameTable::names() {
        let table = NameTable::shipped(name).map_err(Error::Model)?.within(scope);
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

/// The tensors of a file that are `wanted`, under our names. Only those are read. Variances are moved from what the table
/// says is added to them to `epsilon`, which the network adds.
///
/// # Errors
/// A wanted tensor has no floats, is damaged, is a variance below 0, or stands in the file twice; all are named. The file
/// holds several networks, and the table does not say which is meant.
pub fn translate(
    file: &Checkpoint,
    table: &NameTable,
    wanted: &dyn Fn(&str) -> bool,
    epsilon: f64,
) -> Result<Translated> {
    let (mut found, mut faults) = (Translated::default(), Vec::new());
    let places = chosen(file, table, wanted)?;
    for tensor in &file.tensors {
        let name = &tensor.name;
        let ours = match table.meaning(name, wanted) {
            Meaning::Ours(ours) if places.get(&ours).is_some_and(|kept| kept != name) => {
                found.skipped.push((name.clone(), format!("`{}` has a shorter scope", places[&ours])));
                continue;
            }
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
                    faults.extend(moved(name, &mut values, table, epsilon).err());
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
    for (name, why) in &file.passed_over {
        match table.meaning(name, wanted) {
            Meaning::Ours(ours) if !found.tensors.contains_key(&ours) => {
                faults.push(format!("`{name}`, which is `{ours}`, {why}."));
            }
            _ => found.skipped.push((name.clone(), why.clone())),
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Error::Weights(faults)) }
}

/// Where a file holds several networks: the name in the file of each tensor of the one that is meant, by our name. Empty where
/// no name of ours stands for two of the file in different scopes.
///
/// # Errors
/// The table does not say which network is meant.
fn chosen(file: &Checkpoint, table: &NameTable, wanted: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, String>> {
    let mut names: BTreeMap<String, Vec<(&str, &str)>> = BTreeMap::new();
    for tensor in &file.tensors {
        if let (Meaning::Ours(ours), scope) = table.find(&tensor.name, wanted) {
            names.entry(ours).or_default().push((scope, &tensor.name));
        }
    }
    let differ = |names: &Vec<(&str, &str)>| names.iter().any(|(scope, _)| *scope != names[0].0);
    let several: BTreeMap<_, _> = names.iter().filter(|(_, names)| differ(names)).collect();
    if several.is_empty() {
        return Ok(BTreeMap::new());
    }
    let outer = |names: &Vec<(&str, &str)>| {
        let least = names.iter().map(|(scope, _)| scopes::depth(scope)).min()?;
        let mut outer = names.iter().filter(|(scope, _)| scopes::depth(scope) == least);
        outer.next().filter(|_| outer.next().is_none()).map(|(_, name)| (*name).to_owned())
    };
    if table.outermost()
        && let Some(kept) = several.iter().map(|(ours, names)| Some(((*ours).clone(), outer(names)?))).collect()
    {
        return Ok(kept);
    }
    let all: BTreeSet<&str> = several.values().flat_map(|names| names.iter().map(|(scope, _)| *scope)).collect();
    let apart = scopes::apart(&all.iter().copied().collect::<Vec<_>>());
    let counted = |scope: &String| {
        let within = |(found, _): &&(&str, &str)| scopes::within(found, scope);
        let count = names.values().flatten().filter(within).count();
        if scope.is_empty() { "no scope".to_owned() } else { format!("`{scope}` ({count} tensors)") }
    };
    let choice = |scope: &String| format!("\"{}\"", if scope.is_empty() { OUTERMOST } else { scope });
    let listed: Vec<String> = apart.iter().map(counted).collect();
    let choices: Vec<String> = apart.iter().map(choice).collect();
    Err(Error::Model(format!(
        "The file holds the network more than once: in {}. Choose one in `Checkpoint`, as `scope: {}`; \
         `repro weights convert --scope` writes one alone.",
        listed.join(" and in "),
        choices.join("` or `scope: ")
    )))
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

/// The dilations of the head, in the order of the network.
pub fn rates(inventory: &Inventory) -> Vec<usize> {
    let rate = |(_, parameter): (_, &Parameter)| {
        parameter.name.strip_prefix("head/aspp")?.strip_suffix("/weights")?.parse().ok()
    };
    inventory.iter().filter_map(rate).collect()
}

/// A tensor of the file that belongs to its head, at a place for which the network's has no dilation.
pub fn beyond<'a>(names: &NameTable, rates: &[usize], found: &'a Translated) -> Option<&'a String> {
    // Dilations that no network has, behind those that there are.
    let more: Vec<usize> = rates.iter().copied().chain(usize::MAX - 8..usize::MAX).collect();
    let names = names.clone().rates(&more);
    let is_head = |name: &&String| matches!(names.meaning(name, &|ours| ours.starts_with("head/")), Meaning::Ours(_));
    found.left_over.iter().find(is_head)
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

/// Changes variances that were trained with another number added to them than `epsilon`, so that they give the same factors
/// where `epsilon` is added: `v` becomes `v + theirs - epsilon`. For a small `v` that is negative, but with `epsilon` it adds
/// up to the same positive number as before.
///
/// # Errors
/// A variance is negative, but for what a move before made of it: with the number that was added it must be above 0.
fn moved(name: &str, variances: &mut [f32], table: &NameTable, epsilon: f64) -> std::result::Result<(), String> {
    let theirs = table.epsilon.unwrap_or(table.assumed);
    let sound = |variance: &f32| match table.epsilon {
        Some(_) => *variance >= 0.0,
        None => variance + theirs as f32 > 0.0,
    };
    // What is no number is told where its network is built.
    if let Some(at) = variances.iter().position(|variance| !variance.is_nan() && !sound(variance)) {
        return Err(format!("The variance `{name}` is negative: element {at} is {}.", variances[at]));
    }
    if theirs != epsilon {
        // Networks add it in 32 bits.
        let shift = theirs - f64::from(epsilon as f32);
        variances.iter_mut().for_each(|variance| *variance = (f64::from(*variance) + shift) as f32);
    }
    Ok(())
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
    use safetensors::tensor::TensorView;

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
        let [torchvision, deeplab] = ["Torchvision", "Deeplab"].map(|name| NameTable::shipped(name).unwrap());
        for variance in [0.0_f32, 1e-7, 3e-4, 0.5, 40.0] {
            let mut moved_one = [variance];
            moved("v", &mut moved_one, &torchvision, 1e-3).unwrap();
            let wanted = 1.0 / (f64::from(variance) + 1e-5).sqrt();
            let found = 1.0 / (f64::from(moved_one[0]) + 1e-3).sqrt();
            assert!((found / wanted - 1.0).abs() < 1e-5, "{variance}: {found} {wanted}");
            let mut same = [variance];
            moved("v", &mut same, &torchvision, 1e-5).unwrap();
            assert_eq!(same, [variance], "with the file's own epsilon nothing moves");
            moved("v", &mut moved_one, &deeplab, 1e-3).unwrap();
        }
        let told = |variance: f32, table| moved("bn.var", &mut [0.5, variance], table, 1e-3).unwrap_err();
        assert_eq!(told(-1e-7, &torchvision), "The variance `bn.var` is negative: element 1 is -0.0000001.");
        assert_eq!(told(-1e-3, &deeplab), "The variance `bn.var` is negative: element 1 is -0.001.");
        let mut values = [0.25, 1e-6];
        moved("v", &mut values, &deeplab, 1e-5).unwrap();
        assert_eq!(values, [0.250_99, 0.000_991], "a table without an epsilon means the reference's");
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
        let found = translate(&all, &own, &|_| true, 1e-3).unwrap();
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
        let told = translate(&large, &own, &|_| true, 1e-3).unwrap_err().to_string();
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

    #[test]
    fn one_of_several_networks_in_a_file_is_chosen_by_its_scope() {
        let value = |value: f32| (Dtype::F32, vec![1, 1, 1, 1], value.to_le_bytes().to_vec());
        let tensors = |names: &[(&'static str, f32)]| {
            let tensor = |(name, number): &(&'static str, f32)| {
                let (dtype, shape, bytes) = value(*number);
                (*name, dtype, shape, bytes)
            };
            file(&names.iter().map(tensor).collect::<Vec<_>>())
        };
        let read = |file: &Checkpoint, scope: &str| {
            let table = NameTable::shipped("Torchvision").unwrap().within(scope);
            let found = translate(file, &table, &|name| name == "stem/conv/weights", 1e-3)?;
            Ok::<_, Error>(found.tensors.get("stem/conv/weights").map(|(_, values)| values[0]))
        };
        let two =
            tensors(&[("model.backbone.conv1.weight", 1.0), ("ema.backbone.conv1.weight", 2.0), ("ema.decay", 0.9)]);
        let told = read(&two, "").unwrap_err().to_string();
        assert_eq!(
            told,
            "The file holds the network more than once: in `ema` (1 tensors) and in `model` (1 tensors). \
             Choose one in `Checkpoint`, as `scope: \"ema\"` or `scope: \"model\"`; \
             `repro weights convert --scope` writes one alone."
        );
        assert_eq!(read(&two, "ema").unwrap(), Some(2.0));
        assert_eq!(read(&two, "model").unwrap(), Some(1.0));
        assert_eq!(read(&two, "student").unwrap(), None);
        let inner = tensors(&[("conv1.weight", 1.0), ("ema.module.conv1.weight", 2.0)]);
        let told = read(&inner, "").unwrap_err().to_string();
        assert!(
            told.contains(
                "in no scope and in `ema.module` (1 tensors). Choose one in `Checkpoint`, as `scope: \".\"` or \
                 `scope: \"ema.module\"`;"
            ),
            "{told}"
        );
        assert_eq!(read(&inner, ".").unwrap(), Some(1.0));
        assert_eq!(read(&inner, "ema").unwrap(), Some(2.0));
        let one = tensors(&[("state_dict.module._orig_mod.net.conv1.weight", 3.0)]);
        assert_eq!(read(&one, "").unwrap(), Some(3.0));
    }
}
