//! What a pipeline may state, of the kinds whose parameters other stages are held against, and of what several kinds share.
//!
//! Declarations only: they import neither rules between stages nor what stages do. The parameters of a kind that nothing
//! else looks at stand in the kind's own file.

pub mod command;
pub mod dataset;
pub mod inference;
pub mod network;
pub mod train;
pub mod weights;
