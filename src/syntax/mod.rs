//! RON text into a tree, with the place of every part, and every fault in words.
//!
//! All that users write is read here: pipelines, the user's configuration, tables of names. `pipelines/README.md` lists
//! how this reader differs from the `ron` crate, and a test compares both.
//!
//! From the ground up: [`limits`], `text` (a text and places in it), `words` (of messages), `diagnostic` and `faults`
//! (what is wrong), `render` (faults for a terminal), `tree`; `scan`, `token`, `literal` and `lex` (text into tokens),
//! `tokens` (tokens and their faults), `parse` (tokens into a tree), `shape` (small files, typed).
//!
//! Invariants:
//! - nothing here knows what a text is for, and nothing here reads a file;
//! - every fault has a place, says what is wrong, and says what to do; all faults of a text are told at once.

mod diagnostic;
mod faults;
mod index;
mod lex;
pub mod limits;
mod literal;
mod parse;
mod render;
mod scan;
mod shape;
mod text;
mod token;
mod tokens;
mod tree;
mod words;

#[cfg(test)]
mod agreement;

pub use diagnostic::Diagnostic;
pub(crate) use diagnostic::Fallible;
pub use faults::Diagnostics;
pub(crate) use faults::Faults;
pub(crate) use index::NameIndex;
pub(crate) use parse::parse;
pub(crate) use shape::{Shape, read};
pub use text::{Span, Text};
pub(crate) use tree::{FieldTree, Form, Tree, Word};
pub use words::{cut, first_names, first_of, names, shown, suggestion};
