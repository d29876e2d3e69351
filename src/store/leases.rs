//! Leases: the objects that living processes read or write.
//!
//! Leases are made for a collector of old objects. It would remove the objects that no record names and no lease lists
//! ([`Store::leased`]).
//!
//! Invariants:
//! - a lease is a file in `leases/` that lists digests. Its process holds a lock on the file, and removes the file when the
//!   lease ends. If the process died, nobody holds the lock, and the file is swept. No clock is asked;
//! - an object is leased before it is looked for, and until its last use. An object that is written is leased until the store
//!   is closed, so that a record can name it in the meantime;
//! - a collector takes the lock [`COLLECT`] before it lists the leases, and holds it until it has removed the objects. A
//!   process that leases an object in the meantime waits for this lock before it looks for the object. So either the object
//!   is leased in time, or the process sees that the object is gone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::blobs::Blobs;
use super::error::{Error, Result};
use super::lease_file::LeaseFile;
use super::root::Store;
use crate::fsio::{self, Lock};
use crate::hash::Digest;

/// The folder of leases.
pub(super) const FOLDER: &str = "leases";

/// The lock of the process that collects.
const COLLECT: &str = "collect";

/// An object that a job needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Its digest.
    pub digest: Digest,
    /// Its size, where it is known.
    pub bytes: Option<u64>,
}

/// How closely objects that are there are looked at. An object from a lower layer is always verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// Whether they are there.
    Skip,
    /// Whether they have their sizes, too.
    Fast,
    /// Whether their contents are what their names say.
    Full,
}

/// A lease that is held until it is dropped.
#[derive(Debug)]
pub struct Lease<'a> {
    store: &'a Store,
    held: Mutex<LeaseFile>,
}

/// The objects that living processes have leased. While it is held, no process leases more and goes on.
#[derive(Debug)]
pub struct Leased {
    digests: BTreeSet<Digest>,
    _lock: Lock,
}

impl Leased {
    /// Whether somebody uses the object.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }
}

impl Lease<'_> {
    /// The file of an object that this lease holds; none of others. It is for programs and libraries that read files: they
    /// must not write to it, nor use it when the lease is gone.
    pub fn path(&self, digest: &Digest) -> Option<PathBuf> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.lists(digest).then(|| self.store.objects.path(digest)).flatten()
    }

    /// Leases more objects, brings up those that only lower layers have, and looks at each as `validation` says.
    ///
    /// # Errors
    /// [`Error::Lacking`] names all that are missing or damaged; the disk's.
    pub fn ensure(&self, wanted: &[Wanted], validation: Validation) -> Result<()> {
        let digests: Vec<Digest> = wanted.iter().map(|wanted| wanted.digest).collect();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).add(&digests)?;
        let mut lacking = BTreeSet::new();
        for wanted in wanted {
            if !self.store.is_present(wanted, validation)? {
                lacking.insert(wanted.digest);
            }
        }
        if lacking.is_empty() { Ok(()) } else { Err(Error::Lacking(lacking.into_iter().collect())) }
    }
}

