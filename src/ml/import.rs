//! Weights from files: read into named tensors, then laid into a network with a word on every tensor.
//!
//! A format is a function from bytes to [`Tensors`]; what happens to them afterwards is the same for all.

use std::collections::BTreeMap;

use candle_core::Device;
use safetensors::{Dtype, SafeTensors};

use super::error::{Error, Result};
use super::layers::Parameter;
use super::models::Network;
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

/// A network with the values of `tensors`, and with initial ones where these have none. A parameter that is `needed`
/// and missing, a shape that does not fit and a value that is not finite are faults; all are named.
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
