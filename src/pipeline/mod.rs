//! RON text into a checked plan graph, before any compute starts.
//!
//! The passes, each in a file of its own, in the order of [`load`]: `include` and `document` (files into what they
//! state), `declare` (one set of stages), `overrides` and `set` (profiles and `--set`), `matrix` (axes and their cells),
//! `check` and `variants` (stages against the schemas of their kinds), `follow` (which stage needs which), `cells` (stages
//! in the cells of the matrix), `agree` (stages against those that they refer to), `expand` (stages into nodes), [`key`]
//! (nodes into identities), `resolved` (all of it as text again). How much of anything there may be is in [`limits`].
//!
//! Below the passes: `stated` (what files state), `merge` and `path` (how a part of it is changed), `reference` (what a
//! reference names), `paths`, `graph` (what comes out).
//!
//! Invariants:
//! - only loading reads files;
//! - no kind is known here: all knowledge of them is in the [`Registry`](crate::stage::Registry) that comes in;
//! - every fault has a place and says what to do; all faults of a pass are told at once;
//! - nothing in a [`Node`]'s identity depends on names of stages or cells, on order, or on how the text is written.

mod agree;
mod cell_index;
mod cells;
mod check;
mod declare;
mod document;
mod earlier;
mod expand;
mod follow;
mod graph;
mod include;
pub mod key;
pub mod limits;
mod load;
mod matrix;
mod merge;
mod overrides;
mod path;
mod paths;
mod reference;
mod resolved;
mod select;
mod set;
mod stated;
mod variants;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod key_tests;
#[cfg(test)]
mod later_tests;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod matrix_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use earlier::{EarlierStage, RunLookup};
pub use graph::{EarlierRun, Node, Origin, Pipeline, RunNode, Source, Stage};
pub use load::{Request, load};
