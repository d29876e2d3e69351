//! A picture of shapes, and the files that it becomes.

use super::chart::Chart;

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
    size: (f64, f64),
}

impl Chart {
    /// Draws the picture at a width in CSS pixels.
    pub fn draw(&self, width: f64) -> Drawing {
        Drawing { size: (width, width) }
    }
}

impl Drawing {
    /// Width and height in CSS pixels.
    pub fn size(&self) -> (f64, f64) {
        self.size
    }

    /// The picture as one `<svg>` element.
    pub fn svg(&self, _look: Look) -> String {
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\"/>", self.size.0, self.size.1)
    }

    /// The picture as a PNG, for a paper.
    ///
    /// # Errors
    /// The picture is larger than 20,000 pixels on a side. The error is a sentence.
    pub fn png(&self, _pixels_per_unit: f32) -> Result<Vec<u8>, String> {
        Err("Pictures cannot be drawn as PNG yet.".to_owned())
    }
}
