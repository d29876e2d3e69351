//! How large a pipeline may be. The limits of one text are in [`syntax::limits`](crate::syntax::limits).
//!
//! Each limit is stated in one of these two files alone, and in `docs/limits.md`, which a test holds against them. A limit
//! is checked before the memory is taken. Limits over all stages and cells are checked with a running
//! sum.

use crate::stage::Value;
use crate::syntax::limits::TEXT_UNIT;
use crate::syntax::{Diagnostic, Span};

/// Bytes of a pipeline's files, all together.
pub const BYTES: usize = 1 << 24;
/// Entries of `include`, in all files together.
pub const INCLUDES: usize = 1000;
/// Files that include each other, one below the other.
pub const CHAIN: usize = 64;
/// Characters of the name of a pipeline or a stage. Names of files add to it, and may have 255 bytes on most disks.
pub const FOLDER: usize = 200;
/// `--set` arguments.
pub const SETS: usize = 1000;
/// Axes of a matrix.
pub const AXES: usize = 100;
/// Fields that the axes of a matrix set, all together.
pub const PLACES: usize = 1000;
/// Cells of a matrix, with included ones.
pub const CELLS: usize = 10_000;
/// Stages that the files of a pipeline state.
pub const STAGES: usize = 100_000;
/// Nodes of a pipeline, and stages in their cells.
pub const NODES: usize = 100_000;
/// Inputs of all nodes together.
pub const INPUTS: usize = 1_000_000;

/// How many values `value` has, long texts counted by their length.
pub(super) fn weight(value: &Value) -> usize {
    1 + match value {
        Value::Str(text) | Value::Ref(text) | Value::File(text) => text.len() / TEXT_UNIT,
        Value::List(items) | Value::Tuple(items) => items.iter().map(weight).sum(),
        Value::Map(map) => map.values().map(weight).sum(),
        Value::Struct(record) => record.fields.values().map(weight).sum(),
        Value::Option(Some(value)) => weight(value),
        _ => 0,
    }
}

/// The fault that the stage at `span` makes too many of something.
pub(super) fn too_many(span: &Span, most: usize, what: &str) -> Diagnostic {
    Diagnostic::new(span, format!("With this stage, the pipeline has more than {most} {what}."))
        .hint("Split it into several pipelines, or cross fewer values.")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use crate::fsio;

    /// The tables on pipelines and messages in `docs/limits.md` against the constants of this file and of `syntax::limits`.
    #[test]
    fn the_page_states_these_limits() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |name: &str| fsio::read_to_string(&root.join(name)).unwrap();
        let page = read("docs/limits.md");
        let source = read("src/syntax/limits.rs") + &read("src/pipeline/limits.rs");
        let number = |text: &str| match text.split_once(" << ") {
            Some((one, by)) => one.parse::<usize>().unwrap() << by.parse::<u32>().unwrap(),
            None => text.replace('_', "").parse().unwrap(),
        };
        let constants = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": usize = "));
        let constants: BTreeMap<&str, usize> = constants
            .map(|(name, value)| (name, number(value.trim_end_matches(';'))))
            .filter(|(name, _)| *name != "TEXT_UNIT")
            .collect();
        let sections = page.split("\n## ").filter(|s| s.starts_with("Pipelines") || s.starts_with("Messages"));
        let rows = sections.flat_map(str::lines).filter_map(|row| {
            let cells: Vec<&str> = row.strip_prefix("| ")?.split('|').map(str::trim).collect();
            let name = cells[2].strip_prefix('`')?.strip_suffix('`')?;
            (!name.contains(' ')).then(|| (name, cells[1].parse().unwrap()))
        });
        assert_eq!(rows.collect::<BTreeMap<&str, usize>>(), constants);
    }
}
