//! Tables for other programs: CSV and Parquet. Every digit of a number is kept.
//!
//! Invariants:
//! - a reader that guesses types takes no short digest for a number (`2e4930423248` would be infinite): each begins with
//!   [`LETTERS`];
//! - in CSV, a text that would come back as another one is quoted: with leading zeros, or a word for no number. A missing
//!   value is nothing, and an empty text is `""`;
//! - Parquet states no types of newer readers. What is stored is the plain format: readers from 2023 on read it.

use polars::prelude::{CompatLevel, CsvWriter, SchemaExt, SerWriter};
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, StatisticsOptions, Version, WriteOptions, row_group_iter,
    to_parquet_schema,
};

use super::cell::{Cell, Column, ColumnKind};
use super::error::Error;
use super::frame::Table;

/// The columns that name models and data sets by short digests.
pub const DIGESTS: [&str; 2] = ["model", "data"];

/// What short digests begin with: BLAKE3, the function that makes them.
const LETTERS: &str = "b3-";

/// The digits of a short digest.
const SHORT: usize = 12;

/// The table with a letter at the start of each short digest.
fn lettered(table: &Table) -> Result<Table, Error> {
    let named: Vec<bool> = table.columns().iter().map(|column| DIGESTS.contains(&column.name.as_str())).collect();
    if !named.contains(&true) {
        return Ok(table.clone());
    }
    let cell = |(cell, named): (Cell, &bool)| match cell {
        Cell::Text(text) if *named && is_short(&text) => Cell::Text(format!("{LETTERS}{text}")),
        other => other,
    };
    let rows = table.all_rows().into_iter().map(|row| row.into_iter().zip(&named).map(cell).collect());
    Table::new(table.columns().to_vec(), rows.collect())
}

fn is_short(text: &str) -> bool {
    text.len() == SHORT && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn csv(table: &Table) -> Result<Vec<u8>, Error> {
    let table = lettered(table)?;
    let names: Vec<String> = table.columns().iter().map(|Column { name, .. }| field(name)).collect();
    let mut out = names.join(",") + "\n";
    let mut others = others(&table)?;
    for row in table.all_rows() {
        let fields: Vec<String> = (row.iter().zip(&mut others))
            .map(|(cell, others)| match cell {
                Cell::Text(text) => field(text),
                _ => others.next().unwrap_or_default(),
            })
            .collect();
        out += &fields.join(",");
        out.push('\n');
    }
    Ok(out.into_bytes())
}

/// The fields of each column that holds no texts, as polars writes numbers and truth values. No such field needs quotes.
fn others(table: &Table) -> Result<Vec<std::vec::IntoIter<String>>, Error> {
    let fields = |column: &Column| -> Result<std::vec::IntoIter<String>, Error> {
        if column.kind == ColumnKind::Text {
            return Ok(Vec::new().into_iter());
        }
        let mut bytes = Vec::new();
        let mut one = table.frame().select([column.name.as_str()])?;
        CsvWriter::new(&mut bytes).include_header(false).finish(&mut one)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(text.lines().map(|line| line.trim_matches('"').to_owned()).collect::<Vec<_>>().into_iter())
    };
    table.columns().iter().map(fields).collect()
}

/// A text as a field, quoted where it has to be.
fn field(text: &str) -> String {
    let quoted = text.is_empty() || text.contains(['"', ',', '\n', '\r']) || text.trim() != text || is_guessed(text);
    if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Whether a reader that guesses types would give another text back.
fn is_guessed(text: &str) -> bool {
    let words = ["true", "false", "null", "none", "na", "n/a"];
    match text.parse::<f64>() {
        Ok(value) => value.to_string() != text && format!("{value:?}") != text || !value.is_finite(),
        Err(_) => words.iter().any(|word| text.eq_ignore_ascii_case(word)),
    }
}

/// The table of a CSV file that [`csv`] wrote. Its kinds are guessed: a column of numbers is read as numbers, also where it
/// held texts.
///
/// # Errors
/// Bytes that are no such file.
pub fn from_csv(bytes: &[u8]) -> Result<Table, Error> {
    let wrong = |what: &str| Error::Shape(format!("A CSV file {what}."));
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("is not in UTF-8"))?;
    let mut records = records(text).ok_or_else(|| wrong("ends within quotes"))?.into_iter();
    let head = records.next().ok_or_else(|| wrong("has no header"))?;
    let rows: Vec<Vec<Field>> = records.collect();
    if rows.iter().any(|row| row.len() != head.len()) {
        return Err(wrong("has a row of another length than its header"));
    }
    let kinds: Vec<ColumnKind> = (0..head.len()).map(|column| guessed(rows.iter().map(|row| &row[column]))).collect();
    let columns = head.into_iter().zip(&kinds).map(|(field, kind)| Column::new(field.text, *kind)).collect();
    let cell = |(field, kind): (Field, &ColumnKind)| match kind {
        _ if field.is_nothing() => Cell::Null,
        ColumnKind::Int => field.text.parse().map_or(Cell::Null, Cell::Int),
        ColumnKind::Float => field.text.parse().map_or(Cell::Null, Cell::Float),
        ColumnKind::Bool => Cell::Bool(field.text == "true"),
        ColumnKind::Text => Cell::Text(field.text),
    };
    Table::new(columns, rows.into_iter().map(|row| row.into_iter().zip(&kinds).map(cell).collect()).collect())
}

/// A field of a CSV file.
#[derive(Debug, Default)]
struct Field {
    text: String,
    quoted: bool,
}

impl Field {
    /// Whether it stands for no value.
    fn is_nothing(&self) -> bool {
        self.text.is_empty() && !self.quoted
    }
}

/// The records of a CSV file; none where it ends within quotes.
fn records(text: &str) -> Option<Vec<Vec<Field>>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), Field::default());
    let (mut chars, mut within) = (text.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match c {
            '"' if within && chars.peek() == Some(&'"') => field.text.extend(chars.next()),
            '"' => (within, field.quoted) = (!within, true),
            ',' if !within => record.push(std::mem::take(&mut field)),
            '\n' if !within => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            c => field.text.push(c),
        }
    }
    (!within && record.is_empty() && field.text.is_empty()).then_some(records)
}

