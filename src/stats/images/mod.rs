//! Two trained models on the same images: whether their figures differ by more than the choice of images explains.
//!
//! Invariants:
//! - what is drawn, swapped or won is a whole image, with all its counts, and for both models at once;
//! - an image in which the figure has no counted pixel is as good as absent;
//! - the draws depend on the seed and on the number of images, and on nothing else;
//! - fewer than six images give no answer: with five, even the sign-flip test of a difference that has the same sign in
//!   every image ends at `p = 2 / 2^5`, above 0.05.

mod bootstrap;
mod flips;
mod jackknife;
mod models;
#[cfg(test)]
mod oracle;
mod pair;
mod resampled;
mod single;
mod wins;

pub use bootstrap::RESAMPLES;
pub use flips::sign_flips;
pub use models::{models, models_with};
pub(super) use resampled::Resampled;
pub use single::model;
pub use wins::{Wins, wins};
