//! The command line's entry: joins the stage kinds to the engine.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use repro::{cli, stages};

fn main() -> ExitCode {
    ExitCode::from(cli::main(&stages::registry()) as u8)
}
