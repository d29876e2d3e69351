//! Networks: DeepLab-v2 over a choice of encoders.

pub mod architecture;
pub mod network;
mod pass;

pub use architecture::{Architecture, ENCODERS, Encoder, Group};
pub use network::{Network, Site, Tape};
