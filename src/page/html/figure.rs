//! Pictures that are drawn.

use maud::{Markup, PreEscaped, html};

use super::confusion::confusion;
use super::data::Data;
use super::text::{plain, text};
use super::thin::thinned;
use crate::figure::{Chart, Look};
use crate::page::model::Figure;

/// The width of a picture in CSS pixels. A narrow screen scrolls it within its own box.
const WIDTH: f64 = 760.0;

/// A picture with its caption. A confusion matrix is a table, which can be sorted and read aloud.
pub(super) fn figure(figure: &Figure, data: &mut Data) -> Markup {
    if let Chart::Confusion(matrix) = &figure.chart {
        return confusion(matrix, &figure.caption, data);
    }
    let drawing = match &figure.chart {
        Chart::Curves(chart) => Chart::Curves(thinned(chart, WIDTH as usize)).draw(WIDTH),
        chart => chart.draw(WIDTH),
    };
    let title = figure.chart.title();
    html! {
        figure class="chart" {
            div class="scroll" tabindex="0" role="group" aria-label={ "Picture: " (plain(title)) } {
                // Its texts are escaped by the drawing.
                (PreEscaped(drawing.svg(Look::Page)))
            }
            @if !figure.caption.is_empty() { figcaption { (text(&figure.caption)) } }
        }
    }
}
