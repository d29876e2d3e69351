//! Bars with intervals. They lie, so that names of classes can be read.

use super::chart::{Bar, Bars};
use super::drawing::{Anchor, Drawing, Mark, Role};
use super::font::width;
use super::layout::{Entry, LINE, MIDDLE, Sign, TEXT, figure, legend, note, opacity, title, widest};
use super::text::{fit, wrap};
use super::ticks::Axis;

pub(super) fn draw(chart: &Bars, wide: f64) -> Drawing {
    let label = if chart.title.is_empty() { chart.y.clone() } else { chart.title.clone() };
    let mut drawing = Drawing::new("bars", &label, wide);
    let top = title(&mut drawing, &chart.title);
    let entry = |(series, label): (usize, &String)| Entry {
        label: label.clone(),
        role: Role::Series(series),
        sign: Sign::Square,
        series,
    };
    let entries: Vec<Entry> = chart.series.iter().enumerate().map(entry).collect();
    let top = legend(&mut drawing, &entries, top) + 2.0;
    let count = chart.groups.iter().map(|(_, bars)| bars.len()).max().unwrap_or(0).max(1);
    let thick = match count {
        1 => 10.0,
        2 => 7.5,
        3..=4 => 6.0,
        _ => 5.0,
    };
    let tall = (thick * count as f64).max(10.0) + 5.0;
    let most = (tall / (LINE - 1.0)).max(1.0) as usize;
    let names = chart.groups.iter().map(|(name, _)| width(name, TEXT)).fold(0.0, f64::max);
    let left = names.min(0.36 * wide) + 6.0;
    let axis = axis(chart, wide - left);
    let right = wide - axis.ticks.last().map_or(4.0, |(_, label)| width(label, TEXT) / 2.0).max(4.0);
    let bottom = top + tall * chart.groups.len() as f64 + 2.0;
    let place = |value: f64| axis.place(value, left, right);
    for (value, label) in &axis.ticks {
        let at = place(*value);
        drawing.push(Mark::line(vec![(at, top), (at, bottom)], Role::Grid, 0.75));
        drawing.push(Mark::text((at, bottom + LINE), label, TEXT, Anchor::Middle, Role::Ink));
    }
    let zero = place(0.0_f64.clamp(axis.least, axis.greatest));
    for (group, (name, bars)) in chart.groups.iter().enumerate() {
        let from = top + 2.0 + tall * group as f64;
        let centre = from + (tall - 5.0) / 2.0;
        let lines = wrap(name, TEXT, left - 6.0, most);
        let first = centre + MIDDLE - (LINE - 1.0) * (lines.len() - 1) as f64 / 2.0;
        for (at, line) in lines.iter().enumerate() {
            let base = first + (LINE - 1.0) * at as f64;
            let text = Mark::text((left - 6.0, base), line, TEXT, Anchor::End, Role::Ink);
            drawing.push(text.titled(name).with("group", group));
        }
        let start = centre - thick * bars.len() as f64 / 2.0;
        for (series, bar) in bars.iter().enumerate() {
            let y = start + thick * series as f64;
            let label = chart.series.get(series).map_or("", String::as_str);
            let about = if label.is_empty() { name.clone() } else { format!("{name}, {label}") };
            match bar.filter(|bar| bar.value.is_finite()) {
                Some(bar) => {
                    let marks = one(&bar, series, [y, thick], zero, &place, format!("{about}: {}", said(&bar, chart)));
                    marks.into_iter().for_each(|mark| drawing.push(mark.with("group", group).with("series", series)));
                }
                // What is missing must not look like 0.
                None => {
                    let text =
                        Mark::text((zero + 3.0, y + thick / 2.0 + MIDDLE), "–", TEXT, Anchor::Start, Role::Muted);
                    let text = text.titled(format!("{about}: no figure"));
                    drawing.push(text.with("group", group).with("series", series));
                }
            }
        }
    }
    drawing.push(Mark::line(vec![(zero, top), (zero, bottom)], Role::Ink, 0.75));
    let y = fit(&chart.y, TEXT, wide);
    let middle = ((left + right) / 2.0).min(wide - width(&y, TEXT) / 2.0);
    drawing.push(Mark::text((middle, bottom + 2.0 * LINE + 1.0), &y, TEXT, Anchor::Middle, Role::Ink));
    let end = bottom + 2.0 * LINE + 5.0;
    drawing.height = note(&mut drawing, &chart.interval, 0.0, end) + 2.0;
    drawing
}

/// The axis of values, which shows 0 and the ends of intervals.
fn axis(chart: &Bars, room: f64) -> Axis {
    let bars = || chart.groups.iter().flat_map(|(_, bars)| bars).flatten();
    let ends = |bar: &Bar| [bar.value, bar.interval.map_or(0.0, |i| i.0), bar.interval.map_or(0.0, |i| i.1), 0.0];
    let of = |count: usize| Axis::of(bars().flat_map(ends), count, false).rounded();
    let mut count = (room / 45.0).max(1.0) as usize;
    while count > 1 && (widest(&of(count)) + 8.0) * of(count).ticks.len() as f64 > room {
        count -= 1;
    }
    of(count)
}

/// A bar and its interval.
fn one(
    bar: &Bar,
    series: usize,
    [y, thick]: [f64; 2],
    zero: f64,
    place: &dyn Fn(f64) -> f64,
    title: String,
) -> Vec<Mark> {
    let at = place(bar.value);
    let body = [zero.min(at), y + 0.5, (at - zero).abs(), thick - 1.0];
    let mut marks = vec![Mark::rect(body, Role::Series(series)).pale(opacity(series)).titled(title.clone())];
    if let Some((least, greatest)) = interval(bar) {
        let (middle, cap) = (y + thick / 2.0, (thick / 2.0 - 1.0).min(3.0));
        let (from, to) = (place(least), place(greatest));
        let lines = [
            vec![(from, middle), (to, middle)],
            vec![(from, middle - cap), (from, middle + cap)],
            vec![(to, middle - cap), (to, middle + cap)],
        ];
        let halo = 2.5_f64.min(0.36 * thick);
        // A border in the colour of the ground sets it off from the bar.
        marks.extend(lines.iter().map(|line| Mark::line(line.clone(), Role::Ground, halo).titled(title.clone())));
        marks.extend(lines.into_iter().map(|line| Mark::line(line, Role::Ink, 1.0).titled(title.clone())));
    }
    marks
}

/// The interval of a bar, where it has ends.
fn interval(bar: &Bar) -> Option<(f64, f64)> {
    bar.interval.filter(|(least, greatest)| least.is_finite() && greatest.is_finite())
}

/// The figures of a bar.
fn said(bar: &Bar, chart: &Bars) -> String {
    let value = format!("{} {}", chart.y, figure(bar.value)).trim_start().to_owned();
    match interval(bar) {
        Some((least, greatest)) => format!("{value}, from {} to {}", figure(least), figure(greatest)),
        None => value,
    }
}
