//! The tensors of a PyTorch pickle: a dictionary of them, or one that holds such dictionaries.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::Dtype;

use super::content::Content;
use super::error::{Error, Result};
use super::pickle::{Id, Object, Pickle};
use super::strided::Strided;
use super::tensors::{Checkpoint, RANK, Tensor, limit};

/// The contents of storages by key.
pub type Storages = BTreeMap<String, Content>;

/// How deep dictionaries may lie in one another. A training's state has three levels.
const DEPTH: usize = 16;
/// The objects that are not made of which a file's reader is told.
const UNMADE: usize = 100;
/// What a tensor takes at most beside its name.
const TENSOR: usize = 1024;
/// The bytes of a storage's key: a number, of a storage or of where it was in memory.
const KEY: usize = 64;

/// A storage as a pickle refers to it.
pub struct Storage {
    /// The key by which its content is found.
    pub key: String,
    /// The bytes of an element; none where the type is not known.
    pub width: Option<usize>,
    /// The type of its elements, or the class where that is of a type that is not read. A storage without a type is of
    /// bytes, and tensors say what they are.
    dtype: std::result::Result<Option<Dtype>, String>,
    /// Where it starts in the content, in elements: older files have storages that are parts of others.
    start: usize,
}

/// Every storage that a pickle refers to. What else it refers to, as a class with its source, is none.
pub fn storages(pickle: &Pickle) -> Result<Vec<Storage>> {
    let persistent = pickle.objects().iter().filter_map(|object| match object {
        Object::Persistent(id) => Some(*id),
        _ => None,
    });
    let is_storage = |id: &Id| {
        let kind = pickle.items(*id).and_then(|items| pickle.text(*items.first()?));
        kind.is_none_or(|kind| kind == "storage")
    };
    persistent.filter(is_storage).map(|id| storage(pickle, id)).collect()
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
        return Err(wrong());
    }
    let class = pickle.name(class).ok_or_else(wrong)?;
    let class = class.rsplit_once('.').map_or(class.as_str(), |(_, class)| class);
    let (width, dtype) = match class {
        "FloatStorage" => (4, Ok(Some(Dtype::F32))),
        "DoubleStorage" => (8, Ok(Some(Dtype::F64))),
        "HalfStorage" => (2, Ok(Some(Dtype::F16))),
        "BFloat16Storage" => (2, Ok(Some(Dtype::BF16))),
        "LongStorage" => (8, Ok(Some(Dtype::I64))),
        "IntStorage" => (4, Ok(Some(Dtype::I32))),
        "ShortStorage" => (2, Ok(Some(Dtype::I16))),
        "CharStorage" => (1, Ok(Some(Dtype::I8))),
        "ByteStorage" => (1, Ok(Some(Dtype::U8))),
        "BoolStorage" => (1, Ok(Some(Dtype::BOOL))),
        "ComplexFloatStorage" => (8, Ok(Some(Dtype::C64))),
        "UntypedStorage" | "_UntypedStorage" => (1, Ok(None)),
        "ComplexDoubleStorage" => (16, Err("complex128".to_owned())),
        "QInt8Storage" | "QUInt8Storage" | "QUInt4x2Storage" | "QUInt2x4Storage" => (1, Err(class.to_owned())),
        "QInt32Storage" => (4, Err(class.to_owned())),
        other => (0, Err(other.to_owned())),
    };
    let width = Some(width).filter(|width| *width > 0);
    let start = match view {
        None => 0,
        Some(view) => view.get(1).and_then(|offset| pickle.index(*offset)).ok_or_else(wrong)?,
    };
    Ok(Storage { key: key(pickle, id).ok_or_else(wrong)?, width, dtype, start })
}

