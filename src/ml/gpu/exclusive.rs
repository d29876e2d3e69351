//! One thread at a time asks something of a GPU.

use std::sync::{Mutex, PoisonError};

/// Calls `body` while no other thread does so. A GPU has one stream: what any thread copied or freed there while another
/// one records its work would become a part of that record. So all that records does so in turn with all that asks something
/// of a GPU from beside the thread that trains there.
pub fn in_turn<T>(body: impl FnOnce() -> T) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    body()
}
