//! The processes of a training: the one that the engine started is rank 0, and starts the others of this program.
//!
//! Invariants:
//! - only rank 0 reads and writes the training's state, its log and its checkpoints: the others are sent the state that
//!   they start from, and leave nothing behind;
//! - a rank that fails tells rank 0 why, in full, and rank 0 fails with that error;
//! - the other ranks never outlive rank 0.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde::{Deserialize, Serialize};

use crate::ml::error::Error;
use crate::ml::numerics::Numerics;
use crate::ml::parallel::{self, Alone, Ranks, Star};
use crate::ml::state::State;
use crate::ml::train::Trainer;
use crate::program;
use crate::stage::{Cancel, DeviceSpec, Event, Events, InputNode, Job, StageError, Value};

use super::support;
use super::training;

/// What another rank needs to know of the job.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    params: Value,
    inputs: BTreeMap<String, Vec<InputNode>>,
    #[serde(with = "crate::fsio::exact::map")]
    roots: BTreeMap<String, PathBuf>,
    device: DeviceSpec,
    threads: usize,
}

/// The other ranks of a training. When it is dropped they end.
pub struct Crew {
    star: Option<Star>,
    others: Others,
}

/// Processes that end when this is dropped. What they have is of no use by then.
struct Others(Vec<Child>);

impl Drop for Others {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // One that has ended already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The device of a rank: its own GPU, counted from the job's on, or the processor that all share.
fn device(first: &DeviceSpec, rank: usize) -> DeviceSpec {
    match first {
        DeviceSpec::Cpu => DeviceSpec::Cpu,
        DeviceSpec::Cuda(number) => DeviceSpec::Cuda(number + rank),
    }
}

/// The threads of each of `size` ranks.
pub fn threads(all: usize, size: usize) -> usize {
    (all / size).max(1)
}

impl Crew {
    /// Starts the ranks of a training but this one.
    pub fn start(size: usize) -> Result<Self, StageError> {
        let failed = |error: std::io::Error| StageError::Io {
            message: format!("A process of the training could not be started: {error}."),
            hint: "Train with fewer `ranks`, or end other programs.".to_owned(),
            full: false,
        };
        let (mut links, mut others) = (Vec::new(), Others(Vec::new()));
        for rank in 1..size {
            let (ours, theirs) = UnixStream::pair().map_err(failed)?;
            let mut command = program::again().map_err(failed)?;
            command.arg("rank").arg(rank.to_string()).arg(size.to_string());
            command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
            others.0.push(command.spawn().map_err(failed)?);
            links.push(ours);
        }
        let star = if links.is_empty() { None } else { Some(Star::hub(links).map_err(told)?) };
        Ok(Crew { star, others })
    }

    /// Gives the others the job and the trainer's state, and the trainer the others, which compute as `numerics` say.
    pub fn join(&mut self, job: &Job<'_>, trainer: &mut Trainer, numerics: Numerics) -> Result<(), StageError> {
        let Some(mut star) = self.star.take() else {
            trainer.ranks = Box::new(Alone);
            return Ok(());
        };
        let order = Order {
            params: job.params.clone(),
            inputs: job.inputs.clone(),
            roots: job.roots.clone(),
            device: *job.device,
            threads: threads(job.threads, self.others.0.len() + 1),
        };
        star.broadcast(&serde_json::to_vec(&order).map_err(|error| StageError::Bug(error.to_string()))?)
            .map_err(told)?;
        star.broadcast(&State::write(trainer, &BTreeMap::new()).map_err(told)?).map_err(told)?;
        trainer.ranks = parallel::joined(star, trainer.network.device(), numerics).map_err(told)?;
        Ok(())
    }
}

/// An error of the numerics; that of another rank as it said it.
fn told(error: Error) -> StageError {
    support::ml_error(error, "the ranks")
}

/// Is rank `rank` of `size` of a training, joined to rank 0 by standard input.
///
/// # Errors
/// What ended the training here, or in another rank.
pub fn serve(rank: usize, size: usize) -> Result<(), StageError> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned();
    let socket = socket.map_err(|error| StageError::Bug(format!("The rank has no socket: {error}.")))?;
    let again = |socket: &OwnedFd| socket.try_clone().map(UnixStream::from);
    let star = || {
        let socket = again(&socket).map_err(|error| StageError::Bug(format!("The rank has no socket: {error}.")))?;
        Star::spoke(rank, size, socket).map_err(told)
    };
    let result = follow(star()?);
    if let Err(error) = &result {
        let why = serde_json::to_string(error).unwrap_or_else(|_| error.to_string());
        star()?.fail(&why);
    }
    result
}

fn follow(mut star: Star) -> Result<(), StageError> {
    let order = star.broadcast(&[]).map_err(told)?;
    let order: Order = serde_json::from_slice(&order).map_err(|error| StageError::Bug(error.to_string()))?;
    let Order { params, inputs, roots, device: first, threads } = &order;
    let job = Job {
        params,
        inputs,
        files: &BTreeMap::new(),
        roots,
        out: Path::new(""),
        temp: Path::new(""),
        scratch: Path::new(""),
        device: &device(first, star.rank()),
        threads: *threads,
        events: &Silent,
        cancel: &Cancel::default(),
    };
    let state = star.broadcast(&[]).and_then(|state| State::read(&state)).map_err(told)?;
    training::follow(&job, &state, star)
}

/// Rank 0 alone says what happens.
struct Silent;

impl Events for Silent {
    fn emit(&self, _: Event) {}
}
