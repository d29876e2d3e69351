//! The list of runs that `repro runs` prints: its columns, its conditions, and its rows.

mod column;
mod condition;
mod figures;
mod list;
mod order;
mod rows;

pub use column::{Column, Fact, HELP};
pub use condition::Condition;
pub use list::{Listing, objects};
pub use order::Key;
pub use rows::metrics;
