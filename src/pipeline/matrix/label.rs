//! Labels: what the values of an axis are called.

use crate::syntax::{Tree, suggestion};

/// A value as a pipeline writes it, texts without quotes.
pub(super) fn label_of(value: &Tree) -> String {
    value.some().unwrap_or(value).ron(&|_, text| text.to_owned())
}

/// A [`suggestion`] among labels. For a number there is none: no other number is more likely meant.
pub(in super::super) fn near<'a>(label: &str, labels: impl IntoIterator<Item = &'a str>) -> String {
    if label.parse::<f64>().is_ok() { ".".to_owned() } else { suggestion(label, labels) }
}
