//! The report page: one HTML file that shows a result, opens offline, and asks nothing of any network.
//!
//! Two callers make pages: the kind `Page`, from its inputs, and `repro report`, from runs. Both hand over [`Source`]s: what
//! nodes left, with the labels of their cells. [`gather`] turns sources into a [`Page`], a plain value. [`html`] writes it.
//!
//! Invariants:
//! - the same page gives the same bytes;
//! - everything from outside (names, labels, texts) is escaped;
//! - the page's policy is `default-src 'none'`; script and style are allowed by their hashes alone, so nothing is loaded.

pub mod gather;
pub mod html;
pub mod model;

pub use gather::{Against, Claim, Fault, Files, Given, LOSS, Source, Wanted, against, courses, gather, grid};
pub use html::Written;
pub use model::{Block, Card, Cell, Figure, Gallery, GalleryImage, Graph, GraphNode, Grid, Page, Section, Standing};