impl Store {
    /// Makes sure that objects are in the store's own folder, for a job that reads them, and leases them to it.
    ///
    /// # Errors
    /// As those of [`Lease::ensure`].
    pub fn ensure(&self, wanted: &[Wanted], validation: Validation) -> Result<Lease<'_>> {
        let lease = Lease { store: self, held: Mutex::new(self.lease_file()?) };
        lease.ensure(wanted, validation)?;
        Ok(lease)
    }

    /// Whether an object is in the store's own folder, as far as it is looked at.
    fn is_present(&self, wanted: &Wanted, validation: Validation) -> Result<bool> {
        let Wanted { digest, bytes } = wanted;
        if !self.bring_up(digest)? {
            return Ok(false);
        }
        let known = bytes.filter(|_| validation != Validation::Skip);
        if known.is_some_and(|bytes| self.objects.size(digest).is_ok_and(|found| found != bytes)) {
            self.quarantine(digest)?;
        } else if validation != Validation::Full || self.holds(digest)? {
            return Ok(true);
        }
        // A lower layer may have a sound one.
        self.bring_up(digest)
    }

    /// Leases an object that this store is about to write, until the store is closed.
    pub(super) fn lease_written(&self, digest: &Digest) -> Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.is_none() {
            *written = Some(self.lease_file()?);
        }
        Ok(written.as_mut().map_or(Ok(()), |held| held.add(&[*digest]))?)
    }

    fn lease_file(&self) -> Result<LeaseFile> {
        let folder = self.path().join(FOLDER);
        self.make_way(&folder.join("any"))?;
        Ok(LeaseFile::create(&folder, self.lock_path(COLLECT))?)
    }

    /// The objects that living processes have leased; none while another process collects. Until this is dropped, a process
    /// that leases another object waits. Leases of processes that died are removed.
    ///
    /// # Errors
    /// The disk's.
    pub fn leased(&self) -> Result<Option<Leased>> {
        let Some(lock) = self.take_lock(COLLECT)? else { return Ok(None) };
        let folder = self.path().join(FOLDER);
        fsio::sweep(&folder, false);
        let mut digests = BTreeSet::new();
        for name in self.names(&folder)? {
            match fsio::read_to_string(&folder.join(name)) {
                // Its process has just let it go.
                Err(error) if error.is_missing() => {}
                text => digests.extend(text?.lines().filter_map(|line| line.parse::<Digest>().ok())),
            }
        }
        Ok(Some(Leased { digests, _lock: lock }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::testing::store;

    fn wanted(digest: Digest, bytes: u64) -> Wanted {
        Wanted { digest, bytes: Some(bytes) }
    }

    #[test]
    fn what_is_read_or_written_is_leased_until_its_last_use() {
        let (dir, store) = store();
        let digest = store.put_bytes(b"abc").unwrap();
        let reader = Store::open(dir.path()).unwrap();
        let is_leased = || reader.leased().unwrap().unwrap().contains(&digest);
        assert!(is_leased(), "it was just written");
        drop(store);
        assert!(!is_leased());
        let lease = reader.ensure(&[wanted(digest, 3)], Validation::Full).unwrap();
        assert!(is_leased() && lease.path(&digest).is_some());
        assert_eq!(lease.path(&Digest::of(b"another")), None);
        drop(lease);
        assert!(!is_leased() && fsio::list(&dir.path().join(FOLDER)).unwrap().is_empty());
    }

    #[test]
    fn a_lease_of_a_process_that_died_is_swept_and_a_living_one_stays_whatever_its_age() {
        let (dir, store) = store();
        let digest = store.put_bytes(b"abc").unwrap();
        let lease = store.ensure(&[wanted(digest, 3)], Validation::Skip).unwrap();
        let folder = dir.path().join(FOLDER);
        let two_days = std::time::SystemTime::now() - Duration::from_secs(2 * 86_400);
        lease.held.lock().unwrap().file().file().set_modified(two_days).unwrap();
        let dead = folder.join(".0123456789ab-1-2.tmp");
        let other = Digest::of(b"other");
        fsio::write_atomic(&dead, format!("{other}\n").as_bytes()).unwrap();
        store.sweep_runs().unwrap();
        assert!(!fsio::exists(&dead) && fsio::list(&folder).unwrap().len() == 2);
        let leased = store.leased().unwrap().unwrap();
        assert!(leased.contains(&digest) && !leased.contains(&other));
        assert!(store.leased().unwrap().is_none(), "one collects at a time");
    }

    #[test]
    fn who_leases_while_somebody_collects_waits_and_then_sees_what_is_gone() {
        let (dir, store) = store();
        let digest = store.put_bytes(b"abc").unwrap();
        drop(store);
        let store = Store::open(dir.path()).unwrap();
        let leased = store.leased().unwrap().unwrap();
        assert!(!leased.contains(&digest));
        std::thread::scope(|scope| {
            let job = scope.spawn(|| store.ensure(&[wanted(digest, 3)], Validation::Fast).map(drop));
            while fsio::list(&dir.path().join(FOLDER)).unwrap_or_default().is_empty() {
                std::thread::yield_now();
            }
            fsio::remove_file(&store.objects.file(&digest)).unwrap();
            drop(leased);
            assert!(matches!(job.join().unwrap(), Err(Error::Lacking(all)) if all == [digest]));
        });
    }

    #[test]
    fn each_validation_sees_what_it_looks_at_and_all_that_is_lacking_is_told() {
        let (_dir, store) = store();
        let digests = [&b"abc"[..], b"defg", b"hijkl"].map(|bytes| store.put_bytes(bytes).unwrap());
        let all = [wanted(digests[0], 3), wanted(digests[1], 4), wanted(digests[2], 5)];
        let gone = |validation| match store.ensure(&all, validation) {
            Err(Error::Lacking(lacking)) => lacking.len(),
            result => result.map(|_| 0).unwrap(),
        };
        fsio::write_atomic(&store.objects.file(&digests[1]), b"defx").unwrap();
        fsio::write_atomic(&store.objects.file(&digests[2]), b"hij").unwrap();
        assert_eq!(gone(Validation::Skip), 0);
        assert_eq!(gone(Validation::Fast), 1, "a size is wrong");
        store.put_bytes(b"hijkl").unwrap();
        assert_eq!(gone(Validation::Full), 1, "a content is wrong");
        fsio::remove_file(&store.objects.file(&digests[0])).unwrap();
        let error = store.ensure(&all, Validation::Skip).unwrap_err().to_string();
        assert!(error.contains(&digests[0].to_string()) && error.contains(&digests[1].to_string()), "{error}");
    }
}
