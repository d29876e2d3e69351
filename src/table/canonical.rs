//! The canonical rows: what a table is stored as and known by.
//!
//! Lines of JSON, each ended by a newline: first `{"format":"repro.table","version":1,"columns":[["class","text"]]}`,
//! then an array a row. A floating-point number is the shortest text that reads back as the same one, always with a
//! point or an exponent, with one zero; NaN and the infinities are texts. Equal tables have equal bytes, and bytes that
//! another program wrote differently are refused.

use serde::Deserialize;
use serde_json::Value;

use super::cell::{Cell, Column, ColumnKind};
use super::error::Error;
use super::frame::Table;
use crate::hash::Digest;

const FORMAT: &str = "repro.table";
const VERSION: u64 = 1;

#[derive(Deserialize)]
struct Version {
    format: String,
    version: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(rename = "format")]
    _format: String,
    #[serde(rename = "version")]
    _version: u64,
    columns: Vec<(String, String)>,
}

impl Table {
    /// The table's identity: the digest of its canonical rows.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_canonical())
    }

    /// The canonical rows.
    pub fn to_canonical(&self) -> Vec<u8> {
        let columns: Vec<String> =
            self.columns().iter().map(|c| format!("[{},{}]", quoted(&c.name), quoted(c.kind.name()))).collect();
        let columns = columns.join(",");
        let mut text = format!("{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"columns\":[{columns}]}}\n");
        for row in 0..self.rows() {
            let cells: Vec<String> = self.row(row).iter().map(encode).collect();
            text += &format!("[{}]\n", cells.join(","));
        }
        text.into_bytes()
    }

    /// The table of these canonical rows. Anything that [`Table::to_canonical`] would not write is an error with its
    /// line; a newer format is refused in words.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, Error> {
        let at = |line: usize, message: String| Error::Canonical { line, message };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
            at(line, "it is not UTF-8".to_owned())
        })?;
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let no_header = |error: serde_json::Error| at(1, format!("it is no table's header ({error})"));
        let version: Version = serde_json::from_str(first).map_err(no_header)?;
        if version.format != FORMAT {
            return Err(at(1, format!("the format is `{}`, not `{FORMAT}`", version.format)));
        }
        if version.version > VERSION {
            return Err(Error::Newer { found: version.version, known: VERSION });
        }
        let header: Header = serde_json::from_str(first).map_err(no_header)?;
        let mut columns = Vec::with_capacity(header.columns.len());
        for (name, kind) in header.columns {
            let known = ColumnKind::of_name(&kind).ok_or_else(|| at(1, format!("`{kind}` is no kind of column")))?;
            columns.push(Column::new(name, known));
        }
        let mut rows = Vec::new();
        for (number, line) in lines.enumerate() {
            rows.push(decode(&columns, line).map_err(|message| at(number + 2, message))?);
        }
        let table = Table::new(columns, rows)?;
        let written = table.to_canonical();
        if written == bytes {
            return Ok(table);
        }
        let same = written.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        let line = 1 + bytes[..same].iter().filter(|&&b| b == b'\n').count();
        Err(at(line, "it is not written in the canonical way".to_owned()))
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn encode(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Text(text) => quoted(text),
        Cell::Int(value) => value.to_string(),
        Cell::Float(value) if *value == 0.0 => "0.0".to_owned(),
        // The form of `{:?}` is part of the language: shortest, with a point or an exponent.
        Cell::Float(value) if value.is_finite() => format!("{value:?}"),
        Cell::Float(value) => format!("\"{value}\""),
        Cell::Bool(value) => value.to_string(),
    }
}

fn decode(columns: &[Column], line: &str) -> Result<Vec<Cell>, String> {
    let values: Vec<Value> = serde_json::from_str(line).map_err(|error| format!("it is no row ({error})"))?;
    if values.len() != columns.len() {
        return Err(format!("it has {} cells and the table {} columns", values.len(), columns.len()));
    }
    columns.iter().zip(values).map(|(column, value)| cell(column, value)).collect()
}

