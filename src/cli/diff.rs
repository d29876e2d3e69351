//! `repro diff A B`: what differs between runs, and whether it matters.

use clap::{Args, ValueEnum};

use super::failure::{Failure, fail};
use super::taken::side;
use super::terminal::{print, width};
use crate::cli::exit::Exit;
use crate::results::diff::{self, Comparison, Section, Side};
use crate::stage::Registry;
use crate::store::Store;
use crate::table::{self, PagePart, Style, folded, markdown_escape, to_page, to_terminal, visible};

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DiffFormat {
    /// Plain text, as wide as the terminal.
    Text,
    /// JSON, with all lists in full; `docs/diff.md` describes it.
    Json,
    /// Markdown.
    Markdown,
    /// A page of HTML.
    Html,
}

/// The arguments of `repro diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The runs; the first is the reference. A run is named by its id or its start, a pipeline's name (`smoke`,
    /// `smoke@tiny`, `smoke~1`), `latest`, or an archive of `repro export`. `RUN/STAGE` compares one stage, `RUN/STAGE[2]` its second iteration.
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<String>,
    /// List the outputs that differ, too. JSON always has them.
    #[arg(long)]
    artifacts: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    format: DiffFormat,
}

/// Compares runs of the store and of archives.
pub fn run(store: &Store, registry: &Registry, args: &DiffArgs) -> Result<Exit, Failure> {
    let sides = args.runs.iter().map(|asked| side(store, asked)).collect::<Result<Vec<Side<'_>>, Failure>>()?;
    let found = diff::compare(registry, &sides)?;
    let sections = || diff::sections(&found, args.artifacts);
    print(&match args.format {
        DiffFormat::Json => serde_json::to_string_pretty(&found).unwrap_or_default(),
        DiffFormat::Text => text(&found, &sections(), args.artifacts, width()).map_err(unshown)?,
        DiffFormat::Markdown => markdown(&found, &sections(), args.artifacts).map_err(unshown)?,
        DiffFormat::Html => html(&found, &sections(), args.artifacts).map_err(unshown)?,
    });
    Ok(if found.differs { Exit::Different } else { Exit::Success })
}

fn unshown(error: table::Error) -> Failure {
    fail(Exit::Bug, error.to_string())
}

/// What is said after the sentence: what could not be compared, and where the rest is.
fn notes(found: &Comparison, artifacts: bool) -> Vec<String> {
    let mut notes = found.notes.clone();
    if !artifacts && !found.artifacts.is_empty() {
        notes.push(format!("{} outputs differ; `--artifacts` lists them.", found.artifacts.len()));
    }
    notes
}

/// How a section's table is shown: with what is said below it.
fn style(section: &Section) -> Style {
    Style { notes: section.notes.clone(), ..Style::default() }
}

fn text(
    found: &Comparison,
    sections: &[Section],
    artifacts: bool,
    width: Option<usize>,
) -> Result<String, table::Error> {
    let lines = |text: &str| folded(&visible(text), width.unwrap_or(usize::MAX)).join("\n");
    let mut out = vec![lines(&found.verdict)];
    for section in sections {
        out.push(format!("{}\n{}", section.title, to_terminal(&section.table, &style(section), width)?));
    }
    out.extend(notes(found, artifacts).iter().map(|note| lines(note)));
    Ok(out.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n"))
}

fn markdown(found: &Comparison, sections: &[Section], artifacts: bool) -> Result<String, table::Error> {
    let paragraph = |text: &str| format!("{}\n", markdown_escape(&visible(text)));
    let mut out = vec![paragraph(&found.verdict)];
    for section in sections {
        let table = match table::format("Markdown") {
            Some(format) => String::from_utf8_lossy(&(format.render)(&section.table, &style(section))?).into_owned(),
            None => String::new(),
        };
        out.push(format!("## {}\n\n{table}", section.title));
    }
    out.extend(notes(found, artifacts).iter().map(|note| paragraph(note)));
    Ok(out.join("\n"))
}

fn html(found: &Comparison, sections: &[Section], artifacts: bool) -> Result<String, table::Error> {
    let parts: Vec<PagePart<'_>> = sections
        .iter()
        .map(|section| PagePart { heading: section.title, table: &section.table, style: style(section) })
        .collect();
    let runs: Vec<&str> = found.runs.iter().map(|run| run.asked.as_str()).collect();
    let title = format!("What differs: {}", runs.join(", "));
    to_page(&title, std::slice::from_ref(&found.verdict), &parts, &notes(found, artifacts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Column, Table};

    #[test]
    fn no_line_is_wider_than_the_terminal_and_nothing_is_read_as_another_format() {
        let hostile = "<b>|x|</b>\u{1b} ".repeat(9);
        let columns = ["what", "A", "B"].map(Column::text).to_vec();
        let table = Table::new(columns, vec![vec![hostile.as_str().into(); 3]]).unwrap();
        let section = [Section { title: "parameters", table, notes: vec![hostile.clone()] }];
        let found = Comparison { verdict: hostile.clone(), notes: vec![hostile], ..Comparison::default() };
        let shown = text(&found, &section, true, Some(60)).unwrap();
        assert!(shown.lines().all(|line| table::width(line) <= 60), "{shown}");
        let (page, mark) = (html(&found, &section, true).unwrap(), markdown(&found, &section, true).unwrap());
        assert!(!page.contains("<b>") && page.contains("&lt;b&gt;"), "{page}");
        assert!(!mark.contains("| <b>") && mark.contains("\\<b>\\|x\\|"), "{mark}");
        for shown in [shown, page, mark] {
            assert!(!shown.contains('\u{1b}') && shown.contains("\\u001b"), "{shown}");
        }
    }
}
