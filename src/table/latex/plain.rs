//! Tables without a layout in LaTeX, for the package `booktabs`: every column, as wide as it is. Those that [`fits`] refuses
//! are set in the form of tables with a layout.

use super::super::layout::TEXT_WIDTH;
use super::super::sheet::{Head, Sheet, Shown};
use super::super::text::line;
use super::escape::{escape, guarded};
use super::metrics::{self, Size};

/// The space on both sides of a column together, in points.
const SPACE: f64 = 12.0;

/// Whether the table with these notes is no wider than the text of an article.
pub fn fits(sheet: &Sheet, notes: &[String]) -> bool {
    let text = |text: &str| metrics::text(text, false);
    let cell = |shown: &Shown| text(&shown.figure());
    let column = |(at, head): (usize, &Head)| {
        SPACE + sheet.rows.iter().map(|row| cell(&row.cells[at])).fold(text(&head.text), f64::max)
    };
    let columns: f64 = sheet.heads.iter().enumerate().map(column).sum();
    let notes = notes.iter().map(|note| SPACE + Size::Footnote.factor() * text(note));
    notes.fold(columns, f64::max) <= TEXT_WIDTH
}

pub fn plain(sheet: &Sheet, notes: &[String]) -> String {
    let row = |texts: Vec<String>| {
        let cells: Vec<String> = texts.iter().map(|text| escape(text)).collect();
        format!("{} \\\\\n", guarded(&cells.join(" & ")))
    };
    let columns: String = sheet.heads.iter().map(|head| if head.number { 'r' } else { 'l' }).collect();
    let header = row(sheet.heads.iter().map(|head| head.text.clone()).collect());
    let body: String = sheet.rows.iter().map(|r| row(r.cells.iter().map(Shown::figure).collect())).collect();
    let count = sheet.heads.len().max(1);
    let note =
        |note: &String| format!("\\multicolumn{{{count}}}{{l}}{{\\footnotesize {}}} \\\\\n", escape(&line(note)));
    let notes: String = notes.iter().map(note).collect();
    format!(
        "\\begin{{tabular}}{{{columns}}}\n\\toprule\n{header}\\midrule\n{body}\\bottomrule\n{notes}\\end{{tabular}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::cell::Column;
    use super::super::super::frame::Table;
    use super::super::super::text::Style;
    use super::*;

    #[test]
    fn no_row_begins_with_what_a_command_takes() {
        let rows = ["[1.0, 0.75]", "*", " [x]", "a[0]", ""].map(|text| vec![text.into(), "[y]".into()]);
        let table = Table::new(vec![Column::text("*x"), Column::text("[y]")], rows.into()).unwrap();
        assert_eq!(
            plain(&Sheet::new(&table, &Style::default()).unwrap(), &[]),
            "\\begin{tabular}{ll}\n\\toprule\n{}*x & [y] \\\\\n\\midrule\n{}[1.0, 0.75] & [y] \\\\\n\
             {}* & [y] \\\\\n{} [x] & [y] \\\\\na[0] & [y] \\\\\n & [y] \\\\\n\\bottomrule\n\\end{tabular}\n"
        );
    }
}
