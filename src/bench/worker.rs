//! A process that makes passes of a [`Workload`] when it is told to: both ends of what is said between it and the process
//! that started it.
//!
//! Each message is a line of JSON. The worker says [`Ready`]. Then it answers each empty line with the [`Pass`] that it has
//! made. When its input ends, it says what it held and chose ([`Ended`]).
//!
//! Invariants:
//! - a worker does nothing while nobody waits for it, so that it disturbs no other measurement;
//! - a worker ends with the process that started it, also in the middle of a pass: its input ends then.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::workload::{Work, Workload, WorkloadSpec};
use crate::fsio;
use crate::ml::cpu::memory;
use crate::ml::error::Error;
use crate::ml::gpu::chosen::{ChosenAlgorithm, chosen};
use crate::ml::gpu::counts::{self, Counts};
use crate::ml::numerics::Numerics;
use crate::program;

/// The hidden command of this program that is a worker. Its argument is an [`Order`] as JSON.
pub const COMMAND: &str = "bench-worker";

/// How often a process that waits for a worker looks whether it is to stop.
const OFTEN: Duration = Duration::from_millis(50);

/// What a worker is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The work.
    pub workload: WorkloadSpec,
    /// The number of the GPU that does it; none: the processor does.
    pub gpu: Option<usize>,
    /// In which precision, and whether always in one order.
    pub numerics: Numerics,
    /// How many threads compute.
    pub threads: usize,
}

impl Order {
    /// What is done, in words: `training with Average`.
    pub fn in_words(&self) -> String {
        let work = match self.workload.work {
            Work::Training => "training",
            Work::Prediction => "prediction",
        };
        format!("{work} with {}", self.workload.model.prefilter.name)
    }
}

/// What a worker says of its work before it begins.
#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    parameters: u64,
    operations: u64,
}

/// What one pass took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Pass {
    /// Its seconds.
    pub seconds: f64,
    /// What it asked of a GPU.
    pub asked: Counts,
}

/// What a worker says of itself when it ends.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ended {
    /// The most memory that it held, in bytes; none where the system does not tell.
    pub memory: Option<u64>,
    /// How its convolutions were computed on a GPU.
    pub algorithms: Vec<ChosenAlgorithm>,
}

/// Why a worker gives no answer.
#[derive(Debug)]
pub enum Fault {
    /// Its process could not be started.
    Start(std::io::Error),
    /// Its process ended early. What it said of that is on standard error.
    Ended(Option<ExitStatus>),
    /// Whoever waited for it was asked to stop.
    Stopped,
    /// An error of the program.
    Bug(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Start(error) => write!(f, "could not be started: {error}"),
            Fault::Ended(Some(status)) => write!(f, "ended early ({status})"),
            Fault::Ended(None) => f.write_str("ended early"),
            Fault::Stopped => f.write_str("was stopped"),
            Fault::Bug(what) => f.write_str(what),
        }
    }
}

/// A worker, seen by the process that started it. It ends when this is dropped.
pub struct Worker<'a> {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stop: &'a dyn Fn() -> bool,
    /// Numbers that training changes.
    pub parameters: u64,
    /// Floating-point operations of a pass.
    pub operations: u64,
}

impl<'a> Worker<'a> {
    /// Starts a process and waits until it is ready. While `stop` says so, nothing is waited for.
    ///
    /// # Errors
    /// The process does not start, ends early, or is stopped.
    pub fn start(order: &Order, stop: &'a dyn Fn() -> bool) -> Result<Self, Fault> {
        let order = serde_json::to_string(order).map_err(|error| Fault::Bug(error.to_string()))?;
        let mut command = program::again().map_err(Fault::Start)?;
        command.arg(COMMAND).arg(order).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(Fault::Start)?;
        let stdin = child.stdin.take();
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            // The thread ends with the output of the process, or when nobody hears it any more.
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let mut worker = Worker { child, stdin, lines, stop, parameters: 0, operations: 0 };
        Ready { parameters: worker.parameters, operations: worker.operations } = worker.hear()?;
        Ok(worker)
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Has one pass made.
    ///
    /// # Errors
    /// The process ends early, or is stopped.
    pub fn pass(&mut self) -> Result<Pass, Fault> {
        // A worker that is gone is told of when it gives no answer.
        let _ = self.stdin.as_mut().map(|stdin| stdin.write_all(b"\n"));
        self.hear()
    }

    /// Ends the process.
    ///
    /// # Errors
    /// The process ended early, or is stopped.
    pub fn end(mut self) -> Result<Ended, Fault> {
        drop(self.stdin.take());
        self.hear()
    }

    fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Fault> {
        let line = loop {
            if (self.stop)() {
                return Err(Fault::Stopped);
            }
            match self.lines.recv_timeout(OFTEN) {
                Ok(line) => break Some(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        match line.and_then(|line| serde_json::from_str(&line).ok()) {
            Some(heard) => Ok(heard),
            None => Err(Fault::Ended(self.child.wait().ok())),
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        // It ends by itself, and at once; how, nobody asks any more.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// Why a worker cannot do its work.
#[derive(Debug)]
pub enum Refusal {
    /// The numerics refuse.
    Numerics(Error),
    /// An error of the program.
    Bug(String),
}

/// Is a worker: does the order that is given as JSON, as standard input says, and gives each line of its answers to `say`.
///
/// # Errors
/// The order does not read, the device is missing, or a pass fails.
pub fn serve(order: &str, say: impl Fn(&str)) -> Result<(), Refusal> {
    memory::keep_freed();
    let bug = |error: &dyn fmt::Display| Refusal::Bug(error.to_string());
    let Order { workload, gpu, numerics, threads } = serde_json::from_str(order).map_err(|error| bug(&error))?;
    let at_work = Arc::new(AtomicBool::new(true));
    let orders = orders(&at_work);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| bug(&error))?;
    let device = numerics.device(gpu).map_err(Refusal::Numerics)?;
    let mut workload = pool.install(|| Workload::new(workload, &device)).map_err(Refusal::Numerics)?;
    let parameters = workload.network().parameters().inventory().trainable_len() as u64;
    let operations = workload.operations();
    at_work.store(false, Ordering::SeqCst);
    say(&json(&Ready { parameters, operations })?);
    for () in orders {
        let (before, start) = (counts::now(), Instant::now());
        pool.install(|| workload.run()).map_err(Refusal::Numerics)?;
        let pass = Pass { seconds: start.elapsed().as_secs_f64(), asked: counts::now().since(before) };
        at_work.store(false, Ordering::SeqCst);
        say(&json(&pass)?);
    }
    let algorithms = chosen(&device).map_err(Refusal::Numerics)?;
    say(&json(&Ended { memory: fsio::peak_memory(), algorithms })?);
    Ok(())
}

fn json(what: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(what).map_err(|error| Refusal::Bug(error.to_string()))
}

/// The orders that come by standard input. If it ends while the worker is at work, whoever wanted the answer is gone, and so
/// the process ends.
fn orders(at_work: &Arc<AtomicBool>) -> Receiver<()> {
    let (sender, orders) = channel();
    let at_work = at_work.clone();
    thread::spawn(move || {
        for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
            at_work.store(true, Ordering::SeqCst);
            if sender.send(()).is_err() {
                return;
            }
        }
        if at_work.load(Ordering::SeqCst) {
            std::process::exit(1);
        }
    });
    orders
}
