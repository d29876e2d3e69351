//! The processes below this one, also those that left their group or outlived their parent: on Linux the kernel hands
//! such orphans to their nearest ancestor that asked for them, and `/proc` says who is whose child.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, test_kill_process_group, wait,
};

use crate::fsio;

/// How long a process that the program left behind may take to end once it is asked.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// How long a process that was killed may take to be gone: one that waits for a disk or a network ends late.
const KILLED: Duration = Duration::from_secs(5);

/// How long the end of a process may go unnoticed.
const TICK: Duration = Duration::from_millis(5);

/// Makes this process the one that gets the orphans among its descendants. Elsewhere than on Linux it gets none.
pub fn adopt_orphans() {
    // A kernel that refuses leaves the process group as the only hold.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
}

/// Sends a signal to all descendants of this process, and to all of `group` at once where one of them is in it.
pub fn signal_all(group: Pid, signal: Signal) {
    let found = descendants();
    if found.iter().any(|one| one.group == group.as_raw_pid()) || !cfg!(target_os = "linux") {
        // What is gone needs no signal.
        let _ = kill_process_group(group, signal);
    }
    for one in found {
        let _ = kill_process(one.pid, signal);
    }
}

/// Ends all that is left below this process: asks first, where that was not done, and kills after `patience`. Gives the
/// processes that did not even end then.
pub fn end_rest(group: Pid, patience: Duration, asked: bool) -> Vec<Pid> {
    let begin = Instant::now();
    if all_gone(group) {
        return Vec::new();
    }
    if !asked {
        signal_all(group, Signal::TERM);
    }
    while !all_gone(group) {
        if begin.elapsed() > patience + KILLED {
            return descendants().into_iter().map(|one| one.pid).collect();
        }
        if begin.elapsed() > patience {
            signal_all(group, Signal::KILL);
        }
        std::thread::sleep(TICK);
    }
    Vec::new()
}

/// Reaps what ended; whether nothing is left. Orphans are children by now, where the kernel hands them over.
fn all_gone(group: Pid) -> bool {
    while let Ok(ended) = wait(WaitOptions::NOHANG) {
        if ended.is_none() {
            return false;
        }
    }
    cfg!(target_os = "linux") || test_kill_process_group(group).is_err()
}

/// A descendant of this process.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Descendant {
    pid: Pid,
    group: i32,
}

/// All descendants of this process.
fn descendants() -> Vec<Descendant> {
    let mut children: BTreeMap<i32, Vec<Descendant>> = BTreeMap::new();
    for name in fsio::list(Path::new("/proc")).unwrap_or_default() {
        // A process may end while it is looked at.
        let Some(pid) = name.parse().ok().and_then(Pid::from_raw) else { continue };
        let stat = fsio::read(&Path::new("/proc").join(name).join("stat")).unwrap_or_default();
        if let Some((parent, group)) = parent_and_group(&stat) {
            children.entry(parent).or_default().push(Descendant { pid, group });
        }
    }
    let mut found = Vec::new();
    let mut open = vec![getpid().as_raw_pid()];
    while let Some(pid) = open.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            open.push(child.pid.as_raw_pid());
            found.push(child);
        }
    }
    found
}

/// The parent and the process group that a `stat` of `/proc` names: behind the program's name, which may hold brackets,
/// and the state.
fn parent_and_group(stat: &[u8]) -> Option<(i32, i32)> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let text = String::from_utf8_lossy(&stat[end + 1..]);
    let mut fields = text.split_whitespace().skip(1).map(|field| field.parse().ok());
    Some((fields.next()??, fields.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parent_and_group_are_read_behind_any_name() {
        assert_eq!(parent_and_group(b"12 (sh) S 7 12 13 0"), Some((7, 12)));
        assert_eq!(parent_and_group(b"12 (a) S 1 (b)) S 8 -1 12"), Some((8, -1)));
        assert_eq!(parent_and_group(b""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_is_among_the_descendants() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert!(descendants().iter().any(|one| one.pid == pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(descendants().iter().all(|one| one.pid != pid));
    }
}
