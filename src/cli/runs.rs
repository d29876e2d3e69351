//! `repro runs`: the runs of the store with their figures, filtered and sorted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::rc::Rc;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::failure::{Failure, fail};
use super::listing::{Column, Condition, Fact, HELP, Key, Listing, metrics, objects};
use super::show::at_work;
use super::terminal::{print, print_bytes, width};
use super::ui::how_far;
use crate::cli::exit::Exit;
use crate::fsio;
use crate::stage::name::split;
use crate::store::{RunLine, RunStatus, RunSummary, Store};
use crate::table::{self, Style, Table};

/// The columns of text and Markdown if none are named. Those of [`OPTIONAL`] are shown if they say something.
const SHORT: [&str; 9] = ["run", "cell", "stage", "status", "seconds", "mean_iou", "failed", "running", "waiting"];

/// The columns of formats for programs if none are named.
const LONG: [&str; 14] = [
    "run", "pipeline", "profile", "trial", "status", "started", "seconds", "ran", "cached", "failed", "running",
    "waiting", "warnings", "mean_iou",
];

/// The arguments of `repro runs`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct RunsArgs {
    /// Only runs of this pipeline, as `smoke`, or of one of its profiles, as `smoke@tiny`.
    pipeline: Option<String>,
    /// At most so many rows; of the newest runs, or the first ones by `--sort`.
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: usize,
    /// Only rows that fulfil the condition, as `mean_iou > 40`; all of them, if it is repeated.
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Sort by these columns; `-mean_iou` puts the greatest first. What has no value comes last.
    #[arg(long, value_name = "COLUMNS", allow_hyphen_values = true)]
    sort: Vec<String>,
    /// Show these columns, as `run,cell,mean_iou`.
    #[arg(long, value_name = "COLUMNS")]
    columns: Vec<String>,
    /// How to print [default: text, or what the extension of `--out` says]
    #[arg(long, value_enum)]
    format: Option<ListFormat>,
    /// Write to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How a list of runs is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// Plain text.
    Text,
    /// Markdown.
    Markdown,
    /// JSON: without `--columns`, all facts and metrics of each run.
    Json,
    /// CSV with all digits.
    Csv,
    /// Parquet.
    Parquet,
}

/// A run in JSON.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    line: &'a RunLine,
    /// All metrics of its stages at their last iterations; shares are in percent.
    metrics: BTreeMap<String, f64>,
}

/// Prints the runs, newest first.
pub fn run(store: &Store, args: &RunsArgs) -> Result<Exit, Failure> {
    let format = format(args)?;
    let (pipeline, conditions) = conditions(args)?;
    let listing = listing(args, format, conditions).map_err(usage)?;
    let params = listing.needs_params();
    let summaries =
        store.run_summaries(pipeline.as_deref(), params, |line| listing.may_show(line))?.map(|run| run.map(Rc::new));
    let runs = match listing.needs_all() {
        true => summaries.collect::<Result<Vec<_>, _>>()?,
        false => summaries.take(args.limit).collect::<Result<Vec<_>, _>>()?,
    };
    let rows = listing.rows(&runs);
    if listing.unknown(&rows).is_some() {
        // Runs that the conditions on facts leave out may have it.
        let all = store.run_summaries(None, params, |_| true)?.map(|run| run.map(Rc::new));
        let all = listing.rows(&all.collect::<Result<Vec<_>, _>>()?);
        if let Some(message) = listing.unknown(&all).filter(|_| !all.is_empty()) {
            return Err(usage(message).hint("`repro runs --help` says how columns are named."));
        }
    }
    let rows = listing.select(rows, args.limit).map_err(usage)?;
    let shown: Vec<&Rc<RunSummary>> = rows.iter().map(|row| &row.run).collect();
    if format == ListFormat::Json && args.columns.is_empty() {
        let mut seen = BTreeSet::new();
        let listed: Vec<Listed<'_>> = shown
            .iter()
            .filter(|run| seen.insert(&run.line.id))
            .map(|run| Listed { line: &run.line, metrics: metrics(run) })
            .collect();
        return write(args, serde_json::to_string_pretty(&listed).unwrap_or_default().into_bytes(), true);
    }
    let optional: Vec<Column> = ["cell", "stage", "mean_iou", "failed", "running", "waiting", "warnings"]
        .into_iter()
        .filter(|_| args.columns.is_empty() && matches!(format, ListFormat::Text | ListFormat::Markdown))
        .filter_map(|name| Column::read(name).ok())
        .collect();
    let (table, style) = listing.table(&rows, &optional).map_err(bug)?;
    let rendered = |name: &str| -> Result<Vec<u8>, Failure> {
        let format = table::format(name).ok_or_else(|| fail(Exit::Bug, format!("There is no format `{name}`.")))?;
        (format.render)(&table, &style).map_err(bug)
    };
    match format {
        ListFormat::Text => {
            let text = text(store, args, &table, &style, &shown)?;
            write(args, text.into_bytes(), true)
        }
        ListFormat::Markdown => write(args, rendered("Markdown")?, true),
        ListFormat::Json => {
            write(args, serde_json::to_string_pretty(&objects(&table)).unwrap_or_default().into_bytes(), true)
        }
        // A program that reads it gets every character as it is.
        ListFormat::Csv => write(args, rendered("Csv")?, std::io::stdout().is_terminal()),
        ListFormat::Parquet => write(args, rendered("Parquet")?, false),
    }
}

