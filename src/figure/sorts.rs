//! Which picture a chart becomes.

use super::chart::Chart;
use super::drawing::Drawing;
use super::{bars, confusion, curves, grid, maps, scatter};

/// The least width of a picture.
const LEAST: f64 = 200.0;

impl Chart {
    /// Draws the picture at a width in CSS pixels, which are three quarters of a point. The height follows from what is shown.
    /// Below 200 pixels it is drawn as if it had 200.
    pub fn draw(&self, width: f64) -> Drawing {
        let width = width.max(LEAST);
        match self {
            Chart::Curves(chart) => curves::draw(chart, width),
            Chart::Bars(chart) => bars::draw(chart, width),
            Chart::Confusion(chart) => confusion::draw(chart, width),
            Chart::Maps(chart) => maps::draw(chart, width),
            Chart::Grid(chart) => grid::draw(chart, width),
            Chart::Scatter(chart) => scatter::draw(chart, width),
        }
    }
}
