//! The command line: it reads arguments, words what happened, and gives exit codes. One file a command. The only room
//! that prints.

mod bench;
mod claims;
mod clean;
mod color;
mod columns;
mod command;
mod config;
mod data;
mod diff;
mod doctor;
mod ending;
mod exit;
mod export;
mod failure;
mod format;
mod graph;
mod init;
mod kinds;
mod listing;
mod live_events;
mod man;
mod places;
pub mod plan;
mod predict;
mod progress;
mod report;
mod request;
mod run;
mod runs;
mod show;
mod signs;
mod styled;
mod taken;
mod terminal;
mod ui;
mod watch;
mod weights;

pub use command::main;
pub use terminal::stdout_was_closed;

use failure::{Failure, fail};
use request::bounded;
use terminal::print;
