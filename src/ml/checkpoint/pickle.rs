//! Pickles, read without executing anything: a stack machine that makes lists, dictionaries and texts, and knows the
//! few names that a PyTorch state needs. Every other name is refused by name.
//!
//! Objects live in one table and refer to each other by number, so a pickle that contains itself is nothing special
//! and costs nothing. Each operation adds a bounded number of objects or moves those that are there, and there are at
//! most [`OPERATIONS`]; memory is bounded by that and by the pickle's texts. (CPython, Lib/pickletools.py, has what each operation does.)

use std::collections::BTreeMap;

use super::error::{Error, Result};

/// An object by its number.
pub type Id = usize;

/// What a pickle can hold here.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// `None`, a number that nobody needs, or what an inert name would make.
    Opaque,
    Bool(bool),
    Int(i64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// A dictionary in the order of its entries.
    Dict(Vec<(Id, Id)>),
    /// A name that is known: its module and itself.
    Global(String),
    /// A reference to something outside the pickle, as a storage.
    Persistent(Id),
    /// What a function of PyTorch was to make of its arguments.
    Call(&'static str, Id),
}

/// What to do about a pickle that is more than weights.
const SAVE: &str = "Save the weights alone, in PyTorch: torch.save(model.state_dict(), \"weights.pth\").";

/// The operations that a pickle may have. A tensor of a state takes some forty, an object about a hundred bytes here.
const OPERATIONS: usize = 1 << 20;

/// Functions that rebuild tensors; their arguments are kept.
const REBUILD: [&str; 4] = [
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
];

/// Names that make a dictionary.
const DICTIONARIES: [&str; 3] = ["collections.OrderedDict", "builtins.dict", "__builtin__.dict"];

/// Names that make something beside the weights: sizes, devices, NumPy's scalars.
const INERT: [&str; 9] = [
    "torch.Size",
    "torch.device",
    "builtins.set",
    "__builtin__.set",
    "builtins.bytearray",
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "_codecs.encode",
];

/// The element types of PyTorch, as its attributes.
const DTYPES: [&str; 14] = [
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
];

/// Whether a name may stand in a pickle.
fn known(name: &str) -> bool {
    let storage = |rest: &str| {
        let class = ["cuda.", "storage."].iter().find_map(|part| rest.strip_prefix(part)).unwrap_or(rest);
        class.ends_with("Storage") && class.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let torch = name.strip_prefix("torch.");
    REBUILD.contains(&name)
        || DICTIONARIES.contains(&name)
        || INERT.contains(&name)
        || torch.is_some_and(|rest| storage(rest) || DTYPES.contains(&rest))
}

/// A pickle that was read: its objects, and the number of the one that it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Pickle {
    objects: Vec<Object>,
    /// The object that the pickle is.
    pub root: Id,
    /// The bytes that it took.
    pub len: usize,
}

impl Pickle {
    /// Reads the pickle at the start of `bytes`.
    ///
    /// # Errors
    /// An operation or a name that is not known, and a pickle that is not whole.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut machine =
            Machine { bytes, at: 0, objects: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: BTreeMap::new() };
        for _ in 0..OPERATIONS {
            let at = machine.at;
            match machine.step() {
                Ok(None) => {}
                Ok(Some(root)) => return Ok(Pickle { objects: machine.objects, root, len: machine.at }),
                Err(Fault::Malformed) => {
                    return Err(Error::damaged(format!("pickle, byte {at}"), "It is not a whole pickle."));
                }
                Err(Fault::Refused(what)) => {
                    return Err(Error::refused(format!("pickle, byte {at}"), what, SAVE));
                }
            }
        }
        let what = format!("The pickle has more than {OPERATIONS} operations, which no state of weights needs.");
        Err(Error::refused("", what, SAVE))
    }

    /// Every object, in the order of their making.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// An object.
    pub fn get(&self, id: Id) -> &Object {
        &self.objects[id]
    }

    /// A number that is not negative.
    pub fn index(&self, id: Id) -> Option<usize> {
        if let Object::Int(value) = self.get(id) { usize::try_from(*value).ok() } else { None }
    }

    /// A text.
    pub fn text(&self, id: Id) -> Option<&str> {
        if let Object::Text(text) | Object::Global(text) = self.get(id) { Some(text) } else { None }
    }

    /// The items of a tuple or a list.
    pub fn items(&self, id: Id) -> Option<&[Id]> {
        if let Object::Tuple(items) | Object::List(items) = self.get(id) { Some(items) } else { None }
    }
}

