//! A drawing as PNG.

use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform};
use ttf_parser::OutlineBuilder;

use super::chart::Panel;
use super::drawing::{Anchor, Drawing, Look, Mark, Shape};
use super::font;
use super::palette::LIGHT;
use super::pixels::{self, Raster};
use super::svg::{colour, dashes, start};

/// The most pixels on a side.
const LARGEST: f64 = 20_000.0;

/// The CSS pixels of a metre.
const CSS_PIXELS: f64 = 96.0 / 0.0254;

impl Drawing {
    /// The picture as a PNG, for a paper. It states its size: a CSS pixel is 1/96 inch.
    ///
    /// # Errors
    /// The picture is larger than 20,000 pixels on a side. The error is a sentence.
    pub fn png(&self, pixels_per_unit: f32) -> Result<Vec<u8>, String> {
        let scale = f64::from(pixels_per_unit);
        let (width, height) = ((self.width * scale).ceil(), (self.height * scale).ceil());
        let sized = |side: f64| (1.0..=LARGEST).contains(&side);
        let too_large =
            || format!("A picture of {width} x {height} pixels is too large: {LARGEST} a side are the most.");
        if !sized(width) || !sized(height) {
            return Err(too_large());
        }
        let mut pixmap = Pixmap::new(width as u32, height as u32).ok_or_else(too_large)?;
        pixmap.fill(Color::WHITE);
        for mark in self.seen(Look::Paper) {
            draw(mark, &mut pixmap, pixels_per_unit);
        }
        let pixels = pixmap.pixels().iter().map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
        let raster = Raster { height: height as usize, width: width as usize, pixels };
        pixels::png(&raster, (CSS_PIXELS * scale).round() as u32)
    }
}

fn draw(mark: &Mark, pixmap: &mut Pixmap, scale: f32) {
    let [r, g, b] = colour(mark.role, &LIGHT);
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, (255.0 * mark.opacity).round() as u8);
    let whole = Transform::from_scale(scale, scale);
    match &mark.shape {
        Shape::Line(points) => {
            if let Some(path) = lines(points, false) {
                pixmap.stroke_path(&path, &paint, &stroke(mark), whole, None);
            }
        }
        Shape::Area(points) => {
            if let Some(path) = lines(points, true) {
                pixmap.fill_path(&path, &paint, FillRule::Winding, whole, None);
            }
        }
        Shape::Rect(place) => {
            if let Some(rect) = rect(place) {
                pixmap.fill_rect(rect, &paint, whole, None);
            }
        }
        Shape::Border(place) => {
            if let Some(rect) = rect(place) {
                pixmap.stroke_path(&PathBuilder::from_rect(rect), &paint, &stroke(mark), whole, None);
            }
        }
        Shape::Disc((x, y), radius) => {
            if let Some(path) = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32) {
                pixmap.fill_path(&path, &paint, FillRule::Winding, whole, None);
            }
        }
        Shape::Text { at, text, size, anchor, turned } => {
            let (x, y) = place(*at, text, *size, *anchor, *turned);
            let mut pen = Pen(PathBuilder::new());
            font::outline(text, &mut pen);
            if let Some(path) = pen.0.finish() {
                let unit = (*size / font::units()) as f32;
                let (x, y, s) = (x * scale, y * scale, unit * scale);
                // The font's y points upwards.
                let turn = match turned {
                    true => Transform::from_row(0.0, -s, -s, 0.0, x, y),
                    false => Transform::from_row(s, 0.0, 0.0, -s, x, y),
                };
                pixmap.fill_path(&path, &paint, FillRule::Winding, turn, None);
            }
        }
        Shape::Image(place, panel) => image(place, panel, pixmap, scale),
    }
}

fn place(at: (f64, f64), text: &str, size: f64, anchor: Anchor, turned: bool) -> (f32, f32) {
    let (x, y) = start(at, text, size, anchor, turned);
    (x as f32, y as f32)
}

fn stroke(mark: &Mark) -> Stroke {
    let dash = dashes(mark.dash, mark.stroke).map(|lengths| lengths.map(|length| length as f32).to_vec());
    Stroke {
        width: mark.stroke as f32,
        line_cap: LineCap::Butt,
        line_join: LineJoin::Round,
        dash: dash.and_then(|lengths| StrokeDash::new(lengths, 0.0)),
        ..Stroke::default()
    }
}

