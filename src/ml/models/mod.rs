//! Networks: DeepLab-v2 over a choice of encoders.

mod architecture;
mod backbone;
mod backward;
mod block;
mod blueprint;
mod bottleneck;
mod cost;
mod encoders;
mod forward;
mod grid;
mod head;
mod network;
#[cfg(test)]
mod recorded;
mod resnet18;
mod sizes;
mod tape;

pub use architecture::{Architecture, Encoder, PlacedBlock};
pub use backbone::{Backbone, BlockShape, ConvShape, Group};
pub use bottleneck::bottlenecks;
pub use cost::Cost;
pub use encoders::{ENCODERS, architecture};
pub use grid::{Grid, Places};
pub use head::Head;
pub use network::Network;
pub use resnet18::basic_blocks;
pub use tape::{Site, Tape};
