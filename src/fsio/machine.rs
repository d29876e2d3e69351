//! What the system tells of the machine: for records and measurements, never for an artifact that is none.

use std::collections::BTreeMap;
use std::fs;

/// Host, system, processor, cores and memory, by name. What the system does not tell is left out.
pub fn machine() -> BTreeMap<String, String> {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let mut facts = BTreeMap::from([
        ("host".to_owned(), host()),
        ("os".to_owned(), format!("{} {}", text(system.sysname()), text(system.release()))),
        ("arch".to_owned(), text(system.machine())),
        ("cores".to_owned(), cores().to_string()),
    ]);
    for (name, file, label) in [("cpu", "/proc/cpuinfo", "model name"), ("memory", "/proc/meminfo", "MemTotal")] {
        let content = fs::read_to_string(file).unwrap_or_default();
        let value = content.lines().find_map(|line| line.strip_prefix(label)?.split_once(':'));
        facts.extend(value.map(|(_, value)| (name.to_owned(), value.trim().to_owned())));
    }
    facts
}

/// The machine's name.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// How many threads run at once for this process.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_a_name_and_cores() {
        let facts = machine();
        assert!(facts["cores"].parse::<usize>().unwrap() > 0);
        assert!(!facts["host"].is_empty());
    }
}
