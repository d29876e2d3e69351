//! `repro weights inspect FILE` and `repro weights convert IN OUT`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::failure::{Failure, fail};
use super::terminal::print;
use crate::cli::exit::Exit;
use crate::fsio;
use crate::hash::Digest;
use crate::ml::checkpoint::{self, Checkpoint};
use crate::ml::import;
use crate::ml::naming::{self, NameTable};
use crate::table::{self, Cell, Column, Style, Table};

/// The commands on files of weights: TensorFlow V1 and V2, PyTorch, NumPy's npz, safetensors.
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// List the tensors of a file: names, types, shapes, and the BLAKE3 digests of their bytes.
    Inspect(InspectArgs),
    /// Write the tensors of a file as safetensors, byte for byte.
    Convert(ConvertArgs),
}

/// The arguments of `repro weights inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The file; of a checkpoint that is several, its prefix, its index or any part.
    file: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

/// The arguments of `repro weights convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// The file; of a checkpoint that is several, its prefix, its index or any part.
    from: PathBuf,
    /// The safetensors file to write.
    to: PathBuf,
    /// Translate to this program's names and order of axes, by a shipped table (`Slim`) or a RON file.
    #[arg(long, value_name = "TABLE")]
    names: Option<String>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
}

/// How tensors are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// Aligned text.
    Text,
    /// JSON.
    Json,
    /// Comma-separated values.
    Csv,
}

/// A tensor in a list.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    /// None where the tensor is damaged.
    digest: Option<String>,
}

/// Runs the command.
pub fn run(command: &WeightsCommand) -> Result<Exit, Failure> {
    match command {
        WeightsCommand::Inspect(args) => inspect(args),
        WeightsCommand::Convert(args) => convert(args),
    }
}

fn data(path: &Path, message: &str, hint: &str) -> Failure {
    fail(Exit::Data, format!("{}: {message}", path.display())).hint(hint)
}

/// The error names its file.
fn faulty(error: checkpoint::Error) -> Failure {
    fail(Exit::Data, error.to_string()).hint(error.hint())
}

/// An error of a tensor, which names a file only where that is another part of the checkpoint.
fn faulty_tensor(path: &Path, error: &checkpoint::Error) -> String {
    format!("{}: {error}", path.display())
}

fn inspect(args: &InspectArgs) -> Result<Exit, Failure> {
    let file = Checkpoint::open(&args.file).map_err(faulty)?;
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for tensor in &file.tensors {
        let digest = match tensor.bytes() {
            Ok(bytes) => Some(Digest::of(&bytes).to_string()),
            Err(error) => {
                faults.push(faulty_tensor(&args.file, &error));
                None
            }
        };
        let (name, shape) = (tensor.name.clone(), tensor.shape.clone());
        lines.push(Line { name, dtype: format!("{:?}", tensor.dtype), shape, digest });
    }
    match args.format {
        ListFormat::Json => print(&serde_json::to_string_pretty(&lines).unwrap_or_default()),
        ListFormat::Csv => {
            let bug = |error: table::Error| fail(Exit::Bug, error.to_string());
            let rows = rows(&lines).map_err(bug)?;
            let csv = table::format("Csv").map(|csv| (csv.render)(&rows, &Style::default()));
            print(&String::from_utf8_lossy(&csv.transpose().map_err(bug)?.unwrap_or_default()));
        }
        ListFormat::Text => {
            let rows = rows(&lines).map_err(|error| fail(Exit::Bug, error.to_string()))?;
            let rows =
                if lines.is_empty() { String::new() } else { table::to_terminal(&rows, &Style::default(), None) };
            print(&format!("{rows}\n\n{}, {} tensors.", file.format, lines.len()));
            for (name, why) in &file.passed_over {
                print(&format!("`{name}` {why}."));
            }
        }
    }
    if faults.is_empty() {
        return Ok(Exit::Success);
    }
    Err(fail(Exit::Data, faults.join("\n")).hint("Fetch the file again; what is listed with a digest is sound."))
}

fn rows(lines: &[Line]) -> Result<Table, table::Error> {
    let columns = ["name", "dtype", "shape", "digest"].map(Column::text);
    let row = |line: &Line| {
        let digest = line.digest.clone().map_or(Cell::Null, Cell::Text);
        vec![
            Cell::Text(line.name.clone()),
            Cell::Text(line.dtype.clone()),
            Cell::Text(format!("{:?}", line.shape)),
            digest,
        ]
    };
    Table::new(columns.into(), lines.iter().map(row).collect())
}

fn convert(args: &ConvertArgs) -> Result<Exit, Failure> {
    if args.to.extension().is_none_or(|extension| extension != "safetensors") {
        let message = format!("`{}` does not end in `.safetensors`, which is what is written.", args.to.display());
        return Err(fail(Exit::Usage, message));
    }
    if fsio::exists(&args.to) && !args.force {
        let message = format!("`{}` is there already.", args.to.display());
        return Err(fail(Exit::Usage, message).hint("Name another file, or replace it by `--force`."));
    }
    let file = Checkpoint::open(&args.from).map_err(faulty)?;
    let (translated, count, left) = match &args.names {
        None => (None, file.tensors.len(), file.passed_over.iter().map(|(name, _)| name.clone()).collect()),
        Some(names) => {
            let names = match NameTable::shipped(names) {
                Err(told) if !names.ends_with(".ron") => return Err(fail(Exit::Usage, told)),
                Err(_) => {
                    let text = fsio::read_to_string_within(Path::new(names), naming::BYTES)?;
                    NameTable::parse(names, &text)?
                }
                Ok(table) => table,
            };
            let wrong = |error: crate::ml::error::Error| data(&args.from, &error.to_string(), error.hint());
            let found = import::translate(&file, &names, &|_| true).map_err(wrong)?;
            let bytes = import::to_safetensors(&found.tensors).map_err(wrong)?;
            let skipped = found.skipped.into_iter().map(|(name, _)| name);
            (Some(bytes), found.tensors.len(), skipped.chain(found.left_over).collect::<Vec<_>>())
        }
    };
    if count == 0 {
        let hint = "`repro weights inspect` lists what the file has; `stages/names/` has the shipped tables.";
        return Err(data(&args.from, "None of the file's tensors has a name that is known.", hint));
    }
    match translated {
        Some(bytes) => fsio::write_atomic(&args.to, &bytes)?,
        None => {
            let written = fsio::write_atomic_by(&args.to, |put| file.write_safetensors(&mut |part| Ok(put(part)?)));
            written.map_err(|error| match error {
                checkpoint::Error::File(error) => error.into(),
                error => fail(Exit::Data, faulty_tensor(&args.from, &error)).hint(error.hint()),
            })?;
        }
    }
    print(&format!("{count} tensors of {} written to {}.", file.format, args.to.display()));
    if !left.is_empty() {
        print(&format!("Left out: {}.", left.join(", ")));
    }
    Ok(Exit::Success)
}
