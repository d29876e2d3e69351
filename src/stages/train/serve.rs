//! A rank's process: it hears from rank 0 what to train, and follows.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::follow::follow;
use super::ranks::{Order, device, told};
use crate::ml::parallel::{Ranks, Star};
use crate::ml::state::State;
use crate::stage::{Cancel, Event, Events, Job, StageError, typed};

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
    let result = obey(star()?);
    if let Err(error) = &result {
        let why = serde_json::to_string(error).unwrap_or_else(|_| error.to_string());
        star()?.fail(&why);
    }
    result
}

/// Takes the order of rank 0, and trains.
fn obey(mut star: Star) -> Result<(), StageError> {
    let order = star.broadcast(&[]).map_err(told)?;
    let order: Order = serde_json::from_slice(&order).map_err(|error| StageError::Bug(error.to_string()))?;
    let Order { params, inputs, roots, device: first, threads } = &order;
    let job = Job {
        read: &|_| None,
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
    follow(&typed::read(params)?, &job, &state, star)
}

/// Rank 0 alone says what happens.
struct Silent;

impl Events for Silent {
    fn emit(&self, _: Event) {}
}
