//! The tensors of a PyTorch pickle: a dictionary of them, or one that holds such dictionaries.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::Dtype;

use super::content::Content;
use super::error::{Error, Result};
use super::pickle::{Id, Object, Pickle};
use super::strided::Strided;
use super::tensors::{Checkpoint, RANK, Tensor, limit, width};

/// The contents of storages by key.
pub type Storages = BTreeMap<String, Content>;

/// How deep dictionaries may lie in one another. A training's state has three levels.
const DEPTH: usize = 16;
/// What a tensor takes at most beside its name.
const TENSOR: usize = 1024;
/// The bytes of a storage's key: a number, of a storage or of where it was in memory.
const KEY: usize = 64;

/// A storage as a pickle refers to it.
pub struct Storage {
    /// The key by which its content is found.
    pub key: String,
    /// The bytes of an element.
    pub width: usize,
    dtype: Option<Dtype>,
    /// Where it starts in the content, in elements: older files have storages that are parts of others.
    start: usize,
}

/// Every storage that a pickle refers to.
pub fn storages(pickle: &Pickle) -> Result<Vec<Storage>> {
    let persistent = pickle.objects().iter().filter_map(|object| match object {
        Object::Persistent(id) => Some(*id),
        _ => None,
    });
    persistent.map(|id| storage(pickle, id)).collect()
}

