//! How a table of raw figures is shown to people: a value that is stored beside the table.
//!
//! Invariants:
//! - a layout changes no figure: CSV, Parquet and the canonical rows keep the raw table;
//! - a stored layout leaves out what has its default, and what it leaves out has its default. A key that this program does
//!   not know is an error: to show less than the layout says would be another table.

use serde::{Deserialize, Serialize};

use super::error::Error;

/// The width of the text that a table has to fit, in points: that of LaTeX's class `article` with 10 pt letters.
pub const TEXT_WIDTH: f64 = 345.0;

/// How a table is shown in Markdown, in LaTeX, in HTML and on a terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Layout {
    /// What is shown, from left to right. None stated: every column of the table, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<LayoutColumn>,
    /// The column of the table that groups its rows. A rule stands wherever its value changes. Texts are shown as the
    /// title of their group; where the value is null, or an empty text, the group has no title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_group: Option<String>,
    /// The caption. LaTeX numbers it; elsewhere it stands above the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// The name for `\ref` in LaTeX, as `tab:kdd`. Other formats do not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The width of the text that LaTeX sets the table in, in points.
    #[serde(skip_serializing_if = "is_text_width")]
    pub width_pt: f64,
    /// Whether rows are shown as columns and columns as rows. The first column's cells are then the headers.
    #[serde(skip_serializing_if = "is_false")]
    pub transposed: bool,
    /// What is said below the table, as sentences: what its marks mean.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Default for Layout {
    fn default() -> Self {
        let (columns, notes, width_pt) = (Vec::new(), Vec::new(), TEXT_WIDTH);
        Layout { columns, row_group: None, caption: None, label: None, width_pt, transposed: false, notes }
    }
}

impl Layout {
    /// Whether a text can be a label in LaTeX: ASCII letters, digits, and `:-_./+`.
    pub fn is_label(text: &str) -> bool {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || ":-_./+".contains(c))
    }

    /// The layout as it is stored: JSON, ended by a newline.
    pub fn to_json(&self) -> String {
        // All keys are texts and all values plain: this cannot fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// The layout of these bytes.
    ///
    /// # Errors
    /// Bytes that are no layout, or one with keys of a later program.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::Layout(format!("The stored layout is not readable: {error}.")))
    }
}

/// A column of a layout.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayoutColumn {
    /// The column of the table whose cells are shown.
    pub value: String,
    /// What stands above it.
    pub header: String,
    /// What stands above the headers of all neighbours with the same group, as "IoU of classes".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The column of numbers that is shown behind the value, as in "75.3 ± 0.4". Where it is null, the value stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<String>,
    /// The column of truth values that says which values are the best: they are bold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bold: Option<String>,
    /// The column of texts that are shown as a mark behind the value, as `†`. Null and an empty text are no mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The digits after the point of the value and the spread. None stated: those of the style.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<usize>,
    /// Whether a number over zero has a plus sign, as differences have.
    #[serde(default, skip_serializing_if = "is_false")]
    pub signed: bool,
}

impl LayoutColumn {
    /// The column `value` of the table under its own name.
    pub fn of(value: impl Into<String>) -> Self {
        let value = value.into();
        LayoutColumn { header: value.clone(), value, ..LayoutColumn::default() }
    }

    /// The column `value` of the table under another name.
    pub fn named(value: impl Into<String>, header: impl Into<String>) -> Self {
        LayoutColumn { value: value.into(), header: header.into(), ..LayoutColumn::default() }
    }

    /// The column in a group.
    pub fn within(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_text_width(width: &f64) -> bool {
    *width == TEXT_WIDTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_layout_leaves_out_defaults_and_reads_back_equal() {
        let plain = Layout { columns: vec![LayoutColumn::of("iou")], ..Layout::default() };
        assert_eq!(plain.to_json(), "{\"columns\":[{\"value\":\"iou\",\"header\":\"iou\"}]}\n");
        assert_eq!(Layout::from_json(b"{}").unwrap(), Layout::default());
        let column = LayoutColumn {
            spread: Some("std".into()),
            bold: Some("best".into()),
            mark: Some("dagger".into()),
            digits: Some(2),
            signed: true,
            ..LayoutColumn::named("iou", "IoU").within("Classes")
        };
        let full = Layout {
            columns: vec![column],
            row_group: Some("source".into()),
            caption: Some("Ours.".into()),
            label: Some("tab:ours".into()),
            width_pt: 241.5,
            transposed: true,
            notes: vec!["† is a mark.".into()],
        };
        for layout in [plain, full, Layout::default()] {
            assert_eq!(Layout::from_json(layout.to_json().as_bytes()).unwrap(), layout);
        }
    }

    #[test]
    fn a_layout_of_a_later_program_is_refused_in_words() {
        let refuse = |text: &str| Layout::from_json(text.as_bytes()).unwrap_err().to_string();
        assert!(refuse("{\"rotated\":true}").starts_with("The stored layout is not readable: unknown field `rotated`"));
        assert!(refuse("[1").starts_with("The stored layout is not readable: "));
    }

    #[test]
    fn labels_hold_nothing_that_latex_reads() {
        assert!(["tab:kdd", "a", "Tab_1.2/x+y-z"].iter().all(|label| Layout::is_label(label)));
        assert!(["", "a b", "a}", "%", "ä", "a\\b", "a#"].iter().all(|label| !Layout::is_label(label)));
    }
}
