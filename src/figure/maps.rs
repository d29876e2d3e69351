//! Maps side by side, on one scale of colours and one scale of lengths.

use super::chart::{Map, Maps, Panel};
use super::drawing::{Anchor, Drawing, Mark, Role};
use super::font::width;
use super::layout::{LINE, MIDDLE, TEXT, figure, title, widest};
use super::palette;
use super::text::{cut, wrap};
use super::ticks::Axis;

/// The least width of a map: more maps than fit stand in further rows.
const NARROW: f64 = 54.0;
/// The greatest.
const WIDE: f64 = 240.0;
/// Between two maps.
const GAP: f64 = 7.0;
/// The width of the scale of colours.
const BAR: f64 = 9.0;
/// How many ticks an axis has, about.
const TICKS: usize = 6;
/// What the axes of a map count.
const PIXELS: &str = "pixels from the centre";

pub(super) fn draw(chart: &Maps, wide: f64) -> Drawing {
    let label = if chart.title.is_empty() { "Maps" } else { &chart.title };
    let mut drawing = Drawing::new("maps", label, wide);
    let mut top = title(&mut drawing, &chart.title);
    let largest = |of: fn(&Map) -> usize| chart.maps.iter().map(of).max().unwrap_or(1).max(1) as f64;
    let extent = (largest(|map| map.height), largest(|map| map.width));
    let most = chart.maps.iter().flat_map(|map| &map.values).copied().filter(|value| value.is_finite());
    let most = most.fold(0.0, f64::max);
    let scale = if most > 0.0 { Axis::over(0.0, most, 3, false) } else { Axis::over(0.0, 1.0, 1, false) };
    let axis = |extent: f64| Axis::over(-extent / 2.0, extent / 2.0, TICKS, true);
    let left = LINE + 6.0 + widest(&axis(extent.0));
    let count = chart.maps.len().max(1);
    // The words of the scale take as many lines as they need beside a map.
    let laid = |lines: usize| {
        let right = BAR + 8.0 + 5.0 + widest(&scale) + 3.0 + LINE * lines as f64;
        let room = (wide - left - right).max(NARROW);
        let columns = (((room + GAP) / (NARROW + GAP)) as usize).clamp(1, count);
        // Rows of one length look better than a last row with little in it.
        let columns = count.div_ceil(count.div_ceil(columns));
        let panel = ((room - GAP * (columns - 1) as f64) / columns as f64).min(WIDE);
        let tall = panel * extent.0 / extent.1;
        (columns, panel, tall, wrap(&chart.scale, TEXT, tall.max(NARROW), lines))
    };
    let (columns, panel, tall, words) = (1..4).map(laid).find(|(.., words)| !cut(words)).unwrap_or_else(|| laid(4));
    let (x, y) = (axis(extent.1), axis(extent.0));
    let bar = left + panel * columns as f64 + GAP * (columns - 1) as f64 + 8.0;
    for row in chart.maps.chunks(columns) {
        let names: Vec<Vec<String>> = row.iter().map(|map| wrap(&map.label, TEXT, panel + GAP - 3.0, 3)).collect();
        let lines = names.iter().map(Vec::len).max().unwrap_or(1);
        let head = top + LINE * lines as f64;
        let mut low = head + tall + LINE;
        for (at, map) in row.iter().enumerate() {
            let place = [left + (panel + GAP) * at as f64, head, panel, tall];
            let middle = place[0] + panel / 2.0;
            let first = lines - names[at].len();
            for (line, text) in names[at].iter().enumerate() {
                let base = top + LINE * (first + line + 1) as f64 - 4.0;
                drawing.push(Mark::text((middle, base), text, TEXT, Anchor::Middle, Role::Ink));
            }
            one(&mut drawing, map, place, extent, most, chart);
            ticks(&mut drawing, place, &x, (at == 0).then_some(&y));
            let mut notes = head + tall + LINE;
            for text in map.notes.iter().flat_map(|note| wrap(note, TEXT - 1.0, panel + GAP - 3.0, 3)) {
                notes += LINE - 1.0;
                drawing.push(Mark::text((middle, notes), &text, TEXT - 1.0, Anchor::Middle, Role::Muted));
            }
            low = low.max(notes);
        }
        let centre = (TEXT - 1.0, head + tall / 2.0);
        let axis = if width(PIXELS, TEXT) <= tall { PIXELS } else { "pixels" };
        drawing.push(Mark::text(centre, axis, TEXT, Anchor::Middle, Role::Ink).turned());
        colours(&mut drawing, &words, &scale, most, [bar, head, BAR, tall]);
        top = low + 6.0;
    }
    let at = ((left + bar - 8.0) / 2.0).max(width(PIXELS, TEXT) / 2.0);
    drawing.push(Mark::text((at, top + LINE - 6.0), PIXELS, TEXT, Anchor::Middle, Role::Ink));
    drawing.height = top + LINE;
    drawing
}

