//! Networks: DeepLab-v2 over a choice of encoders.

pub mod architecture;
mod filters;
pub mod names;
pub mod network;
mod pass;

pub use architecture::{Architecture, ENCODERS, Encoder, Group};
pub use names::Names;
pub use network::{Network, Site, Tape};
