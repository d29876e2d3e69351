//! What several pictures have in common: sizes of text, titles, legends, and axes around a plot. In CSS pixels.

use super::drawing::{Anchor, Drawing, Look, Mark, Role};
use super::font::{CAPITAL, width};
use super::palette::SERIES;
use super::text::{fit, wrap};
use super::ticks::Axis;

/// The size of text: 8.25 points.
pub(super) const TEXT: f64 = 11.0;
/// The size of titles.
pub(super) const TITLE: f64 = 12.5;
/// From one line of text to the next.
pub(super) const LINE: f64 = 14.0;
/// How far the middle of a line of text is above its base line.
pub(super) const MIDDLE: f64 = TEXT * CAPITAL / 2.0;

/// Draws the title, if there is one. Gives where the rest starts.
pub(super) fn title(drawing: &mut Drawing, text: &str) -> f64 {
    if text.is_empty() {
        return 2.0;
    }
    let mut bottom = 0.0;
    for line in wrap(text, TITLE, drawing.width, 3) {
        bottom += 16.0;
        drawing.push(Mark::text((0.0, bottom - 3.5), &line, TITLE, Anchor::Start, Role::Ink));
    }
    bottom + 4.0
}

/// Draws lines of text from `top` on, as wide as the picture. Gives where the rest starts.
pub(super) fn note(drawing: &mut Drawing, text: &str, left: f64, top: f64) -> f64 {
    if text.is_empty() {
        return top;
    }
    let mut bottom = top;
    for line in wrap(text, TEXT, drawing.width - left, 4) {
        bottom += LINE;
        drawing.push(Mark::text((left, bottom - 3.5), &line, TEXT, Anchor::Start, Role::Muted));
    }
    bottom
}

/// The pattern of a series' lines: those beyond the eighth have the colours of the first, and are dashed.
pub(super) fn dash(series: usize) -> usize {
    (series / SERIES).min(2)
}

/// How opaque the areas of a series are: those beyond the eighth have the colours of the first, and are paler.
pub(super) fn opacity(series: usize) -> f64 {
    if series < SERIES { 1.0 } else { 0.5 }
}

/// The sign of an entry in a legend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sign {
    /// A line, maybe with a dot on it.
    Line { dot: bool },
    /// A dot.
    Dot,
    /// A square.
    Square,
}

/// An entry of a legend.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub label: String,
    pub role: Role,
    pub sign: Sign,
    /// The number of its series, for pages.
    pub series: usize,
}

/// Draws a legend in rows. Gives where the rest starts. Entries without a label are left out.
pub(super) fn legend(drawing: &mut Drawing, entries: &[Entry], top: f64) -> f64 {
    const SIGN: f64 = 18.0;
    const GAP: f64 = 12.0;
    let room = drawing.width - SIGN - 4.0;
    let (mut left, mut row, mut tall) = (0.0, top, 0.0_f64);
    for entry in entries.iter().filter(|entry| !entry.label.is_empty()) {
        let lines = wrap(&entry.label, TEXT, room, 3);
        let wide = lines.iter().map(|line| width(line, TEXT)).fold(0.0, f64::max) + SIGN + 4.0;
        if left > 0.0 && left + wide > drawing.width {
            (left, row, tall) = (0.0, row + tall, 0.0);
        }
        let middle = row + LINE - 3.5 - MIDDLE;
        let data = |mark: Mark| mark.with("series", entry.series);
        match entry.sign {
            Sign::Line { dot } => {
                let line = vec![(left, middle), (left + SIGN, middle)];
                drawing.push(data(Mark::line(line, entry.role, 2.0).dashed(dash(entry.series))));
                if dot {
                    drawing.push(data(Mark::disc((left + SIGN / 2.0, middle), 3.0, entry.role)));
                }
            }
            Sign::Dot => drawing.push(data(Mark::disc((left + SIGN / 2.0, middle), 3.5, entry.role))),
            Sign::Square => {
                let place = [left + 4.0, middle - 5.0, 10.0, 10.0];
                drawing.push(data(Mark::rect(place, entry.role).pale(opacity(entry.series))));
                // What has the colour of the ground is seen by its border.
                drawing.push(Mark::border(place, Role::Muted, 0.5));
            }
        }
        for (at, line) in lines.iter().enumerate() {
            let base = row + LINE * (at + 1) as f64 - 3.5;
            let text = Mark::text((left + SIGN + 4.0, base), line, TEXT, Anchor::Start, Role::Ink);
            drawing.push(data(text));
        }
        tall = tall.max(LINE * lines.len() as f64);
        left += wide + GAP;
    }
    if tall > 0.0 { row + tall + 4.0 } else { top }
}

