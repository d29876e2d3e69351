//! The state of a training as one file: weights, momentum and step. The next step depends on nothing else.
//!
//! The file is safetensors, so that other programs can read the weights: parameters under their own names, momentum under
//! `momentum/` and the parameter's name, all in f32. One entry of its metadata, `repro`, holds the rest as JSON. It is one
//! entry, because safetensors writes several in no fixed order, and the same state must give the same bytes.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::conventions::Geometry;
use super::error::{Error, Result};
use super::gpu::exclusive::exclusively;
use super::import::{self, Tensors};
use super::layers::{Inventory, Parameters};
use super::models::Network;
use super::optim::Momentum;
use super::spec::ModelSpec;
use super::train::Trainer;
use super::weights::Scheme;

/// The version of the format.
const VERSION: u32 = 1;
const METADATA: &str = "repro";
/// The entry of plain weights for another epsilon than the reference's.
const EPSILON: &str = "repro epsilon";
const MOMENTUM: &str = "momentum/";

/// What the file holds beside the tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Head {
    version: u32,
    spec: ModelSpec,
    step: u64,
    extra: BTreeMap<String, String>,
}

impl Head {
    fn read(bytes: &[u8]) -> Result<Self> {
        let wrong = |what: String| Error::Weights(vec![what]);
        let (_, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|error| wrong(format!("The file is not a whole safetensors file: {error}.")))?;
        Head::of(metadata.metadata().as_ref().and_then(|map| map.get(METADATA)).map(String::as_str))
    }

    /// Reads the entry of the metadata.
    fn of(text: Option<&str>) -> Result<Self> {
        let wrong = |what: String| Error::Weights(vec![what]);
        let text = text.ok_or_else(|| wrong("The file holds weights, but no state of a training.".to_owned()))?;
        let head: Head = serde_json::from_str(text)
            .map_err(|error| wrong(format!("The state's description cannot be read: {error}.")))?;
        if head.version > VERSION {
            return Err(wrong(format!("The state has version {}; this program reads {VERSION}.", head.version)));
        }
        Ok(head)
    }
}

/// A state that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The network.
    pub spec: ModelSpec,
    /// The number of the next step.
    pub step: u64,
    /// What the writer added, by name.
    pub extra: BTreeMap<String, String>,
    tensors: Tensors,
}

impl State {
    /// The file of a trainer's state with `extra` texts. The same state gives the same bytes.
    pub fn write(trainer: &Trainer, extra: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        Snapshot::shared(trainer).write(extra)
    }

    /// The file of a network alone, at a step of its training, with `extra` texts. It has no momentum: it can predict, and
    /// [`State::trainer`] refuses it.
    pub fn write_network(network: &Network, step: u64, extra: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let (spec, parameters) = (network.spec().clone(), network.parameters().clone());
        Snapshot { spec, step, parameters, momentum: None }.write(extra)
    }

    /// Reads a state. A file that is none, or one of a newer version, is refused in words.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let head = Head::read(bytes)?;
        Ok(State { spec: head.spec, step: head.step, extra: head.extra, tensors: import::safetensors(bytes)? })
    }

    /// Whether a file with this metadata is the file of a state, of this or of another version.
    pub fn is_described_by(metadata: &BTreeMap<String, String>) -> bool {
        metadata.contains_key(METADATA)
    }

    /// Reads a state, if the file is one. A plain file of weights is none.
    pub fn find(bytes: &[u8]) -> Result<Option<Self>> {
        let metadata = SafeTensors::read_metadata(bytes).ok().and_then(|(_, read)| read.metadata().clone());
        let is_state = metadata.is_some_and(|entries| entries.contains_key(METADATA));
        is_state.then(|| State::read(bytes)).transpose()
    }

    /// The step of a state that has this metadata. None of a plain file of weights.
    pub fn step(metadata: &BTreeMap<String, String>) -> Result<Option<u64>> {
        metadata.get(METADATA).map(|text| Ok(Head::of(Some(text))?.step)).transpose()
    }

    /// What the writer of a state added, without the tensors. Errors are those of [`State::read`].
    pub fn extra(metadata: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
        Ok(Head::of(metadata.get(METADATA).map(String::as_str))?.extra)
    }

    /// The network alone, to predict with.
    pub fn network(&self, device: &Device) -> Result<Network> {
        // Every parameter is needed, so the initialiser is never asked.
        Ok(import::network(&self.spec, device, &self.tensors, (Scheme::Plain, 0), |_| true)?.0)
    }

    /// The trainer, to go on with.
    pub fn trainer(&self, device: &Device) -> Result<Trainer> {
        self.resume(self.network(device)?, device)
    }

    /// The trainer of `network`, which has this state's weights.
    pub(super) fn resume(&self, network: Network, device: &Device) -> Result<Trainer> {
        let flat = momentum(network.parameters().inventory(), |name| self.tensors.get(&format!("{MOMENTUM}{name}")))?;
        let len = flat.len();
        Trainer::resume(network, Momentum(Tensor::from_vec(flat, len, device)?), self.step)
    }

    /// The weights by the names of their parameters, and the momentum by the same names.
    pub fn into_tensors(self) -> (Tensors, Tensors) {
        let (mut weights, mut momentum) = (Tensors::new(), Tensors::new());
        for (name, tensor) in self.tensors {
            match name.strip_prefix(MOMENTUM) {
                Some(parameter) => momentum.insert(parameter.to_owned(), tensor),
                None => weights.insert(name, tensor),
            };
        }
        (weights, momentum)
    }
}

