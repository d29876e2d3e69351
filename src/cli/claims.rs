//! `repro claims [RUN]`: the verdicts of a run's claims, with an exit code that holds a paper to its word. `repro run` prints
//! the same verdicts at its end.

use clap::Args;
use serde::Serialize;

use super::failure::{Failure, fail};
use super::format::{RecordFormat, markdown};
use super::styled::{Look, Styled};
use super::taken::find_run;
use super::terminal::{print, show, width};
use crate::cli::exit::Exit;
use crate::page::Claim;
use crate::stage::Registry;
use crate::store::{RunNodeRecord, RunRecord, Store};
use crate::table::{Table, folded, padded, visible};

/// The arguments of `repro claims`.
#[derive(Debug, Args)]
pub struct ClaimsArgs {
    /// The run: an id or its start, a pipeline's name (`smoke`, `smoke@tiny`, `smoke~1`), or `latest`.
    #[arg(default_value = "latest")]
    run: String,
    /// End with exit code 8 also where a claim is undecided.
    #[arg(long)]
    strict: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = RecordFormat::Text)]
    format: RecordFormat,
}

/// The version of the JSON that `--format json` prints. It is raised when a field changes its meaning or goes away.
const VERSION: u32 = 1;

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    version: u32,
    run: &'a str,
    pipeline: &'a str,
    claims: &'a [Claim],
}

/// Prints the verdicts of a run.
pub fn run(store: &Store, registry: &Registry, args: &ClaimsArgs) -> Result<Exit, Failure> {
    let run = find_run(store, &args.run)?;
    let nodes: Vec<&RunNodeRecord> = nodes(&run).collect();
    if nodes.is_empty() {
        let kinds = registry.that_yields(YIELD).map_or(YIELD, |kind| kind.name());
        let hint = format!("State some in a stage of the kind `{kinds}`: `repro kinds {kinds}` describes it.");
        let message = format!("Run `{}` of `{}` has no claims.", run.id, run.full_name());
        return Err(fail(Exit::Usage, message).hint(hint));
    }
    if let Some(node) = nodes.iter().find(|node| !node.status.is_done()) {
        let message = format!("Run `{}` of `{}` did not finish its stage `{}`.", run.id, run.full_name(), node.stage);
        return Err(fail(Exit::Stage, message).hint(format!("Run `{}` again.", run.file)));
    }
    let lines = lines(store, &run)?;
    match args.format {
        RecordFormat::Json => {
            let (run, pipeline, claims) = (&*run.id, &*run.pipeline, &*lines);
            let report = Report { version: VERSION, run, pipeline, claims };
            print(&serde_json::to_string_pretty(&report).unwrap_or_default());
        }
        RecordFormat::Text => {
            print(&format!("Run {} of {}", run.id, run.full_name()));
            print("");
            show(&block(&lines, width()));
        }
        RecordFormat::Markdown => {
            print(&format!("# `{}`, run `{}`\n\n{}", run.full_name(), run.id, table(&lines)));
        }
    }
    let bad = |line: &Claim| line.verdict == FAILS || args.strict && !holds(line);
    Ok(if lines.iter().any(bad) { Exit::Claim } else { Exit::Success })
}

/// The verdicts, as the table has them; the third is `undecided`.
const HOLDS: &str = "holds";
const FAILS: &str = "fails";

/// Whether a claim holds.
pub fn holds(claim: &Claim) -> bool {
    claim.verdict == HOLDS
}

/// What stages with claims yield, and the output that holds the verdicts.
const YIELD: &str = "claims";

fn nodes(run: &RunRecord) -> impl Iterator<Item = &RunNodeRecord> {
    run.nodes.iter().filter(|node| node.yields == YIELD)
}

/// The verdicts of the stages of a run that are done.
///
/// # Errors
/// The store's.
pub fn lines(store: &Store, run: &RunRecord) -> Result<Vec<Claim>, Failure> {
    let mut lines = Vec::new();
    for node in nodes(run).filter(|node| node.status.is_done()) {
        let Some(artifact) = node.outputs.get(YIELD) else { continue };
        let table = Table::from_canonical(&store.read(&artifact.digest)?).map_err(|error| {
            fail(Exit::Storage, format!("The verdicts of `{}` cannot be read: {error}", node.stage))
        })?;
        lines.extend(Claim::all(&table, &node.stage));
    }
    Ok(lines)
}

/// The width of the longest verdict, `undecided`, with a gap.
const INDENT: usize = 11;

/// The verdicts as text, folded to a width.
pub fn block(lines: &[Claim], width: Option<usize>) -> Styled {
    let mut out = Styled::default();
    for line in lines {
        let look = match line.verdict.as_str() {
            HOLDS => Look::Good,
            FAILS => Look::Bad,
            _ => Look::Care,
        };
        let mut head = line.verdict.as_str();
        let sentences = [line.that.clone(), line.effect(), line.settles.clone(), line.note.clone()];
        for text in sentences.iter().filter(|text| !text.is_empty()) {
            let room = width.map_or(usize::MAX, |width| width.saturating_sub(INDENT).max(2));
            for text in folded(&visible(text), room) {
                out = out.with(look, head).plain(padded("", INDENT.saturating_sub(head.len()), false));
                out = out.plain(text).plain("\n");
                head = "";
            }
        }
    }
    out
}

fn table(lines: &[Claim]) -> String {
    let header = ["verdict", "claim", "effect", "what would settle it", "note"].map(str::to_owned);
    let row = |line: &Claim| {
        [line.verdict.clone(), line.that.clone(), line.effect(), line.settles.clone(), line.note.clone()]
    };
    markdown(&header, &lines.iter().map(row).collect::<Vec<_>>())
}
