//! Parameters by name, in two flat buffers: what training changes, and what it leaves alone.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::ml::error::{Error, Result};
use crate::ml::ops;

/// What a parameter is for. Decides its learning rate, its weight decay, and its section of the flat buffer, where sections
/// stand in the order of the roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The weights of an encoder's convolution: rate 1x, with weight decay.
    Conv,
    /// Batch norm: frozen, unless the encoder's is trained.
    Norm,
    /// A pre-filter's own parameter: rate 1x, no weight decay.
    Prefilter,
    /// The weights of the head: rate 10x, with weight decay.
    HeadWeights,
    /// The batch norm of a head that has one: as the encoder's.
    HeadNorm,
    /// The biases of the head: rate 20x, no weight decay.
    HeadBias,
}

impl Role {
    /// All roles, in the order of their declaration.
    const ALL: [Role; 6] = [Role::Conv, Role::Norm, Role::Prefilter, Role::HeadWeights, Role::HeadNorm, Role::HeadBias];

    /// Whether weight decay applies.
    pub fn decayed(self) -> bool {
        matches!(self, Role::Conv | Role::HeadWeights)
    }
}

// A role's number is its place in `ALL`, and so in the arrays that have an entry for each.
const _: () = {
    let mut at = 0;
    while at < Role::ALL.len() {
        assert!(Role::ALL[at] as usize == at);
        at += 1;
    }
};

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Normal with the standard deviation `sqrt(2 / fan_in)` (He et al., arXiv 1502.01852, equation 10).
    HeNormal {
        /// Inputs of one output.
        fan_in: usize,
    },
    /// Uniform up to `sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, AISTATS 2010, equation 16).
    GlorotUniform {
        /// Inputs of one output.
        fan_in: usize,
        /// Outputs of one input.
        fan_out: usize,
    },
    /// The same value everywhere.
    Constant(f32),
    /// A square matrix with ones on its diagonal and zeros elsewhere.
    Identity,
    /// One value in plain initialisation, another in the stable one (see [`crate::ml::weights::Scheme`]).
    Norm {
        /// The plain value.
        plain: f32,
        /// The stable value.
        stable: f32,
    },
}

/// A parameter of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name, as `group4/block3/reduce/weights`.
    pub name: String,
    /// The shape; filters are OIHW.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// Whether training changes it.
    pub trainable: bool,
    /// How it starts.
    pub init: Init,
}

impl Parameter {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether weight decay applies.
    pub fn decayed(&self) -> bool {
        self.trainable && self.role.decayed()
    }
}

/// The place of a parameter in an [`Inventory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterId(usize);

/// All parameters of a network, in the order of the network, and where each lies in its flat buffer. The buffer of the
/// trainable ones has a section for each role, since the optimiser treats those of one role alike: it updates a section at
/// once. Within a section, and in the buffer of the frozen ones, the order is that of the network.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    parameters: Vec<Parameter>,
    /// Where each begins: from its section, or in the buffer of the frozen ones.
    offsets: Vec<usize>,
    /// The elements of each role's section.
    trainable: [usize; Role::ALL.len()],
    frozen: usize,
}

impl Inventory {
    /// Appends a parameter.
    pub fn add(&mut self, parameter: Parameter) -> ParameterId {
        let end = if parameter.trainable { &mut self.trainable[parameter.role as usize] } else { &mut self.frozen };
        self.offsets.push(*end);
        *end += parameter.len();
        self.parameters.push(parameter);
        ParameterId(self.parameters.len() - 1)
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = (ParameterId, &Parameter)> {
        self.parameters.iter().enumerate().map(|(at, parameter)| (ParameterId(at), parameter))
    }

    /// A parameter.
    pub fn get(&self, id: ParameterId) -> &Parameter {
        &self.parameters[id.0]
    }

    /// Elements that training changes.
    pub fn trainable_len(&self) -> usize {
        self.trainable.iter().sum()
    }

    /// The section of each role in a flat buffer of the trainable parameters, in order.
    pub fn sections(&self) -> impl Iterator<Item = (Role, Range<usize>)> {
        Role::ALL.into_iter().map(|role| {
            let start = self.trainable[..role as usize].iter().sum();
            (role, start..start + self.trainable[role as usize])
        })
    }

    /// The place of a parameter in its flat buffer: of the trainable ones, or of the frozen ones.
    pub fn range(&self, id: ParameterId) -> Range<usize> {
        let parameter = self.get(id);
        let section = if parameter.trainable { self.trainable[..parameter.role as usize].iter().sum() } else { 0 };
        let start = section + self.offsets[id.0];
        start..start + parameter.len()
    }

    /// The elements of a parameter within a flat buffer of the trainable ones.
    pub fn slot(&self, id: ParameterId, flat: &Tensor) -> Result<Option<Tensor>> {
        let parameter = self.get(id);
        if !parameter.trainable {
            return Ok(None);
        }
        Ok(Some(self.view(id, flat)?))
    }

    fn view(&self, id: ParameterId, flat: &Tensor) -> Result<Tensor> {
        let range = self.range(id);
        Ok(flat.narrow(0, range.start, range.len())?.reshape(self.get(id).shape.as_slice())?)
    }
}

/// The values of a network's parameters.
#[derive(Debug, Clone)]
pub struct Parameters {
    inventory: Arc<Inventory>,
    trainable: Tensor,
    frozen: Tensor,
    /// The same values as `frozen`, on the processor: one tensor with it where that is there.
    constants: Tensor,
}

impl Parameters {
    /// Collects the values that `values` gives for each parameter.
    pub fn build(
        inventory: Arc<Inventory>,
        device: &Device,
        mut values: impl FnMut(&Parameter) -> Result<Vec<f32>>,
    ) -> Result<Self> {
        let mut trainable = vec![0.0; inventory.trainable_len()];
        let mut frozen = vec![0.0; inventory.frozen];
        for (id, parameter) in inventory.iter() {
            let data = values(parameter)?;
            if data.len() != parameter.len() {
                return Err(Error::Shape {
                    what: format!("`{}`", parameter.name),
                    found: vec![data.len()],
                    expected: format!("{:?}", parameter.shape),
                });
            }
            let flat = if parameter.trainable { &mut trainable } else { &mut frozen };
            flat[inventory.range(id)].copy_from_slice(&data);
        }
        let flat = |data: Vec<f32>, device: &Device| {
            let len = data.len();
            Tensor::from_vec(data, len, device)
        };
        let constants = flat(frozen, &Device::Cpu)?;
        let frozen = constants.to_device(device)?;
        Ok(Parameters { trainable: flat(trainable, device)?, frozen, constants, inventory })
    }