/// A key of a storage: a short text, or a number in some files.
pub fn key(pickle: &Pickle, id: Id) -> Option<String> {
    match pickle.get(id) {
        Object::Text(text) if text.len() <= KEY => Some(text.clone()),
        Object::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `("storage", torch.FloatStorage, key, location, elements)`, in older files with a last item, the view of another.
fn storage(pickle: &Pickle, id: Id) -> Result<Storage> {
    let wrong = || Error::damaged("", "A storage of the pickle is not described as PyTorch does.");
    let (kind, class, id, view) = match pickle.items(id) {
        Some(&[kind, class, key, _, _]) => (kind, class, key, None),
        Some(&[kind, class, key, _, _, view]) => (kind, class, key, pickle.items(view)),
        _ => return Err(wrong()),
    };
    if pickle.text(kind) != Some("storage") {
        let hint = "Save the weights alone: torch.save(model.state_dict(), \"weights.pth\").";
        return Err(Error::refused("", "The file holds more than weights: a module with its source.", hint));
    }
    let class = pickle.text(class).ok_or_else(wrong)?;
    let class = class.rsplit_once('.').map_or(class, |(_, class)| class);
    let dtype = match class {
        "FloatStorage" => Some(Dtype::F32),
        "DoubleStorage" => Some(Dtype::F64),
        "HalfStorage" => Some(Dtype::F16),
        "BFloat16Storage" => Some(Dtype::BF16),
        "LongStorage" => Some(Dtype::I64),
        "IntStorage" => Some(Dtype::I32),
        "ShortStorage" => Some(Dtype::I16),
        "CharStorage" => Some(Dtype::I8),
        "ByteStorage" => Some(Dtype::U8),
        "BoolStorage" => Some(Dtype::BOOL),
        "ComplexFloatStorage" => Some(Dtype::C64),
        "UntypedStorage" => None,
        other => {
            let hint = "Save the weights as float32.";
            return Err(Error::refused(
                "",
                format!("It has a storage of the type `{other}`, which is not read."),
                hint,
            ));
        }
    };
    let start = match view {
        None => 0,
        Some(view) => view.get(1).and_then(|offset| pickle.index(*offset)).ok_or_else(wrong)?,
    };
    Ok(Storage { key: key(pickle, id).ok_or_else(wrong)?, width: dtype.and_then(width).unwrap_or(1), dtype, start })
}

/// Reads every tensor of a pickle, named by the keys that lead to it, with points between them.
pub fn read(format: &'static str, pickle: &Pickle, storages: &Storages) -> Result<Checkpoint> {
    let mut walk = Walk { pickle, seen: BTreeSet::new(), found: Vec::new(), budget: limit(pickle.len) };
    walk.visit("", pickle.root, 0)?;
    // A view of few elements can reach over a whole storage, and all of that is read for it.
    let mut spans = limit(storages.values().map(Content::len).fold(0, usize::saturating_add));
    let mut tensors = Vec::with_capacity(walk.found.len());
    for (name, call) in &walk.found {
        tensors.push(tensor(pickle, name, *call, storages, &mut spans).map_err(|error| error.of_tensor(name))?);
    }
    if tensors.is_empty() {
        let hint = "Save the weights: torch.save(model.state_dict(), \"weights.pth\").";
        return Err(Error::refused("", "The pickle holds no tensors by name.", hint));
    }
    Checkpoint::new(format, tensors)
}

struct Walk<'a> {
    pickle: &'a Pickle,
    seen: BTreeSet<Id>,
    found: Vec<(String, Id)>,
    /// What names and tensors may yet take: a short pickle can refer to one text or tensor over and over.
    budget: usize,
}

impl Walk<'_> {
    fn visit(&mut self, name: &str, id: Id, depth: usize) -> Result<()> {
        if depth > DEPTH {
            return Err(Error::damaged("", format!("Its dictionaries lie more than {DEPTH} deep.")));
        }
        let pickle = self.pickle;
        match pickle.get(id) {
            Object::Call(..) => self.found.push((name.to_owned(), id)),
            // What is held twice, or holds itself, is visited once.
            Object::Dict(_) | Object::List(_) | Object::Tuple(_) if !self.seen.insert(id) => {}
            Object::Dict(entries) => {
                for (key, value) in entries {
                    match pickle.get(*key) {
                        Object::Text(text) => self.enter(name, text, *value, depth)?,
                        Object::Int(number) => self.enter(name, &number.to_string(), *value, depth)?,
                        _ => {}
                    }
                }
            }
            Object::List(items) | Object::Tuple(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.enter(name, &at.to_string(), *item, depth)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Visits what lies under `key`, where it may hold tensors.
    fn enter(&mut self, name: &str, key: &str, id: Id, depth: usize) -> Result<()> {
        if !matches!(self.pickle.get(id), Object::Call(..) | Object::Dict(_) | Object::List(_) | Object::Tuple(_)) {
            return Ok(());
        }
        let spent = self.budget.checked_sub(name.len() + key.len() + TENSOR);
        self.budget = spent.ok_or_else(|| {
            Error::damaged("", "It refers to a tensor or a name far more often than a state of weights does.")
        })?;
        let name = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        self.visit(&name, id, depth + 1)
    }
}

fn tensor(pickle: &Pickle, name: &str, mut call: Id, storages: &Storages, spans: &mut usize) -> Result<Tensor> {
    let wrong = || Error::damaged("", "It is not described as PyTorch does.");
    let (function, arguments) = loop {
        let Object::Call(function, arguments) = pickle.get(call) else { return Err(wrong()) };
        let arguments = pickle.items(*arguments).ok_or_else(wrong)?;
        if !function.ends_with("_parameter") {
            break (*function, arguments);
        }
        call = *arguments.first().ok_or_else(wrong)?;
    };
    let [source, offset, shape, strides, rest @ ..] = arguments else { return Err(wrong()) };
    let Object::Persistent(source) = pickle.get(*source) else { return Err(wrong()) };
    let storage = storage(pickle, *source)?;
    let numbers = |id: &Id| -> Option<Vec<usize>> {
        pickle.items(*id).filter(|sizes| sizes.len() <= RANK)?.iter().map(|id| pickle.index(*id)).collect()
    };
    let (shape, strides) = (numbers(shape).ok_or_else(wrong)?, numbers(strides).ok_or_else(wrong)?);
    let offset = pickle.index(*offset).and_then(|offset| offset.checked_add(storage.start)).ok_or_else(wrong)?;
    // Only the third version says the type itself: (…, requires_grad, hooks, dtype).
    let stated = rest.get(2).filter(|_| function.ends_with("_v3")).and_then(|id| stated(pickle.text(*id)?));
    let dtype = stated.or(storage.dtype).ok_or_else(wrong)?;
    let content = storages.get(&storage.key).cloned();
    let content = content.ok_or_else(|| Error::damaged("", format!("Its storage `{}` is missing.", storage.key)))?;
    let view = Strided::new(content, dtype, offset, &shape, &strides)?;
    *spans = spans.checked_sub(view.span()).ok_or_else(|| {
        let hint = "Save each tensor with values of its own: tensor.contiguous().clone().";
        Error::refused("", "It and those before it lie over one another, spread over far more than the file.", hint)
    })?;
    Ok(Tensor::new(name, dtype, shape, view))
}

fn stated(name: &str) -> Option<Dtype> {
    Some(match name.strip_prefix("torch.")? {
        "float32" => Dtype::F32,
        "float64" => Dtype::F64,
        "float16" => Dtype::F16,
        "bfloat16" => Dtype::BF16,
        "int8" => Dtype::I8,
        "int16" => Dtype::I16,
        "int32" => Dtype::I32,
        "int64" => Dtype::I64,
        "uint8" => Dtype::U8,
        "uint16" => Dtype::U16,
        "uint32" => Dtype::U32,
        "uint64" => Dtype::U64,
        "bool" => Dtype::BOOL,
        "complex64" => Dtype::C64,
        _ => return None,
    })
}