fn lines(points: &[(f64, f64)], closed: bool) -> Option<tiny_skia::Path> {
    let mut builder = PathBuilder::new();
    for (at, (x, y)) in points.iter().enumerate() {
        match at {
            0 => builder.move_to(*x as f32, *y as f32),
            _ => builder.line_to(*x as f32, *y as f32),
        }
    }
    if closed {
        builder.close();
    }
    builder.finish()
}

fn rect([x, y, width, height]: &[f64; 4]) -> Option<Rect> {
    Rect::from_xywh(*x as f32, *y as f32, *width as f32, *height as f32)
}

/// Copies a picture onto whole pixels.
fn image([x, y, width, height]: &[f64; 4], panel: &Panel, pixmap: &mut Pixmap, scale: f32) {
    let side = |value: f64| (value * f64::from(scale)).round().max(0.0) as usize;
    let (left, top, right, bottom) = (side(*x), side(*y), side(x + width), side(y + height));
    if right <= left || bottom <= top {
        return;
    }
    let shown = panel.resized(bottom - top, right - left);
    let (columns, rows) = (pixmap.width() as usize, pixmap.height() as usize);
    let data = pixmap.data_mut();
    for row in top..bottom.min(rows) {
        for column in left..right.min(columns) {
            let [r, g, b] = shown.pixels[(row - top) * shown.width + column - left];
            let at = 4 * (row * columns + column);
            data[at..at + 4].copy_from_slice(&[r, g, b, 255]);
        }
    }
}

/// Makes a path of outlines.
struct Pen(PathBuilder);

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.0.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::super::drawing::Role;
    use super::*;

    /// The colour of a pixel of a PNG.
    fn pixels(png: &[u8]) -> (usize, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut out = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut out).unwrap();
        (info.width as usize, out)
    }

    #[test]
    fn shapes_lie_where_they_are_put() {
        let mut drawing = Drawing::new("test", "", 10.0);
        drawing.height = 8.0;
        drawing.push(Mark::rect([2.0, 1.0, 3.0, 2.0], Role::Fixed([10, 20, 30])));
        let palette = vec![[0; 3], [1, 2, 3]];
        let panel = Panel::Mask { height: 1, width: 2, pixels: vec![0, 1], palette };
        drawing.push(Mark::image([6.0, 5.0, 2.0, 1.0], panel));
        drawing.push(Mark::rect([0.0, 0.0, 10.0, 8.0], Role::Ink).only(Look::Page));
        let png = drawing.png(2.0).unwrap();
        let (width, bytes) = pixels(&png);
        let at = |x: usize, y: usize| &bytes[3 * (y * width + x)..][..3];
        assert_eq!((width, bytes.len()), (20, 20 * 16 * 3));
        assert_eq!(
            (at(4, 2), at(9, 5), at(3, 2), at(10, 5)),
            (&[10, 20, 30][..], &[10, 20, 30][..], &[255; 3][..], &[255; 3][..])
        );
        assert_eq!((at(12, 10), at(14, 11)), (&[0, 0, 0][..], &[1, 2, 3][..]));
        assert_eq!(png, drawing.png(2.0).unwrap());
    }

    #[test]
    fn a_turned_text_is_read_from_below() {
        let dark = |turned: bool| {
            let mut drawing = Drawing::new("test", "", 40.0);
            drawing.height = 40.0;
            let text = Mark::text((20.0, 20.0), "mmm", 10.0, Anchor::Start, Role::Ink);
            drawing.push(if turned { text.turned() } else { text });
            let (width, bytes) = pixels(&drawing.png(1.0).unwrap());
            let dark: Vec<(usize, usize)> =
                (0..bytes.len() / 3).filter(|at| bytes[3 * at] < 128).map(|at| (at % width, at / width)).collect();
            assert!(dark.len() > 20);
            dark
        };
        assert!(dark(false).iter().all(|&(x, y)| x >= 20 && y <= 20));
        assert!(dark(true).iter().all(|&(x, y)| x <= 20 && y <= 20));
    }

    #[test]
    fn a_picture_that_is_too_large_is_refused_in_words() {
        let mut drawing = Drawing::new("test", "", 10.0);
        drawing.height = 10.0;
        let error = drawing.png(2001.0).unwrap_err();
        assert!(error.contains("20010 x 20010") && error.contains("20000"), "{error}");
    }
}