/// The kind that all fields of a column fit.
fn guessed<'a>(fields: impl Iterator<Item = &'a Field> + Clone) -> ColumnKind {
    let mut there = fields.filter(|field| !field.is_nothing()).peekable();
    let fits = |kind: ColumnKind, field: &Field| match kind {
        _ if field.quoted => kind == ColumnKind::Text,
        ColumnKind::Int => field.text.parse::<i64>().is_ok(),
        ColumnKind::Float => field.text.parse::<f64>().is_ok(),
        ColumnKind::Bool => ["true", "false"].contains(&field.text.as_str()),
        ColumnKind::Text => true,
    };
    if there.peek().is_none() {
        return ColumnKind::Text;
    }
    let all: Vec<&Field> = there.collect();
    let order = [ColumnKind::Int, ColumnKind::Float, ColumnKind::Bool];
    order.into_iter().find(|kind| all.iter().all(|field| fits(*kind, field))).unwrap_or(ColumnKind::Text)
}

pub(super) fn parquet(table: &Table) -> Result<Vec<u8>, Error> {
    let table = lettered(table)?;
    let frame = table.frame();
    let options = WriteOptions {
        statistics: StatisticsOptions::default(),
        version: Version::V1,
        compression: CompressionOptions::Zstd(None),
        data_page_size: None,
    };
    let schema = frame.schema().to_arrow(CompatLevel::oldest());
    let encodings = || vec![vec![Encoding::Plain]; frame.width()].into();
    let fields = to_parquet_schema(&schema)?.fields().to_vec();
    let mut bytes = Vec::new();
    let mut writer = FileWriter::try_new(&mut bytes, schema, options)?;
    for chunk in frame.iter_chunks(CompatLevel::oldest(), false).filter(|chunk| !chunk.is_empty()) {
        writer.write(chunk.len() as u64, row_group_iter(chunk, encodings(), fields.clone(), options))?;
    }
    // No metadata: by default, it is Arrow's schema.
    writer.end(Some(Vec::new()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use polars::prelude::{ParquetReader, SerReader};
    use proptest::prelude::*;

    use super::super::testing::random;
    use super::*;

    fn text(table: &Table) -> String {
        String::from_utf8(csv(table).unwrap()).unwrap()
    }

    /// The fields of CSV by RFC 4180, each with whether it is quoted.
    fn read(text: &str) -> Vec<Vec<(String, bool)>> {
        let (mut rows, mut row, mut chars) = (Vec::new(), Vec::new(), text.chars().peekable());
        while chars.peek().is_some() {
            let (mut field, quoted) = (String::new(), chars.next_if_eq(&'"').is_some());
            while let Some(c) = chars.next_if(|&c| quoted || !matches!(c, ',' | '\n')) {
                match c {
                    '"' if quoted && chars.next_if_eq(&'"').is_none() => break,
                    c => field.push(c),
                }
            }
            row.push((field, quoted));
            if chars.next() == Some('\n') {
                rows.push(std::mem::take(&mut row));
            }
        }
        rows
    }

    #[test]
    fn digests_begin_with_a_letter_and_nothing_else_changes() {
        let columns = ["model", "data", "image"].map(Column::text).to_vec();
        let row = |texts: [&str; 3]| texts.map(Cell::from).to_vec();
        let rows = vec![row(["2e4930423248", "000000397133", "000000397133"]), row(["ours", "", "a"])];
        let table = Table::new(columns, rows).unwrap();
        assert_eq!(text(&table), "model,data,image\nb3-2e4930423248,b3-000000397133,\"000000397133\"\nours,\"\",a\n");
        let frame = ParquetReader::new(std::io::Cursor::new(parquet(&table).unwrap())).finish().unwrap();
        let read = Table::from_frame(frame).unwrap();
        assert_eq!(read.row(0), row(["b3-2e4930423248", "b3-000000397133", "000000397133"]));
    }

    #[test]
    fn texts_that_a_reader_would_change_are_quoted() {
        for same in ["0.002", "10", "1", "-5", "a", "1.5.2", "Average(learned: true)", "-", "b3-1"] {
            assert_eq!(field(same), same);
        }
        for quoted in ["", "007", "1e5", "0.10", "+1", "NaN", "inf", "NA", "None", "True", " a", "a\r", "a\nb"] {
            assert_eq!(field(quoted), format!("\"{quoted}\""));
        }
        assert_eq!(field("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn numbers_are_as_polars_writes_them() {
        for index in 0..300 {
            let table = random(index);
            let mut bytes = Vec::new();
            CsvWriter::new(&mut bytes).finish(&mut table.frame().clone()).unwrap();
            let rows = [text(&table), String::from_utf8(bytes).unwrap()].map(|text| {
                let rows = read(&text).into_iter();
                rows.map(|row| row.into_iter().map(|(field, _)| field).collect::<Vec<_>>()).collect::<Vec<_>>()
            });
            assert_eq!(rows[0], rows[1], "{index}");
        }
    }

    #[test]
    fn csv_is_read_as_it_was_written() {
        let sample = super::super::testing::sample();
        assert_eq!(from_csv(&csv(&sample).unwrap()).unwrap(), sample);
        for index in 0..300 {
            let table = random(index);
            let read = from_csv(&csv(&table).unwrap()).unwrap();
            assert_eq!(read.rows(), table.rows(), "{index}");
            let told = |column: usize| (0..table.rows()).any(|row| table.cell(row, column) != Cell::Null);
            let kinds = table.columns().iter().map(|column| column.kind).enumerate();
            for (column, _) in kinds.filter(|(column, kind)| *kind != ColumnKind::Text && told(*column)) {
                let cells = |table: &Table| (0..table.rows()).map(|row| table.cell(row, column)).collect::<Vec<_>>();
                assert_eq!(cells(&read), cells(&table), "{index}");
            }
        }
        for wrong in [&b""[..], b"a,b\n1\n", b"a\n\"x", b"a\n\xff\n"] {
            assert!(from_csv(wrong).unwrap_err().to_string().starts_with("A CSV file "));
        }
    }

    #[test]
    fn no_metadata_names_types_of_newer_readers() {
        let bytes = parquet(&random(5)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("ARROW:schema"));
    }

    proptest! {
        #[test]
        fn csv_reads_back(texts in prop::collection::vec(prop::option::of(".*|[0-9.e+-]{1,8}|(?s).{0,6}"), 1..6)) {
            let rows = texts.iter().map(|text| vec![text.clone().into(), 1_i64.into()]).collect();
            let table = Table::new(vec![Column::text("a"), Column::int("n")], rows).unwrap();
            let read = read(&text(&table));
            prop_assert_eq!(read.len(), texts.len() + 1);
            for (text, row) in texts.iter().zip(&read[1..]) {
                let (field, quoted) = &row[0];
                prop_assert_eq!(text.as_deref(), Some(field.as_str()).filter(|field| *quoted || !field.is_empty()));
            }
        }
    }
}
