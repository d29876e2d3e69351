//! The font of pictures: Noto Sans, whose bytes are part of the program. So a picture looks alike on every machine.
//!
//! Invariants:
//! - a character without a glyph is drawn as a box, and [`missing`] names it: none is lost in silence;
//! - an accent that stands behind its letter is joined with it first, where Unicode has the joined letter. Letters are not
//!   kerned.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId, OutlineBuilder};
use unicode_normalization_alignments::UnicodeNormalization;

static FACE: LazyLock<Face<'static>> =
    LazyLock::new(|| Face::parse(notosans::REGULAR_TTF, 0).expect("the font is a part of the program"));

/// The height of a capital letter, as a share of the font's size.
pub const CAPITAL: f64 = 0.714;

/// The units of the font in its size.
pub fn units() -> f64 {
    f64::from(FACE.units_per_em())
}

/// The characters of a text that are drawn, accents joined with their letters.
fn joined(text: &str) -> impl Iterator<Item = char> {
    text.nfc().map(|(c, _)| c)
}

fn advance(glyph: GlyphId) -> f64 {
    f64::from(FACE.glyph_hor_advance(glyph).unwrap_or_default())
}

/// The glyph of a character: that of the box where the font has none.
fn glyph(c: char) -> GlyphId {
    FACE.glyph_index(c).unwrap_or_default()
}

/// The width of a text in the units of `size`.
pub fn width(text: &str, size: f64) -> f64 {
    joined(text).map(|c| advance(glyph(c))).sum::<f64>() * size / units()
}

/// The characters of a text that the font lacks, in their order, each once.
pub fn missing(text: &str) -> Vec<char> {
    let mut lacking = Vec::new();
    for c in joined(text).filter(|&c| FACE.glyph_index(c).is_none()) {
        if !lacking.contains(&c) {
            lacking.push(c);
        }
    }
    lacking
}

/// Draws the outlines of a text in the font's units. It starts at the origin; y points upwards.
pub fn outline(text: &str, pen: &mut dyn OutlineBuilder) {
    let mut at = 0.0;
    for glyph in joined(text).map(glyph) {
        // A space has no outline.
        FACE.outline_glyph(glyph, &mut Moved { at: at as f32, pen });
        at += advance(glyph);
    }
}

/// A pen that draws further to the right.
struct Moved<'a> {
    at: f32,
    pen: &'a mut dyn OutlineBuilder,
}

impl OutlineBuilder for Moved<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.pen.move_to(x + self.at, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.pen.line_to(x + self.at, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.pen.quad_to(x1 + self.at, y1, x + self.at, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.pen.curve_to(x1 + self.at, y1, x2 + self.at, y2, x + self.at, y);
    }

    fn close(&mut self) {
        self.pen.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_the_letters_of_europe_and_of_mathematics() {
        assert_eq!(missing("äöüßéøñçłşğİčž αβγδεζησλμπφωΔΣΩ Жабв ±×≥≤−–—…·≈²⁵½†‡→"), Vec::<char>::new());
        assert_eq!(missing("漢a字漢"), ['漢', '字']);
    }

    #[test]
    fn a_character_without_a_glyph_has_the_width_of_a_box() {
        assert!(width("漢", 10.0) > 3.0);
        assert_eq!(width("e\u{301}", 10.0), width("é", 10.0));
        assert!((width("00", 10.0) - 2.0 * width("0", 10.0)).abs() < 1e-12);
    }
}
