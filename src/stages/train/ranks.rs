//! The processes of a training: the one that the engine started is rank 0, and starts the others of this program.
//!
//! Invariants:
//! - only rank 0 reads and writes the training's state, its log and its checkpoints: the others are sent the state that
//!   they start from, and leave nothing behind;
//! - a rank that fails sends its whole error to rank 0, which fails with the same;
//! - the other ranks never outlive rank 0.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde::{Deserialize, Serialize};

use crate::ml::error::Error;
use crate::ml::parallel::{self, Ranks, Star};
use crate::ml::state::State;
use crate::ml::train::Trainer;
use crate::program;
use crate::stage::{DeviceSpec, InputNode, Job, Param, StageError, Value};
use crate::stages::params::train::TrainParams;
use crate::stages::support;

/// What another rank needs to know of the job.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// The parameters of the node.
    pub params: Value,
    /// Its inputs.
    pub inputs: BTreeMap<String, Vec<InputNode>>,
    /// The data roots.
    #[serde(with = "crate::fsio::exact::map")]
    pub roots: BTreeMap<String, PathBuf>,
    /// The device of rank 0.
    pub device: DeviceSpec,
    /// The threads of each rank.
    pub threads: usize,
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
pub fn device(first: &DeviceSpec, rank: usize) -> DeviceSpec {
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

    /// Sends the job, with the parameters `p`, and the trainer's state to the other ranks, and joins the trainer with them.
    pub fn join(&mut self, job: &Job<'_>, p: &TrainParams, trainer: &mut Trainer) -> Result<(), StageError> {
        let Some(mut star) = self.star.take() else { return Ok(()) };
        let order = Order {
            params: p.write(),
            inputs: job.inputs.clone(),
            roots: job.roots.clone(),
            device: *job.device,
            threads: threads(job.threads, self.others.0.len() + 1),
        };
        star.broadcast(&serde_json::to_vec(&order).map_err(|error| StageError::Bug(error.to_string()))?)
            .map_err(told)?;
        star.broadcast(&State::write(trainer, &BTreeMap::new()).map_err(told)?).map_err(told)?;
        trainer.join(parallel::joined(star, trainer.network.device(), p.numerics()).map_err(told)?);
        Ok(())
    }
}

/// An error of the numerics; that of another rank as it said it.
pub fn told(error: Error) -> StageError {
    support::ml_error(error, "the ranks")
}
