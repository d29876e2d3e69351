//! Points in a plane, each with its name beside it.

use super::chart::{Point, Scatter};
use super::drawing::{Anchor, Drawing, Mark, Role};
use super::font::width;
use super::layout::{MIDDLE, Plot, TEXT, figure, title};
use super::text::fit;
use super::ticks::Axis;

/// The radius of a point.
const RADIUS: f64 = 3.5;

/// A rectangle: left, top, right, bottom.
type Place = [f64; 4];

pub(super) fn draw(chart: &Scatter, wide: f64) -> Drawing {
    let label = if chart.title.is_empty() { format!("{} against {}", chart.y, chart.x) } else { chart.title.clone() };
    let mut drawing = Drawing::new("scatter", &label, wide);
    let top = title(&mut drawing, &chart.title);
    let points: Vec<(usize, &Point)> =
        chart.points.iter().enumerate().filter(|(_, point)| point.at.0.is_finite() && point.at.1.is_finite()).collect();
    let ends = |value: f64, interval: Option<(f64, f64)>| {
        [value, interval.map_or(value, |i| i.0), interval.map_or(value, |i| i.1)]
    };
    let xs = || points.iter().flat_map(|(_, point)| ends(point.at.0, point.intervals.0));
    let ys = || points.iter().flat_map(|(_, point)| ends(point.at.1, point.intervals.1));
    let tall = (0.62 * wide).clamp(140.0, 340.0);
    let count = (tall / 40.0) as usize;
    let x = |count: usize| Axis::of(xs(), count, false).rounded();
    let plot = Plot::new(&mut drawing, top, tall, Axis::of(ys(), count, false).rounded(), (&chart.x, &chart.y), x);
    let mut taken: Vec<Place> = Vec::new();
    for (series, point) in &points {
        let (cx, cy) = plot.at(point.at);
        taken.push([cx - RADIUS, cy - RADIUS, cx + RADIUS, cy + RADIUS]);
        for line in bars(&plot, point) {
            let [a, b] = line;
            taken.push([a.0.min(b.0) - 1.5, a.1.min(b.1) - 1.5, a.0.max(b.0) + 1.5, a.1.max(b.1) + 1.5]);
            drawing.push(Mark::line(line.to_vec(), Role::Series(*series), 1.0).with("series", series));
        }
    }
    let mut names = Vec::new();
    for (series, point) in points.iter().filter(|(_, point)| !point.label.is_empty()) {
        let text = fit(&point.label, TEXT, 0.7 * (plot.right - plot.left));
        let at = plot.at(point.at);
        let place = free(at, width(&text, TEXT), &plot, &taken);
        taken.push(place);
        names.push((*series, at, place, text));
    }
    for (series, at, place, text) in names {
        let near = (at.0.clamp(place[0], place[2]), at.1.clamp(place[1], place[3]));
        // A name that is far from its point is joined with it.
        if (near.0 - at.0).hypot(near.1 - at.1) > 9.0 {
            drawing.push(Mark::line(vec![at, near], Role::Muted, 0.5).with("series", series));
        }
        let base = (place[1] + place[3]) / 2.0 + MIDDLE;
        let text = Mark::text((place[0] + 1.0, base), &text, TEXT, Anchor::Start, Role::Ink);
        drawing.push(text.with("series", series));
    }
    for (series, point) in points {
        let mark = Mark::disc(plot.at(point.at), RADIUS, Role::Series(series));
        drawing.push(mark.titled(said(point, chart)).with("series", series));
    }
    drawing.height = plot.end();
    drawing
}

/// The lines of the intervals of a point, with their ends.
fn bars(plot: &Plot, point: &Point) -> Vec<[(f64, f64); 2]> {
    const CAP: f64 = 2.5;
    let mut lines = Vec::new();
    if let Some((least, greatest)) = point.intervals.0.filter(finite) {
        let (a, b) = (plot.at((least, point.at.1)), plot.at((greatest, point.at.1)));
        lines.push([a, b]);
        lines.extend([a, b].map(|(x, y)| [(x, y - CAP), (x, y + CAP)]));
    }
    if let Some((least, greatest)) = point.intervals.1.filter(finite) {
        let (a, b) = (plot.at((point.at.0, least)), plot.at((point.at.0, greatest)));
        lines.push([a, b]);
        lines.extend([a, b].map(|(x, y)| [(x - CAP, y), (x + CAP, y)]));
    }
    lines
}

/// A place for a name of this width near its point: the nearest that covers least.
fn free(at: (f64, f64), wide: f64, plot: &Plot, taken: &[Place]) -> Place {
    const TALL: f64 = TEXT + 1.0;
    let wide = wide + 2.0;
    let mut best: Option<(f64, Place)> = None;
    for ring in 0..14 {
        let far = RADIUS + 2.0 + 7.0 * f64::from(ring);
        // Right, left, above, below, and the corners.
        let places = [
            (at.0 + far, at.1 - TALL / 2.0),
            (at.0 - far - wide, at.1 - TALL / 2.0),
            (at.0 - wide / 2.0, at.1 - far - TALL),
            (at.0 - wide / 2.0, at.1 + far),
            (at.0 + 0.7 * far, at.1 - 0.7 * far - TALL),
            (at.0 + 0.7 * far, at.1 + 0.7 * far),
            (at.0 - 0.7 * far - wide, at.1 - 0.7 * far - TALL),
            (at.0 - 0.7 * far - wide, at.1 + 0.7 * far),
        ];
        for (left, top) in places {
            let place = [left, top, left + wide, top + TALL];
            let outside = place[0] < plot.left + 1.0
                || place[2] > plot.right + 8.0
                || place[1] < plot.top
                || place[3] > plot.bottom - 1.0;
            if outside {
                continue;
            }
            let covered: f64 = taken.iter().map(|other| shared(&place, other)).sum();
            if covered == 0.0 {
                return place;
            }
            if best.is_none_or(|(least, _)| covered < least) {
                best = Some((covered, place));
            }
        }
    }
    best.map_or([at.0 + RADIUS, at.1, at.0 + RADIUS + wide, at.1 + TALL], |(_, place)| place)
}

/// The area that two rectangles share.
fn shared(a: &Place, b: &Place) -> f64 {
    (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0)
}

/// Whether an interval has ends.
fn finite((least, greatest): &(f64, f64)) -> bool {
    least.is_finite() && greatest.is_finite()
}

/// The figures of a point.
fn said(point: &Point, chart: &Scatter) -> String {
    let one = |name: &str, value: f64, interval: Option<(f64, f64)>| match interval.filter(finite) {
        Some((least, greatest)) => {
            format!("{name} {}, from {} to {}", figure(value), figure(least), figure(greatest))
        }
        None => format!("{name} {}", figure(value)),
    };
    let (x, y) = (one(&chart.x, point.at.0, point.intervals.0), one(&chart.y, point.at.1, point.intervals.1));
    format!("{}: {x}; {y}", point.label)
}