/// The trainer of `network` at a step, with the momentum of each parameter by its name.
///
/// # Errors
/// A parameter that is trained has no momentum of its shape, or there is momentum of one that is not trained.
pub fn resumed(network: Network, momentum: &Tensors, step: u64) -> Result<Trainer> {
    let inventory = network.parameters().inventory();
    let trained = |name: &String| inventory.iter().any(|(_, own)| own.trainable && own.name == *name);
    let idle = |name: &String| format!("There is momentum of `{name}`, which the network does not train.");
    let idle: Vec<String> = momentum.keys().filter(|name| !trained(name)).map(idle).collect();
    if !idle.is_empty() {
        return Err(Error::Weights(idle));
    }
    let flat = self::momentum(inventory, |name| momentum.get(name))?;
    let (len, device) = (flat.len(), network.device().clone());
    Trainer::resume(network, Momentum(Tensor::from_vec(flat, len, &device)?), step)
}

/// The momentum of all trained parameters as one flat buffer.
fn momentum<'a>(inventory: &Inventory, of: impl Fn(&str) -> Option<&'a (Vec<usize>, Vec<f32>)>) -> Result<Vec<f32>> {
    let mut flat = vec![0.0; inventory.trainable_len()];
    let mut missing = Vec::new();
    for (id, parameter) in inventory.iter().filter(|(_, parameter)| parameter.trainable) {
        match of(&parameter.name) {
            Some((shape, values)) if *shape == parameter.shape => flat[inventory.range(id)].copy_from_slice(values),
            _ => missing.push(format!("The momentum of `{}` is missing.", parameter.name)),
        }
    }
    if missing.is_empty() { Ok(flat) } else { Err(Error::Weights(missing)) }
}

/// A trainer's state at one step, apart from the trainer: it can be written while training goes on.
#[derive(Debug)]
pub struct Snapshot {
    spec: ModelSpec,
    step: u64,
    parameters: Parameters,
    /// The momentum of all trainable parameters. A model that was not trained has none.
    momentum: Option<Tensor>,
}

impl Snapshot {
    /// A copy of the state, on the trainer's device.
    pub fn copied(trainer: &Trainer) -> Result<Self> {
        let shared = Snapshot::shared(trainer);
        let momentum = shared.momentum.as_ref().map(Tensor::copy).transpose()?;
        Ok(Snapshot { parameters: shared.parameters.copied()?, momentum, ..shared })
    }

    /// The state itself, which the next step changes.
    fn shared(trainer: &Trainer) -> Self {
        let Trainer { network, momentum, step, .. } = trainer;
        let (parameters, momentum) = (network.parameters().clone(), Some(momentum.flat().clone()));
        Snapshot { spec: network.spec().clone(), step: *step, parameters, momentum }
    }

    /// The file of the state with `extra` texts: the bytes of [`State::write`]. On a GPU it waits while a training captures
    /// its passes there ([`exclusively`]).
    pub fn write(self, extra: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        exclusively(|| self.write_alone(extra))
    }