    /// What and where the parameters are.
    pub fn inventory(&self) -> &Arc<Inventory> {
        &self.inventory
    }

    /// The flat buffer that training changes in place.
    pub fn trainable(&self) -> &Tensor {
        &self.trainable
    }

    /// The same parameters, which training of these no longer changes. What training never changes is shared.
    pub fn copied(&self) -> Result<Self> {
        Ok(Parameters { trainable: self.trainable.copy()?, ..self.clone() })
    }

    /// The same values on the processor: these themselves where they are there, else one copy of each flat buffer. Views of a
    /// buffer on a GPU must not be read one by one: each reading would copy the whole buffer.
    pub fn on_processor(&self) -> Result<Self> {
        let (trainable, frozen) = (self.trainable.to_device(&Device::Cpu)?, self.constants.clone());
        Ok(Parameters { trainable, frozen, ..self.clone() })
    }

    /// The values of a parameter that training never changes, without a question to a GPU.
    pub fn constant(&self, id: ParameterId) -> Result<Vec<f32>> {
        let parameter = self.inventory.get(id);
        if parameter.trainable {
            return Err(Error::Model(format!("Training changes `{}`: it is no constant.", parameter.name)));
        }
        Ok(self.inventory.view(id, &self.constants)?.flatten_all()?.to_vec1()?)
    }

    /// Whether these lie where the others do, and not only have the same values.
    pub fn is_same(&self, other: &Parameters) -> bool {
        self.trainable.id() == other.trainable.id() && self.frozen.id() == other.frozen.id()
    }

    /// A parameter's values: a view, not a copy.
    pub fn view(&self, id: ParameterId) -> Result<Tensor> {
        let flat = if self.inventory.get(id).trainable { &self.trainable } else { &self.frozen };
        self.inventory.view(id, flat)
    }
}

/// Some parameters, and views of their values: training changes these in place.
#[derive(Debug, Clone, Default)]
pub struct Views {
    ids: Vec<ParameterId>,
    values: Vec<Tensor>,
}

impl Views {
    /// Views of the parameters `ids`.
    pub fn new(parameters: &Parameters, ids: Vec<ParameterId>) -> Result<Self> {
        let values = ids.iter().map(|&id| parameters.view(id)).collect::<Result<_>>()?;
        Ok(Views { ids, values })
    }

    /// The values.
    pub fn values(&self) -> &[Tensor] {
        &self.values
    }

    /// Where the gradients of the parameters go; none where one is frozen.
    pub fn slots(&self, gradients: &Gradients) -> Result<Vec<Option<Tensor>>> {
        self.ids.iter().map(|&id| gradients.slot(id)).collect()
    }
}

/// The gradients of all trainable parameters in one flat buffer.
#[derive(Debug, Clone)]
pub struct Gradients {
    inventory: Arc<Inventory>,
    flat: Tensor,
}

impl Gradients {
    /// Zero gradients.
    pub fn zeros(inventory: Arc<Inventory>, device: &Device) -> Result<Self> {
        Ok(Gradients { flat: ops::zeros(&[inventory.trainable_len()], device)?, inventory })
    }

    /// The flat buffer; the inventory says what lies where.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Makes all gradients zero.
    pub fn clear(&self) -> Result<()> {
        Ok(self.flat.zero_set()?)
    }

    /// Where the gradient of a parameter goes; none where it is frozen.
    pub fn slot(&self, id: ParameterId) -> Result<Option<Tensor>> {
        self.inventory.slot(id, &self.flat)
    }
}
