//! What a finished run leaves for people: published files, archives, and what differs between runs.
//!
//! Everything here reads the record of a run and the store, and computes no result again. Nothing here is an input of a
//! stage.
//!
//! Invariants:
//! - below `results`, only [`publish`] and [`folder`] write;
//! - only [`layout`] decides where a file lies in `results` and in an archive;
//! - this room prints nothing. Its errors say what happened; the command line gives them an exit code.

mod archive;
mod archived;
pub mod diff;
mod error;
mod export;
mod folder;
mod layout;
mod log;
mod manifest;
pub mod models;
mod name;
mod note;
mod notes;
pub mod page;
mod publish;
mod rendering;
mod wanted;

pub use archived::Archived;
pub use error::{Error, Result};
pub use export::{Export, Exported};
pub use layout::{Places, check_names};
pub use name::folder_of;
pub use publish::{Published, Publisher};
