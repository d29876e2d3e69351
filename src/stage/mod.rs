//! The stage contract: what a stage kind says of itself, what it is given, and what it gives back.
//!
//! `pipeline` checks and expands stages, `engine` runs them, and neither knows any kind: both see the
//! [`Registry`] that `main` hands in. A kind sees neither of them. This module holds only values and traits.
//!
//! To write a kind, implement [`TypedKind`]. [`Kind`] is the same without the type of the parameters, for a list of kinds.
//!
//! Invariants:
//! - a [`Value`] that passed its [`schema::Type`] is complete: every field present, defaults filled in;
//! - what enters an identity is [`Type::identity`](schema::Type::identity) of the parameters: no stage name, no
//!   path, no field marked as unkeyed;
//! - a kind reports what happens through [`Events`]; it never prints.

pub mod artifact;
pub mod error;
pub mod event;
pub mod expansion;
pub mod job;
pub mod kind;
pub mod made;
pub mod name;
pub mod output;
pub mod outside;
pub mod params;
pub mod schema;
pub mod typed;
pub mod value;

pub use artifact::{Artifact, ArtifactKind, InputNode, Made, Outputs, Produced};
pub use error::{DataFault, StageError};
pub use event::{Event, Events};
pub use expansion::{Extents, InputRef, NodeSpec, identity};
pub use job::{Cancel, DeviceSpec, Job};
pub use kind::{DataRoot, Kind, ParamFault, Peer, Peers, Registry, Supplier, in_root, locate};
pub use name::{MatrixCell, NodeName, StageName};
pub use output::{Bare, Format, Formats, Note, Output, Publication, Publish, Reason, Role, Yield};
pub use outside::{External, Program, Question};
pub use params::Param;
pub use schema::{Field, Type, Variant};
pub use typed::TypedKind;
pub use value::Value;
