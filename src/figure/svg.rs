//! A drawing as SVG.

use std::fmt::Write as _;

use ttf_parser::OutlineBuilder;

use super::drawing::{Anchor, Drawing, Look, Mark, Role, Shape};
use super::font;
use super::palette::{LIGHT, SERIES, Scheme};

impl Drawing {
    /// The picture as one `<svg>` element.
    pub fn svg(&self, look: Look) -> String {
        let mut out = String::new();
        self.open(look, &mut out);
        for mark in self.seen(look) {
            write_mark(mark, look, &mut out);
        }
        out.push_str("</svg>");
        out
    }

    fn open(&self, look: Look, out: &mut String) {
        let (width, height) = (number(self.width), number(self.height));
        let label = escaped(&self.label);
        // CSS pixels are three quarters of a point.
        let (w, h, class) = match look {
            Look::Paper => {
                (format!("{}pt", number(0.75 * self.width)), format!("{}pt", number(0.75 * self.height)), String::new())
            }
            Look::Page => (width.clone(), height.clone(), format!(" class=\"figure {}\"", self.sort)),
        };
        put(
            out,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\"{class} width=\"{w}\" height=\"{h}\" \
                 viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">"
            ),
        );
        if look == Look::Paper {
            put(out, format_args!("<title>{label}</title><rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>"));
        }
    }
}

/// Writing to a string cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// A coordinate with at most two digits after the point.
fn number(value: f64) -> String {
    let hundredths = (100.0 * value).round();
    let text = format!("{:.2}", if hundredths == 0.0 { 0.0 } else { hundredths / 100.0 });
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text as XML and HTML can hold it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Two places in Unicode are no characters of XML.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The class of a colour.
fn class(role: Role) -> String {
    match role {
        Role::Ink => "ink".to_owned(),
        Role::Muted => "muted".to_owned(),
        Role::Grid => "grid".to_owned(),
        Role::Ground => "ground".to_owned(),
        Role::Strong => "strong".to_owned(),
        Role::Series(at) => format!("s{}", at % SERIES),
        Role::Fixed(_) => "fixed".to_owned(),
    }
}

/// The colour of a role.
pub(super) fn colour(role: Role, scheme: &Scheme) -> [u8; 3] {
    match role {
        Role::Ink => scheme.ink,
        Role::Muted => scheme.muted,
        Role::Grid => scheme.grid,
        Role::Ground => scheme.ground,
        Role::Strong => scheme.strong,
        Role::Series(at) => scheme.series[at % SERIES],
        Role::Fixed(colour) => colour,
    }
}

/// The lengths of the dashes and gaps of a pattern.
pub(super) fn dashes(dash: usize, stroke: f64) -> Option<[f64; 2]> {
    match dash {
        0 => None,
        1 => Some([4.0 * stroke, 2.0 * stroke]),
        _ => Some([1.2 * stroke, 1.8 * stroke]),
    }
}

fn write_mark(mark: &Mark, look: Look, out: &mut String) {
    let stroked = matches!(mark.shape, Shape::Line(_) | Shape::Border(_));
    let mut attributes = String::new();
    if look == Look::Page && !matches!(mark.shape, Shape::Image(..)) {
        put(&mut attributes, format_args!(" class=\"{}\"", class(mark.role)));
    }
    let [r, g, b] = colour(mark.role, &LIGHT);
    let paint = match (look, mark.role) {
        (Look::Page, role) if !matches!(role, Role::Fixed(_)) => "currentColor".to_owned(),
        _ => format!("#{r:02x}{g:02x}{b:02x}"),
    };
    if matches!(mark.shape, Shape::Image(..)) {
    } else if stroked {
        let stroke = number(mark.stroke);
        put(&mut attributes, format_args!(" fill=\"none\" stroke=\"{paint}\" stroke-width=\"{stroke}\""));
        if let Some([on, off]) = dashes(mark.dash, mark.stroke) {
            put(&mut attributes, format_args!(" stroke-dasharray=\"{} {}\"", number(on), number(off)));
        }
        if matches!(mark.shape, Shape::Line(_)) {
            attributes.push_str(" stroke-linejoin=\"round\"");
        }
    } else {
        put(&mut attributes, format_args!(" fill=\"{paint}\""));
    }
    if mark.opacity < 1.0 {
        put(&mut attributes, format_args!(" opacity=\"{}\"", number(mark.opacity)));
    }
    if look == Look::Page {
        for (name, value) in &mark.data {
            put(&mut attributes, format_args!(" data-{name}=\"{}\"", escaped(value)));
        }
    }
    let title = mark.title.as_ref().filter(|_| look == Look::Page);
    let title = title.map(|title| format!("<title>{}</title>", escaped(title)));
    write_shape(&mark.shape, &attributes, title, look, out);
}

fn write_shape(shape: &Shape, attributes: &str, title: Option<String>, look: Look, out: &mut String) {
    let (name, place, content) = match shape {
        Shape::Line(points) => ("path", format!(" d=\"{}\"", path(points)), String::new()),
        Shape::Area(points) => ("path", format!(" d=\"{}z\"", path(points)), String::new()),
        Shape::Rect(place) | Shape::Border(place) => ("rect", rectangle(place), String::new()),
        Shape::Disc((x, y), r) => {
            ("circle", format!(" cx=\"{}\" cy=\"{}\" r=\"{}\"", number(*x), number(*y), number(*r)), String::new())
        }
        Shape::Text { at: (x, y), text, size, anchor, turned } => match look {
            Look::Page => {
                let turn = if *turned {
                    format!(" transform=\"rotate(-90 {} {})\"", number(*x), number(*y))
                } else {
                    "".into()
                };
                let anchor = match anchor {
                    Anchor::Start => "",
                    Anchor::Middle => " text-anchor=\"middle\"",
                    Anchor::End => " text-anchor=\"end\"",
                };
                let place =
                    format!(" x=\"{}\" y=\"{}\" font-size=\"{}\"{anchor}{turn}", number(*x), number(*y), number(*size));
                ("text", place, escaped(text))
            }
            Look::Paper => ("path", outlined((*x, *y), text, *size, *anchor, *turned), String::new()),
        },
        Shape::Image(place, panel) => {
            let Some(address) = panel.address(place[2]) else { return };
            let image = format!(
                "{} preserveAspectRatio=\"none\" image-rendering=\"{}\" href=\"{address}\"",
                rectangle(place),
                if panel.is_photo() { "auto" } else { "pixelated" },
            );
            ("image", image, String::new())
        }
    };
    let content = format!("{}{content}", title.unwrap_or_default());
    match content.is_empty() {
        true => put(out, format_args!("<{name}{place}{attributes}/>")),
        false => put(out, format_args!("<{name}{place}{attributes}>{content}</{name}>")),
    }
}

fn rectangle([x, y, width, height]: &[f64; 4]) -> String {
    let (width, height) = (number(width.max(0.0)), number(height.max(0.0)));
    format!(" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\"", number(*x), number(*y))
}

fn path(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        put(&mut out, format_args!("{}{} {}", if at == 0 { "M" } else { "L" }, number(*x), number(*y)));
    }
    out
}

