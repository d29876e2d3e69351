//! A picture of shapes. [`super::svg`] and [`super::raster`] make files of it.

use crate::table::visible;

use super::chart::Panel;
use super::font;

/// For what a picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A paper: fixed colours on white, text as outlines of one embedded font, so that it looks alike everywhere.
    Paper,
    /// The report page: colours by style sheet (dark and light), text as text, a `<title>` for each thing that can be
    /// pointed at. Elements have classes, and no `style` attributes, since the page's policy forbids these.
    Page,
}

/// A picture that is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// What the picture is, for those who cannot see it.
    pub(super) label: String,
    /// Which sort of picture it is, as `curves`.
    pub(super) sort: &'static str,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) marks: Vec<Mark>,
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Text and axes.
    Ink,
    /// What is said in passing.
    Muted,
    /// Lines that guide the eye.
    Grid,
    /// The ground of the picture.
    Ground,
    /// Text on a strong colour.
    Strong,
    /// A series, by its number.
    Series(usize),
    /// The colour of an entry of a legend, which is the same on every ground.
    Fixed([u8; 3]),
}

/// Where a text stands to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The form of a mark. Places are in CSS pixels from the upper left.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Lines from point to point.
    Line(Vec<(f64, f64)>),
    /// A filled polygon.
    Area(Vec<(f64, f64)>),
    /// A filled rectangle: left, top, width, height.
    Rect([f64; 4]),
    /// The border of a rectangle: left, top, width, height.
    Border([f64; 4]),
    /// A filled circle: its centre and its radius.
    Disc((f64, f64), f64),
    /// A text, by the start of its base line. It may be turned, to be read from below.
    Text { at: (f64, f64), text: String, size: f64, anchor: Anchor, turned: bool },
    /// A picture of pixels in a rectangle: left, top, width, height.
    Image([f64; 4], Panel),
}

/// A shape with its colour.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    pub shape: Shape,
    pub role: Role,
    /// The width of lines in CSS pixels.
    pub stroke: f64,
    /// The pattern of a line: 0 is whole, 1 and 2 are dashed.
    pub dash: usize,
    /// From 0, nothing, to 1.
    pub opacity: f64,
    /// What is said where the mark is pointed at.
    pub title: Option<String>,
    /// What scripts read of the mark: names without `data-`, and values.
    pub data: Vec<(&'static str, String)>,
    /// Whether it is drawn for one look alone.
    pub only: Option<Look>,
}

impl Mark {
    fn new(shape: Shape, role: Role) -> Self {
        Mark { shape, role, stroke: 1.0, dash: 0, opacity: 1.0, title: None, data: Vec::new(), only: None }
    }

    pub fn line(points: Vec<(f64, f64)>, role: Role, stroke: f64) -> Self {
        Mark { stroke, ..Mark::new(Shape::Line(points), role) }
    }

    pub fn area(points: Vec<(f64, f64)>, role: Role) -> Self {
        Mark::new(Shape::Area(points), role)
    }

    pub fn rect(place: [f64; 4], role: Role) -> Self {
        Mark::new(Shape::Rect(place), role)
    }

    pub fn border(place: [f64; 4], role: Role, stroke: f64) -> Self {
        Mark { stroke, ..Mark::new(Shape::Border(place), role) }
    }

    pub fn disc(centre: (f64, f64), radius: f64, role: Role) -> Self {
        Mark::new(Shape::Disc(centre, radius), role)
    }

    pub fn image(place: [f64; 4], panel: Panel) -> Self {
        Mark::new(Shape::Image(place, panel), Role::Ink)
    }

    pub fn text(at: (f64, f64), text: &str, size: f64, anchor: Anchor, role: Role) -> Self {
        let text = visible(text).into_owned();
        Mark::new(Shape::Text { at, text, size, anchor, turned: false }, role)
    }

    /// Turns a text, so that it is read from below.
    pub fn turned(mut self) -> Self {
        if let Shape::Text { turned, .. } = &mut self.shape {
            *turned = true;
        }
        self
    }

    pub fn dashed(self, dash: usize) -> Self {
        Mark { dash, ..self }
    }

    pub fn pale(self, opacity: f64) -> Self {
        Mark { opacity, ..self }
    }

    pub fn titled(self, title: impl Into<String>) -> Self {
        let title = title.into();
        Mark { title: Some(visible(&title).into_owned()), ..self }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.data.push((name, visible(&value.to_string()).into_owned()));
        self
    }

    pub fn only(self, look: Look) -> Self {
        Mark { only: Some(look), ..self }
    }
}

impl Drawing {
    /// An empty picture. Its height is set when it is known.
    pub(super) fn new(sort: &'static str, label: &str, width: f64) -> Self {
        Drawing { label: visible(label).into_owned(), sort, width, height: 0.0, marks: Vec::new() }
    }

    pub(super) fn push(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    /// The marks that are drawn for a look.
    pub(super) fn seen(&self, look: Look) -> impl Iterator<Item = &Mark> {
        self.marks.iter().filter(move |mark| mark.only.is_none_or(|only| only == look))
    }

    /// Width and height in CSS pixels.
    pub fn size(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    /// The characters that the embedded font lacks. They are drawn as boxes, in SVG for papers and in PNG.
    pub fn missing(&self) -> Vec<char> {
        let mut lacking = Vec::new();
        for mark in self.seen(Look::Paper) {
            if let Shape::Text { text, .. } = &mark.shape {
                for c in font::missing(text) {
                    if !lacking.contains(&c) {
                        lacking.push(c);
                    }
                }
            }
        }
        lacking
    }
}
