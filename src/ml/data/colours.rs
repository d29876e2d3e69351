//! Masks of colours: which class each colour is.
//!
//! Colours are compared exactly. A colour of no class is a fault, since a mask that was scaled or saved as JPEG has mixed
//! colours along its edges, and a nearest colour would hide that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::raster::{Labels, Rgb};
use super::{Fault, photo};
use crate::syntax;

/// The colours that a fault names.
const SHOWN: usize = 5;

/// The colours of masks and their ids, each colour once, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Colours(Vec<([u8; 3], u8)>);

impl Colours {
    /// The ids of these colours.
    pub fn new(ids: impl IntoIterator<Item = ([u8; 3], u8)>) -> Self {
        Colours(ids.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect())
    }

    /// The ids of a mask: a PNG file of any sort of 8 bits a channel, whose palette or grey values are colours too.
    ///
    /// # Errors
    /// What [`photo::decode`] refuses, a JPEG file, and colours that have no id.
    pub fn decode(&self, bytes: &[u8], place: &str) -> Result<Labels, Fault> {
        let mask = photo::png(bytes, place, "label")?;
        let mut ids = vec![0; mask.pixels().len()];
        let mut strange: BTreeMap<[u8; 3], (usize, usize)> = BTreeMap::new();
        // Neighbours mostly have one colour.
        let mut last = None;
        for (at, (id, &colour)) in ids.iter_mut().zip(mask.pixels()).enumerate() {
            let known = match last {
                Some((same, known)) if same == colour => Some(known),
                _ => self.id(colour),
            };
            match known {
                Some(known) => {
                    *id = known;
                    last = Some((colour, known));
                }
                None => strange.entry(colour).or_insert((0, at)).0 += 1,
            }
        }
        match Labels::new(mask.height(), mask.width(), ids) {
            Some(ids) if strange.is_empty() => Ok(ids),
            _ => Err(no_class(&mask, &strange, place)),
        }
    }

    fn id(&self, colour: [u8; 3]) -> Option<u8> {
        let at = self.0.binary_search_by_key(&colour, |(colour, _)| *colour).ok()?;
        Some(self.0[at].1)
    }
}

/// The fault of a mask with colours of no class, each with its number of pixels and its first pixel.
fn no_class(mask: &Rgb, strange: &BTreeMap<[u8; 3], (usize, usize)>, place: &str) -> Fault {
    let mut found: Vec<_> = strange.iter().collect();
    found.sort_by_key(|(colour, (count, _))| (std::cmp::Reverse(*count), **colour));
    let told = |(colour, (count, at)): &(&[u8; 3], &(usize, usize))| {
        let (y, x) = (at / mask.width(), at % mask.width());
        format!("{} ({count} pixels, first at row {y}, column {x})", in_words(**colour))
    };
    let colours: Vec<String> = found.iter().map(told).collect();
    let shown = syntax::first_of(&colours, SHOWN);
    let message = format!("The label holds colours that `colours` does not name: {shown}.");
    let hint = "Name them in `colours`, with a class or as `ignore`. Many colours along the edges of areas show that the \
                mask was scaled or saved as JPEG: use the original.";
    Fault::new(place, message, hint)
}

/// A colour as a pipeline states it: `#ff8000`.
pub fn in_words([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The colour that a text states: `#ff8000`, or red, green and blue from 0 to 255, as `255, 128, 0`.
pub fn parse(text: &str) -> Option<[u8; 3]> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix('#') {
        let all = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok().filter(|_| all)?;
        let [_, r, g, b] = number.to_be_bytes();
        return Some([r, g, b]);
    }
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    let parts: Vec<&str> =
        inner.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty()).collect();
    let [r, g, b] = parts.as_slice() else { return None };
    Some([r.parse().ok()?, g.parse().ok()?, b.parse().ok()?])
}

#[cfg(test)]
mod tests {
    use super::super::labels;
    use super::*;
    use crate::ml::colors;

    #[test]
    fn a_colour_is_written_in_two_ways() {
        for text in ["#FF8000", "#ff8000", "255, 128, 0", "255 128 0", "(255,128,0)", " 255,128, 0 "] {
            assert_eq!(parse(text), Some([255, 128, 0]), "{text}");
        }
        for text in ["", "#ff800", "#ff80000", "#+f8000", "256, 0, 0", "1, 2", "1, 2, 3, 4", "red", "-1 0 0"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&in_words([1, 20, 255])), Some([1, 20, 255]));
    }

    #[test]
    fn masks_of_colours_become_ids() {
        let colours = Colours::new([([128, 0, 0], 1), ([0, 0, 0], 0), ([224, 224, 192], 255)]);
        let ids = Labels::new(2, 3, vec![0, 1, 1, 255, 0, 1]).unwrap();
        let shown = ids.map(|id| if id == 255 { [224, 224, 192] } else { [128 * id, 0, 0] });
        assert_eq!(colours.decode(&labels::encode_rgb(&shown, "x").unwrap(), "x").unwrap(), ids);
        // The colours of a palette are colours too.
        let palette = labels::encode_palette(&Labels::new(1, 2, vec![1, 0]).unwrap(), &colors::VOC_MAP, "x").unwrap();
        assert_eq!(colours.decode(&palette, "x").unwrap().pixels(), [1, 0]);
    }

    #[test]
    fn colours_of_no_class_are_counted_and_placed() {
        let colours = Colours::new([([0, 0, 0], 0)]);
        let mask = Rgb::new(2, 2, vec![[0; 3], [9, 9, 9], [255, 0, 0], [255, 0, 0]]).unwrap();
        let fault = colours.decode(&labels::encode_rgb(&mask, "x").unwrap(), "l/x.png").unwrap_err();
        assert_eq!(fault.place, "l/x.png");
        assert_eq!(
            fault.message,
            "The label holds colours that `colours` does not name: #ff0000 (2 pixels, first at row 1, column 0), \
             #090909 (1 pixels, first at row 0, column 1)."
        );
    }
}
