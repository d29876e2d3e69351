//! `repro export RUN OUT.tar.zst`: a run in one archive, to keep or to hand on.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::format::word;
use super::taken::find_run;
use super::terminal::{print, warn};
use crate::cli::exit::Exit;
use crate::results::Export;
use crate::stage::Registry;
use crate::store::{RunStatus, Store};

/// The arguments of `repro export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The run: an id or its start, a pipeline's name (`smoke`, `smoke@tiny`, `smoke~1`), or `latest`.
    run: String,
    /// The archive to write, as `run.tar.zst`.
    #[arg(value_name = "OUT.tar.zst")]
    out: PathBuf,
    /// Leave the trained models out, which are most of the bytes.
    #[arg(long)]
    without_checkpoints: bool,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
}

/// Writes the archive.
pub fn run(store: &Store, registry: &Registry, args: &ExportArgs) -> Result<Exit, Failure> {
    let run = &find_run(store, &args.run)?;
    let export = Export { store, registry, run, without_checkpoints: args.without_checkpoints, replace: args.force };
    let written = export.write(&args.out)?;
    if run.status != RunStatus::Done {
        warn(&format!(
            "The run {} did not finish ({}): the archive lacks what {} of its {} nodes would have made.",
            run.id,
            word(run.status),
            written.unfinished.len(),
            run.nodes.len()
        ));
    }
    print(&format!("{}: {} files of run {}, {} bytes", args.out.display(), written.files, run.id, written.bytes));
    Ok(Exit::Success)
}