    fn write_alone(self, extra: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let mut tensors = BTreeMap::new();
        let parameters = self.parameters.on_processor()?;
        let all = self.momentum.map(|momentum| momentum.to_device(&Device::Cpu)).transpose()?;
        let inventory = parameters.inventory();
        for (id, parameter) in inventory.iter() {
            tensors.insert(parameter.name.clone(), parameters.view(id)?);
            let momentum = all.as_ref().map(|all| inventory.slot(id, all)).transpose()?.flatten();
            if let Some(momentum) = momentum {
                tensors.insert(format!("{MOMENTUM}{}", parameter.name), momentum);
            }
        }
        let head = Head { version: VERSION, spec: self.spec, step: self.step, extra: extra.clone() };
        let text = serde_json::to_string(&head).map_err(|error| Error::Model(error.to_string()))?;
        write(&tensors, Some((METADATA, text)))
    }
}

/// The weights of a network whose names pass `keep`, as a plain safetensors file. If the network's epsilon is another than
/// the reference's, the metadata states it.
pub fn weights(network: &Network, keep: impl Fn(&super::layers::Parameter) -> bool) -> Result<Vec<u8>> {
    let (mut tensors, parameters) = (BTreeMap::new(), network.parameters().on_processor()?);
    for (id, parameter) in parameters.inventory().iter().filter(|(_, parameter)| keep(parameter)) {
        tensors.insert(parameter.name.clone(), parameters.view(id)?);
    }
    let epsilon = network.spec().geometry.epsilon;
    let stated = (epsilon != Geometry::TENSORFLOW.epsilon).then(|| (EPSILON, epsilon.to_string()));
    write(&tensors, stated)
}

/// The epsilon that the variances in a file of this program are for, from its metadata; none where the file is of another
/// program, or states none.
pub fn epsilon(metadata: &BTreeMap<String, String>) -> Option<f64> {
    match Head::of(metadata.get(METADATA).map(String::as_str)) {
        Ok(head) => Some(head.spec.geometry.epsilon),
        Err(_) => metadata.get(EPSILON)?.parse().ok(),
    }
}

