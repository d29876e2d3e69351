//! Renderings of tables for people and for other programs. None of them is a table's identity.

use std::collections::BTreeMap;

use polars::prelude::{CsvWriter, ParquetWriter, SerWriter};

use super::cell::{Cell, ColumnKind};
use super::error::Error;
use super::frame::Table;

/// How numbers are shown. CSV and Parquet keep every digit and heed none of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Style {
    /// The digits after the point for a column of floating-point numbers; as many as there are where none are stated.
    pub digits: BTreeMap<String, usize>,
}

impl Style {
    /// The style with `digits` after the point in the column `name`.
    pub fn with(mut self, name: impl Into<String>, digits: usize) -> Self {
        self.digits.insert(name.into(), digits);
        self
    }
}

/// A format that tables are written in.
pub struct TableFormat {
    /// The name in a pipeline.
    pub name: &'static str,
    /// The extension of its files.
    pub extension: &'static str,
    /// Writes a table.
    pub render: fn(&Table, &Style) -> Result<Vec<u8>, Error>,
}

/// Every format; a new one is an entry here.
pub static FORMATS: &[TableFormat] = &[
    TableFormat { name: "Markdown", extension: "md", render: |table, style| Ok(markdown(table, style).into_bytes()) },
    TableFormat { name: "Latex", extension: "tex", render: |table, style| Ok(latex(table, style).into_bytes()) },
    TableFormat { name: "Csv", extension: "csv", render: |table, _| csv(table) },
    TableFormat { name: "Parquet", extension: "parquet", render: |table, _| parquet(table) },
];

/// The format with that name or extension.
pub fn format(name: &str) -> Option<&'static TableFormat> {
    FORMATS.iter().find(|format| format.name == name || format.extension == name)
}

/// What stands where a value is missing, as the score of a class that does not occur.
const MISSING: &str = "–";

/// Every cell as text, with the header first.
fn texts(table: &Table, style: &Style) -> Vec<Vec<String>> {
    let digits: Vec<Option<usize>> = table.columns().iter().map(|c| style.digits.get(&c.name).copied()).collect();
    let header = table.columns().iter().map(|column| column.name.clone()).collect();
    let rows = table.all_rows().into_iter().map(|row| {
        row.iter()
            .zip(&digits)
            .map(|(cell, digits)| match (cell, digits) {
                (Cell::Null, _) => MISSING.to_owned(),
                (Cell::Text(text), _) => text.clone(),
                (Cell::Int(value), _) => value.to_string(),
                (Cell::Float(value), Some(digits)) => format!("{value:.digits$}"),
                (Cell::Float(value), None) => value.to_string(),
                (Cell::Bool(value), _) => if *value { "yes" } else { "no" }.to_owned(),
            })
            .collect()
    });
    std::iter::once(header).chain(rows).collect()
}

fn is_number(table: &Table, column: usize) -> bool {
    matches!(table.columns()[column].kind, ColumnKind::Int | ColumnKind::Float)
}

/// The widest text of each column, in characters.
fn widths(texts: &[Vec<String>]) -> Vec<usize> {
    let columns = texts.first().map_or(0, Vec::len);
    (0..columns).map(|c| texts.iter().map(|row| row[c].chars().count()).max().unwrap_or(0)).collect()
}

/// The text padded to `width`: numbers on the left, so that their digits stand in columns, and texts on the right.
fn padded(text: &str, width: usize, number: bool) -> String {
    // A width in a format may not be over 65,535.
    let space = " ".repeat(width.saturating_sub(text.chars().count()));
    if number { format!("{space}{text}") } else { format!("{text}{space}") }
}

fn markdown(table: &Table, style: &Style) -> String {
    let escape = |text: &String| text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ");
    let texts: Vec<Vec<String>> = texts(table, style).iter().map(|row| row.iter().map(escape).collect()).collect();
    // A rule needs three characters.
    let widths: Vec<usize> = widths(&texts).into_iter().map(|width| width.max(3)).collect();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let row = |texts: &Vec<String>| {
        line(texts.iter().enumerate().map(|(c, text)| padded(text, widths[c], is_number(table, c))).collect())
    };
    let rule = |c: usize| {
        let dashes = "-".repeat(widths[c] - 1);
        if is_number(table, c) { format!("{dashes}:") } else { format!("{dashes}-") }
    };
    let mut lines: Vec<String> = texts.iter().map(row).collect();
    lines.insert(1, line((0..widths.len()).map(rule).collect()));
    lines.concat()
}

/// A `tabular` for the package `booktabs`.
fn latex(table: &Table, style: &Style) -> String {
    let texts = texts(table, style);
    let row = |texts: &Vec<String>| {
        let cells: Vec<String> = texts.iter().map(|text| escape_latex(text)).collect();
        format!("{} \\\\\n", cells.join(" & "))
    };
    let columns: String = (0..table.columns().len()).map(|c| if is_number(table, c) { 'r' } else { 'l' }).collect();
    let header: String = texts.iter().take(1).map(row).collect();
    let body: String = texts.iter().skip(1).map(row).collect();
    format!("\\begin{{tabular}}{{{columns}}}\n\\toprule\n{header}\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n")
}

