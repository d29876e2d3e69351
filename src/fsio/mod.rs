//! The only user of `std::fs`.
//!
//! Invariants:
//! - every error names its path and what was being done to it;
//! - a file that others may read appears whole or not at all: written beside its place, synced, renamed; the folder is
//!   synced then, and so is the parent of every folder that is made;
//! - every write, sync and rename passes a failpoint, so that tests can stop or break the process at each of them;
//! - only regular files are read and written: nothing waits for a pipe or reads a device;
//! - a file or a folder that is named after a text gets its name by [`filenames`].

mod beneath;
mod disk;
mod error;
pub mod exact;
mod failpoint;
pub mod filenames;
mod folders;
mod lock;
mod look;
mod machine;
mod names;
mod own;
mod parts;
mod read;
mod regular;
mod sync;
mod system;
mod temporary;
mod write;

pub use beneath::{Found, found, found_below, is_beneath, move_aside, remove_empty_dir};
pub use disk::{Disk, disk, may_write};
pub use error::{Error, Result};
pub use failpoint::{Breaks, Point, set_failpoints};
pub use folders::{create_dir_all, entries, list, remove_dir_all};
pub use lock::{Lock, is_locked, try_lock};
pub use look::{Stat, canonical, exists, is_file, is_folder, is_program, longest_name, set_readonly, stat, touch};
pub use machine::{cores, host, machine};
pub use names::{Moved, remove_file, rename, rename_as_seen};
pub use own::{close, copy_new, open_up, remove_own_dir_all};
pub use parts::{Parts, read_to_string_within, read_within};
pub use read::{blake3, hash, read, read_to_string, tail};
pub use regular::{check_regular, open, open_own, walk};
pub use sync::{sync, sync_file};
pub use system::{Ticks, load_average, now, peak_memory, ticks, ticks_of};
pub use temporary::{Temporary, is_temporary, sweep};
pub use write::{
    Put, WriteResult, append, copy_atomic, create, write_atomic, write_atomic_by, write_atomic_parts, write_synced,
};

#[cfg(test)]
mod tests;
