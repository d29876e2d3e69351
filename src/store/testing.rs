//! What the tests of this room share.

use tempfile::TempDir;

use super::root::Store;

/// An empty store in a folder of its own, which goes with the first value.
pub(super) fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}