fn escape_latex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out += "\\textbackslash{}",
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '<' => out += "\\textless{}",
            '>' => out += "\\textgreater{}",
            '|' => out += "\\textbar{}",
            '–' => out += "--",
            '\n' | '\r' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}

fn csv(table: &Table) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    CsvWriter::new(&mut bytes).finish(&mut table.frame().clone())?;
    Ok(bytes)
}

fn parquet(table: &Table) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut table.frame().clone())?;
    Ok(bytes)
}

/// The table as aligned plain text. Where it is wider than `width` characters its columns are dealt to several blocks,
/// each starting with the first column; a column that is itself too wide stays whole.
pub fn to_terminal(table: &Table, style: &Style, width: Option<usize>) -> String {
    const GAP: usize = 2;
    let flat = |text: &String| text.replace(['\n', '\r', '\t'], " ");
    let texts: Vec<Vec<String>> = texts(table, style).iter().map(|row| row.iter().map(flat).collect()).collect();
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
            line(columns.iter().map(|&c| padded(&row[c], widths[c], is_number(table, c))).collect())
        };
        let rule = line(columns.iter().map(|&c| "─".repeat(widths[c])).collect());
        let lines: Vec<String> = texts.iter().map(row).collect();
        let (header, body) = lines.split_at(1);
        format!("{}{rule}{}", header.concat(), body.concat())
    };
    blocks.iter().map(block).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use polars::prelude::{ParquetReader, SerReader};

    use super::super::cell::Column;
    use super::super::testing::{random, sample};
    use super::*;

    fn render(name: &str) -> String {
        let style = Style::default().with("iou", 2);
        String::from_utf8((format(name).unwrap().render)(&sample(), &style).unwrap()).unwrap()
    }

    #[test]
    fn every_format_renders_every_table() {
        for format in FORMATS {
            assert!(std::ptr::eq(super::format(format.extension).unwrap(), format));
            for index in 0..20 {
                let bytes = (format.render)(&random(index), &Style::default()).unwrap();
                assert!(!bytes.is_empty(), "{} {index}", format.name);
            }
        }
    }

    #[test]
    fn markdown_is_aligned_and_escaped() {
        assert_eq!(
            render("Markdown"),
            "| class        | pixels |  iou | seen |\n\
             | ------------ | -----: | ---: | ---- |\n\
             | dog          |     12 | 0.62 | yes  |\n\
             | a\\|b, \"c\" _% |      – |  NaN | no   |\n\
             | –            |     -3 | 0.10 | –    |\n\
             |              |      0 |    – | yes  |\n"
        );
    }

    #[test]
    fn a_cell_may_be_of_any_length() {
        let (short, long) = ("a".to_owned(), "ä".repeat(70_000));
        let rows = [&short, &long].map(|text| vec![Cell::Text(text.clone())]);
        let table = Table::new(vec![Column::text("name")], rows.into()).unwrap();
        let text = markdown(&table, &Style::default());
        assert!(text.lines().all(|line| line.chars().count() == 70_004), "the lines are not as long as each other");
    }

    #[test]
    fn latex_uses_booktabs_and_escapes() {
        assert_eq!(
            render("tex"),
            "\\begin{tabular}{lrrl}\n\\toprule\nclass & pixels & iou & seen \\\\\n\\midrule\n\
             dog & 12 & 0.62 & yes \\\\\n\
             a\\textbar{}b, \"c\" \\_\\% & -- & NaN & no \\\\\n\
             -- & -3 & 0.10 & -- \\\\\n \
             & 0 & -- & yes \\\\\n\\bottomrule\n\\end{tabular}\n"
        );
    }

    #[test]
    fn csv_keeps_every_digit_and_quotes() {
        assert_eq!(
            render("csv"),
            "class,pixels,iou,seen\ndog,12,0.625,true\n\"a|b, \"\"c\"\"\n_%\",,NaN,false\n,-3,0.1,\n\"\",0,,true\n"
        );
    }

    #[test]
    fn parquet_reads_back_equal() {
        for index in 0..20 {
            let table = random(index);
            let bytes = (format("parquet").unwrap().render)(&table, &Style::default()).unwrap();
            let frame = ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
            assert_eq!(Table::from_frame(frame).unwrap(), table, "{index}");
        }
    }

    #[test]
    fn narrow_terminals_get_several_blocks() {
        let columns = vec![Column::text("stage"), Column::float("sky"), Column::float("road"), Column::float("car")];
        let table = Table::new(columns, vec![vec!["a".into(), 1.5.into(), Cell::Null, 3.0.into()]]).unwrap();
        let wide = "stage  sky  road  car\n─────  ───  ────  ───\na      1.5     –    3\n";
        assert_eq!(to_terminal(&table, &Style::default(), None), wide);
        assert_eq!(to_terminal(&table, &Style::default(), Some(21)), wide);
        assert_eq!(
            to_terminal(&table, &Style::default(), Some(17)),
            "stage  sky  road\n─────  ───  ────\na      1.5     –\n\nstage  car\n─────  ───\na        3\n"
        );
        let narrowest = to_terminal(&table, &Style::default(), Some(1));
        assert_eq!(narrowest.matches("stage").count(), 3);
    }
}
