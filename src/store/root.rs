//! The folder of a store: how files come to their places in it, and what is done with files that are out of place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::blobs::{Blobs, LocalBlobs};
use super::lease_file::LeaseFile;
use crate::fsio::{self, Found, Moved, Temporary};
use crate::hash::Digest;

/// The most characters of its path in the name of a file that is set aside: with the time, the name stays below the 255
/// bytes that file systems allow.
const ASIDE: usize = 50;

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// For work.
    Work,
    /// For a look: nothing is changed but the memory of digests.
    View,
    /// For a look at nothing: there is no store, and none is made.
    Absent,
}

/// An open store. Cheap; several processes and threads may use one store at once.
#[derive(Debug)]
pub struct Store {
    pub(super) root: PathBuf,
    /// The objects of its own.
    pub(super) objects: LocalBlobs,
    /// Where objects are looked for that it does not have, in this order.
    pub(super) lower: Vec<Box<dyn Blobs>>,
    /// The lease on what it wrote.
    pub(super) written: Mutex<Option<LeaseFile>>,
    pub(super) access: Access,
    pub(super) notices: Mutex<Vec<String>>,
    /// Trees all of whose files were there when they were last looked for.
    pub(super) whole: Mutex<BTreeSet<Digest>>,
}

impl Store {
    /// The store in the folder `root` above these layers.
    pub(super) fn at(root: PathBuf, lower: Vec<Box<dyn Blobs>>, access: Access) -> Self {
        Store {
            objects: LocalBlobs::new(root.join("objects")),
            root,
            lower,
            written: Mutex::default(),
            access,
            notices: Mutex::default(),
            whole: Mutex::default(),
        }
    }

    /// The absolute path of the store's folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The folder of inner checkpoints for an action key.
    pub fn scratch(&self, key: &Digest) -> PathBuf {
        self.root.join("scratch").join(key.to_string())
    }

    /// The folder of all jobs of a run, each below it by action key.
    pub fn jobs(&self, run: &str) -> PathBuf {
        self.root.join("jobs").join(run)
    }

    /// The folder of the job for an action key that the newest run but `own` has begun; none where there is none.
    ///
    /// # Errors
    /// The disk's.
    pub fn job_of_others(&self, key: &Digest, own: &str) -> fsio::Result<Option<PathBuf>> {
        let key = key.to_string();
        for run in self.names(&self.root.join("jobs"))?.iter().rev().filter(|run| *run != own) {
            let jobs = self.names(&self.jobs(run))?;
            if let Some(job) = jobs.iter().rev().find(|job| job.starts_with(&key)) {
                return Ok(Some(self.jobs(run).join(job)));
            }
        }
        Ok(None)
    }

