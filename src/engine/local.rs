//! Jobs as child processes of this one.
//!
//! Invariants:
//! - a child is in a process group of its own. So the terminal's Ctrl-C reaches only the parent, and all processes that the
//!   child started end with the child;
//! - a child ends with its parent, however the parent dies: the child sees the end of its standard input. No other pipe joins
//!   the two. What the child prints goes into its log, and what it says is read from its folder;
//! - what children say takes bounded memory in the parent: of several figures since the last reading, only the newest is kept.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::executor::{Executor, Exit, JobEvent, JobId, Stop};
use super::failure::NodeFailure;
use super::folder::{JOB, LOG};
use super::machine;
use super::said::Ear;
use crate::fsio;
use crate::program;
use crate::stage::{DeviceSpec, Kind, Registry, StageError, Value};

/// How often the messages of jobs are read.
const OFTEN: Duration = Duration::from_millis(100);

/// How many ends of children wait to be heard; more wait in their threads.
const UNHEARD: usize = 64;

/// The command that runs a job file in a child process: this program's own `exec`.
///
/// # Errors
/// If this program's file cannot be found.
pub fn this_program(job: &Path) -> std::io::Result<Command> {
    let mut command = program::again()?;
    command.arg("exec").arg(job);
    Ok(command)
}

/// Runs jobs on this machine.
pub(super) struct Local {
    launcher: fn(&Path) -> std::io::Result<Command>,
    children: BTreeMap<JobId, Running>,
    ears: BTreeMap<JobId, Ear>,
    heard: Instant,
    events: VecDeque<(JobId, JobEvent)>,
    sender: SyncSender<JobId>,
    ends: Receiver<JobId>,
}

/// A child process at work.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Local {
    pub fn new(launcher: fn(&Path) -> std::io::Result<Command>) -> Self {
        let (sender, ends) = sync_channel(UNHEARD);
        Local {
            launcher,
            children: BTreeMap::new(),
            ears: BTreeMap::new(),
            heard: Instant::now(),
            events: VecDeque::new(),
            sender,
            ends,
        }
    }

    /// Reads the new messages of all jobs.
    fn hear(&mut self) {
        self.heard = Instant::now();
        for (job, ear) in &mut self.ears {
            self.events.extend(ear.hear().into_iter().map(|event| (*job, JobEvent::Said(event))));
        }
    }

    /// Reads the last messages of a child that ended, and how it ended.
    fn end(&mut self, job: JobId) {
        let Some(mut running) = self.children.remove(&job) else { return };
        let exit = match running.child.wait() {
            Ok(status) => status.signal().map_or_else(|| Exit::Code(status.code().unwrap_or_default()), Exit::Signal),
            Err(error) => Exit::Unknown(error.to_string()),
        };
        let last = self.ears.remove(&job).map(|mut ear| ear.hear()).unwrap_or_default();
        self.events.extend(last.into_iter().map(|event| (job, JobEvent::Said(event))));
        self.events.push_back((job, JobEvent::Ended(exit)));
    }
}

impl Executor for Local {
    fn profile(&self, registry: &Registry, device: &DeviceSpec) -> Result<BTreeMap<String, String>, StageError> {
        (registry.numeric_profile)(device)
    }

    fn machine(&self, threads: usize) -> Result<BTreeMap<String, String>, StageError> {
        Ok(machine::measured(program::id()?, threads))
    }

    fn runs_on(&self, kind: &dyn Kind, params: &Value, device: &DeviceSpec) -> Result<(), StageError> {
        kind.runs_on(params, device)
    }

    fn submit(&mut self, job: JobId, folder: &Path) -> Result<(), NodeFailure> {
        let mut command = (self.launcher)(&folder.join(JOB))
            .map_err(|error| NodeFailure::setup(format!("Could not find this program's own file: {error}."), ""))?;
        let log = || fsio::append(&folder.join(LOG)).map(Stdio::from);
        command.process_group(0).stdin(Stdio::piped()).stdout(log()?).stderr(log()?);
        let program = command.get_program().to_string_lossy().into_owned();
        let hint = "Check that the program is still where it was started from.";
        let mut child = command
            .spawn()
            .map_err(|error| NodeFailure::setup(format!("Could not start `{program}`: {error}."), hint))?;
        let (stdin, pid, sender) = (child.stdin.take(), Pid::from_child(&child), self.sender.clone());
        thread::spawn(move || {
            await_end(pid);
            // The run may have given up; then nobody needs to know.
            let _ = sender.send(job);
        });
        self.children.insert(job, Running { child, stdin });
        self.ears.insert(job, Ear::new(folder));
        Ok(())
    }

    fn attach(&mut self, job: JobId, folder: &Path) {
        self.ears.insert(job, Ear::new(folder));
    }

    fn detach(&mut self, job: JobId) {
        if !self.children.contains_key(&job) {
            self.ears.remove(&job);
        }
    }

    fn next(&mut self, patience: Duration) -> Option<(JobId, JobEvent)> {
        let until = Instant::now() + patience;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let now = Instant::now();
            let pause = (self.heard + OFTEN).min(until).saturating_duration_since(now);
            match self.ends.recv_timeout(pause) {
                Ok(job) => self.end(job),
                Err(_) if self.heard.elapsed() >= OFTEN => self.hear(),
                Err(_) if Instant::now() >= until => return None,
                Err(_) => {}
            }
        }
    }

    fn cancel(&mut self, job: JobId, how: Stop) {
        let Some(Running { child, stdin }) = self.children.get_mut(&job) else { return };
        match how {
            // A child that is gone cannot be asked, and need not be. Its input stays open: the end of it says that this
            // process is gone.
            Stop::Soon => drop(stdin.as_mut().map(|stdin| stdin.write_all(b"stop\n"))),
            // It is not yet reaped, so the number is still its own.
            Stop::Now => drop(kill_process_group(Pid::from_child(child), Signal::KILL)),
        }
    }
}

/// Waits until the process ended, leaving it unreaped, and ends what it left running: an orphan could hold its output
/// open for ever.
pub(super) fn await_end(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
    let _ = kill_process_group(pid, Signal::KILL);
}
