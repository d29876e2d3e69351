//! Tables as aligned plain text, for a terminal.
//!
//! Invariants:
//! - no line is wider than the terminal, from [`FOLDING`] columns on: a table that is too wide is taken apart, and a cell
//!   that is too wide is folded;
//! - each part has the columns that name the rows;
//! - what follows a value in some cells has its space in the others, so that digits stand in columns.

use super::error::Error;
use super::fold::folded;
use super::frame::Table;
use super::sheet::{Head, Sheet, Shown};
use super::text::{Style, line, padded, width, widths};

/// The columns between two columns of a table.
const GAP: usize = 2;

/// The narrowest terminal that cells are folded for: two columns with a wide character each, and the gap.
const FOLDING: usize = 6;

/// What follows the best values.
const BEST: &str = "*";

/// The table as aligned plain text. Where it is wider than `limit` columns, its columns are dealt to several parts, each of
/// which starts with the columns that name the rows. Cells that are too wide for that have several lines.
///
/// # Errors
/// A layout that does not fit the table.
pub fn to_terminal(table: &Table, style: &Style, limit: Option<usize>) -> Result<String, Error> {
    let sheet = Sheet::new(table, style)?;
    let texts = texts(&sheet);
    let limit = limit.unwrap_or(usize::MAX);
    // A group above a single column may hold a wide character.
    let least = |(width, head): (usize, &Head)| if head.group.is_some() { width.max(2) } else { width };
    let natural: Vec<usize> = widths(&texts).into_iter().zip(&sheet.heads).map(least).collect();
    let Dealt { widths, parts } = dealt(&natural, sheet.leads, limit);
    let parts: Vec<String> = parts
        .iter()
        .map(|columns| {
            let widths = columns.iter().map(|&column| widths[column]).collect();
            Part { sheet: &sheet, texts: &texts, columns, widths }.text(limit)
        })
        .collect();
    let lines = |text: &str| joined(folded(&line(text), limit.max(FOLDING)));
    let caption = style.caption().map_or(String::new(), |caption| lines(caption) + "\n");
    let best = sheet.rows.iter().flat_map(|row| &row.cells).any(|cell| cell.bold);
    let best = if best { lines(&format!("{BEST} marks the best.")) } else { String::new() };
    let notes: String = style.notes.iter().map(|note| lines(note)).collect();
    Ok(caption + &parts.join("\n") + &best + &notes)
}

/// Every cell as text, with the header first.
fn texts(sheet: &Sheet) -> Vec<Vec<String>> {
    let header = sheet.heads.iter().map(|head| head.text.clone() + &sign(&head.mark)).collect();
    let columns = 0..sheet.heads.len();
    let tails: Vec<usize> = columns
        .map(|column| {
            let numbers = sheet.rows.iter().map(|row| &row.cells[column]).filter(|cell| cell.number);
            numbers.map(|cell| width(&tail(cell))).max().unwrap_or(0)
        })
        .collect();
    let text = |(cell, &own): (&Shown, &usize)| match cell.number {
        true => cell.value.clone() + &padded(&tail(cell), own, false),
        false => cell.value.clone() + &tail(cell),
    };
    let rows = sheet.rows.iter().map(|row| row.cells.iter().zip(&tails).map(text).collect());
    std::iter::once(header).chain(rows).collect()
}

/// What follows a value.
fn tail(cell: &Shown) -> String {
    let mut out = cell.spread.as_ref().map_or(String::new(), |spread| format!(" ± {spread}"));
    if cell.bold {
        out += BEST;
    }
    out + &sign(&cell.mark)
}

/// A mark as a sign.
fn sign(mark: &Option<String>) -> String {
    match mark {
        // A letter or a digit would be read as a part of the value.
        Some(mark) if mark.starts_with(char::is_alphanumeric) => format!("({mark})"),
        Some(mark) => mark.clone(),
        None => String::new(),
    }
}

/// The columns of each part, and how wide each column is.
struct Dealt {
    widths: Vec<usize>,
    parts: Vec<Vec<usize>>,
}

