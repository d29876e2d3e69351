//! `repro doctor [PIPELINE]`: checks this machine, the store and the data roots, and says what to do.
//!
//! Invariants:
//! - it changes nothing: what it tries is tried in the store's folder of temporary files, and removed;
//! - a check is `ok`, `warn` or `FAIL`; each that is not ok says what to do;
//! - no check ends the others.

mod checks;
mod device;
mod machine;
mod store;

use std::path::PathBuf;

use clap::Args;

use super::failure::{Failure, fail};
use super::places::StoreArgs;
use super::terminal::print;
use crate::cli::exit::Exit;
use crate::stage::{DeviceSpec, Registry};
use checks::Level;

/// The arguments of `repro doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// A pipeline, whose data roots are looked for.
    pipeline: Option<PathBuf>,
    /// Give the folder of a data root; may be repeated [also REPRO_DATA_NAME]
    #[arg(long = "data", value_name = "NAME=PATH")]
    data: Vec<String>,
    /// Fail unless this device can be used: `cuda` or `cuda:1`.
    #[arg(long)]
    device: Option<DeviceSpec>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Checks all and prints a line for each check.
pub fn run(at: &StoreArgs, args: &DoctorArgs, registry: &Registry) -> Result<Exit, Failure> {
    let mut checks = machine::checks();
    checks.extend(device::checks(args.device));
    checks.extend(store::checks(at, args.pipeline.as_deref()));
    checks.extend(store::roots(at, args.pipeline.as_deref(), &args.data, registry));
    if args.json {
        let text = serde_json::to_string_pretty(&checks).map_err(|error| fail(Exit::Bug, error.to_string()))?;
        print(&text);
    } else {
        print(&checks::text(&checks));
    }
    // The code of the first check that fails.
    Ok(checks.iter().find(|check| check.level == Level::Fail).map_or(Exit::Success, |check| check.exit))
}
