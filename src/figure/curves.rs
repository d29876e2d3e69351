//! Lines over steps.

use super::chart::{Curve, Curves};
use super::drawing::{Drawing, Mark, Role};
use super::layout::{Entry, Plot, Sign, dash, figure, legend, spot, title};
use super::ticks::Axis;

/// The most points of a line that say their value on a page.
const SPOTS: usize = 40;

pub(super) fn draw(chart: &Curves, width: f64) -> Drawing {
    let label = if chart.title.is_empty() { format!("{} over {}", chart.y, chart.x) } else { chart.title.clone() };
    let mut drawing = Drawing::new("curves", &label, width);
    let top = title(&mut drawing, &chart.title);
    let entry = |(series, curve): (usize, &Curve)| {
        let dot = !curve.dots.is_empty();
        let sign = if curve.raw.is_empty() && curve.smooth.is_empty() { Sign::Dot } else { Sign::Line { dot } };
        Entry { label: curve.label.clone(), role: Role::Series(series), sign, series }
    };
    let entries: Vec<Entry> = chart.curves.iter().enumerate().map(entry).collect();
    let top = legend(&mut drawing, &entries, top);
    let points = || chart.curves.iter().flat_map(points);
    let tall = (0.5 * width).clamp(120.0, 300.0);
    let count = (tall / 40.0) as usize;
    let y = Axis::of(points().map(|(_, value)| value), count, false).rounded();
    let steps = |count: usize| Axis::of(points().map(|(step, _)| step), count, true);
    let plot = Plot::new(&mut drawing, top, tall, y, (&chart.x, &chart.y), steps);
    for (series, curve) in chart.curves.iter().enumerate() {
        band(&mut drawing, &plot, series, curve);
    }
    for (series, curve) in chart.curves.iter().enumerate() {
        lines(&mut drawing, &plot, series, curve, chart);
    }
    drawing.height = plot.end();
    drawing
}

/// Every point of a curve.
fn points(curve: &Curve) -> impl Iterator<Item = (f64, f64)> {
    let band = curve.band.iter().flat_map(|&(step, least, greatest)| [(step, least), (step, greatest)]);
    let all = curve.raw.iter().chain(&curve.smooth).chain(&curve.dots).copied().chain(band);
    all.filter(|(step, value)| step.is_finite() && value.is_finite())
}

fn band(drawing: &mut Drawing, plot: &Plot, series: usize, curve: &Curve) {
    let finite = || curve.band.iter().filter(|(step, a, b)| step.is_finite() && a.is_finite() && b.is_finite());
    let mut outline: Vec<(f64, f64)> = finite().map(|&(step, _, greatest)| plot.at((step, greatest))).collect();
    if outline.len() < 2 {
        // What has no width would not be seen.
        for &(step, least, greatest) in finite() {
            let line = vec![plot.at((step, least)), plot.at((step, greatest))];
            drawing.push(Mark::line(line, Role::Series(series), 4.0).pale(0.25).with("series", series));
        }
        return;
    }
    outline.extend(finite().rev().map(|&(step, least, _)| plot.at((step, least))));
    drawing.push(Mark::area(outline, Role::Series(series)).pale(0.2).with("series", series));
}

fn lines(drawing: &mut Drawing, plot: &Plot, series: usize, curve: &Curve, chart: &Curves) {
    let role = Role::Series(series);
    let mut line = |points: &[(f64, f64)], stroke: f64, opacity: f64| {
        // A gap in the figures is a gap in the line.
        for part in points.split(|(step, value)| !(step.is_finite() && value.is_finite())) {
            let part = thinned(part.iter().map(|&point| plot.at(point)).collect());
            match part[..] {
                [] => {}
                // A line of one point would not be seen.
                [point] => drawing.push(Mark::disc(point, 1.5 * stroke, role).pale(opacity).with("series", series)),
                _ => drawing
                    .push(Mark::line(part, role, stroke).dashed(dash(series)).pale(opacity).with("series", series)),
            }
        }
    };
    let main = if curve.smooth.is_empty() {
        line(&curve.raw, 1.5, 1.0);
        &curve.raw
    } else {
        line(&curve.raw, 0.75, 0.35);
        line(&curve.smooth, 1.75, 1.0);
        &curve.smooth
    };
    let said = |(step, value): (f64, f64)| {
        let said = format!("{} {}, {} {}", chart.x, figure(step), chart.y, figure(value));
        if curve.label.is_empty() { said } else { format!("{}: {said}", curve.label) }
    };
    let finite = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
        points.iter().filter(|(step, value)| step.is_finite() && value.is_finite()).copied().collect()
    };
    let main = finite(main);
    for &point in main.iter().step_by(main.len().div_ceil(SPOTS).max(1)) {
        drawing.push(spot(plot.at(point), 5.0, role, said(point)).with("series", series));
    }
    for point in finite(&curve.dots) {
        drawing.push(Mark::disc(plot.at(point), 3.0, role).titled(said(point)).with("series", series));
    }
}

/// The points that can be seen: of those in half a CSS pixel the first, the least, the greatest and the last.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let column = |point: &(f64, f64)| (2.0 * point.0).floor() as i64;
    let mut thin = Vec::new();
    for chunk in points.chunk_by(|a, b| column(a) == column(b)) {
        let by_value = |a: &usize, b: &usize| chunk[*a].1.total_cmp(&chunk[*b].1);
        let ends =
            [Some(0), (0..chunk.len()).min_by(by_value), (0..chunk.len()).max_by(by_value), Some(chunk.len() - 1)];
        let mut kept: Vec<usize> = ends.into_iter().flatten().collect();
        kept.sort_unstable();
        kept.dedup();
        thin.extend(kept.into_iter().map(|at| chunk[at]));
    }
    thin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_what_can_be_seen() {
        let points: Vec<(f64, f64)> = (0..10_000)
            .map(|step| (f64::from(step) / 100.0, if step == 5005 { 9.0 } else { f64::from(step % 7) }))
            .collect();
        let thin = thinned(points);
        assert!(thin.len() <= 4 * 200 && thin.contains(&(50.05, 9.0)) && thin[0] == (0.0, 0.0), "{}", thin.len());
        assert!(thin.is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn a_figure_that_is_missing_is_a_gap() {
        let raw = vec![(1.0, 1.0), (2.0, 2.0), (3.0, f64::NAN), (4.0, 2.0), (5.0, 1.0)];
        let chart = Curves { curves: vec![Curve { raw, ..Curve::default() }], ..Curves::default() };
        let drawing = draw(&chart, 300.0);
        let lines = drawing.marks.iter().filter(|mark| mark.role == Role::Series(0) && mark.opacity == 1.0);
        assert_eq!(lines.count(), 2);
    }
}
