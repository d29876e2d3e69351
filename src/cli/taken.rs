//! Which run a command takes. Every command that is given a run finds it here, and says which one that is.

use super::failure::Failure;
use super::terminal::{note, warn};
use crate::pipeline::Pipeline;
use crate::store::{RunRecord, Store};
use crate::syntax;

/// How many references to one run are named.
const SHOWN: usize = 6;

/// The run that `name` stands for. Standard error says which one it is, and which newer ones were passed over.
pub fn find_run(store: &Store, name: &str) -> Result<RunRecord, Failure> {
    let found = store.find_run(name)?;
    note(&found.taken());
    if let Some(text) = found.passed_over(name) {
        warn(&text);
    }
    Ok(found.run)
}

/// Says which runs the references of a pipeline mean, a line each.
pub fn tell_references(pipeline: &Pipeline) {
    for earlier in &pipeline.earlier {
        let references: Vec<String> = earlier.references.iter().map(|reference| format!("`{reference}`")).collect();
        note(&format!("{}: {}", syntax::first_of(&references, SHOWN), earlier.taken));
        earlier.passed_over.iter().for_each(|text| warn(text));
    }
}
