//! The stage contract: what a stage kind says of itself, what it is given, and what it gives back.
//!
//! `pipeline` checks and expands stages, `engine` runs them, and neither knows any kind: both see the
//! [`Registry`] that `main` hands in. A kind sees neither of them. This module holds only values and traits.
//!
//! Invariants:
//! - a [`Value`] that passed its [`schema::Type`] is complete: every field present, defaults filled in;
//! - what enters an identity is [`Type::identity`](schema::Type::identity) of the parameters: no stage name, no
//!   path, no field marked as unkeyed;
//! - a kind reports what happens through [`Events`]; it never prints.

pub mod job;
pub mod kind;
pub mod name;
pub mod params;
pub mod schema;
pub mod value;

pub use job::{
    Artifact, ArtifactKind, Cancel, DataFault, DeviceSpec, Event, Events, InputNode, Job, Made, Outputs, Produced,
    StageError,
};
pub use kind::{
    Bare, Extents, External, Fault, InputRef, Kind, NodeRef, Peer, Peers, Program, Publication, Question, Registry,
    Step,
};
pub use name::{Cell, Name};
pub use params::Param;
pub use schema::{Field, Type, Variant};
pub use value::Value;
