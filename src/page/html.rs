//! A page as HTML.

use super::model::Page;

/// A page that is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The file.
    pub bytes: Vec<u8>,
    /// What the user should know of it, as sentences: that it is large.
    pub warnings: Vec<String>,
}

impl Page {
    /// Writes the page as one file of HTML.
    pub fn write(&self) -> Written {
        Written {
            bytes: format!("<!doctype html><title>{}</title>", self.title.len()).into_bytes(),
            warnings: Vec::new(),
        }
    }
}
