//! Figures, differences and names as people read them: percent, points, short digests.

use super::comparison::Against;
use crate::hash::Digest;

/// Values of which a part is enough to tell them apart, as digests; `-` where there is none.
pub(super) fn short(value: Option<&str>) -> String {
    match value {
        None => "-".to_owned(),
        Some(text) => text.parse::<Digest>().map_or_else(|_| text.to_owned(), |digest| digest.short()),
    }
}

/// Whether a value is a digest, which tells people nothing.
pub(super) fn is_digest(value: &str) -> bool {
    value.parse::<Digest>().is_ok()
}

/// Names as `a, b and c`.
pub(super) fn joined(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// A sentence as it stands within another.
pub(super) fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// What people call a figure.
pub(super) fn figure(name: &str) -> &str {
    match name {
        "mean_iou" => "mean IoU",
        "pixel_accuracy" => "pixel accuracy",
        "boundary_iou" => "boundary IoU",
        other => other,
    }
}

/// A share in percent.
pub(super) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{:.2}", 100.0 * value))
}

/// A difference of shares in percent points, with its sign.
pub(super) fn points(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{:+.2}", 100.0 * value))
}

/// The interval in percent points; empty where there is none. An end that is not there is infinite.
pub(super) fn interval(against: &Against) -> String {
    let end = |value: Option<f64>| value.map_or_else(|| "inf".to_owned(), |value| format!("{:.2}", 100.0 * value));
    match against.p {
        None => String::new(),
        Some(_) => {
            let low = if against.low.is_none() { "-inf".to_owned() } else { end(against.low) };
            format!("[{low}, {}]", end(against.high))
        }
    }
}

/// A p-value.
pub(super) fn p(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value < 0.001 => "<0.001".to_owned(),
        Some(value) => format!("{value:.3}"),
    }
}

/// A difference with its interval and its corrected p-value.
pub(super) fn difference(against: &Against) -> String {
    let p = p(against.p_corrected);
    format!("{} points {}, p {p}", points(against.difference), interval(against))
}
