//! The store: content-addressed objects, action records, run records, locks, and the remembered digests of external files.
//!
//! Invariants:
//! - an object is named by the BLAKE3 digest of its bytes, is read-only, appears whole or not at all, and is
//!   verified whenever it is read back; a corrupt object is set aside in `quarantine/` and not read again;
//! - a record's first line is the digest of the rest. So a record that was cut off or changed is noticed: it is set aside
//!   and counts as absent;
//! - everything is written in `tmp/`, synced, and renamed into its place. If a process is killed at any moment, the next
//!   process can use the store as it is;
//! - what a living process writes is never swept, whatever any clock says;
//! - a read-only store serves what is in it, and a store that is only viewed ([`Store::view`]) stays as it is;
//! - every stored format carries a version. A newer version is refused, and the error says so;
//! - the store knows no pipeline and no stage kind. Only the ids of runs hold a time, and no decision depends on it;
//! - the bytes of objects may lie in layers below the store's own folder; nothing above [`Blobs`] knows this (`blobs.rs`,
//!   `layers.rs`). A remote store would be one more layer;
//! - an object that a living process reads or writes is leased (`leases.rs`). A collector of old objects would read the
//!   leases, and take its costs from [`Store::costs`];
//! - what each job did is recorded once and never changed (`executions.rs`);
//! - when a run begins, it removes what killed processes left, if nobody holds it (`sweep.rs`).
//!
//! ```text
//! .repro/
//!   format              "repro store 1"
//!   objects/ab/cdef…    blobs; a tree is a blob that lists its files
//!   actions/ab/….json   what a node with that action key made
//!   executions/<run>/   what each job of that run did, one record for each job
//!   runs/….json         run records, by number and id; ….nodes beside it while the run goes on
//!   runs/….events       the event log of a run that had something to do, one line for each event
//!   layers              optional: the stores that are lower layers, one folder on each line
//!   leases/             which objects living processes use
//!   locks/              one file for each lock, held by a living process
//!   scratch/<key>/      inner checkpoints of a node that is not finished
//!   jobs/<run>/<key>/   job.json, log.txt, events, and while it runs out/ and temp/
//!   externals/          digests of files outside the store, by size, times and inode
//!   quarantine/, tmp/
//! ```

mod actions;
mod blobs;
mod costs;
mod error;
mod executions;
mod fingerprints;
mod layers;
mod lease_file;
mod leases;
mod lists;
mod locks;
mod objects;
mod opening;
mod puts;
mod reader;
mod records;
mod root;
mod runs;
mod sweep;
#[cfg(test)]
mod testing;
mod time;
mod trees;
mod trial;

pub use actions::ActionRecord;
pub use blobs::{Blobs, LocalBlobs};
pub use costs::{Cost, Costs};
pub use error::{Error, Result};
pub use executions::{Execution, ExecutionId, Verdict};
pub use fingerprints::Fingerprints;
pub use leases::{Lease, Leased, Validation, Wanted};
pub use reader::Reader;
pub use root::Store;
pub use runs::{
    FoundRun, Journal, NodeFigures, PassedRun, RunClaim, RunLine, RunNodeRecord, RunRecord, RunStatus, RunSummary,
    Status,
};
pub use time::rfc3339;
pub use trees::TreeEntry;
pub use trial::Tried;

pub use crate::fsio::Lock;
