//! `repro claims [RUN]`: the verdicts of a run's claims, with an exit code that holds a paper to its word. `repro run` prints
//! the same verdicts at its end.

use std::borrow::Cow;

use clap::Args;
use serde::Serialize;

use super::failure::{Failure, fail};
use super::format::{RecordFormat, markdown};
use super::taken::find_run;
use super::terminal::{print, width};
use crate::cli::exit::Exit;
use crate::page::Claim;
use crate::stage::Registry;
use crate::store::{RunNodeRecord, RunRecord, Store};
use crate::table::{Table, visible, width as shown_width};

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
    print(&match args.format {
        RecordFormat::Json => {
            let (run, pipeline, claims) = (&*run.id, &*run.pipeline, &*lines);
            serde_json::to_string_pretty(&Report { version: VERSION, run, pipeline, claims }).unwrap_or_default()
        }
        RecordFormat::Text => format!("Run {} of {}\n\n{}", run.id, run.full_name(), block(&lines, width())),
        RecordFormat::Markdown => format!("# `{}`, run `{}`\n\n{}", run.full_name(), run.id, table(&lines)),
    });
    let bad = |line: &Claim| line.verdict == "fails" || args.strict && line.verdict != "holds";
    Ok(if lines.iter().any(bad) { Exit::Claim } else { Exit::Success })
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
pub fn block(lines: &[Claim], width: Option<usize>) -> String {
    let mut out = String::new();
    for line in lines {
        let sentences = [line.that.clone(), line.effect(), line.settles.clone(), line.note.clone()];
        for (at, text) in sentences.iter().filter(|text| !text.is_empty()).enumerate() {
            let head = if at == 0 { line.verdict.as_str() } else { "" };
            for (at, folded) in fold(&visible(text), width.map(|width| width.saturating_sub(INDENT))).iter().enumerate()
            {
                let head = if at == 0 { head } else { "" };
                out += format!("{head:<INDENT$}{folded}").trim_end();
                out.push('\n');
            }
        }
    }
    out
}

/// A text in lines of at most `width` columns, broken at blanks. A word that is longer is broken within.
fn fold(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width.map(|width| width.max(1)) else { return vec![text.to_owned()] };
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = Cow::Borrowed(word);
        loop {
            let line = lines.last().map_or(0, |line| shown_width(line));
            let gap = usize::from(line > 0);
            if line + gap + shown_width(&word) <= width {
                let last = lines.len() - 1;
                lines[last] += &" ".repeat(gap);
                lines[last] += &word;
                break;
            }
            if line > 0 {
                lines.push(String::new());
                continue;
            }
            // A word that no line holds: as much of it as fits, and at least one character.
            let mut end = word.chars().next().map_or(0, char::len_utf8);
            while let Some(next) = word[end..].chars().next()
                && shown_width(&word[..end + next.len_utf8()]) <= width
            {
                end += next.len_utf8();
            }
            let last = lines.len() - 1;
            lines[last] += &word[..end];
            word = Cow::Owned(word[end..].to_owned());
            if word.is_empty() {
                break;
            }
            lines.push(String::new());
        }
    }
    lines
}

fn table(lines: &[Claim]) -> String {
    let header = ["verdict", "claim", "effect", "what would settle it", "note"].map(str::to_owned);
    let row = |line: &Claim| {
        [line.verdict.clone(), line.that.clone(), line.effect(), line.settles.clone(), line.note.clone()]
    };
    markdown(&header, &lines.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_folded_and_never_longer_than_the_width() {
        let text = "Average beats Regular on VOC val, extraordinarily";
        assert_eq!(fold(text, None), [text]);
        assert_eq!(fold(text, Some(14)), ["Average beats", "Regular on VOC", "val,", "extraordinaril", "y"]);
        for width in 1..60 {
            let lines = fold("漢字漢字 a\u{301}b c, d", Some(width));
            assert!(lines.iter().all(|line| shown_width(line) <= width.max(2)), "{lines:?}");
            assert_eq!(lines.concat().replace(' ', ""), "漢字漢字a\u{301}bc,d");
        }
        assert_eq!(fold("", Some(5)), [""]);
    }
}