/// Draws a map in the middle of its place: all maps have the same length for a pixel.
fn one(drawing: &mut Drawing, map: &Map, place: [f64; 4], extent: (f64, f64), most: f64, chart: &Maps) {
    let unit = place[2] / extent.1;
    let (height, width) = (unit * map.height as f64, unit * map.width as f64);
    let level = |value: &f64| match most > 0.0 && value.is_finite() {
        true => (255.0 * (value.max(0.0) / most).sqrt()).round() as u8,
        false => 0,
    };
    let mut pixels: Vec<u8> = map.values.iter().map(level).collect();
    pixels.resize(map.height * map.width, 0);
    let panel = Panel::Mask { height: map.height, width: map.width, pixels, palette: palette::map() };
    let at = [place[0] + (place[2] - width) / 2.0, place[1] + (place[3] - height) / 2.0, width, height];
    let greatest = map.values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let said =
        format!("{}: {} x {} pixels, {} up to {}", map.label, map.height, map.width, chart.scale, figure(greatest));
    drawing.push(Mark::image(at, panel).titled(said));
    drawing.push(Mark::border(place, Role::Ink, 0.75));
}

fn ticks(drawing: &mut Drawing, [left, top, wide, tall]: [f64; 4], x: &Axis, y: Option<&Axis>) {
    for (value, _) in &x.ticks {
        let at = x.place(*value, left, left + wide);
        drawing.push(Mark::line(vec![(at, top + tall), (at, top + tall + 3.0)], Role::Ink, 0.75));
    }
    for (value, label) in free(x, wide, wide + GAP, |label| width(label, TEXT) + 4.0) {
        let at = x.place(value, left, left + wide);
        drawing.push(Mark::text((at, top + tall + LINE - 0.5), label, TEXT, Anchor::Middle, Role::Ink));
    }
    let Some(y) = y else { return };
    for (value, label) in free(y, tall, f64::INFINITY, |_| TEXT) {
        let at = y.place(value, top, top + tall);
        drawing.push(Mark::line(vec![(left - 3.0, at), (left, at)], Role::Ink, 0.75));
        drawing.push(Mark::text((left - 5.0, at + MIDDLE), label, TEXT, Anchor::End, Role::Ink));
    }
}

/// The ticks whose labels do not lie on one another, nor on those of the same axis a `period` further. The centre comes first,
/// then the ends.
fn free(axis: &Axis, long: f64, period: f64, size: impl Fn(&str) -> f64) -> Vec<(f64, &str)> {
    let mut order: Vec<(f64, &str)> = axis.ticks.iter().map(|(value, label)| (*value, label.as_str())).collect();
    order.sort_by(|a, b| {
        (a.0 != 0.0).cmp(&(b.0 != 0.0)).then(b.0.abs().total_cmp(&a.0.abs())).then(b.0.total_cmp(&a.0))
    });
    let mut shown: Vec<(f64, &str)> = Vec::new();
    for (value, label) in order {
        let at = |value: f64| axis.place(value, 0.0, long);
        let apart = |(other, text): &(f64, &str)| {
            let room = (size(label) + size(text)) / 2.0;
            let away = at(value) - at(*other);
            away.abs() >= room && (away - period).abs() >= room && (away + period).abs() >= room
        };
        if shown.iter().all(apart) {
            shown.push((value, label));
        }
    }
    shown
}

/// The scale of colours. It goes with the square root, since the centre alone would be seen otherwise.
fn colours(drawing: &mut Drawing, words: &[String], scale: &Axis, most: f64, place: [f64; 4]) {
    let [left, top, wide, tall] = place;
    let pixels = (0..=255).rev().collect();
    let panel = Panel::Mask { height: 256, width: 1, pixels, palette: palette::map() };
    drawing.push(Mark::image(place, panel));
    drawing.push(Mark::border(place, Role::Ink, 0.5));
    let mut free = f64::INFINITY;
    for (value, label) in scale.ticks.iter().filter(|(value, _)| *value <= most) {
        let at = top + tall * (1.0 - if most > 0.0 { (value / most).sqrt() } else { 0.0 });
        drawing.push(Mark::line(vec![(left + wide, at), (left + wide + 3.0, at)], Role::Ink, 0.75));
        // Near the end labels would lie on one another.
        if at + MIDDLE < free {
            drawing.push(Mark::text((left + wide + 5.0, at + MIDDLE), label, TEXT, Anchor::Start, Role::Ink));
            free = at - MIDDLE - 2.0;
        }
    }
    for (line, text) in words.iter().enumerate() {
        let at = left + wide + 5.0 + widest(scale) + LINE * (line + 1) as f64 - 2.0;
        drawing.push(Mark::text((at, top + tall / 2.0), text, TEXT, Anchor::Middle, Role::Ink).turned());
    }
}