/// Where the base line of a text starts, by its anchor.
pub(super) fn start(at: (f64, f64), text: &str, size: f64, anchor: Anchor, turned: bool) -> (f64, f64) {
    let share = match anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => 0.5,
        Anchor::End => 1.0,
    };
    let back = share * font::width(text, size);
    if turned { (at.0, at.1 + back) } else { (at.0 - back, at.1) }
}

/// The outlines of a text, in the font's units, and where they stand.
fn outlined(at: (f64, f64), text: &str, size: f64, anchor: Anchor, turned: bool) -> String {
    let (x, y) = start(at, text, size, anchor, turned);
    let mut pen = Pen(String::new());
    font::outline(text, &mut pen);
    let scale = size / font::units();
    let turn = if turned { " rotate(-90)" } else { "" };
    format!(" transform=\"translate({} {}){turn} scale({scale:.6} -{scale:.6})\" d=\"{}\"", number(x), number(y), pen.0)
}

/// Writes outlines as the `d` of a path.
struct Pen(String);

impl Pen {
    fn put(&mut self, command: char, values: &[f32]) {
        self.0.push(command);
        for (at, value) in values.iter().enumerate() {
            let space = if at > 0 { " " } else { "" };
            put(&mut self.0, format_args!("{space}{}", value.round() as i64));
        }
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.put('M', &[x, y]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.put('L', &[x, y]);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.put('Q', &[x1, y1, x, y]);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.put('C', &[x1, y1, x2, y2, x, y]);
    }

    fn close(&mut self) {
        self.0.push('z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        assert_eq!([0.0, -0.001, 1.0, 1.255, 100.0, -2.5].map(number), ["0", "0", "1", "1.25", "100", "-2.5"]);
    }

    #[test]
    fn text_is_escaped_on_a_page_and_outlined_in_a_paper() {
        let mut drawing = Drawing::new("curves", "a <b> & \"c\"\u{1b}", 100.0);
        drawing.height = 50.0;
        let hostile = "</text><script>alert(1)</script>&\u{202e}";
        drawing
            .push(Mark::text((1.0, 2.0), hostile, 10.0, Anchor::Start, Role::Ink).titled(hostile).with("x", hostile));
        let page = drawing.svg(Look::Page);
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;") && page.contains("\\u202e"), "{page}");
        assert!(
            page.contains("aria-label=\"a &lt;b&gt; &amp; &quot;c&quot;\\u001b\"") && !page.contains("style"),
            "{page}"
        );
        let paper = drawing.svg(Look::Paper);
        assert!(!paper.contains("<text") && paper.contains("<path transform") && paper.contains("pt\""), "{paper}");
    }
}
