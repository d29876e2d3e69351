//! Pickles, read without executing anything: a stack machine that makes lists, dictionaries and texts, and knows the
//! few names that a PyTorch state needs. What another name would make is an object of which only the maker is known
//! ([`Object::Unmade`]); nothing is made.
//!
//! Objects live in one table and refer to each other by number, so a pickle that contains itself is nothing special
//! and costs nothing. Each operation adds a bounded number of objects or moves those that are there, and there are at
//! most [`OPERATIONS`]; so memory is bounded by that and by the pickle's texts.

mod machine;
mod names;
mod object;

use super::error::{Error, Result};
use machine::{Fault, Machine};
pub use object::{Id, Object};

/// What to do about a pickle that is more than weights.
const SAVE: &str = "Save the weights alone, in PyTorch: torch.save(model.state_dict(), \"weights.pth\").";

/// The operations that a pickle may have. A tensor of a state takes some forty, an object about a hundred bytes here.
const OPERATIONS: usize = 1 << 20;

/// The characters of a name's part that are told.
const NAME: usize = 200;

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
    /// An operation that is not known, and a pickle that is not whole.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut machine = Machine::new(bytes);
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

    /// A name in full, whether it is known or not; of an object that is not made, the name of what would make it.
    pub fn name(&self, mut id: Id) -> Option<String> {
        let part = |id: Id| self.text(id).unwrap_or_default().chars().take(NAME);
        // An object, its class, and the name of that: a class can stand in its place with its source.
        for _ in 0..3 {
            id = match self.get(id) {
                Object::Global(name) => return Some(name.clone()),
                Object::Foreign(module, name) => {
                    return Some(part(*module).chain(".".chars()).chain(part(*name)).collect());
                }
                Object::Unmade { by, .. } => *by,
                // `("module", class, file, source)`, in files before 1.6.
                Object::Persistent(id) => *self.items(*id)?.get(1)?,
                _ => return None,
            };
        }
        None
    }

    /// The items of a tuple or a list.
    pub fn items(&self, id: Id) -> Option<&[Id]> {
        if let Object::Tuple(items) | Object::List(items) = self.get(id) { Some(items) } else { None }
    }
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
        for (bytes, name) in [
            (&b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."[..], "posix.system"),
            (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.", "builtins.eval"),
            (b"\x80\x02ctorch.nn\nLinear\n)\x81}X\x01\x00\x00\x00aK\x01sb.", "torch.nn.Linear"),
            (b"\x80\x04\x8c\x01a\x8c\x01b\x93)}\x92.", "a.b"),
            (b"\x80\x02ctorch\nFloatStorage\n)R.", "torch.FloatStorage"),
            (b"(cos\nsystem\nI1\no.", "os.system"),
            (b"(I1\nios\nsystem\n.", "os.system"),
            (b"\x80\x02\x82\x07)R.", "copyreg.extension 7"),
            // What a call gives is called.
            (b"\x80\x02cfunctools\npartial\ncos\nsystem\n\x85R)R.", "functools.partial"),
        ] {
            let pickle = Pickle::read(bytes).unwrap_or_else(|error| panic!("{}: {error}", bytes.escape_ascii()));
            assert!(matches!(pickle.get(pickle.root), Object::Unmade { .. }), "{pickle:?}");
            assert_eq!(pickle.name(pickle.root).as_deref(), Some(name));
        }
        assert!(refused(b"\x80\x02\xff.").contains("The operation `\\u{ff}`"));
    }

    #[test]
    fn a_list_that_becomes_a_dictionary_over_and_over_is_refused() {
        let entries: Vec<u8> = (0..10_000).flat_map(|_| b"K\x01K\x02\x86".to_vec()).collect();
        let again = b"ccollections\nOrderedDict\nh\x01\x85R0".repeat(1000);
        let bytes = [b"\x80\x02](", &entries[..], b"eq\x01", &again, b"N."].concat();
        assert!(refused(&bytes).contains("entries of lists"));
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
