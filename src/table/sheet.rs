//! What of a table people see: headers, groups and cells as texts, by its layout where it has one. Every rendering for
//! people starts here.
//!
//! Invariants:
//! - every text is of one line and shows its control characters;
//! - without a layout a sheet is the table as it is: a column a column, a row a row.

use super::cell::{Cell, ColumnKind};
use super::error::Error;
use super::frame::Table;
use super::layout::{Layout, LayoutColumn};
use super::text::{MISSING, Style, line};

/// The most digits after the point. No number of 64 bits tells more.
const MOST_DIGITS: usize = 400;

/// What people see of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// The columns.
    pub heads: Vec<Head>,
    /// The rows.
    pub rows: Vec<Row>,
    /// How many columns at the left name the rows: each part of a table that is taken apart repeats them.
    pub leads: usize,
}

/// The head of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// What stands above the column.
    pub text: String,
    /// The mark behind that.
    pub mark: Option<String>,
    /// What stands above it and those neighbours that have the same.
    pub group: Option<String>,
    /// Whether it holds numbers, whose digits stand in columns.
    pub number: bool,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The title of the group of rows that begins here; empty: one without a title.
    pub opens: Option<String>,
    /// A cell for each column.
    pub cells: Vec<Shown>,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shown {
    /// The value.
    pub value: String,
    /// What stands behind it after "±".
    pub spread: Option<String>,
    /// Whether it is among the best.
    pub bold: bool,
    /// The mark behind it.
    pub mark: Option<String>,
    /// Whether the value is a number.
    pub number: bool,
}

impl Shown {
    fn text(text: &str) -> Self {
        Shown { value: line(text), ..Shown::default() }
    }

    /// The value and its spread: "75.3 ± 0.4".
    pub fn figure(&self) -> String {
        match &self.spread {
            Some(spread) => format!("{} ± {spread}", self.value),
            None => self.value.clone(),
        }
    }
}

impl Sheet {
    /// What people see of `table`.
    ///
    /// # Errors
    /// A layout that names a column which the table does not have or which is of the wrong kind, and one that LaTeX could
    /// not set.
    pub fn new(table: &Table, style: &Style) -> Result<Self, Error> {
        let plain = Layout::default();
        let layout = style.layout.as_ref().unwrap_or(&plain);
        check(layout)?;
        let all: Vec<LayoutColumn>;
        let columns = match layout.columns.is_empty() {
            true => {
                all = table.columns().iter().map(|column| LayoutColumn::of(column.name.as_str())).collect();
                &all
            }
            false => &layout.columns,
        };
        let sources = columns.iter().map(|column| Source::of(table, style, column)).collect::<Result<Vec<_>, _>>()?;
        let opens = openings(table, layout)?;
        let rows = opens
            .into_iter()
            .enumerate()
            .map(|(row, opens)| Row { opens, cells: sources.iter().map(|source| source.shown(table, row)).collect() });
        let heads = sources.iter().map(|source| Head {
            text: line(&source.column.header),
            mark: None,
            group: source.column.group.as_deref().filter(|group| !group.is_empty()).map(line),
            number: source.number,
        });
        let named = sources.iter().take_while(|source| source.kind == ColumnKind::Text).count();
        let leads = if style.layout.is_none() || named == sources.len() { 1 } else { named.max(1) };
        let sheet = Sheet { heads: heads.collect(), rows: rows.collect(), leads: leads.min(sources.len()) };
        Ok(if layout.transposed { sheet.transposed() } else { sheet })
    }

    /// The columns from left to right, neighbours of one group together: the group, and how many they are.
    pub fn spans(&self, columns: &[usize]) -> Vec<(Option<&str>, usize)> {
        let mut spans: Vec<(Option<&str>, usize)> = Vec::new();
        for group in columns.iter().map(|&column| self.heads[column].group.as_deref()) {
            match spans.last_mut() {
                Some((last, count)) if *last == group => *count += 1,
                _ => spans.push((group, 1)),
            }
        }
        spans
    }

