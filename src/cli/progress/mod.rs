//! A run that goes on, drawn on the terminal: a line for each node at work, and one for all. `repro run` draws its own run,
//! and `repro watch` one of the store.

pub mod board;
pub mod forecast;
pub mod layout;
mod live;

pub use live::Live;
