//! Execution: consults the store, starts children, listens to them, and writes the run record.
//!
//! Which node goes on is decided by the [`super::schedule`] alone. Each change of a node goes to the run's journal at
//! once, so that others see it, and a kill loses nothing of it.

mod drive;
mod outcome;
mod record;
mod start;
mod state;

pub use drive::run;
