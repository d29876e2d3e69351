//! The tables of reports, as people see them.

use super::source::{Fault, Source};
use crate::page::model::{Block, Cell, Grid, Section};
use crate::table::{ColumnKind, Layout, Sheet, Style, Table};

/// The digits after the point of figures that no layout says more of.
const DIGITS: usize = 2;

/// A table as the page shows it. Titles of groups of rows become a first column, so that the rows can be sorted.
///
/// # Errors
/// The layout names what the table does not have.
pub fn grid(table: &Table, layout: Option<Layout>) -> Result<Grid, Fault> {
    let floats = table.columns().iter().filter(|column| column.kind == ColumnKind::Float);
    let plain = floats.fold(Style::default(), |style, column| style.with(column.name.clone(), DIGITS));
    let style = Style { layout, ..plain };
    let sheet = Sheet::new(table, &style)?;
    let grouped = sheet.rows.iter().any(|row| row.opens.as_ref().is_some_and(|title| !title.is_empty()));
    let head = |group: &Option<String>, text: &str| match group {
        Some(group) => format!("{group}: {text}"),
        None => text.to_owned(),
    };
    let heads = sheet.heads.iter().map(|found| {
        let mark = found.mark.as_deref().unwrap_or_default();
        head(&found.group, &found.text) + mark
    });
    let mut title = String::new();
    let mut rows = Vec::with_capacity(sheet.rows.len());
    for row in &sheet.rows {
        if let Some(opens) = &row.opens {
            title.clone_from(opens);
        }
        let lead = grouped.then(|| Cell { text: title.clone(), ..Cell::default() });
        let cells = row.cells.iter().map(|shown| Cell {
            text: shown.figure() + shown.mark.as_deref().unwrap_or_default(),
            number: shown.value.parse().ok().filter(|number: &f64| shown.number && number.is_finite()),
            best: shown.bold,
        });
        rows.push(lead.into_iter().chain(cells).collect());
    }
    let (caption, notes) = match style.layout {
        Some(layout) => (layout.caption.unwrap_or_default(), layout.notes),
        None => (String::new(), Vec::new()),
    };
    let heads = grouped.then(String::new).into_iter().chain(heads).collect();
    Ok(Grid { caption, heads, rows, notes })
}

/// The tables of reports: those for papers, or means, or else the wide ones. Wide tables beside others are a section of their
/// own, which is closed at first.
///
/// # Errors
/// A table cannot be read.
pub(super) fn sections(sources: &[Source<'_>]) -> Result<Vec<Section>, Fault> {
    let mut shown = Section { id: "results".to_owned(), title: "Results".to_owned(), ..Section::default() };
    let mut wide = Section {
        id: "figures".to_owned(),
        title: "All figures".to_owned(),
        lead: "Every row that the reports gathered.".to_owned(),
        folded: true,
        ..Section::default()
    };
    for source in sources.iter().filter(|source| source.outputs.contains_key("table")) {
        let read = |name: &str| source.output(name).map(|given| given.table()).transpose();
        let paper = read("paper")?;
        let layout = match source.output("layout").filter(|_| paper.is_some()) {
            Some(given) => Some(Layout::from_json(&given.bytes()?)?),
            None => None,
        };
        let best = match paper {
            Some(table) => Some(grid(&table, layout)?),
            None => read("means")?.map(|table| grid(&table, None)).transpose()?,
        };
        let all = read("table")?.map(|table| grid(&table, None)).transpose()?;
        let named = |grid: Grid| match source.run.is_empty() {
            true => Block::Table(grid),
            false => Block::Table(Grid { caption: captioned(&source.run, &grid.caption), ..grid }),
        };
        match best {
            Some(grid) => {
                shown.blocks.push(named(grid));
                wide.blocks.extend(all.map(named));
            }
            None => shown.blocks.extend(all.map(named)),
        }
    }
    Ok([shown, wide].into_iter().filter(|section| !section.blocks.is_empty()).collect())
}

/// A caption that begins with the run.
fn captioned(run: &str, caption: &str) -> String {
    if caption.is_empty() { run.to_owned() } else { format!("{run}: {caption}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Column, LayoutColumn};

    #[test]
    fn a_table_keeps_its_order_its_best_figures_and_what_it_sorts_by() {
        let columns = vec![
            Column::text("who"),
            Column::float("iou"),
            Column::float("std"),
            Column::bool("best"),
            Column::text("of"),
        ];
        let rows = vec![
            vec!["Regular".into(), 74.123.into(), 0.5.into(), false.into(), "Ours".into()],
            vec!["Average".into(), 75.0.into(), crate::table::Cell::Null, true.into(), "Theirs".into()],
        ];
        let table = Table::new(columns, rows).unwrap();
        let iou = LayoutColumn {
            spread: Some("std".into()),
            bold: Some("best".into()),
            digits: Some(1),
            ..LayoutColumn::named("iou", "mIoU").within("figures")
        };
        let layout = Layout {
            columns: vec![LayoutColumn::of("who"), iou],
            row_group: Some("of".into()),
            caption: Some("A caption.".into()),
            ..Layout::default()
        };
        let shown = grid(&table, Some(layout)).unwrap();
        assert_eq!((shown.caption.as_str(), shown.heads.join("|").as_str()), ("A caption.", "|who|figures: mIoU"));
        let texts: Vec<String> = shown
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join("|"))
            .collect();
        assert_eq!(texts, ["Ours|Regular|74.1 ± 0.5", "Theirs|Average|75.0"]);
        assert_eq!((shown.rows[0][2].number, shown.rows[1][2].best, shown.rows[0][1].number), (Some(74.1), true, None));
        let plain = grid(&table, None).unwrap();
        assert_eq!((plain.rows[0][1].text.as_str(), plain.rows[1][2].number), ("74.12", None));
    }
}
