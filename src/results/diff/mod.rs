//! What differs between runs, and whether it matters.
//!
//! Invariants:
//! - nothing is computed again: records, tables and models of runs are read, from the store or from archives;
//! - a difference is never told as a fact where it could be chance: each figure stands with its test, or with the reason
//!   why there is none;
//! - what the clock gave, as times and run ids, is no difference.

mod chance;
mod compare;
mod comparison;
mod costs;
mod data;
mod figures;
mod layers;
mod pairs;
mod rows;
mod sections;
mod seeds;
mod side;
mod validation;
mod values;
mod verdict;
mod words;

pub use compare::{compare, settings};
pub use comparison::{Comparison, SCHEMA, VERSION};
pub use costs::{earlier as earlier_costs, of_node as node_cost};
pub use sections::{Section, sections};
pub use seeds::axes_of as seed_axes;
pub use side::{Origin, Side};
