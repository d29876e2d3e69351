//! A page as HTML: one file that a browser opens without a network.
//!
//! Invariants:
//! - a text from outside reaches the file through [`text`] alone, so it is escaped, and what controls a terminal or turns the
//!   direction of writing is shown as its code;
//! - no element has a `style` or an `on…` attribute: the page's policy ([`policy`]) would refuse them;
//! - the page is complete without the script, which adds sorting, filters, keys and read-outs;
//! - the same page gives the same bytes.

mod cards;
mod confusion;
mod data;
mod document;
mod figure;
mod gallery;
mod graph;
mod grid;
mod pixels;
mod policy;
mod sha256;
mod text;
mod thin;

use super::model::Page;
use data::Data;

/// A page that is larger than this many bytes is told of.
const LARGE: usize = 10_000_000;

/// A page that is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The file.
    pub bytes: Vec<u8>,
    /// What the user should know of it, as sentences: that it is large, or that an image could not be shown.
    pub warnings: Vec<String>,
}

impl Page {
    /// Writes the page as one file of HTML.
    ///
    /// What a screen cannot show is left out: points of a curve that fall on one pixel, and pixels of an image beyond twice
    /// the size at which it is shown.
    pub fn write(&self) -> Written {
        let mut data = Data::default();
        let bytes = document::document(self, &mut data).into_string().into_bytes();
        let mut warnings = data.warnings;
        if bytes.len() > LARGE {
            let mut parts = vec!["fewer images"];
            if data.image_bytes * 2 < bytes.len() {
                parts = vec!["fewer rows in its tables", "fewer runs or cells"];
            }
            warnings.push(format!(
                "The page is large: {:.1} MB, {:.1} MB of it images. A browser may open it slowly. Ask for {}.",
                bytes.len() as f64 / 1e6,
                data.image_bytes as f64 / 1e6,
                parts.join(", or "),
            ));
        }
        Written { bytes, warnings }
    }
}
