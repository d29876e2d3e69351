//! The process between a stage and the program that it runs. It is there so that nothing of the program outlives the
//! stage, whoever dies first.
//!
//! ```text
//! stage ── socket ── guard ── program ── whatever the program starts
//! ```
//!
//! Invariants:
//! - the guard ends last: all that the program started, also what became a daemon, is its descendant, and is ended
//!   before the guard says how the program ended;
//! - the guard hears on its socket that it is to stop, and that the stage died; then it asks all of them to end, and
//!   kills what does not heed it;
//! - it is in a process group of its own, and keeps the stage's standard output open: who waits for the end of that
//!   output waits for the guard;
//! - where the guard itself is killed, the kernel kills the program, and the stage gets and ends what is left.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, wait};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::processes::{self, PATIENCE};
use crate::program;
use crate::stage::StageError;

/// How long the program may go on after it was asked to stop: a little less than a run waits for its stages.
const GRACE: Duration = Duration::from_secs(8);

/// What to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The program and its arguments.
    pub arguments: Vec<OsString>,
    /// All of its environment.
    pub env: Vec<(OsString, OsString)>,
}

/// How it ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Report {
    /// The program could not be started.
    NotStarted {
        /// Why, as the system words it.
        message: String,
        /// The system's number of the error.
        errno: Option<i32>,
    },
    /// It ended.
    Ended {
        /// The wait status, as the system encodes it.
        status: i32,
        /// The processes of it that could not be ended.
        left: Vec<i32>,
    },
}

/// Starts a guard that runs `order` in `folder`. All that the program says goes to `output`. On the socket the guard
/// says a [`Report`]; whatever is written there asks it to stop.
pub fn start(order: &Order, folder: &Path, output: OwnedFd) -> std::io::Result<(Child, UnixStream)> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut command = program::again()?;
    command.arg("guard").process_group(0).current_dir(folder);
    let child = command.stdin(OwnedFd::from(theirs)).stderr(output).spawn()?;
    // It holds the other ends, which must be the guard's alone.
    drop(command);
    say(&mut ours, order)?;
    Ok((child, ours))
}

/// Writes a message: the length of its JSON, and the JSON.
fn say(socket: &mut UnixStream, what: &impl Serialize) -> std::io::Result<()> {
    let json = serde_json::to_vec(what)?;
    socket.write_all(&(json.len() as u64).to_le_bytes())?;
    socket.write_all(&json)
}

/// Reads a message, and nothing behind it; none where the other side is gone.
pub fn hear<T: DeserializeOwned>(mut socket: &UnixStream) -> Option<T> {
    let mut length = [0; 8];
    socket.read_exact(&mut length).ok()?;
    let mut json = Vec::new();
    socket.take(u64::from_le_bytes(length)).read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

/// The socket that this process was given as its standard input.
fn socket() -> std::io::Result<UnixStream> {
    Ok(std::io::stdin().as_fd().try_clone_to_owned()?.into())
}

fn lost(error: std::io::Error) -> StageError {
    StageError::Bug(format!("The guard of a program lost its socket: {error}."))
}

/// Is a guard.
///
/// # Errors
/// Where it was not started by a stage.
pub fn serve() -> Result<(), StageError> {
    let mut stage = socket().map_err(lost)?;
    let Some(order) = hear::<Order>(&stage) else { return Ok(()) };
    processes::adopt_orphans();
    // Who ends `repro` by its name leaves the guard to end the program.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"command-guard");
    let report = match spawn(&order) {
        Err(error) => Report::NotStarted { errno: error.raw_os_error(), message: error.to_string() },
        Ok(program) => {
            let listening = stage.try_clone().map_err(lost)?;
            let asked = Arc::new(AtomicBool::new(false));
            let heard = asked.clone();
            // It ends with this process.
            std::thread::spawn(move || stop_when_told(listening, program, &heard));
            let status = wait_for(program);
            let asked = asked.load(Ordering::SeqCst);
            let left = processes::end_rest(program, if asked { GRACE } else { PATIENCE }, asked);
            Report::Ended { status, left: left.into_iter().map(Pid::as_raw_pid).collect() }
        }
    };
    // A stage that is gone needs no report.
    let _ = say(&mut stage, &report);
    Ok(())
}

/// Starts the program in a process group of its own, by way of [`become_program`].
fn spawn(order: &Order) -> std::io::Result<Pid> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut command = program::again()?;
    command.arg("become").process_group(0).stdin(OwnedFd::from(theirs));
    // What the guard has for its errors is the stage's pipe for all that the program says.
    command.stdout(Stdio::from(std::io::stderr().as_fd().try_clone_to_owned()?));
    let child = command.spawn()?;
    // It holds the other end, whose closing tells that the program was started.
    drop(command);
    // The program that could not be started is not waited for: this process ends.
    say(&mut ours, order)?;
    ours.shutdown(Shutdown::Write)?;
    match hear::<(String, Option<i32>)>(&ours) {
        Some((_, Some(errno))) => Err(std::io::Error::from_raw_os_error(errno)),
        Some((message, None)) => Err(std::io::Error::other(message)),
        None => Ok(Pid::from_child(&child)),
    }
}

/// Becomes the program that the guard orders, which the kernel kills when the guard dies. Returns where that fails, after
/// telling the guard why.
///
/// # Errors
/// Where it was not started by a guard.
pub fn become_program() -> Result<(), StageError> {
    let mut guard = socket().map_err(lost)?;
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    // A guard that died before has closed the socket without an order.
    let Some(Order { arguments, env }) = hear(&guard) else { return Ok(()) };
    let error = match arguments.split_first() {
        None => std::io::Error::other("there is no program to run"),
        Some((program, rest)) => Command::new(program).args(rest).env_clear().envs(env).stdin(Stdio::null()).exec(),
    };
    let _ = say(&mut guard, &(error.to_string(), error.raw_os_error()));
    Ok(())
}

/// Waits for the program's end, and reaps the orphans that end before.
fn wait_for(program: Pid) -> i32 {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => return status.as_raw(),
            Ok(_) | Err(Errno::INTR) => {}
            // Nothing to wait for: cannot be while the program is not reaped.
            Err(_) => return 0,
        }
    }
}

/// Ends the program when the stage asks for it, and when the stage is gone. A request leaves the program the grace, and
/// the end of the socket after a request none: then nobody waits any more.
fn stop_when_told(mut stage: UnixStream, program: Pid, asked: &AtomicBool) {
    let requested = matches!(stage.read(&mut [0]), Ok(1));
    asked.store(true, Ordering::SeqCst);
    processes::signal_all(program, Signal::TERM);
    if requested {
        // The end of the time is as good as that of the socket.
        let _ = stage.set_read_timeout(Some(GRACE));
        let _ = stage.read(&mut [0]);
    } else {
        std::thread::sleep(PATIENCE);
    }
    loop {
        processes::signal_all(program, Signal::KILL);
        std::thread::sleep(Duration::from_millis(20));
    }
}
