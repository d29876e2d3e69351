//! What a pickle can hold.

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
    /// A name that is not known: the texts of its module and of itself.
    Foreign(Id, Id),
    /// A reference to something outside the pickle, as a storage.
    Persistent(Id),
    /// What a function of PyTorch was to make of its arguments.
    Call(&'static str, Id),
    /// What would be made by something that is not known. It is not made.
    Unmade {
        /// What would make it.
        by: Id,
        /// What it would be told of itself: the attributes of an object of Python.
        state: Option<Id>,
    },
}
