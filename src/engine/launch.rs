//! Child processes: start, listen, stop.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Instant;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::failure::NodeFailure;
use super::job::{FRAME, Frame};
use crate::fsio;
use crate::hash::Digest;
use crate::program;

/// The command that runs a job file in a child process: this program's own `exec`.
///
/// # Errors
/// If this program's file cannot be found.
pub fn this_program(job: &Path) -> std::io::Result<Command> {
    let mut command = program::again()?;
    command.arg("exec").arg(job);
    Ok(command)
}

/// What the threads of a child carry to the one loop.
pub(super) enum Message {
    /// The child said this.
    Frame(Frame),
    /// The process ended and said all it had to say.
    Ended,
}

/// A child process at work.
pub(super) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    /// The action key that it makes.
    pub key: Digest,
    /// Its job folder.
    pub folder: PathBuf,
    /// When it was started.
    pub since: Instant,
    /// The last thing it said that ends a stage.
    pub verdict: Option<Frame>,
}

impl Running {
    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log.txt")
    }

    /// Asks it to stop at the next safe point. Its input stays open: the end of it says that this process is gone.
    pub fn ask_to_stop(&mut self) {
        // A child that is gone cannot be asked, and need not be.
        let _ = self.stdin.as_mut().map(|stdin| stdin.write_all(b"stop\n"));
    }

    /// Ends it and all that it started. It is not yet reaped, so the number is still its own.
    pub fn kill(&self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }

    /// Reaps it after [`Message::Ended`].
    pub fn reap(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait()
    }
}

/// Starts a child in a process group of its own, so that the terminal's Ctrl-C reaches only the parent, and threads
/// that carry what it says to `messages` under the number `node`.
pub(super) fn launch(
    mut command: Command,
    folder: &Path,
    key: Digest,
    node: usize,
    messages: &SyncSender<(usize, Message)>,
) -> Result<Running, NodeFailure> {
    let path = folder.join("log.txt");
    let mut log = fsio::append(&path)?;
    let stderr = fsio::append(&path)?;
    let program = command.get_program().to_string_lossy().into_owned();
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(stderr));
    let hint = "Check that the program is still where it was started from.";
    let mut child =
        command.spawn().map_err(|error| NodeFailure::setup(format!("Could not start `{program}`: {error}."), hint))?;
    let (stdin, stdout, pid) = (child.stdin.take(), child.stdout.take(), Pid::from_child(&child));
    let messages = messages.clone();
    thread::spawn(move || {
        let watch = thread::spawn(move || await_end(pid));
        if let Some(stdout) = stdout {
            listen(stdout, &mut log, &mut |frame| drop(messages.send((node, Message::Frame(frame)))));
        }
        let _ = watch.join();
        // The loop may have given up; then nobody needs to know.
        let _ = messages.send((node, Message::Ended));
    });
    Ok(Running { child, stdin, key, folder: folder.to_owned(), since: Instant::now(), verdict: None })
}

/// Waits until the process ended, leaving it unreaped, and ends what it left running: an orphan could hold its output
/// open for ever.
pub(super) fn await_end(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
    let _ = kill_process_group(pid, Signal::KILL);
}

/// Reads standard output to its end: frames go to `take`, everything else to the log.
fn listen(stdout: ChildStdout, log: &mut impl Write, take: &mut dyn FnMut(Frame)) {
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let at = line.iter().position(|&byte| byte == FRAME);
        let frame = at.and_then(|at| serde_json::from_slice(&line[at + 1..]).ok());
        let text = if frame.is_some() { &line[..at.unwrap_or(0)] } else { &line[..] };
        // A log that cannot be written is no reason to lose the result.
        let _ = log.write_all(text);
        frame.into_iter().for_each(&mut *take);
        line.clear();
    }
}
