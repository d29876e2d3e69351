//! One thread at a time asks something of a GPU.

use std::sync::{Mutex, PoisonError};

/// Calls `body` while no other thread is in a call of this function.
///
/// A GPU has one stream. While a thread captures its work there, whatever another thread copied or freed on that stream would
/// become a part of the captured work. So every capture goes through here, and so does everything that asks a GPU from another
/// thread than the one that trains.
pub fn exclusively<T>(body: impl FnOnce() -> T) -> T {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    body()
}