    /// Whether any column is in a group.
    pub fn is_grouped(&self) -> bool {
        self.heads.iter().any(|head| head.group.is_some())
    }

    /// Rows as columns. The first column becomes the headers, groups of rows become groups of columns, and the reverse.
    fn transposed(self) -> Self {
        let Some(corner) = self.heads.first() else { return self };
        let mut heads = vec![Head { number: false, ..corner.clone() }];
        let mut group = None;
        for row in &self.rows {
            if let Some(title) = &row.opens {
                group = Some(title.clone()).filter(|title| !title.is_empty());
            }
            let Shown { value, mark, .. } = row.cells[0].clone();
            heads.push(Head { text: value, mark, group: group.clone(), number: true });
        }
        let mut rows: Vec<Row> = Vec::new();
        let mut before = None;
        for (column, head) in self.heads.iter().enumerate().skip(1) {
            let opens = (before.as_ref() != Some(&&head.group)).then(|| head.group.clone().unwrap_or_default());
            // The first group needs no rule above it, and a table without groups none at all.
            let opens = opens.filter(|title| !rows.is_empty() || !title.is_empty());
            before = Some(&head.group);
            let cells = self.rows.iter().map(|row| row.cells[column].clone());
            rows.push(Row { opens, cells: std::iter::once(Shown::text(&head.text)).chain(cells).collect() });
        }
        Sheet { heads, rows, leads: 1 }
    }
}

/// Where the cells of a column are from.
struct Source<'a> {
    column: &'a LayoutColumn,
    value: usize,
    kind: ColumnKind,
    number: bool,
    spread: Option<usize>,
    bold: Option<usize>,
    mark: Option<usize>,
    digits: Option<usize>,
}

impl<'a> Source<'a> {
    fn of(table: &Table, style: &Style, column: &'a LayoutColumn) -> Result<Self, Error> {
        let numbers = [ColumnKind::Int, ColumnKind::Float];
        let value = position(table, &column.value, &ColumnKind::ALL, "")?;
        let optional = |name: &Option<String>, kinds: &[ColumnKind], what| {
            name.as_ref().map(|name| position(table, name, kinds, what)).transpose()
        };
        let kind = table.columns()[value].kind;
        let digits = column.digits.or_else(|| style.digits.get(&column.value).copied());
        if let Some(digits) = digits.filter(|&digits| digits > MOST_DIGITS) {
            let name = line(&column.value);
            return Err(Error::Layout(format!(
                "Column `{name}` is to show {digits} digits after the point: at most {MOST_DIGITS} can be."
            )));
        }
        Ok(Source {
            column,
            value,
            kind,
            number: numbers.contains(&kind),
            spread: optional(&column.spread, &numbers, " of numbers, as a spread is")?,
            bold: optional(&column.bold, &[ColumnKind::Bool], " of truth values, which say what is bold")?,
            mark: optional(&column.mark, &[ColumnKind::Text], " of texts, as marks are")?,
            digits,
        })
    }

    fn shown(&self, table: &Table, row: usize) -> Shown {
        let cell = table.cell(row, self.value);
        let number = self.number && cell != Cell::Null;
        let at = |column: Option<usize>| column.map_or(Cell::Null, |column| table.cell(row, column));
        let sign = if self.column.signed && cell.number().is_some_and(|value| value > 0.0) { "+" } else { "" };
        let missing = cell == Cell::Null;
        let spread = Some(at(self.spread)).filter(|spread| *spread != Cell::Null && !missing);
        Shown {
            value: sign.to_owned() + &text(&cell, self.digits),
            spread: spread.map(|spread| text(&spread, self.digits)),
            bold: at(self.bold) == Cell::Bool(true) && !missing,
            mark: at(self.mark).text().filter(|mark| !mark.is_empty()).map(line),
            number,
        }
    }
}

