//! This program: what it was built from, and how it starts itself again.
//!
//! Invariants:
//! - a process that this program starts of itself is the same program, also where its file was replaced or removed in
//!   the meantime, as by a build: a run ends as it began. Linux keeps what a process was started from; elsewhere
//!   the file of that name is started, and [`id`] tells whether it is another;
//! - nothing of this enters a key, since a result's bytes are held by the versions of the stage kinds. The one exception is a
//!   measurement: it is of the build too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::fsio;

/// The version, with the commit where the build knew it, as `0.1.0 (3db2fad81c07)`.
pub const VERSION: &str = env!("REPRO_VERSION");

/// The commit that was built, with ` changed` behind it where the sources were not those of the commit.
pub const COMMIT: Option<&str> = option_env!("REPRO_COMMIT");

/// What this process was started from, under a name that stays right when the file is replaced.
#[cfg(target_os = "linux")]
fn own_file() -> std::io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

/// The file of this program, by its name.
#[cfg(not(target_os = "linux"))]
fn own_file() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// The command that starts this program again, under the name that it was called by.
///
/// # Errors
/// If this program's file cannot be found.
pub fn again() -> std::io::Result<Command> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(own_file()?);
    command.arg0(std::env::args_os().next().unwrap_or_else(|| "repro".into()));
    Ok(command)
}

/// Gives this process the name that `ps` and `pkill` know the program by: one that was started by [`again`] has that of
/// the link which it was started from.
pub fn take_name() {
    #[cfg(target_os = "linux")]
    {
        // A process without its name works as well.
        let _ = rustix::thread::set_name(c"repro");
    }
}

/// Which build of the program somebody runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Id {
    /// The digest of the program's file.
    digest: String,
    /// Which file it is and when it changed: where that is the same, nobody needs to read it again.
    file: String,
}

impl Id {
    /// The build in a few digits.
    pub fn build(&self) -> &str {
        self.digest.get(..12).unwrap_or(&self.digest)
    }

    /// Whether that is this program.
    ///
    /// # Errors
    /// If this program's file cannot be read.
    pub fn is_own(&self) -> fsio::Result<bool> {
        Ok(self.file == mark(&own_path()?)? || self.digest == id()?.digest)
    }
}

/// Which build this program is.
///
/// # Errors
/// If its file cannot be read.
pub fn id() -> fsio::Result<&'static Id> {
    static ID: OnceLock<Id> = OnceLock::new();
    if let Some(id) = ID.get() {
        return Ok(id);
    }
    let path = own_path()?;
    let id = Id { file: mark(&path)?, digest: fsio::blake3(&path)?.to_hex().to_string() };
    Ok(ID.get_or_init(|| id))
}

fn own_path() -> fsio::Result<PathBuf> {
    own_file().map_err(|error| fsio::Error::new("find", "this program's own file".as_ref(), error))
}

fn mark(path: &Path) -> fsio::Result<String> {
    let fsio::Stat { inode, bytes, mtime, ctime, .. } = fsio::stat(path)?;
    Ok(format!("{inode} {bytes} {mtime} {ctime}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_knows_itself() {
        assert!(VERSION.starts_with(env!("CARGO_PKG_VERSION")), "{VERSION}");
        let own = id().unwrap();
        let digest = fsio::blake3(&std::env::current_exe().unwrap()).unwrap().to_hex().to_string();
        assert_eq!(own.digest, digest);
        // A copy is the same program, and nothing is not.
        assert!(own.is_own().unwrap() && Id { file: String::new(), digest }.is_own().unwrap());
        assert!(!Id::default().is_own().unwrap() && !Id { digest: "0".repeat(64), ..Id::default() }.is_own().unwrap());
        // Harnesses take `--list`, and what is started says the names of these tests.
        let listed = again().unwrap().arg("--list").output().unwrap();
        assert!(String::from_utf8_lossy(&listed.stdout).contains("program::tests::the_program_knows_itself"));
    }
}
