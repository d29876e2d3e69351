//! Tables as aligned plain text, for a terminal.

use super::error::Error;
use super::frame::Table;
use super::sheet::{Sheet, Shown};
use super::text::{Style, padded, visible, widths};

/// The columns between two columns of a table.
const GAP: usize = 2;

/// The table as aligned plain text. Where it is wider than `width` characters its columns are dealt to several blocks,
/// each starting with the first column; a column that is itself too wide stays whole.
///
/// # Errors
/// A layout that does not fit the table.
pub fn to_terminal(table: &Table, style: &Style, width: Option<usize>) -> Result<String, Error> {
    let sheet = Sheet::new(table, style)?;
    let header: Vec<String> = sheet.heads.iter().map(|head| head.text.clone()).collect();
    let rows = sheet.rows.iter().map(|row| row.cells.iter().map(Shown::figure).collect());
    let texts: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    let widths = widths(&texts);
    let limit = width.unwrap_or(usize::MAX);
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    let mut used = 0;
    for (column, &own) in widths.iter().enumerate() {
        match blocks.last_mut() {
            Some(block) if used + GAP + own <= limit || block.as_slice() == [0] => {
                used += GAP + own;
                block.push(column);
            }
            None => {
                used = own;
                blocks.push(vec![column]);
            }
            Some(_) => {
                used = widths[0] + GAP + own;
                blocks.push(vec![0, column]);
            }
        }
    }
    let block = |columns: &Vec<usize>| -> String {
        let line = |cells: Vec<String>| format!("{}\n", cells.join("  ").trim_end());
        let row = |row: &Vec<String>| {
            line(columns.iter().map(|&c| padded(&row[c], widths[c], sheet.heads[c].number)).collect())
        };
        let rule = line(columns.iter().map(|&c| "─".repeat(widths[c])).collect());
        let lines: Vec<String> = texts.iter().map(row).collect();
        let (header, body) = lines.split_at(1);
        format!("{}{rule}{}", header.concat(), body.concat())
    };
    let notes: String = style.notes.iter().map(|note| format!("{}\n", visible(note))).collect();
    Ok(blocks.iter().map(block).collect::<Vec<_>>().join("\n") + &notes)
}

#[cfg(test)]
mod tests {
    use super::super::cell::{Cell, Column};
    use super::*;

    fn shown(table: &Table, width: Option<usize>) -> String {
        to_terminal(table, &Style::default(), width).unwrap()
    }

    #[test]
    fn narrow_terminals_get_several_blocks() {
        let columns = vec![Column::text("stage"), Column::float("sky"), Column::float("road"), Column::float("car")];
        let table = Table::new(columns, vec![vec!["a".into(), 1.5.into(), Cell::Null, 3.0.into()]]).unwrap();
        let wide = "stage  sky  road  car\n─────  ───  ────  ───\na      1.5     –    3\n";
        assert_eq!(shown(&table, None), wide);
        assert_eq!(shown(&table, Some(21)), wide);
        assert_eq!(
            shown(&table, Some(17)),
            "stage  sky  road\n─────  ───  ────\na      1.5     –\n\nstage  car\n─────  ───\na        3\n"
        );
        let narrowest = shown(&table, Some(1));
        assert_eq!(narrowest.matches("stage").count(), 3);
    }

    #[test]
    fn wide_characters_are_aligned_and_controls_are_shown() {
        let rows = ["漢字", "\u{1b}[2J", "e\u{301}"].map(|text| vec![text.into(), 1_i64.into()]);
        let table = Table::new(vec![Column::text("名"), Column::int("n")], rows.into()).unwrap();
        assert_eq!(
            shown(&table, None),
            "名         n\n─────────  ─\n漢字       1\n\\u001b[2J  1\ne\u{301}          1\n"
        );
    }
}
