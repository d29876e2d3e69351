//! The operations of a pickle. (CPython, Lib/pickletools.py, has what each does.)

use std::collections::BTreeMap;

use super::names::{DICTIONARIES, INERT, REBUILD, known};
use super::object::{Id, Object};

/// The bytes that a known name may have.
const NAME: usize = 64;
/// The entries of lists that may become those of dictionaries: a short pickle can name one list over and over.
const ENTRIES: usize = 1 << 20;

/// Why a pickle is not read.
pub enum Fault {
    /// It is not a whole pickle.
    Malformed,
    /// It asks for more than weights do.
    Refused(String),
}

/// What an operation gives.
pub type Step<T> = std::result::Result<T, Fault>;

/// Something of the pickle that is not there.
fn need<T>(value: Option<T>) -> Step<T> {
    value.ok_or(Fault::Malformed)
}

/// The stack machine: the objects that are made, and those that are being put together.
pub struct Machine<'a> {
    bytes: &'a [u8],
    /// The next operation.
    pub at: usize,
    /// Every object that was made.
    pub objects: Vec<Object>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: BTreeMap<u64, Id>,
    /// The entries that were copied from lists.
    copied: usize,
}

impl<'a> Machine<'a> {
    /// A machine at the first operation of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Machine {
            bytes,
            at: 0,
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            copied: 0,
        }
    }

    /// Does one operation; gives the object once the pickle ends.
    pub fn step(&mut self) -> Step<Option<Id>> {
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
            b'X' | 0x8c | 0x8d | b'U' | b'T' | b'B' | b'C' | 0x8e | 0x96 | b'V' | b'S' => self.text()?,
            b')' => self.push(Object::Tuple(Vec::new())),
            b']' => self.push(Object::List(Vec::new())),
            b'}' => self.push(Object::Dict(Vec::new())),
            0x8f | 0x97 => self.push(Object::Opaque),
            0x98 => {}
            0x91 => {
                self.until_mark()?;
                self.push(Object::Opaque);
            }
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
                self.global(module, name);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                self.global_of(module, name)?;
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?;
            }
            0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.call(class, arguments)?;
            }
            0x92 => {
                let (_named, _arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(Object::Unmade { by: class, state: None });
            }
            b'o' => {
                let class = *need(self.until_mark()?.first())?;
                self.push(Object::Unmade { by: class, state: None });
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                self.until_mark()?;
                self.global(module, name);
                let class = need(self.stack.pop())?;
                self.push(Object::Unmade { by: class, state: None });
            }
            // A name that programs agreed on, by its number.
            operation @ 0x82..=0x84 => {
                let code = self.length([1, 2, 4][usize::from(operation - 0x82)])?;
                self.global("copyreg".to_owned(), format!("extension {code}"));
            }
            // What an object is told of itself. Beside weights (the `_metadata` of a state dict) nobody needs it.
            b'b' => {
                let state = self.pop()?;
                if let Object::Unmade { state: told @ None, .. } = self.below()? {
                    *told = Some(state);
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Persistent(id));
            }
            b'P' => {
                let line = self.line()?;
                self.push(Object::Text(line));
                let id = need(self.stack.pop())?;
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
            text => {
                let digits = text.trim_end_matches('L');
                let number = digits.strip_prefix('-').unwrap_or(digits);
                let whole = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                whole.then(|| digits.parse().map_or(Object::Opaque, Object::Int))
            }
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
            0x8d | 0x8e | 0x96 => self.length(8)?,
            _ => self.length(4)?,
        };
        let bytes = self.take(len)?;
        if operation == 0x96 {
            self.push(Object::Opaque);
            return Ok(());
        }
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
            Object::Opaque | Object::Unmade { .. } => {}
            _ => return Err(Fault::Malformed),
        }
        Ok(())
    }

    fn set(&mut self, entries: Vec<(Id, Id)>) -> Step<()> {
        match self.below()? {
            Object::Dict(dict) => dict.extend(entries),
            Object::Opaque | Object::Unmade { .. } => {}
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

    /// Pushes a name.
    fn global(&mut self, module: String, name: String) {
        if let Some(known) = of_known(&module, &name) {
            self.push(Object::Global(known));
            return;
        }
        let first = self.objects.len();
        self.objects.extend([Object::Text(module), Object::Text(name)]);
        self.push(Object::Foreign(first, first + 1));
    }

    /// Pushes the name that two texts give.
    fn global_of(&mut self, module: Id, name: Id) -> Step<()> {
        let (Object::Text(first), Object::Text(second)) = (&self.objects[module], &self.objects[name]) else {
            return Err(Fault::Malformed);
        };
        let known = of_known(first, second);
        self.push(known.map_or(Object::Foreign(module, name), Object::Global));
        Ok(())
    }

    fn call(&mut self, function: Id, arguments: Id) -> Step<()> {
        let unmade = Object::Unmade { by: function, state: None };
        let Object::Global(name) = &self.objects[function] else {
            self.push(unmade);
            return Ok(());
        };
        let Object::Tuple(given) = &self.objects[arguments] else { return Err(Fault::Malformed) };
        let object = if let Some(rebuild) = REBUILD.into_iter().find(|rebuild| rebuild == name) {
            Object::Call(rebuild, arguments)
        } else if DICTIONARIES.contains(&name.as_str()) {
            // One that is made of a dictionary is that.
            if let Some(id) = given.iter().find(|id| matches!(self.objects[**id], Object::Dict(_))) {
                self.stack.push(*id);
                return Ok(());
            }
            Object::Dict(self.dictionary(given)?)
        } else if INERT.contains(&name.as_str()) {
            Object::Opaque
        } else {
            unmade
        };
        if let Object::Dict(entries) = &object {
            self.copied += entries.len();
            if self.copied > ENTRIES {
                let what = format!("It makes dictionaries of more than {ENTRIES} entries of lists.");
                return Err(Fault::Refused(what));
            }
        }
        self.push(object);
        Ok(())
    }

    /// The entries of `OrderedDict()`, `OrderedDict([(key, value), …])`, or `defaultdict(list)`.
    fn dictionary(&self, given: &[Id]) -> Step<Vec<(Id, Id)>> {
        let [first] = given else { return if given.is_empty() { Ok(Vec::new()) } else { Err(Fault::Malformed) } };
        let items = match &self.objects[*first] {
            Object::List(items) => items,
            Object::Global(_) | Object::Foreign(..) | Object::Unmade { .. } | Object::Opaque => return Ok(Vec::new()),
            _ => return Err(Fault::Malformed),
        };
        let pair = |item: &Id| match &self.objects[*item] {
            Object::Tuple(pair) | Object::List(pair) => pairs(pair)?.first().copied().ok_or(Fault::Malformed),
            _ => Err(Fault::Malformed),
        };
        items.iter().map(pair).collect()
    }
}

/// The name, if it is known.
fn of_known(module: &str, name: &str) -> Option<String> {
    if module.len().saturating_add(name.len()) > NAME {
        return None;
    }
    Some(format!("{module}.{name}")).filter(|name| known(name))
}

/// Keys and values, one after the other.
fn pairs(items: &[Id]) -> Step<Vec<(Id, Id)>> {
    let (pairs, []) = items.as_chunks::<2>() else { return Err(Fault::Malformed) };
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}
