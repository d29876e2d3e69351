//! Images in rows and columns.

use super::chart::{Grid, Panel};
use super::drawing::{Anchor, Drawing, Mark, Role};
use super::layout::{Entry, LINE, MIDDLE, Sign, TEXT, legend, title};
use super::text::{fit, wrap};

/// Between two panels.
const GAP: f64 = 4.0;

pub(super) fn draw(chart: &Grid, wide: f64) -> Drawing {
    let label = if chart.title.is_empty() { "Images" } else { &chart.title };
    let mut drawing = Drawing::new("grid", label, wide);
    let mut top = title(&mut drawing, &chart.title);
    let columns = chart.rows.iter().map(|row| row.panels.len()).chain([chart.columns.len(), 1]).max().unwrap_or(1);
    let panel = ((wide - GAP * (columns - 1) as f64) / columns as f64).max(8.0);
    let left = |column: usize| (panel + GAP) * column as f64;
    let heads: Vec<Vec<String>> = chart.columns.iter().map(|head| wrap(head, TEXT, panel, 3)).collect();
    let lines = heads.iter().map(Vec::len).max().unwrap_or(0);
    for (column, head) in heads.iter().enumerate() {
        let first = lines - head.len();
        for (line, text) in head.iter().enumerate() {
            let at = (left(column) + panel / 2.0, top + LINE * (first + line + 1) as f64 - 4.0);
            drawing.push(Mark::text(at, text, TEXT, Anchor::Middle, Role::Ink));
        }
    }
    top += LINE * lines as f64;
    for row in &chart.rows {
        let words: Vec<&str> = [row.label.as_str(), &row.why].into_iter().filter(|text| !text.is_empty()).collect();
        if !words.is_empty() {
            let text = fit(&words.join(": "), TEXT - 1.0, wide);
            top += LINE - 1.0;
            drawing.push(Mark::text((0.0, top - 3.0), &text, TEXT - 1.0, Anchor::Start, Role::Muted));
        }
        let shape = |panel: &Panel| match panel.size() {
            (_, 0) | (0, _) => 0.0,
            (height, width) => height as f64 / width as f64,
        };
        let tallest = row.panels.iter().flatten().map(shape).fold(0.0, f64::max);
        // Rows without images are as tall as a line.
        let tall = if tallest > 0.0 { panel * tallest.min(4.0) } else { LINE };
        for column in 0..columns {
            let place = [left(column), top, panel, tall];
            let middle = (place[0] + panel / 2.0, top + tall / 2.0);
            let head = chart.columns.get(column).map_or("", String::as_str);
            match row.panels.get(column).and_then(Option::as_ref).filter(|panel| shape(panel) > 0.0) {
                Some(shown) => {
                    // Images of other shapes keep theirs, in the middle.
                    let wide = panel.min(tall / shape(shown));
                    let height = wide * shape(shown);
                    let at = [middle.0 - wide / 2.0, middle.1 - height / 2.0, wide, height];
                    drawing.push(Mark::image(at, shown.clone()).titled(format!("{}, {head}", row.label)));
                }
                None => {
                    drawing.push(Mark::border(place, Role::Grid, 0.75));
                    let at = (middle.0, middle.1 + MIDDLE);
                    drawing
                        .push(Mark::text(at, "–", TEXT, Anchor::Middle, Role::Muted).titled(format!("{head}: none")));
                }
            }
        }
        top += tall + GAP;
    }
    let entry = |(series, (name, colour)): (usize, &(String, [u8; 3]))| Entry {
        label: name.clone(),
        role: Role::Fixed(*colour),
        sign: Sign::Square,
        // The colours of classes are as they are, however many there are.
        series: series % super::palette::SERIES,
    };
    let entries: Vec<Entry> = chart.legend.iter().enumerate().map(entry).collect();
    drawing.height = legend(&mut drawing, &entries, top + 3.0);
    drawing
}
