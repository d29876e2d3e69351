//! `repro man [DIR]`: the manual pages, one a command, made from what `--help` is made from.

use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{Failure, fail, print};
use crate::cli::exit::{CODES, Exit};
use crate::{fsio, program};

/// The arguments of `repro man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder to write a page for each command into, as `~/.local/share/man/man1`. Pages that are there are replaced.
    /// Without it, the page of `repro` itself is printed.
    dir: Option<PathBuf>,
}

/// Writes the pages, or prints the first one.
pub fn run(args: &ManArgs, mut program: Command) -> Result<Exit, Failure> {
    program = program.disable_help_subcommand(true);
    program.build();
    let Some(dir) = &args.dir else {
        let page = page(&program).map_err(unwritten)?;
        print(&String::from_utf8_lossy(&page.bytes));
        return Ok(Exit::Success);
    };
    let mut pages = Vec::new();
    below(&program, &mut pages).map_err(unwritten)?;
    for page in &pages {
        fsio::write_atomic(&dir.join(&page.name), &page.bytes)?;
    }
    print(&format!("{}: {} manual pages", dir.display(), pages.len()));
    Ok(Exit::Success)
}

/// A manual page: its file's name, as `repro-run.1`, and its source.
struct Page {
    name: String,
    bytes: Vec<u8>,
}

/// The pages of a command and of all commands below it.
fn below(command: &Command, pages: &mut Vec<Page>) -> std::io::Result<()> {
    pages.push(page(command)?);
    command.get_subcommands().filter(|command| !command.is_hide_set()).try_for_each(|command| below(command, pages))
}

fn page(command: &Command) -> std::io::Result<Page> {
    // What stands below a help text is laid out in lines, which a page would fill up as a paragraph.
    let extra = command.get_after_long_help().or_else(|| command.get_after_help()).map(ToString::to_string);
    let bare = command.clone().after_help(Resettable::Reset).after_long_help(Resettable::Reset);
    // A page has no date, so that the same sources make the same page. Without the quotes the version would be taken for it.
    let man = Man::new(bare).date("\"\"").source(format!("repro {}", program::VERSION)).manual("repro");
    let mut bytes = Vec::new();
    man.render(&mut bytes)?;
    let mut more = Roff::new();
    if command.get_name() == env!("CARGO_PKG_NAME") {
        exit_codes(&mut more);
    } else {
        if let Some(extra) = extra {
            as_it_stands(&mut more, &extra);
        }
        more.control("SH", ["SEE ALSO"]).text([bold("repro"), roman("(1)")]);
    }
    bytes.extend(more.to_roff().into_bytes());
    Ok(Page { name: man.get_filename(), bytes })
}

fn exit_codes(page: &mut Roff) {
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in CODES {
        page.control("TP", []).text([bold((*code as u8).to_string())]).text([roman(*meaning)]);
    }
}

/// A text of lines, each a line of the page.
fn as_it_stands(page: &mut Roff, text: &str) {
    page.control("SH", ["NOTES"]).control("nf", []);
    for line in text.lines() {
        page.text([roman(line)]);
    }
    page.control("fi", []);
}

fn unwritten(error: std::io::Error) -> Failure {
    fail(Exit::Bug, format!("The manual pages could not be made: {error}."))
}
