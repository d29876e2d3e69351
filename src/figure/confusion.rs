//! A confusion matrix, each row as shares of its true class.

use super::chart::Confusion;
use super::drawing::{Anchor, Drawing, Mark, Role};
use super::font::{CAPITAL, width};
use super::layout::{LINE, TEXT, note, title};
use super::text::fit;

/// What the picture shows, below it.
const NOTE: &str = "Percent of the pixels of each true class. –: no pixel of the class.";

pub(super) fn draw(chart: &Confusion, wide: f64) -> Drawing {
    let label = if chart.title.is_empty() { "Confusion matrix" } else { &chart.title };
    let mut drawing = Drawing::new("confusion", label, wide);
    let top = title(&mut drawing, &chart.title);
    let count = chart.classes.len();
    let names = chart.classes.iter().map(|name| width(name, TEXT)).fold(0.0, f64::max);
    let (above, before) = (names.min(110.0), names.min(0.3 * wide));
    // The words "true class" stand before the names, and "predicted class" above them.
    let left = before + LINE + 8.0;
    let cell = ((wide - left - 1.0) / count.max(1) as f64).min(46.0);
    let size = TEXT.min(cell - 1.5).max(5.0);
    let head = top + LINE + 4.0 + above.min(names) * size / TEXT + 6.0;
    let middle = left + cell * count as f64 / 2.0;
    let words = fit("predicted class", TEXT, wide);
    let half = width(&words, TEXT) / 2.0;
    let at = middle.clamp(half.min(wide - half), wide - half);
    drawing.push(Mark::text((at, top + LINE - 3.0), &words, TEXT, Anchor::Middle, Role::Muted));
    let centre = head + cell * count as f64 / 2.0;
    drawing.push(Mark::text((TEXT - 1.0, centre), "true class", TEXT, Anchor::Middle, Role::Muted).turned());
    for (class, name) in chart.classes.iter().enumerate() {
        let offset = cell * (class as f64 + 0.5);
        let low = size * CAPITAL / 2.0;
        let row = Mark::text((left - 5.0, head + offset + low), &fit(name, size, before), size, Anchor::End, Role::Ink);
        drawing.push(row.titled(name).with("row", class).with("name", name));
        let text = fit(name, size, above);
        let column = Mark::text((left + offset + low, head - 5.0), &text, size, Anchor::Start, Role::Ink);
        drawing.push(column.turned().titled(name).with("column", class).with("name", name));
    }
    let digits = (0.47 * cell).min(10.0);
    for (row, pixels) in chart.pixels.iter().enumerate().take(count) {
        let all: u64 = pixels.iter().sum();
        for (column, &value) in pixels.iter().enumerate().take(count) {
            let share = if all == 0 { None } else { Some(value as f64 / all as f64) };
            let place = [left + cell * column as f64, head + cell * row as f64, cell, cell];
            let name = |at: usize| chart.classes.get(at).map_or("", String::as_str);
            let percent = share.map_or_else(|| "no pixel".to_owned(), |share| format!("{:.1} %", 100.0 * share));
            let said = format!("true {}, predicted {}: {percent}, {value} pixels", name(row), name(column));
            let data = |mark: Mark| {
                let mark = mark.titled(said.clone()).with("row", row).with("column", column);
                mark.with("value", format!("{:.5}", share.unwrap_or(-1.0)))
            };
            drawing.push(data(Mark::rect(place, Role::Ground)));
            if let Some(share) = share.filter(|share| *share > 0.0) {
                drawing.push(data(Mark::rect(place, Role::Series(0)).pale(share)));
            }
            if digits >= 5.5 {
                let (text, role) = match share {
                    None => ("–".to_owned(), Role::Muted),
                    Some(share) if share < 0.005 => continue,
                    Some(share) => {
                        (format!("{:.0}", 100.0 * share), if share > 0.7 { Role::Strong } else { Role::Ink })
                    }
                };
                let base = place[1] + cell / 2.0 + digits * CAPITAL / 2.0;
                drawing.push(data(Mark::text((place[0] + cell / 2.0, base), &text, digits, Anchor::Middle, role)));
            }
        }
    }
    for line in 0..=count {
        let offset = cell * line as f64;
        let (right, bottom) = (left + cell * count as f64, head + cell * count as f64);
        drawing.push(Mark::line(vec![(left, head + offset), (right, head + offset)], Role::Grid, 0.5));
        drawing.push(Mark::line(vec![(left + offset, head), (left + offset, bottom)], Role::Grid, 0.5));
    }
    let end = head + cell * count as f64 + 5.0;
    drawing.height = note(&mut drawing, NOTE, 0.0, end) + 2.0;
    drawing
}
