//! Inner checkpoints of a training: its state in a file of the node's own, from which a killed run goes on.
//!
//! Invariants:
//! - the training waits for the copy of its state alone; a thread turns it into bytes and writes them;
//! - one is written at a time, whole or not at all, and replaces the one before it;
//! - the result of the thread is always read: a write that failed ends the training with its error.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::fsio;
use crate::hash::Digest;
use crate::stage::StageError;

/// The least time between the starts of two checkpoints.
const INTERVAL: Duration = Duration::from_secs(1);
/// The least time is also this multiple of the time that the training waited for the last checkpoint,
const WAIT_SHARE: u32 = 100;
/// and this multiple of the time that the thread took to write it.
const WRITE_SHARE: u32 = 50;

/// The checkpoints of a node in training.
pub struct Inner {
    path: PathBuf,
    began: Instant,
    waited: Duration,
    wrote: Duration,
    writing: Option<JoinHandle<Result<Written, StageError>>>,
}

/// A checkpoint on the disk.
struct Written {
    step: u64,
    took: Duration,
}

impl Inner {
    /// Checkpoints in the file at `path`, the first of them an interval from now.
    pub fn new(path: &Path) -> Self {
        let (waited, wrote) = (Duration::ZERO, Duration::ZERO);
        Inner { path: path.to_owned(), began: Instant::now(), waited, wrote, writing: None }
    }

    /// Whether it is time for the next one.
    pub fn due(&self) -> bool {
        let least = INTERVAL.max(self.waited * WAIT_SHARE).max(self.wrote * WRITE_SHARE);
        self.writing.is_none() && self.began.elapsed() >= least
    }

    /// Begins one: `copy` copies the state at `step`, for which the training waits, and what it returns makes the bytes
    /// on the thread. One that is still being written is waited for.
    pub fn begin<W>(&mut self, step: u64, copy: impl FnOnce() -> Result<W, StageError>) -> Result<(), StageError>
    where
        W: FnOnce() -> Result<Vec<u8>, StageError> + Send + 'static,
    {
        self.end()?;
        let (path, began) = (self.path.clone(), Instant::now());
        let bytes = copy()?;
        let write = move || {
            let began = Instant::now();
            let bytes = bytes()?;
            fsio::write_atomic_parts(&path, &[Digest::of(&bytes).as_bytes(), &bytes])?;
            Ok(Written { step, took: began.elapsed() })
        };
        let thread = thread::Builder::new().name("checkpoint".to_owned()).spawn(write);
        self.writing = Some(thread.map_err(|error| StageError::Bug(format!("No thread could be started: {error}.")))?);
        (self.began, self.waited) = (began, began.elapsed());
        Ok(())
    }

    /// The step of a checkpoint that has come to the disk since this was last asked.
    pub fn poll(&mut self) -> Result<Option<u64>, StageError> {
        if self.writing.as_ref().is_some_and(JoinHandle::is_finished) { self.end() } else { Ok(None) }
    }

    /// Waits for the one that is being written, and tells its step.
    pub fn end(&mut self) -> Result<Option<u64>, StageError> {
        let Some(writing) = self.writing.take() else { return Ok(None) };
        let written = writing.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        self.wrote = written.took;
        Ok(Some(written.step))
    }
}

impl Drop for Inner {
    /// A training that fails has its own error to tell; the thread is still waited for.
    fn drop(&mut self) {
        drop(self.writing.take().map(JoinHandle::join));
    }
}

/// What is at a checkpoint's path.
#[derive(Debug, PartialEq)]
pub enum Content {
    /// Nothing.
    Nothing,
    /// No file, or one whose digest is not right: it was written whole, so only a damaged disk makes it so. It has been
    /// removed, since it is no input of anything.
    Damaged,
    /// What was written.
    Whole(Vec<u8>),
}

/// The content of the checkpoint at `path`.
pub fn content(path: &Path) -> Result<Content, StageError> {
    let mut bytes = match fsio::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => return Ok(Content::Nothing),
        Err(error) if error.is_folder() => {
            fsio::remove_dir_all(path)?;
            return Ok(Content::Damaged);
        }
        Err(error) => return Err(error.into()),
    };
    if bytes.split_first_chunk::<32>().is_none_or(|(digest, rest)| Digest::of(rest).as_bytes() != digest) {
        fsio::remove_file(path)?;
        return Ok(Content::Damaged);
    }
    bytes.drain(..32);
    Ok(Content::Whole(bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn training_goes_on_while_one_is_written_and_only_one_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut inner = Inner::new(&path);
        let (go, held) = channel();
        inner.begin(3, || Ok(move || Ok(held.recv().map(|()| vec![3; 100]).unwrap()))).unwrap();
        assert_eq!((inner.poll(), inner.due(), content(&path)), (Ok(None), false, Ok(Content::Nothing)));
        go.send(()).unwrap();
        inner.begin(4, || Ok(|| Ok(vec![4; 9]))).unwrap();
        assert_eq!(inner.end(), Ok(Some(4)));
        assert_eq!((content(&path), inner.end()), (Ok(Content::Whole(vec![4; 9])), Ok(None)));
        inner.began -= 2 * INTERVAL;
        assert!(inner.due());
        inner.waited = INTERVAL;
        assert!(!inner.due());
    }

    #[test]
    fn a_write_that_fails_is_told_and_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut inner = Inner::new(&path);
        inner.begin(1, || Ok(|| Ok(vec![1]))).unwrap();
        inner.begin(2, || Ok(|| Err(StageError::Cancelled))).unwrap();
        assert_eq!(inner.begin(3, || Ok(|| Ok(vec![3]))), Err(StageError::Cancelled));
        assert_eq!(content(&path), Ok(Content::Whole(vec![1])));
        let mut nowhere = Inner::new(&path.join("file/in/a/file"));
        nowhere.begin(1, || Ok(|| Ok(vec![1]))).unwrap();
        assert!(matches!(nowhere.end(), Err(StageError::Io { .. })));
    }

    #[test]
    fn a_damaged_file_or_a_folder_in_its_place_is_told_once_and_the_next_one_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut inner = Inner::new(&path);
        inner.begin(1, || Ok(|| Ok(vec![7; 50]))).unwrap();
        inner.end().unwrap();
        let mut bytes = fsio::read(&path).unwrap();
        bytes[40] ^= 1;
        let damages: [&dyn Fn(); 3] = [
            &|| fsio::write_atomic(&path, &bytes).unwrap(),
            &|| fsio::write_atomic(&path, &bytes[..20]).unwrap(),
            &|| fsio::create_dir_all(&path.join("a")).unwrap(),
        ];
        for damage in damages {
            damage();
            assert_eq!((content(&path), content(&path)), (Ok(Content::Damaged), Ok(Content::Nothing)));
        }
        inner.begin(2, || Ok(|| Ok(vec![2]))).unwrap();
        assert_eq!(inner.end(), Ok(Some(2)));
    }
}
