//! `Train`: iterations of stochastic gradient descent, each a node that goes on from the one before.
//!
//! From the ground up: checkpoints inside a node ([`inner`]), what a node records (`record`), where it begins (`begin`), the
//! updates that all ranks make alike (`updates`), the processes of a training (`ranks`), what rank 0 does (`run`), what the
//! others do (`follow`), and their process ([`serve`]).

mod begin;
mod follow;
pub mod inner;
pub mod kind;
mod ranks;
mod record;
mod run;
pub mod serve;
mod updates;

pub use updates::batching;
