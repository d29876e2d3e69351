//! Labels: what the values of an axis are called.

use crate::syntax::{Tree, suggestion};

/// A value as a pipeline writes it, texts without quotes.
pub(super) fn label_of(value: &Tree) -> String {
    value.some().unwrap_or(value).ron(&|_, text| text.to_owned())
}

/// A [`suggestion`] among labels. Of numbers, none is meant rather than another.
pub(in crate::pipeline) fn near<'a>(label: &str, labels: impl IntoIterator<Item = &'a str>) -> String {
    if label.parse::<f64>().is_ok() { ".".to_owned() } else { suggestion(label, labels) }
}
