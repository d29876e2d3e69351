//! Statistics of results: what a figure can be said to be, and whether two differ by more than chance.
//!
//! Invariants:
//! - pure: no files, no tensors, no clock. The same inputs give the same bits, whatever the number of threads;
//! - every random draw is a function of a seed, a purpose and an index ([`crate::rng`]);
//! - figures are shares from 0 to 1; percent is a matter of those who show them;
//! - images and seeds are resampled, never pixels: the pixels of an image are not independent;
//! - what cannot be said is an error or none, never a number that means nothing.

mod bootstrap;
mod counts;
mod crossed;
mod drawn;
mod equivalence;
mod estimate;
mod family;
mod fault;
mod images;
pub mod made;
mod methods;
mod mixed;
mod noncentral;
#[cfg(test)]
mod oracle;
mod outperformance;
mod power;
mod round;
mod sample;
mod seeds;
mod values;
mod verdict;

pub use bootstrap::methods_resampled;
pub use counts::{Counts, Figure, Pixels};
pub use estimate::{Basis, Estimate, Interval};
pub use family::{Corrected, holm};
pub use fault::Fault;
pub use images::{RESAMPLES, Wins, model, models, models_with, sign_flips, wins};
pub use methods::{method, methods};
pub use outperformance::{GAMMA, Outperformance, outperformance};
pub use power::{POWER, Settles};
pub use round::rounded;
pub use seeds::{mean, means};
pub use verdict::{Statement, Verdict};
