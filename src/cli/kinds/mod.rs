//! `repro kinds [KIND]`: the reference of the stage kinds, made from their schemas.
//!
//! Invariants:
//! - what both forms say of a kind is in [`entries`], once: plain text for a terminal ([`text`]), and Markdown for the docs
//!   ([`markdown`]);
//! - no line of the plain text is wider than the terminal, and none is wider than 80 columns where there is no terminal.

mod entries;
mod markdown;
mod text;

use super::{Failure, fail, print, terminal};
use crate::cli::exit::Exit;
use crate::stage::Registry;
use crate::syntax::suggestion;

pub use markdown::reference as markdown;

/// The width of the text where output goes to no terminal, in columns.
const WIDTH: usize = 80;

/// The widest text that is read with ease, in columns.
const WIDEST: usize = 100;

/// Prints one kind, or all.
pub fn run(registry: &Registry, name: Option<&str>) -> Result<Exit, Failure> {
    let width = terminal::width().unwrap_or(WIDTH).min(WIDEST);
    match name {
        None => print(&text::overview(registry, width)),
        Some(name) => match registry.kind(name) {
            Some(kind) => print(&text::kind(kind, width)),
            None => {
                let names: Vec<&str> = registry.kinds.iter().map(|kind| kind.name()).collect();
                let near = suggestion(name, names.iter().copied());
                return Err(fail(Exit::Usage, format!("There is no stage kind `{name}`{near}"))
                    .hint(format!("The kinds are {}.", names.join(", "))));
            }
        },
    }
    Ok(Exit::Success)
}
