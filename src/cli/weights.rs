//! `repro weights inspect FILE` and `repro weights convert IN OUT`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::failure::{Failure, fail};
use super::terminal::print;
use crate::cli::exit::Exit;
use crate::fsio;
use crate::hash::Digest;
use crate::ml::checkpoint::{self, Checkpoint, Files, Written};
use crate::ml::conventions::Geometry;
use crate::ml::export;
use crate::ml::import;
use crate::ml::naming::{self, NameTable};
use crate::table::{self, Cell, Column, Style, Table};

/// The commands on files of weights: TensorFlow V1 and V2, PyTorch, NumPy's npz, safetensors.
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// List the tensors of a file: names, types, shapes, and the BLAKE3 digests of their bytes.
    Inspect(InspectArgs),
    /// Write the tensors of a file in another format: byte for byte, or under other names.
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
    /// The file to write: `.safetensors`, `.npz` or `.pth`.
    to: PathBuf,
    /// Translate to this program's names and order of axes, by a shipped table (`Slim`) or a RON file.
    #[arg(long, value_name = "TABLE")]
    names: Option<String>,
    /// Translate further, to the names, the order of axes and the epsilon of another program. Without `--names`, the names
    /// of the file are detected.
    #[arg(long = "to", value_name = "TABLE")]
    translate: Option<String>,
    /// Take one of several networks in the file, as `ema`.
    #[arg(long, default_value = "")]
    scope: String,
    /// Convert floats to this type.
    #[arg(long, value_enum)]
    dtype: Option<FloatType>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
}

/// The types that floats can be converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FloatType {
    /// 32 bits.
    F32,
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
    let first = Files::find(&args.file).map_err(faulty)?.first;
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
    let bug = |error: table::Error| fail(Exit::Bug, error.to_string());
    match args.format {
        ListFormat::Json => print(&serde_json::to_string_pretty(&lines).unwrap_or_default()),
        ListFormat::Csv => {
            let rows = rows(&lines).map_err(bug)?;
            let csv = table::format("Csv").map(|csv| (csv.render)(&rows, &Style::default()));
            print(&String::from_utf8_lossy(&csv.transpose().map_err(bug)?.unwrap_or_default()));
        }
        ListFormat::Text => {
            let rows = rows(&lines).map_err(bug)?;
            let text = || table::to_terminal(&rows, &Style::default(), None).map_err(bug);
            let rows = if lines.is_empty() { String::new() } else { text()? };
            print(&format!("{rows}\n\n{}, {} tensors.", file.format, lines.len()));
            if first != args.file {
                print(&format!("Read from `{}`.", first.display()));
            }
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

/// A shipped table of names, or that of a RON file.
fn table(names: &str) -> Result<NameTable, Failure> {
    match NameTable::shipped(names) {
        Err(told) if !names.ends_with(".ron") => Err(fail(Exit::Usage, told)),
        Err(_) => {
            let text = fsio::read_to_string_within(Path::new(names), naming::BYTES)?;
            Ok(NameTable::parse(names, &text)?)
        }
        Ok(table) => Ok(table),
    }
}

fn convert(args: &ConvertArgs) -> Result<Exit, Failure> {
    let Some(format) = Written::of(&args.to.to_string_lossy()) else {
        let message =
            format!("`{}` does not end in `.safetensors`, `.npz` or `.pth`, which are written.", args.to.display());
        return Err(fail(Exit::Usage, message));
    };
    if fsio::exists(&args.to) && !args.force {
        let message = format!("`{}` is there already.", args.to.display());
        return Err(fail(Exit::Usage, message).hint("Name another file, or replace it by `--force`."));
    }
    let renames = args.names.is_some() || args.translate.is_some();
    if !args.scope.is_empty() && !renames {
        let message = "`--scope` takes a network by its names, which `--names` or `--to` says.";
        return Err(fail(Exit::Usage, message.to_owned()));
    }
    let (names, further) = (args.names.as_deref().map(table), args.translate.as_deref().map(table));
    let (names, further) = (names.transpose()?, further.transpose()?);
    let file = Checkpoint::open(&args.from).map_err(faulty)?;
    let (from, passed_over) = (file.format, file.passed_over.iter().map(|(name, _)| name.clone()).collect());
    let (file, left) = if renames { renamed(args, &file, names, further)? } else { (file, passed_over) };
    let file = if args.dtype == Some(FloatType::F32) { file.in_f32() } else { file };
    if file.tensors.is_empty() {
        let hint = "`repro weights inspect` lists what the file has; `stages/names/` has the shipped tables.";
        return Err(data(&args.from, "None of the file's tensors has a name that is known.", hint));
    }
    let written = fsio::write_atomic_by(&args.to, |put| file.write(format, &mut |part| Ok(put(part)?)));
    written.map_err(|error| match error {
        checkpoint::Error::File(error) => error.into(),
        error => fail(Exit::Data, faulty_tensor(&args.from, &error)).hint(error.hint()),
    })?;
    print(&format!("{} tensors of {from} written to {}.", file.tensors.len(), args.to.display()));
    if !left.is_empty() {
        print(&format!("Left out: {}.", left.join(", ")));
    }
    Ok(Exit::Success)
}

/// The tensors of a file under this program's names, or `further` under those of another; and what is left out.
fn renamed(
    args: &ConvertArgs,
    file: &Checkpoint,
    names: Option<NameTable>,
    further: Option<NameTable>,
) -> Result<(Checkpoint, Vec<String>), Failure> {
    let wrong = |error: crate::ml::error::Error| data(&args.from, &error.to_string(), error.hint());
    let epsilon = Geometry::TENSORFLOW.epsilon;
    let names = match names {
        Some(names) => names,
        None => import::detect(file, &args.scope, &|_| true).map_err(wrong)?.1,
    };
    let found = import::translate(file, &names.within(&args.scope), &|_| true, epsilon).map_err(wrong)?;
    let mut left: Vec<String> = found.skipped.into_iter().map(|(name, _)| name).chain(found.left_over).collect();
    let tensors = match further {
        None => found.tensors,
        Some(table) => {
            let renamed = export::rename(&found.tensors, table, epsilon).map_err(wrong)?;
            left.extend(renamed.left_over);
            renamed.tensors
        }
    };
    Ok((Checkpoint::of_floats("renamed", &tensors).map_err(faulty)?, left))
}