/// Reads every tensor of a pickle, named by the keys that lead to it, with points between them. Objects beside them are
/// passed over by name, and so are tensors of types that are not read.
pub fn read(format: &'static str, pickle: &Pickle, storages: &Storages) -> Result<Checkpoint> {
    let mut walk =
        Walk { pickle, seen: BTreeSet::new(), found: Vec::new(), unmade: Vec::new(), budget: limit(pickle.len) };
    walk.visit("", pickle.root, 0)?;
    // A view of few elements can reach over a whole storage, and all of that is read for it.
    let mut spans = limit(storages.values().map(Content::len).fold(0, usize::saturating_add));
    let (mut tensors, mut passed_over) = (Vec::with_capacity(walk.found.len()), walk.passed_over());
    for (name, call) in &walk.found {
        match tensor(pickle, name, *call, storages, &mut spans).map_err(|error| error.of_tensor(name))? {
            Ok(tensor) => tensors.push(tensor),
            Err(why) => passed_over.push((name.clone(), why)),
        }
    }
    if tensors.is_empty() {
        let hint = "Save the weights: torch.save(model.state_dict(), \"weights.pth\").";
        let what = match passed_over.first() {
            None => "The pickle holds no tensors by name.".to_owned(),
            Some((name, why)) if name.is_empty() => format!("The pickle holds no tensors by name: it {why}."),
            Some((name, why)) => format!("The pickle holds no tensors by name that are read: `{name}` {why}."),
        };
        return Err(Error::refused("", what, hint));
    }
    Ok(Checkpoint { passed_over, ..Checkpoint::new(format, tensors)? })
}

struct Walk<'a> {
    pickle: &'a Pickle,
    seen: BTreeSet<Id>,
    found: Vec<(String, Id)>,
    /// The objects that are not made, the first [`UNMADE`] by name.
    unmade: Vec<(String, Id)>,
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
            Object::Dict(_) | Object::List(_) | Object::Tuple(_) | Object::Unmade { .. } if !self.seen.insert(id) => {}
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
            Object::Unmade { .. } => match module(pickle, id) {
                Some(parts) => {
                    for part in parts {
                        self.visit(name, part, depth)?;
                    }
                }
                None if self.unmade.len() < UNMADE => self.unmade.push((name.to_owned(), id)),
                None => {}
            },
            Object::Global(_) | Object::Foreign(..) if name.is_empty() => self.unmade.push((String::new(), id)),
            _ => {}
        }
        Ok(())
    }

    /// Visits what lies under `key`, where it may hold tensors.
    fn enter(&mut self, name: &str, key: &str, id: Id, depth: usize) -> Result<()> {
        let holds = match self.pickle.get(id) {
            Object::Call(..) | Object::Dict(_) | Object::List(_) | Object::Tuple(_) => true,
            Object::Unmade { .. } => self.unmade.len() < UNMADE || module(self.pickle, id).is_some(),
            _ => false,
        };
        if !holds {
            return Ok(());
        }
        let spent = self.budget.checked_sub(name.len() + key.len() + TENSOR);
        self.budget = spent.ok_or_else(|| {
            Error::damaged("", "It refers to a tensor or a name far more often than a state of weights does.")
        })?;
        let name = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        self.visit(&name, id, depth + 1)
    }

    /// The objects that are not made, with what each is.
    fn passed_over(&self) -> Vec<(String, String)> {
        let words = |(name, id): &(String, Id)| {
            let maker = self.pickle.name(*id).unwrap_or_else(|| "a function".to_owned());
            (name.clone(), format!("would be made by `{maker}`, and is skipped unread"))
        };
        self.unmade.iter().map(words).collect()
    }
}

/// The dictionaries that hold the tensors and the parts of a module, from its attributes; none where it is no module.
/// A compiled module (TorchScript) has both among its attributes.
fn module(pickle: &Pickle, id: Id) -> Option<Vec<Id>> {
    let Object::Unmade { state: Some(state), .. } = pickle.get(id) else { return None };
    let Object::Dict(attributes) = pickle.get(*state) else { return None };
    if pickle.name(id).is_some_and(|name| name.starts_with("__torch__.")) {
        return Some(vec![*state]);
    }
    let attribute = |name: &str| {
        let (_, value) = attributes.iter().find(|(key, _)| pickle.text(*key) == Some(name))?;
        Some(*value)
    };
    let parts: Vec<Id> = ["_parameters", "_buffers", "_modules"].into_iter().filter_map(attribute).collect();
    (parts.len() == 3).then_some(parts)
}

