//! The stage's side of running a program: start it below a guard, write down what it says, end it.

use std::io::pipe;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::guard::{self, Order, Report};
use super::output::{Log, read_lines};
use super::processes::{self, PATIENCE};
use crate::stage::{Event, Job, StageError};

/// How long a request to stop may go unnoticed.
const TICK: Duration = Duration::from_millis(20);

/// How long the program's output is waited for when the program and all that it started are gone: somebody else, whom
/// they gave it to, may hold it open for ever.
const DRAIN: Duration = Duration::from_millis(500);

/// How many lines wait to be written down.
const WAITING: usize = 64;

/// What the threads that listen hear.
enum Heard {
    Line(String),
    OutputEnded,
    /// The guard's report; none where it died without one.
    Ended(Option<Report>),
}

/// Runs a program in the job's folder to its end. All processes that it started have ended by then.
///
/// # Errors
/// The program cannot be started, its processes cannot be ended, or the job is to stop.
pub fn run(order: &Order, job: &Job<'_>) -> Result<ExitStatus, StageError> {
    let name = order.arguments.first().map(|program| program.display().to_string()).unwrap_or_default();
    let failed = |message: String, hint: &str| StageError::Command { message, hint: hint.to_owned() };
    let lost = |error: std::io::Error| failed(format!("Could not start `{name}`: {error}."), "End other programs.");
    // Should the guard be killed, what it watched over comes to this process.
    processes::adopt_orphans();
    let (output, writer) = pipe().map_err(lost)?;
    let (mut child, mut socket) = guard::start(order, job.out, OwnedFd::from(writer)).map_err(lost)?;
    let (sender, heard) = sync_channel(WAITING);
    let lines = sender.clone();
    thread::spawn(move || {
        read_lines(output, |line| lines.send(Heard::Line(line)).is_ok());
        // Nobody may be listening any more.
        let _ = lines.send(Heard::OutputEnded);
    });
    let listening = socket.try_clone().map_err(lost)?;
    thread::spawn(move || {
        let report = guard::hear(&listening);
        let _ = sender.send(Heard::Ended(report));
    });
    let (mut log, mut asked) = (Log::default(), false);
    let (mut report, mut output_ended) = (None, false);
    while !(output_ended && report.is_some()) {
        match heard.recv_timeout(TICK) {
            Ok(Heard::Line(line)) => {
                if let Some(text) = log.take(line) {
                    job.events.emit(Event::Log { text });
                }
            }
            Ok(Heard::OutputEnded) => output_ended = true,
            Ok(Heard::Ended(found)) => report = Some((found, Instant::now())),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if job.cancel.requested() && !asked {
            // A guard that is gone has ended the program already.
            let _ = std::io::Write::write_all(&mut socket, b"s");
            asked = true;
        }
        if report.as_ref().is_some_and(|(_, since)| since.elapsed() > DRAIN) {
            break;
        }
    }
    log.end().for_each(|text| job.events.emit(Event::Log { text }));
    let guard = child.wait();
    let left = |pids: &[i32]| {
        let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
        let message = format!("`{name}` left processes that cannot be ended: {}.", pids.join(", "));
        failed(message, "End them by hand, as their owner, and run again.")
    };
    match report.and_then(|(report, _)| report) {
        Some(Report::Ended { left: pids, .. }) if !pids.is_empty() => Err(left(&pids)),
        _ if job.cancel.requested() => Err(StageError::Cancelled),
        Some(Report::Ended { status, .. }) => Ok(ExitStatus::from_raw(status)),
        Some(Report::NotStarted { message, errno }) => {
            Err(failed(format!("Could not start `{name}`: {message}."), hint(errno)))
        }
        None => {
            let pids = processes::end_rest(Pid::from_child(&child), PATIENCE, false);
            if !pids.is_empty() {
                return Err(left(&pids.into_iter().map(Pid::as_raw_pid).collect::<Vec<_>>()));
            }
            let how = guard.map_or_else(|error| error.to_string(), |status| status.to_string());
            let message = format!("The process that watches over `{name}` ended with {how}, and `{name}` with it.");
            Err(failed(message, "If nobody killed it, the kernel's out-of-memory killer did."))
        }
    }
}

/// What to do about a program that could not be started.
fn hint(errno: Option<i32>) -> &'static str {
    match errno.map(|errno| std::io::Error::from_raw_os_error(errno).kind()) {
        Some(std::io::ErrorKind::PermissionDenied) => "Let it be run: `chmod +x` the program.",
        Some(std::io::ErrorKind::ArgumentListTooLong) => "Write long arguments into a file, and name that in `files`.",
        _ => "Install the program or put it on the PATH.",
    }
}
