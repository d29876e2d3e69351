//! The values that the script works with, each once, as compact JSON; and what a page says while it is written.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};
use serde::Serialize;

/// The values of a page's tables and pictures, by the number that their elements carry.
#[derive(Debug, Default, Serialize)]
pub(super) struct Data {
    /// For each table, by column: what its rows sort by, where that is a number.
    pub tables: Vec<BTreeMap<usize, Vec<Option<f64>>>>,
    /// For each confusion matrix, the pixels by true class, then by predicted class.
    pub confusions: Vec<Vec<Vec<u64>>>,
    /// What is to be told of the page.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// The bytes that images take.
    #[serde(skip)]
    pub image_bytes: usize,
    /// How many elements have a name of their own so far.
    #[serde(skip)]
    named: usize,
}

impl Data {
    /// A new name for an element. It has a full stop, which the anchors of sections cannot have.
    pub fn name(&mut self) -> String {
        self.named += 1;
        format!("e.{}", self.named)
    }

    /// The values as an element of the page.
    pub fn element(&self) -> Markup {
        let json = serde_json::to_string(self).unwrap_or_default();
        // A `<` could end the element; within the texts of JSON it may stand as its code.
        let json = json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
        html! { script type="application/json" id="page.data" { (PreEscaped(json)) } }
    }
}
