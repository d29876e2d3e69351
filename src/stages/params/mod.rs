//! Parameters that more than one file reads: those of kinds that other stages must agree with, and those that several kinds
//! share.
//!
//! These are declarations. They import no rules between stages, and no stage's work. Parameters that the kind alone reads
//! stand in the kind's own file.

pub mod claims;
pub mod command;
pub mod dataset;
pub mod inference;
pub mod model;
pub mod network;
pub mod train;
pub mod weights;