/// A plot with axes.
pub(super) struct Plot {
    pub x: Axis,
    pub y: Axis,
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

/// The widest label of an axis.
pub(super) fn widest(axis: &Axis) -> f64 {
    axis.ticks.iter().map(|(_, label)| width(label, TEXT)).fold(0.0, f64::max)
}

impl Plot {
    /// Lays a plot out below `top`: `x` and `y` make axes of a number of ticks.
    pub fn new(
        drawing: &mut Drawing,
        top: f64,
        tall: f64,
        y: Axis,
        named: (&str, &str),
        x: impl Fn(usize) -> Axis,
    ) -> Self {
        let left = widest(&y) + 6.0 + if named.1.is_empty() { 0.0 } else { LINE + 2.0 };
        let room = (drawing.width - left - 10.0).max(40.0);
        let mut count = (room / 50.0).max(1.0) as usize;
        while count > 1 && (widest(&x(count)) + 10.0) * x(count).ticks.len() as f64 > room {
            count -= 1;
        }
        let x = x(count);
        let last = x.ticks.last().map_or(0.0, |(_, label)| width(label, TEXT) / 2.0);
        let plot =
            Plot { x, y, left, right: left + room + 10.0 - last.max(4.0), top: top + 5.0, bottom: top + 5.0 + tall };
        plot.axes(drawing, named);
        plot
    }

    fn axes(&self, drawing: &mut Drawing, (x, y): (&str, &str)) {
        for (value, label) in &self.y.ticks {
            let place = self.y.place(*value, self.bottom, self.top);
            drawing.push(Mark::line(vec![(self.left, place), (self.right, place)], Role::Grid, 0.75));
            drawing.push(Mark::text((self.left - 5.0, place + MIDDLE), label, TEXT, Anchor::End, Role::Ink));
        }
        for (value, label) in &self.x.ticks {
            let place = self.x.place(*value, self.left, self.right);
            drawing.push(Mark::line(vec![(place, self.bottom), (place, self.bottom + 3.5)], Role::Ink, 0.75));
            drawing.push(Mark::text((place, self.bottom + LINE), label, TEXT, Anchor::Middle, Role::Ink));
        }
        let corner = vec![(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)];
        drawing.push(Mark::line(corner, Role::Ink, 0.75));
        let (middle, centre) = ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0);
        let label = fit(x, TEXT, drawing.width);
        // As much to the left as a long label needs.
        let middle = middle.min(drawing.width - width(&label, TEXT) / 2.0);
        drawing.push(Mark::text((middle, self.bottom + 2.0 * LINE + 1.0), &label, TEXT, Anchor::Middle, Role::Ink));
        let label = fit(y, TEXT, self.bottom - self.top + 10.0);
        drawing.push(Mark::text((TEXT - 1.0, centre), &label, TEXT, Anchor::Middle, Role::Ink).turned());
    }

    /// Where the rest of the picture starts.
    pub fn end(&self) -> f64 {
        self.bottom + 2.0 * LINE + 6.0
    }

    /// The place of a point.
    pub fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.place(x, self.left, self.right), self.y.place(y, self.bottom, self.top))
    }
}

/// A disc that is not seen, and says something where it is pointed at on a page.
pub(super) fn spot(at: (f64, f64), radius: f64, role: Role, title: String) -> Mark {
    Mark::disc(at, radius, role).pale(0.0).titled(title).only(Look::Page)
}

/// A figure for people: 4 digits that count.
pub(super) fn figure(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if value == 0.0 => "0".to_owned(),
        _ if !(1e-3..1e6).contains(&size) => format!("{value:.3e}"),
        _ if size >= 1000.0 => format!("{value:.0}"),
        _ if size >= 100.0 => format!("{value:.1}"),
        _ if size >= 10.0 => format!("{value:.2}"),
        _ if size >= 1.0 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    };
    let text = if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_count() {
        let shown = [0.0, 100.0, 41.25, -3.5, 20_000.0, 0.012_345, 2e-7].map(figure);
        assert_eq!(shown, ["0", "100", "41.25", "−3.5", "20000", "0.0123", "2.000e−7"]);
    }

    #[test]
    fn a_legend_takes_the_rows_that_it_needs() {
        let entry = |label: &str| Entry { label: label.to_owned(), role: Role::Series(0), sign: Sign::Dot, series: 0 };
        let tall = |entries: &[Entry]| legend(&mut Drawing::new("test", "", 200.0), entries, 0.0);
        assert_eq!(tall(&[entry("")]), 0.0);
        assert_eq!(tall(&[entry("a"), entry("b")]), LINE + 4.0);
        assert_eq!(tall(&[entry("a rather long label"), entry("another long label")]), 2.0 * LINE + 4.0);
        assert!(tall(&[entry(&"long ".repeat(30))]) > 2.0 * LINE);
    }
}