    /// The notices since the last call, as sentences for the user.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn is_whole(&self, tree: &Digest) -> bool {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).contains(tree)
    }

    pub(super) fn note_whole(&self, tree: Digest) {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).insert(tree);
    }

    pub(super) fn notice(&self, text: String) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// A file in `tmp/` that is for `place`.
    pub(super) fn temporary(&self, place: &Path) -> fsio::Result<Temporary> {
        let folder = self.root.join("tmp");
        self.make_way(&folder.join("any"))?;
        Temporary::create(&folder, place)
    }

    /// Writes `bytes` at `path` inside the store: whole or not at all.
    pub(super) fn place(&self, path: &Path, bytes: &[u8]) -> fsio::Result<()> {
        let mut temporary = self.temporary(path)?;
        temporary.add(bytes)?;
        self.make_way(path)?;
        temporary.place(path)
    }

    /// As [`Store::place`], but what is at `path` stays. Whether the file came there.
    pub(super) fn place_new(&self, path: &Path, bytes: &[u8]) -> fsio::Result<bool> {
        let mut temporary = self.temporary(path)?;
        temporary.add(bytes)?;
        self.make_way(path)?;
        temporary.place_new(path)
    }

    /// Sets aside what is in the way of a file at `path` inside the store: a folder in its place, and files in the place of
    /// its folders.
    ///
    /// # Errors
    /// The disk's.
    pub fn make_way(&self, path: &Path) -> fsio::Result<()> {
        let folder = match fsio::found(path)? {
            Found::Folder => Some(true),
            Found::Link if fsio::is_folder(path) => Some(false),
            _ => None,
        };
        if let Some(folder) = folder {
            self.set_aside_as(path, "A folder in the place of a file", folder)?;
        }
        for above in path.ancestors().skip(1).take_while(|above| above.starts_with(&self.root)) {
            // One look tells. After it, somebody else may make the folder that is missing: it must not be set aside with all that
            // is in it.
            match fsio::stat(above) {
                Ok(stat) if stat.is_dir => break,
                Ok(_) => drop(self.set_aside_as(above, "A file in the place of a folder", false)?),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// The names in one of the store's folders, sorted; none if there is no such folder. The store gives no names but
    /// UTF-8, so others are set aside.
    pub(super) fn names(&self, folder: &Path) -> fsio::Result<Vec<String>> {
        let entries = match fsio::entries(folder) {
            Err(error) if error.is_absent() => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::with_capacity(entries.len());
        for name in entries {
            match name.into_string() {
                Ok(name) => names.push(name),
                Err(name) => drop(self.set_aside(&folder.join(name), "A file whose name is not UTF-8")?),
            }
        }
        Ok(names)
    }

    /// Moves what is damaged or out of place into `quarantine/` and says where it is now: none if another process was quicker.
    /// In a view it stays.
    pub(super) fn set_aside(&self, path: &Path, what: &str) -> fsio::Result<Option<PathBuf>> {
        self.set_aside_as(path, what, fsio::found(path)? == Found::Folder)
    }

    /// As [`Store::set_aside`], but only if what is there is still a folder, or is still none.
    fn set_aside_as(&self, path: &Path, what: &str, folder: bool) -> fsio::Result<Option<PathBuf>> {
        // It may have been a file of any tree.
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if self.access != Access::Work {
            self.notice(format!("{what} is damaged: `{}`. The next run sets it aside.", path.display()));
            return Ok(Some(path.to_owned()));
        }
        let name = path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('/', "-");
        let name: String = name.chars().take(ASIDE).collect();
        let quarantine = self.root.join("quarantine");
        let mut n = fsio::now();
        let aside = loop {
            let aside = quarantine.join(format!("{name}.{n:x}"));
            match fsio::rename_as_seen(path, &aside, folder) {
                Ok(Moved::Yes) => break aside,
                Ok(Moved::Taken) => n += 1,
                // The quicker one has told it.
                Ok(Moved::Gone) => return Ok(None),
                // What may not be written counts as not there, and stays.
                Err(error) if error.is_denied() => {
                    self.notice(format!("{what} was damaged: {error}"));
                    return Ok(Some(path.to_owned()));
                }
                Err(error) => return Err(error),
            }
        };
        self.notice(format!("{what} was damaged and has been set aside at `{}`.", aside.display()));
        Ok(Some(aside))
    }

    /// Removes what killed processes left in `tmp/`.
    pub(super) fn sweep(&self) {
        fsio::sweep(&self.root.join("tmp"), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_living_process_writes_is_not_swept_whatever_its_age() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut living = store.temporary(&store.path().join("runs/a")).unwrap();
        let two_days = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 86_400);
        living.file().set_modified(two_days).unwrap();
        Store::open(dir.path()).unwrap();
        living.place(&store.path().join("runs/a")).unwrap();
    }

    /// Eight writers at once put something into each of 200 stores that `prepare` has begun. Nothing may be lost, and what
    /// `told` is all that they say.
    fn put_at_once(prepare: impl Fn(&Path), told: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..200_u32 {
            let store = Store::open(&dir.path().join(round.to_string())).unwrap();
            prepare(store.path());
            let put = |writer: u32| store.put_bytes(&writer.to_le_bytes()).unwrap();
            let digests: Vec<_> = std::thread::scope(|scope| {
                let writers: Vec<_> = (0..8).map(|writer| scope.spawn(move || put(writer))).collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).collect()
            });
            let notices = store.take_notices();
            let told_of = notices.len() == told.len() && notices.iter().zip(told).all(|(is, of)| is.starts_with(of));
            assert!(told_of, "round {round}: {notices:?}");
            assert!(digests.iter().all(|digest| store.contains(digest)), "round {round}");
        }
    }

    /// Whoever comes second must not take the folder that the first one has just made for something in its place.
    #[test]
    fn writers_of_an_empty_store_set_nothing_aside() {
        put_at_once(|_| {}, &[]);
    }

    #[test]
    fn writers_of_a_store_set_aside_once_what_is_in_the_place_of_a_folder() {
        let in_the_way = |store: &Path| {
            fsio::remove_dir_all(&store.join("objects")).unwrap();
            fsio::write_atomic(&store.join("objects"), b"a file").unwrap();
        };
        put_at_once(in_the_way, &["A file in the place of a folder"]);
    }
}
