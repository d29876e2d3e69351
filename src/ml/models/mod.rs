//! Networks: DeepLab-v2 over a choice of encoders.

pub mod architecture;
mod cost;
mod dilated;
pub mod network;
mod pass;

pub use architecture::{Architecture, ENCODERS, Encoder, Group};
pub use cost::Cost;
pub use dilated::Dilated;
pub use network::{Network, Site, Tape};