/// Deals columns that are as wide as `natural` to parts of at most `limit` columns of the terminal.
fn dealt(natural: &[usize], leads: usize, limit: usize) -> Dealt {
    let sum = |columns: &[usize]| columns.iter().sum::<usize>() + GAP * columns.len().saturating_sub(1);
    if sum(natural) <= limit || natural.is_empty() {
        return Dealt { widths: natural.to_vec(), parts: vec![(0..natural.len()).collect()] };
    }
    // Labels that take over half of the width leave too little for figures: the first alone is repeated.
    let leads = if sum(&natural[..leads]) <= limit / 2 { leads } else { 1 };
    let mut widths = natural.to_vec();
    if limit >= FOLDING {
        let others = natural.len() - 1;
        let beside = if others == 0 { 0 } else { GAP + sum(&natural[1..]) };
        let room = if others == 0 { limit } else { ((limit - GAP) / 2).max(limit.saturating_sub(beside)) };
        widths[0] = widths[0].min(room);
        let room = limit.saturating_sub(GAP + sum(&widths[..leads]));
        widths[leads..].iter_mut().for_each(|width| *width = (*width).min(room));
    }
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut used = 0;
    for column in leads..widths.len() {
        used += GAP + widths[column];
        match parts.last_mut() {
            Some(part) if used <= limit => part.push(column),
            _ => {
                used = sum(&widths[..leads]) + GAP + widths[column];
                parts.push((0..leads).chain([column]).collect());
            }
        }
    }
    if parts.is_empty() {
        parts.push((0..leads).collect());
    }
    Dealt { widths, parts }
}

/// A part of a table.
struct Part<'a> {
    sheet: &'a Sheet,
    texts: &'a [Vec<String>],
    columns: &'a [usize],
    widths: Vec<usize>,
}

impl Part<'_> {
    fn text(mut self, limit: usize) -> String {
        let groups = self.groups(limit);
        let rule = self.rule();
        let mut out = groups + &self.row(&self.texts[0], true) + &rule;
        for (number, row) in self.sheet.rows.iter().enumerate() {
            if let Some(title) = &row.opens {
                out += if number > 0 { &rule } else { "" };
                let lines = if title.trim().is_empty() { Vec::new() } else { folded(title, limit.max(FOLDING)) };
                out += &joined(lines);
            }
            out += &self.row(&self.texts[number + 1], false);
        }
        out
    }

    /// The width of the part.
    fn whole(&self) -> usize {
        self.widths.iter().sum::<usize>() + GAP * self.widths.len().saturating_sub(1)
    }

    /// The lines of a row. A header stands at the bottom of its lines, a cell at their top.
    fn row(&self, texts: &[String], header: bool) -> String {
        let cells: Vec<Vec<String>> =
            self.columns.iter().zip(&self.widths).map(|(&column, &width)| folded(&texts[column], width)).collect();
        let numbers: Vec<bool> = self.columns.iter().map(|&column| self.sheet.heads[column].number).collect();
        self.lines(&cells, &self.widths, &numbers, header)
    }

    /// Cells of several lines beside each other.
    fn lines(&self, cells: &[Vec<String>], widths: &[usize], numbers: &[bool], bottom: bool) -> String {
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        let line = |at: usize| {
            let texts = cells.iter().zip(widths).zip(numbers).map(|((cell, &width), &number)| {
                let skipped = if bottom { height - cell.len() } else { 0 };
                let text = at.checked_sub(skipped).and_then(|at| cell.get(at)).map_or("", String::as_str);
                padded(text, width, number)
            });
            texts.collect::<Vec<_>>().join(&" ".repeat(GAP))
        };
        joined((0..height).map(line).collect())
    }

    fn rule(&self) -> String {
        joined(vec![self.widths.iter().map(|&width| "─".repeat(width)).collect::<Vec<_>>().join(&" ".repeat(GAP))])
    }

    /// The line of groups with a rule below each, where columns are in groups. A group that is wider than its columns widens
    /// them, as far as there is room.
    fn groups(&mut self, limit: usize) -> String {
        let spans = self.sheet.spans(self.columns);
        if spans.iter().all(|(group, _)| group.is_none()) {
            return String::new();
        }
        let (mut cells, mut rules, mut widths, mut at) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (group, count) in spans {
            let mut own = self.widths[at..at + count].iter().sum::<usize>() + GAP * (count - 1);
            at += count;
            if let Some(group) = group {
                let more = width(group).saturating_sub(own).min(limit.saturating_sub(self.whole()));
                self.widths[at - 1] += more;
                own += more;
            }
            cells.push(group.map_or(vec![String::new()], |group| folded(group, own)));
            rules.push(vec![group.map_or(String::new(), |_| "─".repeat(own))]);
            widths.push(own);
        }
        let texts = vec![false; widths.len()];
        self.lines(&cells, &widths, &texts, true) + &self.lines(&rules, &widths, &texts, true)
    }
}

