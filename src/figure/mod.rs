//! Pictures of figures: curves, bars with intervals, confusion matrices, maps, grids of images, scatters.
//!
//! What is to be shown is a value ([`chart`]). A [`Drawing`] is made of it, and gives SVG and PNG. The same drawing serves a
//! paper ([`Look::Paper`]) and the report page ([`Look::Page`]).
//!
//! Invariants:
//! - the same chart gives the same bytes, on every run and machine: no clock, no font of the machine, no hash order;
//! - text from outside is escaped, in SVG as in every other form;
//! - this room reads no file, and knows no stage.

pub mod chart;
pub mod drawing;

pub use chart::{Bar, Bars, Chart, Confusion, Curve, Curves, Grid, GridRow, Map, Maps, Panel, Point, Scatter};
pub use drawing::{Drawing, Look};