enum Fault {
    Malformed,
    Refused(String),
}

type Step<T> = std::result::Result<T, Fault>;

/// Something of the pickle that is not there.
fn need<T>(value: Option<T>) -> Step<T> {
    value.ok_or(Fault::Malformed)
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: BTreeMap<u64, Id>,
}

impl<'a> Machine<'a> {
    /// Does one operation; gives the object once the pickle ends.
    fn step(&mut self) -> Step<Option<Id>> {
        match self.byte()? {
            b'.' => return self.pop().map(Some),
            0x80 => drop(self.byte()?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.until_mark()?),
            b'2' => {
                let top = *need(self.stack.last())?;
                self.stack.push(top);
            }
            b'N' | b'G' | b'F' => self.number()?,
            0x88 => self.push(Object::Bool(true)),
            0x89 => self.push(Object::Bool(false)),
            b'J' | b'K' | b'M' | b'I' | b'L' | 0x8a | 0x8b => self.number()?,
            b'X' | 0x8c | 0x8d | b'U' | b'T' | b'B' | b'C' | 0x8e | b'V' | b'S' => self.text()?,
            b')' => self.push(Object::Tuple(Vec::new())),
            b']' => self.push(Object::List(Vec::new())),
            b'}' => self.push(Object::Dict(Vec::new())),
            0x8f => self.push(Object::Opaque),
            b't' => {
                let items = self.until_mark()?;
                self.push(Object::Tuple(items));
            }
            count @ 0x85..=0x87 => {
                let from = need(self.stack.len().checked_sub(usize::from(count - 0x84)))?;
                self.above(from)?;
                let items = self.stack.split_off(from);
                self.push(Object::Tuple(items));
            }
            b'l' => {
                let items = self.until_mark()?;
                self.push(Object::List(items));
            }
            b'd' => {
                let items = self.until_mark()?;
                self.push(Object::Dict(pairs(&items)?));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.until_mark()?;
                self.append(items)?;
            }
            0x90 => drop(self.until_mark()?),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let items = self.until_mark()?;
                self.set(pairs(&items)?)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.global(&module, &name)?;
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?;
            }
            // What an object is told of itself (the `_metadata` of a state dict) is beside the weights.
            b'b' => drop(self.pop()?),
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Persistent(id));
            }
            operation @ (b'p' | b'q' | b'r') => {
                let key = self.key(operation)?;
                self.put(key)?;
            }
            0x94 => self.put(self.memo.len() as u64)?,
            operation @ (b'g' | b'h' | b'j') => {
                let key = self.key(operation)?;
                self.recall(key)?;
            }
            other => {
                let code = char::from(other).escape_default();
                return Err(Fault::Refused(format!("The operation `{code}` makes objects that are not read.")));
            }
        }
        Ok(None)
    }

    fn take(&mut self, len: usize) -> Step<&'a [u8]> {
        let taken = need(self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end)))?;
        self.at += len;
        Ok(taken)
    }

    fn byte(&mut self) -> Step<u8> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian length of so many bytes.
    fn length(&mut self, bytes: usize) -> Step<usize> {
        let value = self.take(bytes)?.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        need(usize::try_from(value).ok())
    }

    fn line(&mut self) -> Step<String> {
        let len = need(self.bytes[self.at..].iter().position(|byte| *byte == b'\n'))?;
        let line = self.take(len + 1)?;
        need(std::str::from_utf8(&line[..len]).ok()).map(str::to_owned)
    }

    fn push(&mut self, object: Object) {
        self.stack.push(self.objects.len());
        self.objects.push(object);
    }

    /// Nothing below the last mark is taken, whatever an operation asks for.
    fn above(&self, from: usize) -> Step<()> {
        need((self.marks.last().is_none_or(|mark| from >= *mark)).then_some(()))
    }

    fn pop(&mut self) -> Step<Id> {
        self.above(need(self.stack.len().checked_sub(1))?)?;
        need(self.stack.pop())
    }

    fn pop_text(&mut self) -> Step<String> {
        let id = self.pop()?;
        if let Object::Text(text) = &self.objects[id] { Ok(text.clone()) } else { Err(Fault::Malformed) }
    }

    fn until_mark(&mut self) -> Step<Vec<Id>> {
        let mark = need(self.marks.pop())?;
        Ok(self.stack.split_off(mark))
    }

    fn number(&mut self) -> Step<()> {
        let long = |bytes: &[u8]| {
            let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
            let mut value = [if negative { 0xff } else { 0 }; 8];
            value.get_mut(..bytes.len())?.copy_from_slice(bytes);
            Some(i64::from_le_bytes(value))
        };
        let written = |text: &str| match text {
            "00" => Some(Object::Bool(false)),
            "01" => Some(Object::Bool(true)),
            text => text.trim_end_matches('L').parse().ok().map(Object::Int),
        };
        let object = match self.bytes[self.at - 1] {
            b'J' => Some(Object::Int(i64::from(self.length(4)? as u32 as i32))),
            b'K' => Some(Object::Int(self.length(1)? as i64)),
            b'M' => Some(Object::Int(self.length(2)? as i64)),
            b'I' | b'L' => written(&self.line()?),
            // A number of more than 64 bits is no size and no offset.
            0x8a => {
                let len = self.length(1)?;
                Some(long(self.take(len)?).map_or(Object::Opaque, Object::Int))
            }
            0x8b => {
                let len = self.length(4)?;
                Some(long(self.take(len)?).map_or(Object::Opaque, Object::Int))
            }
            b'G' => {
                self.take(8)?;
                Some(Object::Opaque)
            }
            b'F' => {
                self.line()?;
                Some(Object::Opaque)
            }
            _ => Some(Object::Opaque),
        };
        self.push(need(object)?);
        Ok(())
    }

    fn text(&mut self) -> Step<()> {
        let operation = self.bytes[self.at - 1];
        if matches!(operation, b'V' | b'S') {
            let line = self.line()?;
            let quoted = line.strip_prefix(['\'', '"']).and_then(|rest| rest.strip_suffix(['\'', '"']));
            self.push(Object::Text(if operation == b'S' { need(quoted)?.to_owned() } else { line }));
            return Ok(());
        }
        let len = match operation {
            0x8c | b'U' | b'C' => self.length(1)?,
            0x8d | 0x8e => self.length(8)?,
            _ => self.length(4)?,
        };
        let bytes = self.take(len)?;
        let unicode = matches!(operation, b'X' | 0x8c | 0x8d);
        self.push(match std::str::from_utf8(bytes) {
            Ok(text) => Object::Text(text.to_owned()),
            // Texts of Python 2 are bytes, which a state may hold beside its names.
            Err(_) if !unicode => Object::Opaque,
            Err(_) => return Err(Fault::Malformed),
        });
        Ok(())
    }

    /// The list, dictionary or set below, which items are added to.
    fn below(&mut self) -> Step<&mut Object> {
        let top = *need(self.stack.last())?;
        Ok(&mut self.objects[top])
    }

    fn append(&mut self, items: Vec<Id>) -> Step<()> {
        match self.below()? {
            Object::List(list) => list.extend(items),
            Object::Opaque => {}
            _ => return Err(Fault::Malformed),
        }
        Ok(())
    }

    fn set(&mut self, entries: Vec<(Id, Id)>) -> Step<()> {
        match self.below()? {
            Object::Dict(dict) => dict.extend(entries),
            Object::Opaque => {}
            _ => return Err(Fault::Malformed),
        }
        Ok(())
    }

    /// The key of an operation on the memo: a line of text, one byte, or four.
    fn key(&mut self, operation: u8) -> Step<u64> {
        match operation {
            b'p' | b'g' => need(self.line()?.parse().ok()),
            b'q' | b'h' => Ok(u64::from(self.byte()?)),
            _ => Ok(self.length(4)? as u64),
        }
    }

    fn put(&mut self, key: u64) -> Step<()> {
        let top = *need(self.stack.last())?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Step<()> {
        let id = *need(self.memo.get(&key))?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Step<()> {
        let name = format!("{module}.{name}");
        if !known(&name) {
            return Err(Fault::Refused(format!(
                "It names `{name}`, which is not among what a state of weights needs."
            )));
        }
        self.push(Object::Global(name));
        Ok(())
    }

    fn call(&mut self, function: Id, arguments: Id) -> Step<()> {
        let Object::Global(name) = &self.objects[function] else { return Err(Fault::Malformed) };
        let Object::Tuple(given) = &self.objects[arguments] else { return Err(Fault::Malformed) };
        let object = if let Some(rebuild) = REBUILD.into_iter().find(|rebuild| rebuild == name) {
            Object::Call(rebuild, arguments)
        } else if DICTIONARIES.contains(&name.as_str()) {
            Object::Dict(self.dictionary(given)?)
        } else if INERT.contains(&name.as_str()) {
            Object::Opaque
        } else {
            return Err(Fault::Refused(format!("It calls `{name}`, which makes no weights.")));
        };
        self.push(object);
        Ok(())
    }

    /// The entries of `OrderedDict()` or `OrderedDict([(key, value), …])`.
    fn dictionary(&self, given: &[Id]) -> Step<Vec<(Id, Id)>> {
        let [list] = given else { return if given.is_empty() { Ok(Vec::new()) } else { Err(Fault::Malformed) } };
        let Object::List(items) = &self.objects[*list] else { return Err(Fault::Malformed) };
        let pair = |item: &Id| match &self.objects[*item] {
            Object::Tuple(pair) | Object::List(pair) => pairs(pair)?.first().copied().ok_or(Fault::Malformed),
            _ => Err(Fault::Malformed),
        };
        items.iter().map(pair).collect()
    }
}

/// Keys and values, one after the other.
fn pairs(items: &[Id]) -> Step<Vec<(Id, Id)>> {
    let (pairs, []) = items.as_chunks::<2>() else { return Err(Fault::Malformed) };
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        Pickle::read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn python_values_are_read() {
        // pickle.dumps({"a": [1, -2, 70000, 1 << 40], "b": (True, None, 0.5)}, protocol=2), with and without a memo.
        let pickle = Pickle::read(
            b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffJp\x11\x01\x00\x8a\x06\x00\x00\x00\x00\x00\x01eX\x01\x00\x00\x00b\x88NG?\xe0\x00\x00\x00\x00\x00\x00\x87u.",
        )
        .unwrap();
        let Object::Dict(entries) = pickle.get(pickle.root) else { panic!("{pickle:?}") };
        assert_eq!(pickle.text(entries[0].0), Some("a"));
        let numbers: Vec<&Object> = pickle.items(entries[0].1).unwrap().iter().map(|id| pickle.get(*id)).collect();
        assert_eq!(numbers, [&Object::Int(1), &Object::Int(-2), &Object::Int(70000), &Object::Int(1 << 40)]);
        assert_eq!(pickle.items(entries[1].1).unwrap().len(), 3);
        assert_eq!(pickle.index(pickle.items(entries[0].1).unwrap()[1]), None, "negative");
    }

    #[test]
    fn nothing_is_executed() {
        let told = refused(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.");
        assert!(told.contains("`posix.system`"), "{told}");
        let told = refused(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.");
        assert!(told.contains("`builtins.eval`"), "{told}");
        assert!(refused(b"\x80\x02ctorch.nn\nLinear\n)\x81.").contains("`torch.nn.Linear`"));
        assert!(refused(b"\x80\x02ctorch\nFloatStorage\n)R.").contains("makes no weights"));
        assert!(refused(b"\x80\x02(I1\no.").contains("The operation `o`"));
    }

    #[test]
    fn a_list_that_holds_itself_costs_nothing() {
        let pickle = Pickle::read(b"\x80\x02]q\x00h\x00a.").unwrap();
        assert_eq!(pickle.items(pickle.root), Some(&[pickle.root][..]));
    }

    #[test]
    fn pickles_that_are_not_whole_are_told() {
        for bytes in [
            &b""[..],
            b".",
            b"\x80\x02",
            b"(.",
            b"K\x01(\x85.",
            b"h\x00.",
            b"X\xff\xff\xff\xffa.",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
            b"}K\x01s.",
            b"(K\x01d.",
            b"K\x01K\x02a.",
            b"\x8b\xff\xff\xff\x7f.",
            b"cos\n",
            b"p\n.",
        ] {
            assert!(refused(bytes).contains("not a whole pickle"), "{}", bytes.escape_ascii());
        }
    }
}
