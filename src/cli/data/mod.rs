//! `repro data check FILE [STAGE…]` and `repro data view FILE [STAGE]`: data sets of a pipeline without a run.
//!
//! Invariant: nothing is written into the store, and none is made.

mod check;
mod sets;
mod view;

use clap::Subcommand;

use super::failure::Failure;
use super::places::StoreArgs;
use crate::cli::exit::Exit;
use crate::stage::Registry;

/// The commands on data sets.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Say all that is wrong with data sets, and all that `Dataset` warns of.
    #[command(after_help = "Example:\n  repro data check fields.ron --data fields=/data/fields")]
    Check(check::CheckArgs),
    /// Write a sheet of samples: images, labels, and crops as a training draws them.
    #[command(
        after_help = "Example:\n  repro data view fields.ron val_set --data fields=/data/fields --count 8 -o sheet.png"
    )]
    View(view::ViewArgs),
}

/// Runs the command.
pub fn run(at: &StoreArgs, command: &DataCommand, registry: &Registry) -> Result<Exit, Failure> {
    match command {
        DataCommand::Check(args) => check::run(at, args, registry),
        DataCommand::View(args) => view::run(at, args, registry),
    }
}