fn tensor(
    pickle: &Pickle,
    name: &str,
    mut call: Id,
    storages: &Storages,
    spans: &mut usize,
) -> Result<std::result::Result<Tensor, String>> {
    let wrong = || Error::damaged("", "It is not described as PyTorch does.");
    // A parameter holds a tensor, and what is of a class of its own holds the call that would make a plain one. Nothing can
    // hold itself here, since an argument is made before the call.
    let (function, arguments) = loop {
        let Object::Call(function, arguments) = pickle.get(call) else { return Err(wrong()) };
        let given = pickle.items(*arguments).ok_or_else(wrong)?;
        if function.contains("_from_type") {
            let [inner, _class, arguments, ..] = given else { return Err(wrong()) };
            match pickle.get(*inner) {
                Object::Global(inner) if inner.contains("._rebuild_tensor") => {
                    break (inner.as_str(), pickle.items(*arguments).ok_or_else(wrong)?);
                }
                _ => return Ok(Err(unread(pickle, *inner))),
            }
        }
        if !function.contains("_parameter") {
            break (*function, given);
        }
        call = *given.first().ok_or_else(wrong)?;
        if matches!(pickle.get(call), Object::Unmade { .. }) {
            return Ok(Err(unread(pickle, call)));
        }
    };
    let [source, offset, shape, strides, rest @ ..] = arguments else { return Err(wrong()) };
    let source = match pickle.get(*source) {
        Object::Persistent(source) => *source,
        Object::Unmade { .. } => return Ok(Err(unread(pickle, *source))),
        _ => return Err(wrong()),
    };
    let storage = storage(pickle, source)?;
    let numbers = |id: &Id| -> Option<Vec<usize>> {
        pickle.items(*id).filter(|sizes| sizes.len() <= RANK)?.iter().map(|id| pickle.index(*id)).collect()
    };
    let (shape, strides) = (numbers(shape).ok_or_else(wrong)?, numbers(strides).ok_or_else(wrong)?);
    let offset = pickle.index(*offset).and_then(|offset| offset.checked_add(storage.start)).ok_or_else(wrong)?;
    // Only the third version says the type itself: (…, requires_grad, hooks, dtype).
    let stated = rest.get(2).filter(|_| function.ends_with("_v3")).and_then(|id| pickle.name(*id));
    let dtype = match stated {
        Some(name) => of_name(&name).ok_or(name),
        None => storage.dtype.and_then(|dtype| dtype.ok_or_else(|| "a storage without one".to_owned())),
    };
    let dtype = match dtype {
        Ok(dtype) => dtype,
        Err(other) => return Ok(Err(format!("has PyTorch's type `{other}`, which is not read"))),
    };
    let content = storages.get(&storage.key).cloned();
    let content = content.ok_or_else(|| Error::damaged("", format!("Its storage `{}` is missing.", storage.key)))?;
    let view = Strided::new(content, dtype, offset, &shape, &strides)?;
    *spans = spans.checked_sub(view.span()).ok_or_else(|| {
        let hint = "Save each tensor with values of its own: tensor.contiguous().clone().";
        Error::refused("", "It and those before it lie over one another, spread over far more than the file.", hint)
    })?;
    Ok(Ok(Tensor::new(name, dtype, shape, view)))
}

/// Why a tensor is passed over that depends on an object that is not made.
fn unread(pickle: &Pickle, id: Id) -> String {
    let maker = pickle.name(id).unwrap_or_else(|| "a function".to_owned());
    format!("would be made by `{maker}`, which is not read")
}

/// The type of one of PyTorch's names.
fn of_name(name: &str) -> Option<Dtype> {
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
        "float8_e4m3fn" => Dtype::F8_E4M3,
        "float8_e5m2" => Dtype::F8_E5M2,
        _ => return None,
    })
}
