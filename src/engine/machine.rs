//! What the run record says about the machine and the program.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{fsio, program};

/// Host, system, processor, cores and memory.
pub(super) fn machine() -> BTreeMap<String, String> {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let mut facts = BTreeMap::from([
        ("host".to_owned(), host()),
        ("os".to_owned(), format!("{} {}", text(system.sysname()), text(system.release()))),
        ("arch".to_owned(), text(system.machine())),
        ("cores".to_owned(), std::thread::available_parallelism().map_or(1, |n| n.get()).to_string()),
    ]);
    for (name, file, label) in [("cpu", "/proc/cpuinfo", "model name"), ("memory", "/proc/meminfo", "MemTotal")] {
        // Not every system has these files; what cannot be known is left out.
        let content = fsio::read_to_string(Path::new(file)).unwrap_or_default();
        let value = content.lines().find_map(|line| line.strip_prefix(label)?.split_once(':'));
        facts.extend(value.map(|(_, value)| (name.to_owned(), value.trim().to_owned())));
    }
    facts
}

/// The machine's name.
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The program's version, and the commit that it was built from where that is known.
pub(super) fn versions() -> BTreeMap<String, String> {
    let commit = program::COMMIT.map(|commit| ("commit".to_owned(), commit.to_owned()));
    commit.into_iter().chain([("repro".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_a_name_and_cores() {
        let facts = machine();
        assert!(facts["cores"].parse::<usize>().unwrap() > 0);
        assert!(!facts["host"].is_empty());
        assert!(versions().contains_key("repro"));
    }
}