/// A cell as text of one line.
fn text(cell: &Cell, digits: Option<usize>) -> String {
    match (cell, digits) {
        (Cell::Null, _) => MISSING.to_owned(),
        (Cell::Text(text), _) => line(text),
        (Cell::Int(value), _) => value.to_string(),
        (Cell::Float(value), Some(digits)) => format!("{value:.digits$}"),
        (Cell::Float(value), None) => value.to_string(),
        (Cell::Bool(value), _) => if *value { "yes" } else { "no" }.to_owned(),
    }
}

/// What no table could be shown by.
fn check(layout: &Layout) -> Result<(), Error> {
    if let Some(label) = layout.label.as_ref().filter(|label| !Layout::is_label(label)) {
        let label = line(label);
        return Err(Error::Layout(format!(
            "The layout's label is `{label}`: a label has only ASCII letters, digits and `:-_./+`."
        )));
    }
    if !(layout.width_pt.is_finite() && layout.width_pt > 0.0) {
        return Err(Error::Layout(format!("The layout's text width is {} pt: it must be over 0.", layout.width_pt)));
    }
    Ok(())
}

/// The position of a column that a layout names.
fn position(table: &Table, name: &str, kinds: &[ColumnKind], what: &str) -> Result<usize, Error> {
    let Some(at) = table.position(name) else {
        let known: Vec<String> = table.columns().iter().map(|column| format!("`{}`", line(&column.name))).collect();
        let name = line(name);
        return Err(Error::Layout(format!(
            "The layout names the column `{name}`, which the table does not have. Its columns are {}.",
            known.join(", ")
        )));
    };
    if !kinds.contains(&table.columns()[at].kind) {
        let (name, kind) = (line(name), table.columns()[at].kind.name());
        return Err(Error::Layout(format!("The column `{name}` is of kind {kind}: the layout needs one{what}.")));
    }
    Ok(at)
}