/// The format that the arguments ask for.
fn format(args: &RunsArgs) -> Result<ListFormat, Failure> {
    let format = match (args.format, &args.out) {
        (Some(format), _) => format,
        (None, None) => ListFormat::Text,
        (None, Some(path)) => match path.extension().and_then(|extension| extension.to_str()) {
            Some("txt") => ListFormat::Text,
            Some("md") => ListFormat::Markdown,
            Some("json") => ListFormat::Json,
            Some("csv") => ListFormat::Csv,
            Some("parquet") => ListFormat::Parquet,
            _ => {
                let message = format!("The extension of `{}` names no format of lists.", path.display());
                return Err(
                    usage(message).hint("The extensions are txt, md, json, csv and parquet; or name a `--format`.")
                );
            }
        },
    };
    if format == ListFormat::Parquet && args.out.is_none() && std::io::stdout().is_terminal() {
        let message = "Parquet is no text that a terminal could show.";
        return Err(usage(message).hint("Write it to a file: `--out runs.parquet`."));
    }
    Ok(format)
}

/// The pipeline whose runs are listed, and the conditions; that on the profile of `smoke@tiny` is one of them.
fn conditions(args: &RunsArgs) -> Result<(Option<String>, Vec<Condition>), Failure> {
    let mut conditions = Vec::new();
    for text in &args.conditions {
        conditions.push(Condition::read(text).map_err(usage)?);
    }
    let Some(pipeline) = &args.pipeline else { return Ok((None, conditions)) };
    Ok(match pipeline.split_once('@') {
        None => (Some(pipeline.clone()), conditions),
        Some((pipeline, profile)) => {
            conditions.push(Condition::read(&format!("profile = \"{profile}\"")).map_err(usage)?);
            (Some(pipeline.to_owned()), conditions)
        }
    })
}

fn listing(args: &RunsArgs, format: ListFormat, conditions: Vec<Condition>) -> Result<Listing, String> {
    let names = |texts: &[String]| -> Vec<String> {
        texts.iter().flat_map(|text| split(text)).map(|name| name.trim().to_owned()).collect()
    };
    let keys = names(&args.sort).iter().map(|key| Key::read(key)).collect();
    let named = |names: &[&str]| -> Result<Vec<(String, Column)>, String> {
        names.iter().map(|name| Ok(((*name).to_owned(), Column::read(name)?))).collect()
    };
    if !args.columns.is_empty() {
        let columns = names(&args.columns);
        return Listing::new(named(&columns.iter().map(String::as_str).collect::<Vec<_>>())?, true, conditions, keys);
    }
    let shown = match format {
        ListFormat::Text | ListFormat::Markdown => {
            let mut shown = named(&SHORT)?;
            shown.insert(1, ("pipeline".to_owned(), Column::Described));
            shown.push(("warnings".to_owned(), Column::Fact(Fact::Warnings)));
            shown
        }
        _ => named(&LONG)?,
    };
    Listing::new(shown, false, conditions, keys)
}

/// The list for people, and how far the nodes are of runs that go on.
fn text(
    store: &Store,
    args: &RunsArgs,
    table: &Table,
    style: &Style,
    shown: &[&Rc<RunSummary>],
) -> Result<String, Failure> {
    if table.rows() == 0 {
        let none = args.conditions.is_empty() && args.pipeline.is_none();
        return Ok(if none { "There are no runs yet." } else { "There are no such runs." }.to_owned());
    }
    let width = width().filter(|_| args.out.is_none());
    let mut out = table::to_terminal(table, style, width).map_err(bug)?;
    let running: BTreeSet<&str> = shown
        .iter()
        .map(|run| &run.line)
        .filter(|line| line.status == RunStatus::Running)
        .map(|line| line.id.as_str())
        .collect();
    for run in running.into_iter().rev() {
        for (node, progress) in at_work(store, run) {
            out += &format!("{run}: {node}: {}\n", how_far(&progress));
        }
    }
    Ok(out)
}

/// Writes the list to the file that is named, else to standard output.
fn write(args: &RunsArgs, bytes: Vec<u8>, is_text: bool) -> Result<Exit, Failure> {
    match &args.out {
        Some(path) => fsio::write_atomic(path, &bytes)?,
        None if is_text => print(&String::from_utf8_lossy(&bytes)),
        None => print_bytes(&bytes),
    }
    Ok(Exit::Success)
}

fn usage(message: impl Into<String>) -> Failure {
    fail(Exit::Usage, message)
}

fn bug(error: table::Error) -> Failure {
    fail(Exit::Bug, error.to_string())
}
