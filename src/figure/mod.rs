//! Pictures of figures: curves, bars with intervals, confusion matrices, maps, grids of images, scatters.
//!
//! What is to be shown is a value ([`chart`]). [`Chart::draw`] makes a [`Drawing`] of it: shapes at their places. The drawing
//! gives SVG and PNG. The same drawing serves a paper ([`Look::Paper`]) and the report page ([`Look::Page`]).
//!
//! Invariants:
//! - the same chart gives the same bytes, on every run and machine: no clock, no font of the machine, no hash order;
//! - text from outside is escaped, in SVG as in every other form;
//! - this room reads no file, and knows no stage.
//!
//! # What a page has to style
//!
//! The `<svg>` has the class `figure` and one for its sort: `curves`, `bars`, `confusion`, `maps`, `grid`, `scatter`. Shapes
//! and texts are painted in `currentColor`, so a style sheet gives each class a `color`:
//!
//! | class | what |
//! |---|---|
//! | `ink` | text, axes, intervals |
//! | `muted` | text in passing |
//! | `grid` | lines that guide the eye |
//! | `ground` | what has the colour of the ground, as borders |
//! | `strong` | text on the colour of `s0` |
//! | `s0` … `s7` | the series |
//! | `fixed` | what has its own colour on every ground: nothing is to be styled |
//!
//! The colours are [`palette::LIGHT`] and [`palette::DARK`]. Text has no font of its own; it was measured in Noto Sans, a wide
//! font. There is no `style`, no `<style>` and no `id`. Masks, maps and photographs are images with `data:` addresses, so the
//! page's policy has to allow `img-src data:`.
//!
//! For scripts, what belongs to a series has `data-series`, the rows of bars have `data-group`, and cells of a confusion matrix
//! have `data-row`, `data-column` and `data-value` (a share; -1 where the row has no pixel). Its labels have `data-row` or
//! `data-column`, and `data-name`.

mod bars;
pub mod chart;
mod confusion;
mod curves;
pub mod drawing;
mod font;
mod grid;
mod layout;
mod maps;
pub mod palette;
mod pixels;
mod raster;
mod scatter;
mod sorts;
mod svg;
#[cfg(test)]
mod tests;
mod text;
mod ticks;

pub use chart::{Bar, Bars, Chart, Confusion, Curve, Curves, Grid, GridRow, Map, Maps, Panel, Point, Scatter};
pub use drawing::{Drawing, Look};
pub use pixels::{base64, data_address, indexed_png, mean_colour};