/// Lines without spaces at their ends.
fn joined(lines: Vec<String>) -> String {
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cell::{Cell, Column};
    use super::super::layout::{Layout, LayoutColumn};
    use super::super::testing::laid_out;
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

    #[test]
    fn groups_the_best_and_marks_are_shown() {
        let (table, mut style) = laid_out();
        let text = |style: &Style| to_terminal(&table, style, Some(80)).unwrap();
        assert_eq!(
            text(&style).lines().collect::<Vec<_>>(),
            [
                "Ours & theirs.",
                "",
                "                       IoU",
                "                       ──────────",
                "Method           mIoU   car   dog",
                "───────  ────────────  ────  ────",
                "Published",
                "Regular  75.1          90.2     –",
                "───────  ────────────  ────  ────",
                "Reproduced",
                "Regular  74.9 ± 1.2     NaN   0.0",
                "Average  75.3 ± 0.4*†  89.0  -0.5",
                "* marks the best.",
                "† differs from Regular (p < 0.05).",
            ]
        );
        style.layout.as_mut().unwrap().transposed = true;
        assert_eq!(
            text(&style).lines().collect::<Vec<_>>(),
            [
                "Ours & theirs.",
                "",
                "        Published  Reproduced",
                "        ─────────  ────────────────────────",
                "Method    Regular     Regular       Average",
                "──────  ─────────  ──────────  ────────────",
                "mIoU         75.1  74.9 ± 1.2  75.3 ± 0.4*†",
                "──────  ─────────  ──────────  ────────────",
                "IoU",
                "car          90.2   NaN        89.0",
                "dog             –   0.0        -0.5",
                "* marks the best.",
                "† differs from Regular (p < 0.05).",
            ]
        );
        let layout = style.layout.as_mut().unwrap();
        (layout.columns[1].mark, layout.transposed) = (Some("method".into()), false);
        assert!(text(&style).contains("75.3 ± 0.4*(Average)"), "a letter is no part of a figure");
    }

    #[test]
    fn wide_cells_are_folded_and_labels_repeated() {
        let columns = vec![Column::text("stage"), Column::float("IoU of diningtable"), Column::int("n")];
        let rows = vec![vec!["run:voc_regular/validate is the best".into(), 3.0.into(), 7_i64.into()]];
        let table = Table::new(columns, rows).unwrap();
        let lines = [
            "                  IoU of",
            "stage        diningtable",
            "───────────  ───────────",
            "run:voc_reg            3",
            "ular/valida",
            "te is the",
            "best",
            "",
            "stage        n",
            "───────────  ─",
            "run:voc_reg  7",
            "ular/valida",
            "te is the",
            "best",
        ];
        assert_eq!(shown(&table, Some(24)).lines().collect::<Vec<_>>(), lines);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            cells in prop::collection::vec(prop::collection::vec("\\PC{0,40}|[a漢\u{301}👩 ]{0,40}", 4), 0..4),
            header in "\\PC{0,30}",
            (group, title, mark) in ("\\PC{0,30}", "\\PC{0,50}", "\\PC{0,5}"),
            value in proptest::num::f64::ANY,
            limit in 6..120_usize,
            (laid, transposed) in (any::<bool>(), any::<bool>()),
        ) {
            let mut columns: Vec<Column> = (0..4).map(|number| Column::text(format!("{number} {header}"))).collect();
            columns.extend([Column::text("title"), Column::text("mark"), Column::float("value"), Column::bool("best")]);
            let last = [title.clone().into(), mark.clone().into(), value.into(), true.into()];
            let row = |texts: Vec<String>| texts.into_iter().map(Cell::from).chain(last.clone()).collect();
            let table = Table::new(columns.clone(), cells.into_iter().map(row).collect()).unwrap();
            let figure = LayoutColumn {
                spread: Some("value".into()),
                bold: Some("best".into()),
                mark: Some("mark".into()),
                ..LayoutColumn::of("value").within(group.clone())
            };
            let texts = columns[..4].iter().map(|column| LayoutColumn::of(column.name.clone()).within(group.clone()));
            let layout = Layout {
                columns: std::iter::once(LayoutColumn::of("title")).chain(texts).chain([figure]).collect(),
                row_group: Some("title".into()),
                caption: Some(header.clone()),
                transposed,
                ..Layout::default()
            };
            let style = Style { notes: vec![title], layout: laid.then_some(layout), ..Style::default() };
            let text = to_terminal(&table, &style, Some(limit)).unwrap();
            for line in text.lines() {
                prop_assert!(width(line) <= limit, "{limit}: {line:?} in\n{text}");
            }
        }
    }
}