/// Tensors on the processor as a file.
fn write(tensors: &BTreeMap<String, Tensor>, metadata: Option<(&str, String)>) -> Result<Vec<u8>> {
    // Each tensor's bytes are made when they are appended: no second copy of all is held.
    safetensors::serialize(tensors, metadata.map(|(name, text)| [(name.to_owned(), text)].into()))
        .map_err(|error| Error::Model(format!("The weights cannot be written: {error}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::optim::{Schedule, Sgd};
    use crate::ml::spec::Choice;
    use crate::ml::train::Settings;
    use crate::ml::weights::initialise;

    fn trainer() -> Trainer {
        let spec = ModelSpec::new(Choice::new("Tiny"), 3, Choice::new("Average"));
        Trainer::new(initialise(&spec, &Device::Cpu, Scheme::Stable, 7).unwrap()).unwrap()
    }

    fn step(trainer: &mut Trainer) -> f64 {
        let settings = Settings::new(
            Sgd { lr: 1e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
            Schedule::Poly { power: 0.9 },
            9,
        );
        let pixels: Vec<f32> = (0..3 * 33 * 33).map(|i| (i * 37 % 101) as f32 - 50.0).collect();
        let images = Tensor::from_vec(pixels, (1, 3, 33, 33), &Device::Cpu).unwrap();
        let labels: Vec<u8> = (0..33 * 33).map(|i| (i / 300) as u8).collect();
        trainer.step(&settings, &images, &labels).unwrap().loss
    }

    #[test]
    fn a_training_goes_on_from_its_state_bit_by_bit() {
        let mut whole = trainer();
        step(&mut whole);
        let extra = BTreeMap::from([("b".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())]);
        let bytes = State::write(&whole, &extra).unwrap();
        assert_eq!(bytes, State::write(&whole, &extra).unwrap(), "the same state gives the same bytes");
        let state = State::read(&bytes).unwrap();
        assert_eq!((state.step, &state.extra), (1, &extra));
        let mut resumed = state.trainer(&Device::Cpu).unwrap();
        assert_eq!(step(&mut whole).to_bits(), step(&mut resumed).to_bits());
        let none = BTreeMap::new();
        assert_eq!(State::write(&whole, &none).unwrap(), State::write(&resumed, &none).unwrap());
    }

    /// A state that another thread reads off a GPU is read before or after a capture, never amid it.
    #[test]
    fn a_state_is_written_before_or_after_a_capture() {
        let snapshot = Snapshot::copied(&trainer()).unwrap();
        let written = exclusively(|| {
            let written = std::thread::spawn(move || snapshot.write(&BTreeMap::new()));
            std::thread::sleep(std::time::Duration::from_millis(100));
            assert!(!written.is_finished(), "the state was written amid a capture");
            written
        });
        assert_eq!(written.join().unwrap().unwrap(), State::write(&trainer(), &BTreeMap::new()).unwrap());
    }

    #[test]
    fn a_network_without_momentum_predicts_and_is_not_trained_on() {
        let network = trainer().network;
        let state = State::read(&State::write_network(&network, 7, &BTreeMap::new()).unwrap()).unwrap();
        assert_eq!((state.step, &state.spec), (7, network.spec()));
        let kept = weights(&state.network(&Device::Cpu).unwrap(), |_| true).unwrap();
        assert_eq!(kept, weights(&network, |_| true).unwrap());
        let refused = state.trainer(&Device::Cpu).unwrap_err().to_string();
        assert!(refused.contains("The momentum of `stem/conv/weights` is missing."), "{refused}");
    }

    #[test]
    fn a_state_of_every_version_reads() {
        let head = r#"{"version":1,"spec":{"encoder":{"name":"Tiny","args":{}},"classes":3,"prefilter":{"name":"Average","args":{}}},"step":7,"extra":{"a":"2"}}"#;
        let tensor = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
        let header = format!(r#"{{"__metadata__":{{"repro":{}}},"w":{tensor}}}"#, serde_json::to_string(head).unwrap());
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&1.5_f32.to_le_bytes());
        let state = State::read(&bytes).unwrap();
        assert_eq!((&state.spec, state.step), (trainer().network.spec(), 7));
        assert_eq!(state.extra, BTreeMap::from([("a".to_owned(), "2".to_owned())]));
        assert_eq!(state.tensors["w"], (vec![1], vec![1.5]));
    }

    #[test]
    fn what_is_no_state_is_refused_in_words() {
        let trainer = trainer();
        let bytes = State::write(&trainer, &BTreeMap::new()).unwrap();
        let refused = |bytes: &[u8]| State::read(bytes).unwrap_err().to_string();
        assert!(refused(&bytes[..bytes.len() / 2]).contains("not a whole safetensors file"));
        assert!(refused(&weights(&trainer.network, |_| true).unwrap()).contains("no state of a training"));
        let mut newer = bytes.clone();
        let wanted = b"\\\"version\\\":1";
        let at = newer.windows(wanted.len()).position(|window| window == wanted).unwrap();
        newer[at + wanted.len() - 1] = b'7';
        assert!(refused(&newer).contains("version 7; this program reads 1"), "{}", refused(&newer));
    }

    #[test]
    fn every_tensor_that_does_not_fit_is_named() {
        let network = trainer().network;
        let bytes = weights(&network, |_| true).unwrap();
        let mut tensors = import::safetensors(&bytes).unwrap();
        let load = |tensors: &Tensors| {
            import::network(network.spec(), &Device::Cpu, tensors, (Scheme::Stable, 1), |p| p.name.starts_with("stem"))
        };
        let (_, report) = load(&tensors).unwrap();
        assert!(report.initialised.is_empty() && report.left_over.is_empty());
        tensors.remove("stem/conv/weights");
        tensors.remove("head/aspp6/biases");
        tensors.insert("head/aspp12/biases".to_owned(), (vec![2], vec![0.0; 2]));
        tensors.insert("strange".to_owned(), (vec![1], vec![0.0]));
        let error = load(&tensors).unwrap_err().to_string();
        assert!(error.contains("`stem/conv/weights`") && error.contains("is missing"), "{error}");
        assert!(error.contains("`head/aspp12/biases` has the shape [2]; the network needs [3]."), "{error}");
        let (shape, values) = import::safetensors(&bytes).unwrap().remove("stem/conv/weights").unwrap();
        tensors.insert("stem/conv/weights".to_owned(), (shape, values));
        tensors.remove("head/aspp12/biases");
        let (_, report) = load(&tensors).unwrap();
        assert_eq!(report.initialised, ["head/aspp6/biases", "head/aspp12/biases"]);
        assert_eq!(report.left_over, ["strange"]);
    }
}
