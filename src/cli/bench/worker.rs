//! A process that works when told to: both ends of what is said between it and `repro bench`.
//!
//! A line of JSON each: the worker says [`Ready`], then for each empty line that comes the seconds of one pass, and, when
//! its input ends, the most memory that it held.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Instant;

use clap::Args;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::bench::workload::{Work, Workload, WorkloadSpec};
use crate::cli::exit::Exit;
use crate::cli::{Failure, fail, print};
use crate::ml::cpu::memory;
use crate::ml::error::Error;
use crate::ml::numerics::Numerics;
use crate::program;
use crate::stage::DeviceSpec;

/// The arguments of the worker.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// The order, as JSON.
    order: String,
}

/// What a worker is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The work.
    pub workload: WorkloadSpec,
    /// Where to do it.
    pub device: DeviceSpec,
    /// In which precision, and whether always in one order.
    pub numerics: Numerics,
    /// How many threads compute.
    pub threads: usize,
}

/// What a worker says of its work before it begins.
#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    parameters: u64,
    operations: u64,
}

/// A worker, seen from outside. It ends when dropped, since its input does.
pub struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    what: String,
    /// Numbers that training changes.
    pub parameters: u64,
    /// Floating-point operations of a pass.
    pub operations: u64,
}

impl Worker {
    /// Starts a process and waits until it is ready.
    pub fn start(order: &Order) -> Result<Self, Failure> {
        let work = match order.workload.work {
            Work::Training => "training",
            Work::Prediction => "prediction",
        };
        let what = format!("{work} with {}", order.workload.model.prefilter.name);
        let failed =
            |error: std::io::Error| fail(Exit::Storage, format!("No process for {what} could be started: {error}."));
        let order = serde_json::to_string(order).map_err(|error| fail(Exit::Bug, error.to_string()))?;
        let mut command = program::again().map_err(failed)?;
        command.arg("bench-worker").arg(order).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdout = stdout.ok_or_else(|| fail(Exit::Bug, "A worker has no output."))?;
        let lines = BufReader::new(stdout).lines();
        let mut worker = Worker { child, stdin, lines, what, parameters: 0, operations: 0 };
        Ready { parameters: worker.parameters, operations: worker.operations } = worker.hear()?;
        Ok(worker)
    }

    /// Has one pass made, and gives its seconds.
    pub fn pass(&mut self) -> Result<f64, Failure> {
        // A worker that is gone is told of when it gives no answer.
        let _ = self.stdin.as_mut().map(|stdin| stdin.write_all(b"\n"));
        self.hear()
    }

    /// Ends the process, and gives the most memory that it held, in bytes.
    pub fn end(mut self) -> Result<Option<u64>, Failure> {
        drop(self.stdin.take());
        self.hear()
    }

    fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let line = self.lines.next().and_then(Result::ok);
        if let Some(heard) = line.and_then(|line| serde_json::from_str(&line).ok()) {
            return Ok(heard);
        }
        let status = self.child.wait().map_or(String::new(), |status| format!(" ({status})"));
        let hint =
            "Less memory is needed for fewer of `--prefilter`, a smaller `--size` or `--batch`, or `--recompute 6`.";
        Err(fail(Exit::Stage, format!("The process for {} ended early{status}.", self.what)).hint(hint))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It ends by itself; how, nobody asks any more.
        let _ = self.child.wait();
    }
}

/// The worker itself.
pub fn serve(args: &WorkerArgs) -> Result<Exit, Failure> {
    memory::keep_freed();
    let order = serde_json::from_str::<Order>(&args.order);
    let Order { workload, device, numerics, threads } =
        order.map_err(|error| fail(Exit::Usage, format!("{error}.")))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| fail(Exit::Bug, format!("No threads could be started: {error}.")))?;
    let refused = |error: Error| {
        let exit = if matches!(error, Error::Device { .. }) { Exit::Device } else { Exit::Stage };
        fail(exit, error.to_string()).hint(error.hint())
    };
    let device = numerics.device(device.gpu()).map_err(refused)?;
    let mut workload = pool.install(|| Workload::new(workload, &device)).map_err(refused)?;
    let parameters = workload.network().parameters().inventory().trainable_len() as u64;
    say(&Ready { parameters, operations: workload.operations() })?;
    for line in std::io::stdin().lock().lines() {
        if line.is_err() {
            break;
        }
        let start = Instant::now();
        pool.install(|| workload.run()).map_err(refused)?;
        say(&start.elapsed().as_secs_f64())?;
    }
    say(&crate::fsio::peak_memory())?;
    Ok(Exit::Success)
}

fn say(what: &impl Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string(what).map_err(|error| fail(Exit::Bug, error.to_string()))?);
    Ok(())
}
