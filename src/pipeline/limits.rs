//! How large a pipeline may be, and how long what is said of it.
//!
//! Each limit is stated here alone, and in `docs/limits.md`, which a test holds against this file. A limit is checked
//! before the memory is taken. Where a limit is on what stages and cells make together, a running sum is checked.

use crate::stage::Value;

/// Bytes of a pipeline's files, all together.
pub const BYTES: usize = 1 << 24;
/// Entries of `include`, in all files together.
pub const INCLUDES: usize = 1000;
/// Files that include each other, one below the other.
pub const CHAIN: usize = 64;
/// Brackets inside each other.
pub const DEPTH: usize = 128;
/// Values in the files; in all stages over all cells; in all nodes. A text counts once more for each [`TEXT_UNIT`] bytes.
pub const VALUES: usize = 2_500_000;
/// The bytes of a text that count as one value.
pub const TEXT_UNIT: usize = 64;
/// Characters of any other name: of a field, a key, an axis, a profile.
pub const NAME: usize = 255;
/// Characters of the name of a pipeline or a stage: with what is added to it, it stays below the 255 bytes that disks take.
pub const FOLDER: usize = 200;
/// Bytes of one text in quotes.
pub const TEXT: usize = 1 << 20;
/// `--set` arguments.
pub const SETS: usize = 1000;
/// Axes of a matrix.
pub const AXES: usize = 100;
/// Fields that the axes of a matrix set, all together.
pub const PLACES: usize = 1000;
/// Cells of a matrix, with included ones.
pub const CELLS: usize = 10_000;
/// Characters of a label.
pub const LABEL: usize = 80;
/// Stages that the files of a pipeline state.
pub const STAGES: usize = 100_000;
/// Nodes of a pipeline, and stages in their cells.
pub const NODES: usize = 100_000;
/// Inputs of all nodes together.
pub const INPUTS: usize = 1_000_000;

/// Faults that are shown.
pub const FAULTS: usize = 20;
/// Bytes of all messages of a pipeline.
pub const MESSAGES: usize = 1 << 16;
/// Columns of a line that is shown.
pub const COLUMNS: usize = 140;
/// Characters of a message.
pub const MESSAGE: usize = 400;
/// Characters of what to do.
pub const HINT: usize = 1200;
/// Names that are listed in a message.
pub const LISTED: usize = 40;
/// Names among which one is sought that was meant.
pub const CANDIDATES: usize = 1000;

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use crate::fsio;

    /// The tables on pipelines and messages in `docs/limits.md` against the constants of this file.
    #[test]
    fn the_page_states_these_limits() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |name: &str| fsio::read_to_string(&root.join(name)).unwrap();
        let (page, source) = (read("docs/limits.md"), read("src/pipeline/limits.rs"));
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