/// For each row the title of the group that it begins.
fn openings(table: &Table, layout: &Layout) -> Result<Vec<Option<String>>, Error> {
    let Some(name) = &layout.row_group else { return Ok(vec![None; table.rows()]) };
    let at = position(table, name, &ColumnKind::ALL, "")?;
    let mut before: Option<Cell> = None;
    let mut opens = Vec::with_capacity(table.rows());
    for row in 0..table.rows() {
        let cell = table.cell(row, at);
        let title = || cell.text().map(line).unwrap_or_default();
        // A first group without a title needs no rule: the header's is above it.
        let opened = (before.as_ref() != Some(&cell)).then(title).filter(|title| row > 0 || !title.is_empty());
        opens.push(opened);
        before = Some(cell);
    }
    Ok(opens)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{laid_out, random, sample};
    use super::*;

    fn lines(sheet: &Sheet) -> Vec<String> {
        let line = |row: &Row| {
            let cell = |shown: &Shown| {
                let best = if shown.bold { "*" } else { "" };
                format!("{}{best}{}", shown.figure(), shown.mark.as_deref().unwrap_or_default())
            };
            let cells: Vec<String> = row.cells.iter().map(cell).collect();
            row.opens.as_ref().map_or(String::new(), |title| format!("[{title}] ")) + &cells.join(" | ")
        };
        let head = |head: &Head| {
            let group = head.group.as_ref().map_or(String::new(), |group| format!("{group}: "));
            group + &head.text + head.mark.as_deref().unwrap_or_default()
        };
        let heads: Vec<String> = sheet.heads.iter().map(head).collect();
        std::iter::once(heads.join(" | ")).chain(sheet.rows.iter().map(line)).collect()
    }

    #[test]
    fn a_layout_says_what_is_shown() {
        let (table, style) = laid_out();
        let sheet = Sheet::new(&table, &style).unwrap();
        assert_eq!(
            lines(&sheet),
            [
                "Method | mIoU | IoU: car | IoU: dog",
                "[Published] Regular | 75.1 | 90.2 | –",
                "[Reproduced] Regular | 74.9 ± 1.2 | NaN | 0.0",
                "Average | 75.3 ± 0.4*† | 89.0 | -0.5"
            ]
        );
        assert_eq!((sheet.leads, sheet.spans(&[0, 1, 2, 3])), (1, vec![(None, 2), (Some("IoU"), 2)]));
    }

    #[test]
    fn a_transposed_table_swaps_rows_and_columns_with_their_groups() {
        let (table, mut style) = laid_out();
        style.layout.as_mut().unwrap().transposed = true;
        style.layout.as_mut().unwrap().columns[0].mark = Some("dagger".into());
        let sheet = Sheet::new(&table, &style).unwrap();
        assert_eq!(
            lines(&sheet),
            [
                "Method | Published: Regular | Reproduced: Regular | Reproduced: Average†",
                "mIoU | 75.1 | 74.9 ± 1.2 | 75.3 ± 0.4*†",
                "[IoU] car | 90.2 | NaN | 89.0",
                "dog | – | 0.0 | -0.5"
            ]
        );
    }

    #[test]
    fn without_a_layout_or_with_an_empty_one_every_column_is_shown() {
        for index in 0..30 {
            let table = random(index);
            let plain = Sheet::new(&table, &Style::default()).unwrap();
            assert_eq!((plain.heads.len(), plain.rows.len()), (table.columns().len(), table.rows()));
            let empty = Style { layout: Some(Layout::default()), ..Style::default() };
            assert_eq!(lines(&Sheet::new(&table, &empty).unwrap()), lines(&plain));
        }
    }

    #[test]
    fn differences_have_their_sign_and_what_is_missing_has_nothing() {
        let column = LayoutColumn { signed: true, spread: Some("pixels".into()), ..LayoutColumn::of("iou") };
        let layout = Layout { columns: vec![column], ..Layout::default() };
        let style = Style { layout: Some(layout), ..Style::default() };
        let sheet = Sheet::new(&sample(), &style).unwrap();
        assert_eq!(lines(&sheet), ["iou", "+0.625 ± 12", "NaN", "+0.1 ± -3", "–"]);
    }

    #[test]
    fn what_does_not_fit_the_table_is_refused_in_words() {
        let refuse = |change: fn(&mut Layout)| {
            let (table, mut style) = laid_out();
            change(style.layout.as_mut().unwrap());
            Sheet::new(&table, &style).unwrap_err().to_string()
        };
        let columns = "Its columns are `source`, `method`, `dagger`, `miou`, `std`, `car`, `dog`, `best`.";
        let missing =
            |name: &str| format!("The layout names the column `{name}`, which the table does not have. {columns}");
        assert_eq!(refuse(|layout| layout.columns[2].value = "cat".into()), missing("cat"));
        assert_eq!(refuse(|layout| layout.columns[1].spread = Some("sd".into())), missing("sd"));
        assert_eq!(refuse(|layout| layout.row_group = Some("year\u{1b}".into())), missing("year\\u001b"));
        assert_eq!(
            refuse(|layout| layout.columns[1].bold = Some("miou".into())),
            "The column `miou` is of kind f64: the layout needs one of truth values, which say what is bold."
        );
        assert_eq!(
            refuse(|layout| layout.columns[1].mark = Some("best".into())),
            "The column `best` is of kind bool: the layout needs one of texts, as marks are."
        );
        assert_eq!(
            refuse(|layout| layout.columns[1].spread = Some("method".into())),
            "The column `method` is of kind text: the layout needs one of numbers, as a spread is."
        );
        assert!(
            refuse(|layout| layout.label = Some("a}b".into())).starts_with("The layout's label is `a}b`: a label has")
        );
        assert!(refuse(|layout| layout.width_pt = 0.0).contains("text width is 0 pt"));
        assert!(refuse(|layout| layout.width_pt = f64::NAN).contains("text width is NaN pt"));
    }
}