fn cell(column: &Column, value: Value) -> Result<Cell, String> {
    let found = match (column.kind, &value) {
        (_, Value::Null) => Some(Cell::Null),
        (ColumnKind::Text, Value::String(text)) => Some(Cell::Text(text.clone())),
        (ColumnKind::Int, Value::Number(number)) => number.as_i64().map(Cell::Int),
        (ColumnKind::Float, Value::Number(number)) => number.as_f64().map(Cell::Float),
        (ColumnKind::Float, Value::String(text)) => match text.as_str() {
            "NaN" => Some(Cell::Float(f64::NAN)),
            "inf" => Some(Cell::Float(f64::INFINITY)),
            "-inf" => Some(Cell::Float(f64::NEG_INFINITY)),
            _ => None,
        },
        (ColumnKind::Bool, Value::Bool(value)) => Some(Cell::Bool(*value)),
        _ => None,
    };
    found.ok_or_else(|| format!("`{value}` in column `{}` is not of kind {}", column.name, column.kind.name()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{random, sample};
    use super::*;

    #[test]
    fn the_bytes_are_pinned() {
        let text = String::from_utf8(sample().to_canonical()).unwrap();
        assert_eq!(
            text,
            "{\"format\":\"repro.table\",\"version\":1,\"columns\":[[\"class\",\"text\"],[\"pixels\",\"i64\"],\
             [\"iou\",\"f64\"],[\"seen\",\"bool\"]]}\n\
             [\"dog\",12,0.625,true]\n\
             [\"a|b, \\\"c\\\"\\n_%\",null,\"NaN\",false]\n\
             [null,-3,0.1,null]\n\
             [\"\",0,null,true]\n"
        );
        let digest = sample().digest();
        assert_eq!(digest, Digest::of(text.as_bytes()));
    }

    #[test]
    fn any_table_reads_back_equal() {
        for index in 0..300 {
            let table = random(index);
            let bytes = table.to_canonical();
            let read = Table::from_canonical(&bytes).unwrap();
            assert_eq!(read, table, "{index}");
            assert_eq!(read.to_canonical(), bytes, "{index}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_line() {
        let header = r#"{"format":"repro.table","version":1,"columns":[["a","f64"]]}"#;
        let refuse = |text: &str| Table::from_canonical(text.as_bytes()).unwrap_err().to_string();
        let rows = |rows: &str| refuse(&format!("{header}\n{rows}"));
        let prefix = "The table is not readable at line";
        assert_eq!(rows("[0.5]\n[\"x\"]\n"), format!("{prefix} 3: `\"x\"` in column `a` is not of kind f64."));
        assert_eq!(rows("[0.5,1]\n"), format!("{prefix} 2: it has 2 cells and the table 1 columns."));
        for loose in ["[0.50]\n", "[ 0.5]\n", "[5e-1]\n", "[-0.0]\n", "[1]\n", "[0.5]\r\n", "[0.5]"] {
            assert_eq!(rows(loose), format!("{prefix} 2: it is not written in the canonical way."), "{loose:?}");
        }
        assert!(rows("[0.5").starts_with(&format!("{prefix} 2: it is no row (")));
        assert!(refuse("").starts_with(&format!("{prefix} 1: it is no table's header")));
        assert!(refuse("{\"format\":\"x\",\"version\":1}\n").contains("the format is `x`"));
        assert!(refuse(&header.replace("f64", "f16")).contains("`f16` is no kind of column"));
        assert_eq!(
            refuse("{\"format\":\"repro.table\",\"version\":7,\"more\":1}\n"),
            "The table has format version 7, and this program reads up to 1: use a newer `repro`."
        );
        let error = Table::from_canonical(b"\n\xff").unwrap_err().to_string();
        assert_eq!(error, format!("{prefix} 2: it is not UTF-8."));
    }
}
